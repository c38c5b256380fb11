// SPDX-License-Identifier: GPL-2.0
// Listener: the queues, limits and counters of one shard of a listening socket. The verdicts on
// what arrives are in listener_syn.cc, listener_ack.cc, listener_filter.cc and
// listener_overload.cc, the timer is in listener_timer.cc.
#include "listener.hh"

#include <bit>

#include "accept_filter.hh"
#include "request_info.hh"

namespace listenq {

using request::has;

// --- listen() and close() ---

void Listener::configure(const Config &config, const Limits &limits)
{
	// As reqsk_queue_alloc(): a queue of 16 at least.
	const u32 places = max<u32>(limits.syn_limit, 16);

	config_ = config;
	limits_ = limits;
	if (!manages())
		overload_ = Overload();
	admit();
	backoff_ = Backoff(config);
	syn_limit_log_ = static_cast<u8>(std::bit_width(places - 1));
}

void Listener::open(Request **buckets, u32 count)
{
	open_ = takes_ = true;
	draining_ = false;
	life_++;
	syn_queue_.resize(buckets, count);
}

// A table grows when it holds more requests than it has buckets, to two to four times as many,
// and shrinks when it holds none: no two buckets become one, so none comes over its limit.
u32 Listener::table_wanted() const
{
	const u32 count = syn_queue_.bucket_count(), most = limits_.syn_buckets;
	const u32 qlen = syn_queue_.qlen(), first = table_first();

	if (!takes_ || syn_queue_.is_rehashing())
		return 0;
	if (qlen == 0)
		return count != first ? first : 0;
	if (qlen > count && count < most)
		return qlen < most / 2 ? 2 * std::bit_ceil(qlen) : most;
	return count < first ? first : 0;
}

bool Listener::resize(Request **buckets, u32 count)
{
	if (count != table_wanted())
		return false;
	syn_queue_.resize(buckets, count);
	// What was behind the clock hand may be before it, and the other way round.
	sweep_left_ = 0;
	if (round_left_ > 0)
		round_left_ = syn_queue_.qlen() ? syn_queue_.hand_round() : 0;
	return true;
}

bool Listener::is_drained(u32 now_s) const
{
	if (cookies_sent_ && now_s - cookie_sent_s_ < kLastCookieSeconds)
		return false;
	return !syn_queue_.qlen() && !syn_queue_.reserved() && !accept_queue_.taken() &&
	       !filter_queue_.qlen();
}

bool Listener::close(u32 steps, lq_drained &drained)
{
	RequestList requests;

	drained = {};
	if (open_) {
		open_ = takes_ = draining_ = false;
		filter_ = LQ_FILTER_NONE;
		round_left_ = sweep_left_ = 0;
		overflow_.close();
		cookies_.close();
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED, accept_queue_.qlen() +
								     filter_queue_.qlen() -
								     filter_queue_.refused());
		drained.connections = accept_queue_.close();
		drained.held = filter_queue_.close();
	}
	if (syn_queue_.is_rehashing())
		return true;
	const bool more = !syn_queue_.drain(steps, [&](Request &r) {
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
		// Its ACK is building a child without our lock: leave it the memory.
		if (has(r, LQ_REQ_PROMOTING))
			r.flags |= LQ_REQ_ORPHAN;
		else
			requests.push_back(r);
	});
	drained.requests = requests.take_all();
	if (!more)
		drained.table = syn_queue_.close();
	return more;
}

// --- what is counted, and what is told ---

// Because a queue was full; to a peer that is not proven the last quarter is.
static bool is_overflow(u8 reason)
{
	switch (reason) {
	case LISTENQ_DROP_SYN_QUEUE_FULL:
	case LISTENQ_DROP_SYN_BUCKET_FULL:
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN:
	case LISTENQ_DROP_SYN_LAST_QUARTER:
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK:
	case LISTENQ_DROP_ABORT_ON_OVERFLOW:
	case LISTENQ_DROP_REQUEST_EVICTED:
		return true;
	default:
		return false;
	}
}

void Listener::drop(u8 reason, const lq_key &peer, Ticks now)
{
	if (reason == LISTENQ_DROP_NONE)
		return;
	counters_.drop(reason);
	if (is_overflow(reason))
		overflow_.happened(now, reason);
	if (LISTENQ_DROPS_HARMLESS >> reason & 1)
		return;
	dropped_.age(now, config_.hz);
	dropped_.add(prefix_hash_, peer.addr, peer.v6);
}

