// SPDX-License-Identifier: GPL-2.0
// Backoff: when a SYN-ACK is sent again and when a request is given up.
#pragma once

#include "request.hh"

namespace listenq {

class Backoff final {
public:
	// TCP_RTO_MAX of include/net/tcp.h.
	static constexpr u32 kMaxMs = 120000;
	// Nobody waits less than this many timeouts for an ACK, however full the queue.
	static constexpr u8 kMinRetries = 2;

	// Everything at rest: a request never comes due.
	constexpr Backoff() = default;
	explicit Backoff(const lq_config &config);

	// Ticks from the send to the next look, for a request that timed out
	// @num_timeout times: the first timeout doubled each time, at most 120 s
	// (inet_csk_reqsk_queue_prune()); or 6, 24 and 45 s (4.4BSD).
	[[nodiscard]] u32 timeout(u8 num_timeout) const;

	// How many timeouts a request may have when the SYN queue holds @qlen, @young
	// of them never timed out, and has room for 2^@max_qlen_log: fewer when more than
	// half full of old ones (the thresh loop of inet_csk_reqsk_queue_prune()).
	[[nodiscard]] u8 threshold(u32 qlen, u32 young, u8 max_qlen_log) const;

	struct Verdict {
		bool expire;
		bool resend;
	};
	// A request is due: syn_ack_recalc() of net/ipv4/inet_connection_sock.c.
	[[nodiscard]] Verdict due(const Request &r, u8 threshold) const;

	// TCP_DEFER_ACCEPT still holds a bare ACK back.
	[[nodiscard]] bool defers(const Request &r) const { return r.num_timeout < defer_; }

	[[nodiscard]] u8 retries() const { return retries_; }

	// Ticks of the longest timeout.
	[[nodiscard]] u32 longest() const { return max_; }

	// Ticks of the first timeout; at least one.
	[[nodiscard]] u32 initial() const { return initial_; }

private:
	u32 initial_ = 1;
	u32 max_ = 1;
	u8 retries_ = 0;
	u8 defer_ = 0;
	u32 berkeley_hz_ = 0; // 0: the timeouts double
};

} // namespace listenq
