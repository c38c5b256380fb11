// SPDX-License-Identifier: GPL-2.0
// Listener: the queues, limits and counters of one shard of a listening socket. The verdicts on
// what arrives are in listener_syn.cc, listener_ack.cc and listener_filter.cc.
#include "listener.hh"

#include "accept_filter.hh"
#include "request_info.hh"

namespace listenq {

using request::has;

// --- listen() and close() ---

bool Listener::listen(const Config &config, const Limits &limits, Request **buckets)
{
	config_ = config;
	limits_ = limits;
	backoff_ = Backoff(config);
	open_ = true;
	if (buckets)
		syn_queue_.resize(buckets, limits.syn_buckets);
	return syn_queue_.is_rehashing();
}

bool Listener::close(u32 buckets, lq_drained &drained)
{
	RequestList requests;

	drained = {};
	if (open_) {
		open_ = false;
		filter_ = LQ_FILTER_NONE;
		sweep_left_ = 0;
		overflow_.close();
		cookies_.close();
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED, accept_queue_.qlen() +
								     filter_queue_.qlen() -
								     filter_queue_.refused());
		drained.connections = accept_queue_.close();
		drained.held = filter_queue_.close();
	}
	const bool more = !syn_queue_.drain(buckets, [&](Request &r) {
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

void Listener::drop(u8 reason, Ticks now)
{
	if (reason == LISTENQ_DROP_NONE)
		return;
	counters_.drop(reason);
	if (is_overflow(reason))
		overflow_.happened(now, reason);
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
	const Episode::News news = episode->tell();
	if (news.what == Episode::What::Nothing)
		return false;
	const bool over = news.what == Episode::What::Ended;
	event.type = over ? ended : began;
	event.reason = news.cause;
	event.count = over ? news.count : 0;
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

// --- replies to odd segments: at most one per tcp_invalid_ratelimit ---

// Sixteenths of a second, modulo 255, never 0.
u8 Listener::oow_stamp(Ticks now) const
{
	return static_cast<u8>(1 + now.value / max<u32>(config_.hz / 16, 1) % 255);
}

u32 Listener::oow_limit() const
{
	return min<u32>(config_.oow_ratelimit_ms * 16 / 1000, 240);
}

// tcp_oow_rate_limited() of net/ipv4/tcp_input.c; the first odd segment is always answered.
bool Listener::rate_limited(Request &r, Ticks now) const
{
	const u8 stamp = oow_stamp(now);

	if (r.oow_stamp != 0) {
		const u32 elapsed = (stamp + 255u - r.oow_stamp) % 255;

		if (elapsed < oow_limit())
			return true;
	}
	r.oow_stamp = stamp;
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

// --- the timer ---

// Every bucket twice per first timeout, as inet_csk_reqsk_queue_prune() did; a small table
// as a whole, so that its timeouts are exact to one tick of the hand.
u32 Listener::sweep_length() const
{
	constexpr u32 kSmall = 1024;
	const u32 buckets = syn_queue_.hand_round();
	const u32 interval = max<u32>(config_.hz / LQ_TICKS_PER_SECOND, 1);
	const u32 runs = max<u32>(backoff_.initial() / interval, 1);

	return min(buckets, max(2 * (buckets / runs), kSmall));
}

// How many timeouts a request may have now.
u8 Listener::threshold(Ticks now)
{
	const u32 qlen = syn_queue_.qlen(), old = qlen - syn_queue_.young();
	const bool defends =
		policy::defends(config_, defending_, old, qlen, now.value - defending_since_.value);

	if (defends && !defending_)
		defending_since_ = now;
	if (defends != defending_)
		defending_ = defends;
	if (defends)
		return min(backoff_.retries(), Backoff::kMinRetries);
	return backoff_.threshold(qlen, syn_queue_.young(), syn_queue_.max_qlen_log());
}

void Listener::tick(lq_tick &tick)
{
	constexpr u32 kExpiredBatch = 64;
	constexpr u32 kBucketBatch = 4096;
	const Ticks now{tick.now};
	RequestList expired;

	tick.resend_count = 0;
	tick.expired = nullptr;
	tick.expired_count = 0;
	tick.again = false;
	overflow_.tick(now, config_.hz);
	cookies_.tick(now, config_.hz);
	const bool episode = overflow_.active() || cookies_.active();
	tick.idle = (syn_queue_.qlen() == 0 || !open_) && !episode;
	if (syn_queue_.qlen() == 0 || !open_) {
		sweep_left_ = 0;
		return;
	}
	if (sweep_left_ == 0)
		sweep_left_ = sweep_length();
	const u8 threshold = this->threshold(now);

	// Apart from the loop, which most requests only pass through: it keeps its registers.
	const auto timed_out = [&](Request & r) __attribute__((noinline))
	{
		const Backoff::Verdict due = backoff_.due(r, threshold);

		if (due.expire)
			return tick.expired_count == kExpiredBatch ? SynQueue::Sweep::Stop
								   : SynQueue::Sweep::Leave;
		if (due.resend && tick.resend_count == LQ_TICK_BATCH)
			return SynQueue::Sweep::Stop;
		syn_queue_.mark_timed_out(r);
		r.expires = (now + backoff_.timeout(r.num_timeout)).value;
		if (due.resend) {
			if (r.num_retrans < 0xff)
				r.num_retrans++;
			counters_.event(LISTENQ_EVENT_SYNACK_SENT);
			counters_.event(LISTENQ_EVENT_SYNACK_RETRANS);
			request::copy_to(tick.resend[tick.resend_count++], r);
		}
		return SynQueue::Sweep::Stay;
	};
	// Before its clock wraps.
	const auto forget_oow = [&](Request & r) __attribute__((noinline))
	{
		if ((oow_stamp(now) + 255u - r.oow_stamp) % 255 >= oow_limit())
			r.oow_stamp = 0;
	};
	const auto visit = [&](Request &r) {
		if (has(r, LQ_REQ_PROMOTING))
			return SynQueue::Sweep::Stay;
		if (r.oow_stamp != 0)
			forget_oow(r);
		return now.reached(Ticks{r.expires}) ? timed_out(r) : SynQueue::Sweep::Stay;
	};
	const auto leave = [&](Request &r) {
		counters_.drop(LISTENQ_DROP_REQUEST_EXPIRED);
		expired.push_back(r);
		tick.expired_count++;
	};

	sweep_left_ -= syn_queue_.sweep(min(sweep_left_, kBucketBatch), visit, leave);
	tick.again = sweep_left_ > 0;
	tick.expired = expired.take_all();
	tick.idle = syn_queue_.qlen() == 0 && !episode;
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
	info.flags = (open_ && asked > limits_.backlog ? LISTENQ_F_BACKLOG_TRUNCATED : 0) |
		     (config_.abort_on_overflow ? LISTENQ_F_ABORT_ON_OVERFLOW : 0);
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

const char *Listener::check() const
{
	if (const char *broken = syn_queue_.check())
		return broken;
	if (const char *broken = accept_queue_.check())
		return broken;
	if (const char *broken = filter_queue_.check())
		return broken;
	if (!open_ && (accept_queue_.qlen() || filter_queue_.qlen()))
		return "listener: closed, and something is queued";
	if (!open_ && (overflow_.running() || cookies_.running()))
		return "listener: closed, and an episode goes on";
	return nullptr;
}

} // namespace listenq