// Without a clock: the timer ages what is remembered.
void Listener::drop(listenq_drop reason, const Request &r)
{
	counters_.drop(reason);
	dropped_.add(prefix_hash_, request::words(r), has(r, LQ_REQ_V6));
}

// For a new SYN.
void Listener::drop_for_room(const Request &r, Ticks now)
{
	overflow_.happened(now, LISTENQ_DROP_REQUEST_EVICTED);
	dropped_.age(now, config_.hz);
	drop(LISTENQ_DROP_REQUEST_EVICTED, r);
}

// While the queue whose overflow it is has no room there is no end, whether anybody knocks or not.
bool Listener::overflows() const
{
	switch (overflow_.cause()) {
	case LISTENQ_DROP_SYN_QUEUE_FULL:
		return policy::syn_queue_is_full(config_, limits_, snapshot());
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN:
	case LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK:
	case LISTENQ_DROP_ABORT_ON_OVERFLOW:
		return policy::ack(config_, limits_, snapshot()) != policy::AckAction::Admit;
	default: // the bucket's, the last quarter's; one that evicts is full, and takes more
		return false;
	}
}

bool Listener::take_event(lq_event &event)
{
	u8 began = LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN, ended = LISTENQ_EVENT_TYPE_OVERFLOW_ENDED;
	Episode *episode = &overflow_;

	if (!overflow_.pending()) {
		episode = &cookies_;
		began = LISTENQ_EVENT_TYPE_COOKIES_BEGAN;
		ended = LISTENQ_EVENT_TYPE_COOKIES_ENDED;
	}
	const Episode::Event from = episode->take_event();
	if (from.what == Episode::What::Nothing)
		return false;
	const bool over = from.what == Episode::What::Ended;
	event.type = over ? ended : began;
	event.reason = from.cause;
	event.count = over ? from.count : 0;
	info(event.info);
	return true;
}

policy::Snapshot Listener::snapshot() const
{
	// Who is ready has a place before whoever is not here yet.
	return {.accept_qlen = accept_queue_.taken() + filter_queue_.ready(),
		.syn_qlen = syn_queue_.qlen() + syn_queue_.reserved(),
		.young = syn_queue_.young() + syn_queue_.reserved()};
}

// --- replies to duplicates and out-of-window segments: one per tcp_invalid_ratelimit at most ---

// Sixteenths of a second, modulo 255, never 0.
u8 Listener::oow_stamp(Ticks now) const
{
	return static_cast<u8>(1 + now.value / oow_unit() % 255);
}

u32 Listener::oow_limit() const
{
	return min<u32>(config_.oow_ratelimit_ms * 16 / 1000, kOowForget);
}

// tcp_oow_rate_limited() of net/ipv4/tcp_input.c; the first such segment is always answered.
bool Listener::rate_limited(Request &r, Ticks now)
{
	const u8 stamp = oow_stamp(now);

	if (r.oow_stamp != 0) {
		const u32 elapsed = (stamp + 255u - r.oow_stamp) % 255;

		if (elapsed < oow_limit())
			return true;
	}
	r.oow_stamp = stamp;
	look_at(now + kOowForget * oow_unit());
	return false;
}

// --- accept() ---

void Listener::accepted(const Request &r, Micros now)
{
	counters_.event(LISTENQ_EVENT_ACCEPTED);
	counters_.accept_wait(now.since(Micros{r.stamp_us}));
}

Request *Listener::accept(Micros now)
{
	Request *r = accept_queue_.pop();

	if (r)
		accepted(*r, now);
	return r;
}

Request *Listener::accept_at_once(Micros now)
{
	Request *r = accept_queue_.take();

	if (r)
		accepted(*r, now);
	return r;
}

// --- a look inside ---

void Listener::remember_peaks()
{
	// No store without need: others read what is on that line.
	if (accept_queue_.qlen() > accept_qlen_peak_)
		accept_qlen_peak_ = accept_queue_.qlen();
	if (syn_queue_.qlen() > syn_qlen_peak_)
		syn_qlen_peak_ = syn_queue_.qlen();
}

// Cut to size, with NULs to the end.
template <size_t N>
static void copy_name(char (&to)[N], const char *name)
{
	size_t i = 0;

	for (; name[i] && i < N - 1; i++)
		to[i] = name[i];
	for (; i < N; i++)
		to[i] = 0;
}

