// SPDX-License-Identifier: GPL-2.0
// What every test of the core needs: keys, configs, and requests on the heap, where
// AddressSanitizer sees each one that is lost, freed twice or used too late.
#pragma once

#include <cstdlib>
#include <cstring>
#include <vector>

#include "bridge/segment.h"

namespace testing_core {

inline constexpr lq_keys kKeys = {
	// The first digits of pi, behind the point.
	.table = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
		  0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917,
		  0x9216d5d98979fb1b, 0xd1310ba698dfb5ac},
	.isn = {0x1716151413121110, 0x1f1e1d1c1b1a1918},
	.cookie = {0x2726252423222120, 0x2f2e2d2c2b2a2928},
};

inline constexpr u32 kHz = 100;

// No child could be built. *told: the drop that there is to tell.
template <typename Core>
bool aborted(Core &core, const lq_promotion &promotion, listenq_drop *told = nullptr)
{
	listenq_drop reason = LISTENQ_DROP_CHILD_FAILED;
	const bool free = core.promote_abort(promotion, reason);

	if (told)
		*told = reason;
	return free;
}

// Nothing is done about overload but that the dead are skipped.
inline lq_overload overload()
{
#define LQ_X(NAME, name, low, high, initial) .name = (initial),
	return {LQ_OVERLOAD_SETTINGS(LQ_X)};
#undef LQ_X
}

inline lq_config config(s32 backlog = 8, u32 max_syn_backlog = 128)
{
	return {.hz = kHz,
		.max_syn_backlog = max_syn_backlog,
		.synack_timeout_ms = 1000,
		.oow_ratelimit_ms = 500,
		.backlog_asked = backlog,
		.backlog = backlog,
		.somaxconn = 4096,
		.soacceptqueue = 128,
		.syn_ceiling = 0,
		.filter_timeout_ms = 60000,
		.policy = LQ_POLICY_LINUX,
		.abort_on_overflow = 0,
		.synack_retries = 5,
		.defer_accept = 0,
		.syncookies = 0,
		.syncookie_pause = 0,
		.own_timing = 0,
		.overload = overload()};
}
// Of the policy that lets some SYNs in while the accept queue is full.
inline lq_config classic(s32 backlog)
{
	lq_config c = config(backlog);

	c.policy = LQ_POLICY_LINUX_CLASSIC;
	return c;
}

// A peer, by a number: even ones speak IPv4, odd ones IPv6.
inline lq_key peer(u32 n)
{
	lq_key key{};

	key.v6 = n % 2;
	key.peer_port = static_cast<u16>(0x1000 + n / 4);
	key.addr[0] = 0x0a000000 + n % 4;
	key.addr[1] = 0x0affffff;
	key.ifindex = 1;
	if (key.v6) {
		for (unsigned i = 2; i < 8; i++)
			key.addr[i] = 0x20010000 + n * 8 + i;
	}
	return key;
}

inline lq_request *new_request(const lq_key &key, u32 rcv_isn = 1000, u32 snt_isn = 5000)
{
	const size_t size = key.v6 ? LQ_REQUEST_SIZE_V6 : LQ_REQUEST_SIZE_V4;
	auto *r = static_cast<lq_request *>(std::malloc(size));

	// Whatever the core does not set must not matter.
	std::memset(static_cast<void *>(r), 0, size);
	r->rcv_isn = rcv_isn;
	r->snt_isn = snt_isn;
	r->rcv_wnd = 1000;
	r->peer_port = key.peer_port;
	r->flags = key.v6 ? LQ_REQ_V6 : 0;
	std::memcpy(reinterpret_cast<u8 *>(r) + offsetof(lq_request, addr), key.addr,
		    key.v6 ? 8 * sizeof(u32) : 2 * sizeof(u32));
	return r;
}

inline void free_request(lq_request *r)
{
	std::free(r);
}

// Free a list; how long it was.
inline unsigned free_list(lq_request *r)
{
	unsigned n = 0;

	while (r) {
		lq_request *next = r->next;

		free_request(r);
		r = next;
		n++;
	}
	return n;
}

inline lq_request **new_buckets(u32 count)
{
	return static_cast<lq_request **>(std::calloc(count, sizeof(lq_request *)));
}

} // namespace testing_core
