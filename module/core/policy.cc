// SPDX-License-Identifier: GPL-2.0
// Policy: what a backlog means. Pure functions of a config and a snapshot of the queues.
#include "policy.hh"

#include <bit>

namespace listenq::policy {

// --- the rules of each system; docs/semantics.md cites where each number is from ---

// What listen() makes of its argument, before the formula.
enum class Clamp : u8 {
	None,	       // the kernel's own: somaxconn
	Five,	       // 0..5, 4.2BSD's SOMAXCONN
	SoAcceptQueue, // FreeBSD: <0 or beyond the limit becomes the limit
	Windows,       // 200..65535
};

// How many half-open requests there may be.
enum class SynSize : u8 {
	Classic,  // roundup_pow_of_two(max(8, min(backlog, max_syn_backlog)) + 1)
	Modern,	  // backlog + 1
	Larger,	  // of these two
	Linux24,  // max_syn_backlog rounded up to a power of two
	Sum,	  // as many as the sum of both queues allows
	Syncache, // 512 buckets of 30
	Solaris,  // the accept limit + tcp_conn_req_max_q0 (1024)
	Backlog,  // the backlog, at least 1
	Generous, // max_syn_backlog or the backlog, the larger
};

// How many connections there may be.
enum class AcceptSize : u8 {
	Fudged,	   // backlog * multiplier / 2 + addend
	Somaxconn, // whatever the backlog is
};

// When SYN-ACKs are sent again, unless a setting says.
enum class Schedule : u8 {
	Doubling, // synack_timeout_ms, doubled synack_retries times
	Berkeley, // after 6 and 24 s, and given up after 75
};

// A SYN that finds the accept queue full.
enum class FullAtSyn : u8 { Admit, Young, Drop, Reset };
// A final ACK that finds it full.
enum class FullAtAck : u8 { Keep, Reset };

struct Rules {
	std::string_view name;
	Clamp clamp;
	AcceptSize accept_size;
	u8 multiplier;
	u8 addend;
	bool sum; // half-open requests count as connections
	SynSize syn_size;
	bool evicts;	   // a full SYN queue drops an old request, not the new SYN
	bool last_quarter; // the last quarter of max_syn_backlog is for proven peers
	FullAtSyn full_at_syn;
	FullAtAck full_at_ack;
	u8 max_retries; // 255: as configured
	Schedule schedule = Schedule::Doubling;
	bool defends = false; // Solaris's defence mode
};

// In the order of enum lq_policy.
static constexpr Rules kRules[] = {
	{"linux", Clamp::None, AcceptSize::Fudged, 2, 1, false, SynSize::Larger, false, true,
	 FullAtSyn::Drop, FullAtAck::Keep, 255},
	{"linux-classic", Clamp::None, AcceptSize::Fudged, 2, 1, false, SynSize::Classic, false,
	 true, FullAtSyn::Young, FullAtAck::Keep, 255},
	{"linux-modern", Clamp::None, AcceptSize::Fudged, 2, 1, false, SynSize::Modern, false, true,
	 FullAtSyn::Drop, FullAtAck::Keep, 255},
	{"linux-2.4", Clamp::None, AcceptSize::Fudged, 2, 1, false, SynSize::Linux24, false, true,
	 FullAtSyn::Young, FullAtAck::Keep, 255},
	{"bsd", Clamp::Five, AcceptSize::Fudged, 2, 0, true, SynSize::Sum, false, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Berkeley},
	{"berkeley", Clamp::Five, AcceptSize::Fudged, 3, 1, true, SynSize::Sum, false, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Berkeley},
	{"freebsd", Clamp::SoAcceptQueue, AcceptSize::Fudged, 3, 1, false, SynSize::Syncache, true,
	 false, FullAtSyn::Admit, FullAtAck::Reset, 3},
	{"freebsd-4", Clamp::SoAcceptQueue, AcceptSize::Fudged, 2, 1, false, SynSize::Syncache,
	 true, false, FullAtSyn::Drop, FullAtAck::Reset, 3},
	{"aix", Clamp::None, AcceptSize::Fudged, 3, 1, true, SynSize::Sum, false, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Berkeley},
	{"hpux", Clamp::None, AcceptSize::Fudged, 3, 0, true, SynSize::Sum, false, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Berkeley},
	{"solaris", Clamp::None, AcceptSize::Fudged, 3, 1, false, SynSize::Solaris, true, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Doubling, true},
	{"xnu", Clamp::None, AcceptSize::Fudged, 2, 0, true, SynSize::Sum, false, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255},
	{"windows", Clamp::Windows, AcceptSize::Fudged, 2, 0, false, SynSize::Modern, false, false,
	 FullAtSyn::Reset, FullAtAck::Reset, 255},
	{"linux-2.0", Clamp::None, AcceptSize::Somaxconn, 0, 0, false, SynSize::Backlog, false,
	 false, FullAtSyn::Drop, FullAtAck::Keep, 255},
	{"bsdos-3.0", Clamp::None, AcceptSize::Fudged, 2, 0, false, SynSize::Generous, false, false,
	 FullAtSyn::Admit, FullAtAck::Keep, 255, Schedule::Berkeley},
	{"illumos", Clamp::None, AcceptSize::Fudged, 3, 1, false, SynSize::Solaris, true, false,
	 FullAtSyn::Drop, FullAtAck::Keep, 255, Schedule::Doubling, true},
};
static_assert(std::size(kRules) == LQ_POLICY_COUNT);

static constexpr u32 kSyncacheBuckets = 512; // TCP_SYNCACHE_HASHSIZE
static constexpr u32 kSyncacheBucket = 30;   // TCP_SYNCACHE_BUCKETLIMIT
static constexpr u32 kSolarisQ0 = 1024;	     // tcp_conn_req_max_q0
static constexpr u32 kMaxBuckets = 1u << 21;
// A table grows with what it holds: by chance no bucket comes near, nor where memory for a larger
// one is not to be had and 512 buckets hold ten thousand.
static constexpr u32 kBucketLimit = 64;

static const Rules &rules(const Config &config)
{
	return kRules[config.policy];
}

std::optional<lq_policy> find(std::string_view wanted)
{
	for (unsigned i = 0; i < LQ_POLICY_COUNT; i++) {
		if (kRules[i].name == wanted)
			return static_cast<lq_policy>(i);
	}
	return std::nullopt;
}

const char *name(u8 policy)
{
	return policy < LQ_POLICY_COUNT ? kRules[policy].name.data() : "?";
}

// --- limits ---

// The kernel clamped config.backlog to somaxconn as an unsigned number, so a negative one
// became somaxconn; backlog_asked still has the sign.
static u32 backlog_of(const Config &config)
{
	const u32 given = config.backlog < 0 ? config.somaxconn : static_cast<u32>(config.backlog);
	const bool negative = config.backlog_asked < 0;

	switch (rules(config).clamp) {
	case Clamp::None:
		return given;
	case Clamp::Five:
		return negative ? 0 : min<u32>(given, 5);
	case Clamp::SoAcceptQueue:
		return negative ? min(config.soacceptqueue, config.somaxconn)
				: min(given, config.soacceptqueue);
	case Clamp::Windows:
		return min(clamp<u32>(given, 200, 65535), config.somaxconn);
	}
	return given;
}

static u32 accept_limit_of(const Config &config, u32 backlog)
{
	const Rules &r = rules(config);
	const u64 limit = static_cast<u64>(backlog) * r.multiplier / 2 + r.addend;

	// UNP figure 4.10: Solaris 2.9 held 6 with a backlog of 4, where its rule says 7.
	if (config.policy == LQ_POLICY_SOLARIS && backlog == 4)
		return 6;
	if (r.accept_size == AcceptSize::Somaxconn)
		return clamp<u32>(config.somaxconn, 1, 0x7fffffff);
	return static_cast<u32>(clamp<u64>(limit, 1, 0x7fffffff));
}

// reqsk_queue_alloc() of Linux 2.6 to 4.2, net/core/request_sock.c.
static u32 classic_limit(u32 backlog, u32 max_syn_backlog)
{
	return std::bit_ceil(max<u32>(min(backlog, max_syn_backlog), 8) + 1);
}

// A table for @entries requests.
static u32 buckets_for(u32 entries)
{
	return std::bit_ceil(clamp<u32>(entries, 16, kMaxBuckets));
}

Limits limits(const Config &config)
{
	const u32 backlog = backlog_of(config);
	const u32 accept = accept_limit_of(config, backlog);
	Limits out{.backlog = backlog,
		   .accept_limit = accept,
		   .syn_limit = 0,
		   .syn_buckets = 0,
		   .filter_limit = accept,
		   .bucket_limit = kBucketLimit,
		   .admit_limit = accept};

	switch (rules(config).syn_size) {
	case SynSize::Classic: // full: qlen >> max_qlen_log
		out.syn_limit = classic_limit(backlog, config.max_syn_backlog);
		break;
	case SynSize::Modern: // full: qlen > sk_max_ack_backlog
		out.syn_limit = backlog + 1;
		break;
	case SynSize::Larger:
		out.syn_limit = max(classic_limit(backlog, config.max_syn_backlog), backlog + 1);
		break;
	case SynSize::Linux24: // max_qlen_log starts at 6
		out.syn_limit = std::bit_ceil(max<u32>(config.max_syn_backlog, 64));
		break;
	case SynSize::Sum:
		out.syn_limit = accept;
		break;
	case SynSize::Syncache:
		out.filter_limit = max<u32>(backlog, 1); // sol_incqlen > sol_qlimit
		out.syn_limit = kSyncacheBuckets * kSyncacheBucket;
		out.syn_buckets = kSyncacheBuckets;
		out.bucket_limit = kSyncacheBucket;
		break;
	case SynSize::Solaris:
		out.syn_limit = accept + kSolarisQ0;
		break;
	case SynSize::Backlog:
		out.syn_limit = max<u32>(backlog, 1);
		break;
	case SynSize::Generous:
		out.syn_limit = max(config.max_syn_backlog, backlog);
		break;
	}
	if (config.syn_ceiling)
		out.syn_limit = min(out.syn_limit, config.syn_ceiling);
	if (out.syn_buckets == 0)
		out.syn_buckets = buckets_for(out.syn_limit);
	return out;
}

u8 retries(const Config &config)
{
	if (is_berkeley(config))
		return kBerkeleyRetries;
	return min(config.synack_retries, rules(config).max_retries);
}

bool is_berkeley(const Config &config)
{
	return rules(config).schedule == Schedule::Berkeley && !config.own_timing;
}

// --- verdicts ---

// With a sum, a half-open request already holds its place among the connections.
static u64 places_taken(const Rules &r, const Snapshot &now)
{
	return static_cast<u64>(now.accept_qlen) + (r.sum ? now.syn_qlen : 0);
}

// What a full accept queue means to a new SYN.
static SynAction full_at_syn(const Rules &r, const Snapshot &now, bool cookie)
{
	switch (r.full_at_syn) {
	case FullAtSyn::Admit:
		break;
	case FullAtSyn::Young:
		// Warm entries of the SYN queue may still leave: one more young request is
		// let in (tcp_v4_conn_request() of Linux 2.4 to 4.2). A cookie is never one.
		return now.young > 1 || cookie ? SynAction::Drop : SynAction::Admit;
	case FullAtSyn::Drop:
		return SynAction::Drop;
	case FullAtSyn::Reset:
		return SynAction::Reset;
	}
	return SynAction::Admit;
}

bool syn_queue_is_full(const Config &config, const Limits &limits, const Snapshot &now)
{
	// A sum has no limit of its own but a ceiling.
	if (rules(config).sum && limits.syn_limit >= limits.accept_limit)
		return false;
	return now.syn_qlen >= limits.syn_limit;
}

bool has_room(const Config &config, const Limits &limits, const Snapshot &now)
{
	const Rules &r = rules(config);

	return !syn_queue_is_full(config, limits, now) &&
	       (!r.sum || places_taken(r, now) < limits.accept_limit);
}

// Linux looks at its SYN queue first (tcp_conn_request()); whoever evicts has room there.
SynVerdict decide(const Config &config, const Limits &limits, const Snapshot &now,
		  const NewSyn &syn)
{
	const Rules &r = rules(config);

	// 2. The SYN queue. A pair in TIME_WAIT is reused whatever it holds (tcp_conn_request()),
	// but no bucket grows beyond its limit.
	const bool full = syn_queue_is_full(config, limits, now);
	const bool crowded = syn.bucket_length >= limits.bucket_limit;
	listenq_drop no_room = LISTENQ_DROP_NONE;
	bool cookies_on = false;

	if (full || crowded) [[unlikely]] {
		if (crowded || !syn.from_time_wait)
			no_room = full ? LISTENQ_DROP_SYN_QUEUE_FULL : LISTENQ_DROP_SYN_BUCKET_FULL;
		// Not a crowded bucket where an old request of it makes room, as in FreeBSD's
		// syncache.
		cookies_on = config.syncookies && !syn.from_time_wait && (full || !r.evicts);
	}
	if (config.syncookies == 2 && !syn.from_time_wait)
		cookies_on = true;
	const bool cookie =
		cookies_on || (syn.paused && config.syncookies == 1 && !syn.from_time_wait);
	if (no_room != LISTENQ_DROP_NONE && !cookie && !r.evicts)
		return {SynAction::Drop, false, no_room};

	// 3. The accept queue, for a cookie, too.
	const u64 taken = places_taken(r, now);
	if (taken >= limits.admit_limit) {
		const SynAction action = full_at_syn(r, now, cookie);

		if (taken < limits.accept_limit)
			return {config.abort_on_overflow == LQ_ABORT_ALWAYS ? SynAction::Reset
									    : SynAction::Drop,
				cookies_on, LISTENQ_DROP_SYN_ADMISSION};
		if (action != SynAction::Admit)
			return {action, cookies_on, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN};
	}
	if (cookie)
		return {SynAction::Cookie, cookies_on, LISTENQ_DROP_NONE};
	if (no_room != LISTENQ_DROP_NONE)
		return {SynAction::Evict, false, no_room};
	return {SynAction::Admit, false, LISTENQ_DROP_NONE};
}

listenq_drop syn_commit(const Config &config, const Snapshot &now, bool proven)
{
	const s64 free = static_cast<s64>(config.max_syn_backlog) - (now.syn_qlen - 1);

	if (rules(config).last_quarter && !config.syncookies && !proven &&
	    free < static_cast<s64>(config.max_syn_backlog >> 2))
		return LISTENQ_DROP_SYN_LAST_QUARTER;
	return LISTENQ_DROP_NONE;
}

AckAction ack(const Config &config, const Limits &limits, const Snapshot &now)
{
	// With a sum the place was taken at the SYN.
	if (now.accept_qlen < limits.accept_limit)
		return AckAction::Admit;
	if (config.abort_on_overflow == LQ_ABORT_BY_POLICY)
		return rules(config).full_at_ack == FullAtAck::Reset ? AckAction::Reset
								     : AckAction::Keep;
	return config.abort_on_overflow == LQ_ABORT_ALWAYS ? AckAction::Reset : AckAction::Keep;
}

// illumos tcp_input_listener() and tcp_eager_kill(): on when more than a quarter of
// tcp_conn_req_max_q0 timed out and at least tcp_conn_req_min (200) wait; off when at most
// a 32nd did, after ten minutes.
bool defends(const Config &config, bool defending, u32 old, u32 qlen, u32 defending_ticks)
{
	if (!rules(config).defends)
		return false;
	if (!defending)
		return old > kSolarisQ0 / 4 && qlen > 200;
	return !(old <= kSolarisQ0 / 32 && defending_ticks >= 600 * config.hz);
}

} // namespace listenq::policy