void Listener::info(listenq_info &info) const
{
	copy_name(info.policy, policy::name(config_.policy));
	copy_name(info.accept_filter, accept_filter::name(filter_));
	info.filter_qlen = filter_queue_.qlen();
	info.filter_limit = filter_ == LQ_FILTER_NONE ? 0 : limits_.filter_limit;
	const u32 asked = static_cast<u32>(config_.backlog_asked);
	info.flags =
		(open_ && asked > limits_.backlog ? LISTENQ_F_BACKLOG_TRUNCATED : 0) |
		(config_.abort_on_overflow == LQ_ABORT_ALWAYS ? LISTENQ_F_ABORT_ON_OVERFLOW : 0) |
		(draining_ ? LISTENQ_F_DRAINING : 0);
	info.backlog_asked = config_.backlog_asked;
	info.backlog = limits_.backlog;
	info.accept_qlen = accept_queue_.qlen();
	info.accept_limit = limits_.accept_limit;
	info.syn_qlen = syn_queue_.qlen();
	info.syn_young = syn_queue_.young();
	info.syn_limit = limits_.syn_limit;
	info.syn_buckets = syn_queue_.bucket_count();
	info.max_syn_backlog = config_.max_syn_backlog;
	info.synack_retries = backoff_.retries();
	info.syncookies = config_.syncookies;
	info.shards = open_ ? 1 : 0;
	info.accept_qlen_peak = accept_qlen_peak_;
	info.syn_qlen_peak = syn_qlen_peak_;
	info.pad = 0;
#define LQ_X(NAME, name, low, high, initial) info.name = config_.overload.name;
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	info.accept_gone = 0; // nobody here knows
	info.accept_interval_us = overload_.rate.interval_us();
	info.overflows = overflow_.times();
	info.overflow_ago_s = 0; // there is no clock here
	info.overflow_shortest_ms = overflow_.shortest_ms(config_.hz);
	info.overflow_longest_ms = overflow_.longest_ms(config_.hz);
	info.accepted = counters_.events(LISTENQ_EVENT_ACCEPTED);
	info.established = counters_.events(LISTENQ_EVENT_ESTABLISHED);
	info.drops = counters_.drops_total();
}

u32 Listener::accept_oldest_us(Micros now) const
{
	const Request *r = accept_queue_.oldest();

	return r ? max<u32>(now.since(Micros{r->stamp_us}), 1) : 0;
}

u32 Listener::requests(lq_request_cursor &cursor, Ticks now, Micros now_us,
		       std::span<lq_request_info> out) const
{
	const u32 hz = max<u32>(config_.hz, 1);
	u32 count = 0;

	syn_queue_.walk(
		cursor, static_cast<u32>(out.size()), LQ_WALK_BUCKETS,
		[&](const Request &r) { out[count++] = request_info::of(r, now, now_us, hz); });
	return count;
}

const char *Listener::check(u32 steps) const
{
	const char *broken = nullptr;

	if (syn_queue_.check_steps() <= steps)
		broken = check_requests();
	if (!broken && accept_queue_.qlen() <= steps)
		broken = accept_queue_.check();
	if (!broken && filter_queue_.qlen() <= steps)
		broken = filter_queue_.check();
	if (!broken)
		broken = overload_.codel.check();
	if (broken)
		return broken;
	if (limits_.admit_limit > limits_.accept_limit || (open_ && limits_.admit_limit == 0))
		return "listener: more are admitted than there is room for, or none";
	if (!open_ && (accept_queue_.qlen() || filter_queue_.qlen()))
		return "listener: closed, and something is queued";
	if (takes_ && !open_)
		return "listener: closed, and it takes what is new";
	if (!open_ && (overflow_.running() || cookies_.running()))
		return "listener: closed, and an episode goes on";
	return nullptr;
}

const char *Listener::check_requests() const
{
	const bool resting = open_ && round_left_ == 0;
	lq_request_cursor at{};
	u32 promoting = 0;
	bool late = false;

	if (const char *broken = syn_queue_.check())
		return broken;
	syn_queue_.walk(at, ~0u, ~0u, [&](const Request &r) {
		if (has(r, LQ_REQ_PROMOTING))
			promoting++;
		else
			late |= resting && !Ticks{r.expires}.reached(due_);
	});
	if (promoting > accept_queue_.promoting())
		return "listener: more requests are promoted than slots are held";
	if (late)
		return "listener: a request is due before the timer is asked for";
	return nullptr;
}

} // namespace listenq
