// SPDX-License-Identifier: GPL-2.0
// Policy: what a backlog means. Pure functions of a config and a snapshot of the queues.
#pragma once

#include <optional>
#include <string_view>

#include "types.hh"

namespace listenq {

using Limits = lq_limits;
using Config = lq_config;

namespace policy {

// The queues as a verdict sees them.
struct Snapshot {
	u32 accept_qlen; // on the accept queue, and slots on the way in and out
	u32 syn_qlen;	 // on the SYN queue, and reservations
	u32 young;	 // of syn_qlen: SYN-ACK never timed out
};

// A SYN of no request, as a verdict sees it.
struct NewSyn {
	u32 bucket_length = 0;	     // requests in the bucket that its own would go to
	bool from_time_wait = false; // it reuses a TIME_WAIT pair
	bool paused = false;	     // FreeBSD's pause: only cookies for a while
};

// What becomes of it.
enum class SynAction : u8 {
	Admit,
	Evict, // admit, and drop an old request first
	Cookie,
	Drop,
	Reset,
};
struct SynVerdict {
	SynAction action;
	bool cookies_on;     // cookies answer a full SYN queue, or are always sent
	listenq_drop reason; // of Drop and Reset; of Evict: if there is nothing to evict
};

// What becomes of a final ACK.
enum class AckAction : u8 {
	Admit,
	Keep,  // drop the segment, the request waits for the timer
	Reset, // drop the request, answer with RST
};

[[nodiscard]] std::optional<lq_policy> find(std::string_view name);
[[nodiscard]] const char *name(u8 policy);

[[nodiscard]] Limits limits(const Config &config);

// No room for another request? With a sum of both queues it is the accept queue that is full.
[[nodiscard]] bool syn_queue_is_full(const Config &config, const Limits &limits,
				     const Snapshot &now);

// Whether a request of another listener, which its SYN was admitted to, may be queued here.
[[nodiscard]] bool has_room(const Config &config, const Limits &limits, const Snapshot &now);

// Steps 2 and 3 of "A SYN, in order", docs/semantics.md.
[[nodiscard]] SynVerdict decide(const Config &config, const Limits &limits, const Snapshot &now,
				const NewSyn &syn);

// The route is known now: may the request go on the queue? LISTENQ_DROP_NONE, or why not.
// @now counts the request's own reservation.
[[nodiscard]] listenq_drop syn_commit(const Config &config, const Snapshot &now, bool proven);

[[nodiscard]] AckAction ack(const Config &config, const Limits &limits, const Snapshot &now);

// SYN-ACKs after the first: the policy's system may send fewer than @config asks for.
[[nodiscard]] u8 retries(const Config &config);

// Whether requests have Berkeley's own schedule (backoff.cc), and how often that sends again.
inline constexpr u8 kBerkeleyRetries = 2;
[[nodiscard]] bool is_berkeley(const Config &config);

// Solaris's defence against floods of SYNs: on or off, given @old half-open requests that
// timed out at least once among @qlen, and for how many ticks it was on.
[[nodiscard]] bool defends(const Config &config, bool defending, u32 old, u32 qlen,
			   u32 defending_ticks);

} // namespace policy
} // namespace listenq
