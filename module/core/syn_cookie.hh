// SPDX-License-Identifier: GPL-2.0
// SynCookie: a request that fits into the SYN-ACK's sequence number, and comes back in the
// ACK. What 32 bits cannot hold rides in the low bits of the timestamp.
//
// The number, from the top:
//
//	5 bits	MSS index (3) and period (2), under the MAC's low bits, as FreeBSD hides its flags
//		(syncookie_generate() of sys/netinet/tcp_syncache.c)
//	27 bits	MAC over the addresses, the ports, the client's sequence number, the index and the
//		whole period number
//
// Another half of the MAC is the connection's timestamp offset, so that it needs no hash more.
//
// A period is 64 s; a cookie is good in its own and in the next two. The period in the MAC is
// what rotates: no cookie of one period tells anything about those of another.
// Timestamp, low 6 bits as in Linux: window scale (4, 15: none), SACK, ECN.
#pragma once

#include "request.hh"

namespace listenq {

class SynCookie final {
public:
	static constexpr u32 kPeriodSeconds = 64;
	static constexpr u32 kLifePeriods = 2; // and the period of its birth
	static constexpr u32 kLifeSeconds = (kLifePeriods + 1) * kPeriodSeconds;

	explicit SynCookie(const lq_keys &keys) : keys_(keys) {}

	// What one cookie is bound to.
	struct Tuple {
		const lq_key &key;
		u16 local_port; // network byte order
		Seq client_isn;
	};

	struct Sent {
		Seq isn;
		u16 mss; // what the cookie remembers: at most what the peer takes
		u32 ts_off;
	};
	[[nodiscard]] Sent make(const Tuple &tuple, u16 mss, u32 now_s) const;
	// Make @r, which holds what the SYN asked for, what the cookie can bring back. Returns the
	// TSval to send, given the clock's.
	[[nodiscard]] u32 answer(const lq_key &key, u16 local_port, u32 now_s, u32 tsval,
				 Request &r) const;

	// Returns the MSS, or 0 if @isn is no cookie of ours or too old.
	[[nodiscard]] u16 check(const Tuple &tuple, Seq isn, u32 now_s, u32 &ts_off) const;
	[[nodiscard]] u16 check(const Tuple &tuple, Seq isn, u32 now_s) const
	{
		u32 ts_off;

		return check(tuple, isn, now_s, ts_off);
	}

private:
	[[nodiscard]] u64 mac(const Tuple &tuple, u32 index, u32 period) const;

	const lq_keys &keys_;
};

namespace cookie_timestamp {

// Put the options of @r into the low bits of @tsval, which never runs ahead of the clock.
[[nodiscard]] u32 encode(u32 tsval, const Request &r);

// What came back: fills flags and wscale of @options from @tsecr (offset already taken off).
// Options that @allow (LQ_ALLOW_*) no longer permits are left out. False: not ours.
[[nodiscard]] bool decode(u32 tsecr, u8 allow, lq_options &options, bool &ecn);

} // namespace cookie_timestamp

} // namespace listenq
