// SPDX-License-Identifier: GPL-2.0
// libFuzzer: the pure functions that turn settings and a SYN's wishes into what is sent, and names
// into numbers. Any input gives an answer within its bounds, and what is written can be read.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "support.hh"

using namespace testing_core;

namespace {

void require(bool condition)
{
	if (!condition)
		std::abort();
}

template <typename T>
void take(T &value, const u8 *&data, size_t &size)
{
	const size_t n = size < sizeof(value) ? size : sizeof(value);

	value = {};
	std::memcpy(static_cast<void *>(&value), data, n);
	data += n;
	size -= n;
}

bool flag(u8 byte)
{
	return byte & 1;
}

// The SYN-ACK that we write is one that our own parser understands.
void synack(const u8 *data, size_t size)
{
	struct {
		u32 rcv_isn, snt_isn, ts_recent, ts_off, rcv_wnd, tsval;
		u16 local_port, peer_port, mss;
		u8 flags, wscale, tos;
	} in;
	u8 out[LQ_SYNACK_MAX + 8];
	lq_request_copy copy{};
	lq_request &r = copy.request;
	lq_options options;

	take(in, data, size);
	r.rcv_isn = in.rcv_isn;
	r.snt_isn = in.snt_isn;
	r.ts_recent = in.ts_recent;
	r.ts_off = in.ts_off;
	r.rcv_wnd = in.rcv_wnd;
	r.peer_port = in.peer_port;
	r.flags = in.flags & (LQ_REQ_V6 | LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK | LQ_REQ_ECN);
	r.wscale = static_cast<u8>(in.wscale % 15 | (in.wscale >> 4) % 15 << 4);
	std::memset(out, 0xa5, sizeof(out));
	const size_t length = lq_core_synack(&r, in.local_port, in.mss, in.tsval, in.tos & 1, out);

	require(length >= 20 && length <= LQ_SYNACK_MAX && length % 4 == 0);
	require(out[length] == 0xa5);
	require(out[12] >> 4 == static_cast<int>(length / 4));
	require((out[13] & 0x3f) == 0x12); // SYN, ACK
	const lq_options_config config{.mss_default = 536, .user_mss = 0, .allow = 7};
	lq_core_syn_options(out + 20, length - 20, &config, &options);
	require((options.flags & LQ_REQ_TSTAMP) == (r.flags & LQ_REQ_TSTAMP));
	require((options.flags & LQ_REQ_WSCALE) == (r.flags & LQ_REQ_WSCALE));
	require((options.flags & LQ_REQ_SACK) == (r.flags & LQ_REQ_SACK));
	if (r.flags & LQ_REQ_WSCALE)
		require(options.wscale == r.wscale >> 4);
	if (r.flags & LQ_REQ_TSTAMP)
		require(options.tsecr == r.ts_recent);
}

void window(const u8 *data, size_t size)
{
	struct {
		u32 space, mss, clamp, space_max, init_segments, window_max;
		u8 wscale_ok;
	} in;

	take(in, data, size);
	// What the shims can ask: sizes of buffers, of segments, of routes.
	lq_window w{.space = in.space & 0x7fffffff,
		    .mss = in.mss % 65536 + 1,
		    .clamp = in.clamp & 0x7fffffff,
		    .space_max = in.space_max & 0x7fffffff,
		    .init_segments = in.init_segments % 65536,
		    .window_max = in.window_max | 0x7fff,
		    .wscale_ok = flag(in.wscale_ok),
		    .wscale = 0,
		    .window = 0};
	const u32 window_max = w.window_max;

	lq_core_window(&w);
	require(w.wscale <= 14);
	require(w.wscale_ok || w.wscale == 0);
	require(w.window <= window_max);
}

void limits(const u8 *data, size_t size)
{
	lq_config c;
	lq_limits l{};

	take(c, data, size);
	c.policy %= LQ_POLICY_COUNT;
	c.hz = 100;
	c.max_syn_backlog =
		c.max_syn_backlog % LQ_POLICY_COUNT ? c.max_syn_backlog % 1048576 + 1 : 1048576;
	c.somaxconn &= 0x7fffffff;
	c.soacceptqueue &= 0x7fffffff;
	if (c.backlog < 0 || static_cast<u32>(c.backlog) > c.somaxconn) // __sys_listen()
		c.backlog = static_cast<s32>(c.somaxconn);
	lq_core_limits(&c, &l);
	require(l.accept_limit >= 1 && l.filter_limit >= 1);
	require(l.syn_buckets && !(l.syn_buckets & (l.syn_buckets - 1)));
	require(l.syn_buckets <= 1u << 21);
}

void names(const u8 *data, size_t size)
{
	// Exactly as long, so that one read beyond is seen.
	const auto name = std::make_unique<char[]>(size);

	std::memcpy(name.get(), data, size);
	const int policy = lq_core_policy_find(name.get(), size);
	const int filter = lq_core_filter_find(name.get(), size);

	require(policy >= -1 && policy < LQ_POLICY_COUNT);
	require(filter >= -1 && filter < LQ_FILTER_BPF);
	if (policy >= 0)
		require(std::strncmp(lq_core_policy_name(static_cast<u8>(policy)), name.get(),
				     size) == 0);
	if (filter >= 0)
		require(std::strncmp(lq_core_filter_name(static_cast<u8>(filter)), name.get(),
				     size) == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (*data++ % 4) {
	case 0:
		synack(data, size - 1);
		break;
	case 1:
		window(data, size - 1);
		break;
	case 2:
		limits(data, size - 1);
		break;
	case 3:
		names(data, size - 1);
		break;
	}
	return 0;
}
