// SPDX-License-Identifier: GPL-2.0
// Listener: one listening socket's queues, limits and counters, and the verdicts on
// everything that arrives for it.
#include "listener.hh"

#include "accept_filter.hh"
#include "handshake.hh"
#include "options.hh"
#include "request_info.hh"

namespace listenq {

using handshake::in_window;
using handshake::paws_rejects;
using handshake::synack_window;
using request::has;

// --- listen() and close() ---

Request **Listener::listen(const Config &config, const Limits &limits, Request **buckets)
{
	config_ = config;
	limits_ = limits;
	backoff_ = Backoff(config);
	open_ = true;
	return buckets ? syn_queue_.resize(buckets, limits.syn_buckets) : nullptr;
}

Request **Listener::close(lq_drained &drained)
{
	RequestList requests;

	open_ = false;
	filter_ = LQ_FILTER_NONE;
	sweep_left_ = 0;
	overflow_.close();
	cookies_.close();
	drained.connections = accept_queue_.close();
	for (const Request *r = drained.connections; r; r = r->next)
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
	drained.held = filter_queue_.close();
	for (const Request *r = drained.held; r; r = r->next) {
		if (!has(*r, LQ_REQ_REFUSED))
			counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
	}
	Request **table = syn_queue_.close([&](Request &r) {
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
		// Its ACK is building a child without our lock: leave it the memory.
		if (has(r, LQ_REQ_PROMOTING))
			r.flags |= LQ_REQ_ORPHAN;
		else
			requests.push_back(r);
	});
	drained.requests = requests.take_all();
	return table;
}

// --- what is counted, and what is told ---

// Because a queue was full; to a peer that is not proven the last quarter is.
static bool is_overflow(u8 reason)
{
	switch (reason) {
	case LISTENQ_DROP_SYN_QUEUE_FULL:
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

// --- a SYN ---

policy::Snapshot Listener::snapshot() const
{
	return {.accept_qlen = accept_queue_.taken(),
		.syn_qlen = syn_queue_.qlen() + syn_queue_.reserved(),
		.young = syn_queue_.young() + syn_queue_.reserved()};
}

lq_syn_verdict Listener::syn(lq_syn &syn, lq_request_copy &copy, Request *&freed)
{
	freed = nullptr;
	syn.reason = LISTENQ_DROP_NONE;
	syn.news = false;
	syn.cookies_on = false;
	counters_.event(LISTENQ_EVENT_SYN_RECEIVED);
	if (!open_) {
		syn.reason = LISTENQ_DROP_LISTENER_CLOSED;
		counters_.drop(syn.reason);
		return LQ_SYN_DROP;
	}
	// A cookie needs no hash, nor does a drop: an empty queue has nothing to find.
	const bool search = syn_queue_.qlen() != 0;
	if (search)
		syn.hash = syn_queue_.hash(syn.key);
	if (Request *r = search ? syn_queue_.find(syn.key, syn.hash) : nullptr) {
		const lq_syn_verdict verdict = syn_for_request(syn, *r, copy, freed);

		drop(syn.reason, Ticks{syn.now});
		return verdict;
	}
	// A TIME_WAIT pair is reused whatever the SYN queue holds (tcp_conn_request()).
	const policy::Snapshot now = snapshot();
	const bool full = !syn.from_time_wait && policy::syn_queue_is_full(config_, limits_, now);
	policy::Place place = full ? policy::Place::Full : policy::Place::There;

	if (!syn.from_time_wait && wants_cookie(syn, full)) {
		place = policy::Place::Cookie;
		syn.cookies_on = full || config_.syncookies == 2;
	}
	const policy::SynVerdict verdict = policy::syn(config_, limits_, now, place);

	switch (verdict.action) {
	case policy::SynAction::Admit:
	case policy::SynAction::Evict:
		break;
	case policy::SynAction::Drop:
		return refuse(syn, verdict.reason, LQ_SYN_DROP);
	case policy::SynAction::Reset:
		return refuse(syn, verdict.reason, LQ_SYN_RESET);
	}
	if (place == policy::Place::Cookie) {
		counters_.event(LISTENQ_EVENT_COOKIE_SENT);
		counters_.event(LISTENQ_EVENT_SYNACK_SENT);
		cookies_.happened(Ticks{syn.now});
		cookies_sent_ = true;
		cookie_sent_s_ = syn.now_s;
		syn.news = event_pending();
		return LQ_SYN_COOKIE;
	}
	if (!search)
		syn.hash = syn_queue_.hash(syn.key);
	// The SYN's own bucket first, if buckets have a limit: one that gave way for all others
	// would soon give up the newest.
	if (const u32 limit = policy::bucket_limit(config_))
		freed = syn_queue_.evict_from(syn.hash, limit);
	if (verdict.action == policy::SynAction::Evict && !freed) {
		freed = syn_queue_.evict_oldest();
		if (!freed)
			return refuse(syn, verdict.reason, LQ_SYN_DROP);
	}
	if (freed) {
		drop(LISTENQ_DROP_REQUEST_EVICTED, Ticks{syn.now});
		syn.news = event_pending();
	}
	syn_queue_.reserve();
	return LQ_SYN_NEW;
}

// With FreeBSD's pause an overflow is followed by 15 s of cookies alone, and by twice as long
// each time that the flood comes back within the length of the last pause, up to 16 minutes
// (syncache_pause() of sys/netinet/tcp_syncache.c).
bool Listener::wants_cookie(const lq_syn &syn, bool queue_full)
{
	constexpr u32 kFirst = 15, kLongest = 16 * 60;

	if (config_.syncookies != 1)
		return config_.syncookies == 2;
	if (!config_.syncookie_pause)
		return queue_full;
	const bool paused = pause_length_s_ && static_cast<s32>(pause_until_s_ - syn.now_s) > 0;
	if (paused || !queue_full)
		return paused;
	const bool again = pause_length_s_ && syn.now_s - pause_until_s_ <= pause_length_s_;
	pause_length_s_ = again ? min(pause_length_s_ * 2, kLongest) : kFirst;
	pause_until_s_ = syn.now_s + pause_length_s_;
	return true;
}

lq_syn_verdict Listener::refuse(lq_syn &syn, listenq_drop reason, lq_syn_verdict verdict)
{
	syn.reason = reason;
	drop(reason, Ticks{syn.now});
	syn.news = event_pending();
	return verdict;
}

// tcp_check_req() of net/ipv4/tcp_minisocks.c, as far as it concerns a SYN.
lq_syn_verdict Listener::syn_for_request(lq_syn &syn, Request &r, lq_request_copy &copy,
					 Request *&freed)
{
	const Seq seq{syn.seq}, rcv_nxt = Seq{r.rcv_isn} + 1;
	const Ticks now{syn.now};

	if (has(r, LQ_REQ_PROMOTING)) {
		syn.reason = LISTENQ_DROP_ACK_BUSY;
		return LQ_SYN_DROP;
	}
	options::Timestamp peer{};
	const bool saw = options::parse_timestamp({syn.options, syn.options_length}, peer);
	const bool paws = paws_rejects(r, saw, peer.tsval);

	if (seq == Seq{r.rcv_isn} && !paws) {
		counters_.event(LISTENQ_EVENT_SYN_DUPLICATE);
		if (rate_limited(r, now)) {
			syn.reason = LISTENQ_DROP_SYN_RATE_LIMITED;
			return LQ_SYN_DROP;
		}
		r.expires = (now + backoff_.timeout(r.num_timeout)).value;
		if (r.num_retrans < 0xff)
			r.num_retrans++;
		counters_.event(LISTENQ_EVENT_SYNACK_SENT);
		request::copy_to(copy, r);
		return LQ_SYN_DUPLICATE;
	}
	if (paws || !in_window(seq, seq + 1, rcv_nxt, rcv_nxt + synack_window(r))) {
		syn.reason = paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ;
		if (rate_limited(r, now))
			return LQ_SYN_DROP;
		request::copy_to(copy, r);
		return LQ_SYN_CHALLENGE;
	}
	syn.reason = LISTENQ_DROP_REQUEST_SYN_IN_WINDOW;
	freed = kill(r, syn.hash);
	return LQ_SYN_RESET;
}

lq_commit Listener::syn_commit(const lq_syn &syn, Request &r, bool proven)
{
	listenq_drop refused = LISTENQ_DROP_NONE;

	if (open_ && !syn.from_time_wait)
		refused = policy::syn_commit(config_, snapshot(), proven);
	syn_queue_.release();
	if (!open_) {
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
		return LQ_COMMIT_CLOSED;
	}
	if (refused != LISTENQ_DROP_NONE) {
		drop(refused, Ticks{syn.now});
		return LQ_COMMIT_REFUSED;
	}
	// The same SYN may have come in on another CPU meanwhile.
	if (syn_queue_.find(syn.key, syn.hash)) {
		counters_.event(LISTENQ_EVENT_SYN_DUPLICATE);
		return LQ_COMMIT_DUPLICATE;
	}
	r.num_timeout = 0;
	r.num_retrans = 0;
	r.oow_stamp = 0;
	r.expires = syn.now + backoff_.timeout(0);
	syn_queue_.insert(r, syn.hash);
	counters_.event(LISTENQ_EVENT_REQUEST_CREATED);
	counters_.event(LISTENQ_EVENT_SYNACK_SENT);
	remember_peaks();
	return LQ_COMMIT_OK;
}

void Listener::syn_abort(listenq_drop reason)
{
	syn_queue_.release();
	counters_.drop(reason);
}

// Whatever counted the SYN-ACK did so under the lock, before it was built.
void Listener::synack_unsent(listenq_event as)
{
	counters_.take_back(LISTENQ_EVENT_SYNACK_SENT);
	if (as != LISTENQ_EVENT_SYNACK_SENT)
		counters_.take_back(as);
	if (as == LISTENQ_EVENT_COOKIE_SENT)
		cookies_.take_back();
}

// --- an ACK or RST ---

lq_ack_verdict Listener::ack(lq_ack &ack, lq_request_copy &copy, lq_promotion &promotion,
			     Request *&freed)
{
	freed = nullptr;
	ack.reason = LISTENQ_DROP_NONE;
	if (syn_queue_.qlen() == 0)
		return ack_unknown(ack);
	const u32 hash = syn_queue_.hash(ack.key);
	Request *r = syn_queue_.find(ack.key, hash);

	if (!r)
		return ack_unknown(ack);
	const lq_ack_verdict verdict = ack_for_request(ack, *r, hash, copy, promotion, freed);
	drop(ack.reason, Ticks{ack.now});
	return verdict;
}

// tcp_check_req() of net/ipv4/tcp_minisocks.c, for segments with ACK or RST, in its order.
lq_ack_verdict Listener::ack_for_request(lq_ack &ack, Request &r, u32 hash, lq_request_copy &copy,
					 lq_promotion &promotion, Request *&freed)
{
	const Seq seq{ack.seq}, end_seq{ack.end_seq}, rcv_nxt = Seq{r.rcv_isn} + 1;
	const Ticks now{ack.now};

	if (has(r, LQ_REQ_PROMOTING)) {
		ack.reason = LISTENQ_DROP_ACK_BUSY;
		return LQ_ACK_DROP;
	}
	// RFC 9293 3.10.7.4: an ACK of something never sent is answered with RST.
	if (ack.ack && !ack.rst && Seq{ack.ack_seq} != Seq{r.snt_isn} + 1)
		return LQ_ACK_PASS;

	const bool paws = paws_rejects(r, ack.saw_tstamp, ack.tsval);
	if (paws || !in_window(seq, end_seq, rcv_nxt, rcv_nxt + synack_window(r))) {
		ack.reason = paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ;
		// A segment with data is no part of a loop of ACKs: tcp_oow_rate_limited().
		if (ack.rst || (seq == end_seq && rate_limited(r, now)))
			return LQ_ACK_DROP;
		request::copy_to(copy, r);
		return LQ_ACK_CHALLENGE;
	}
	if (ack.rst) {
		// RFC 9293 3.10.7.4 and RFC 5961 3.2: only the exact number resets.
		if (seq != rcv_nxt) {
			ack.reason = LISTENQ_DROP_ACK_BAD_SEQ;
			if (rate_limited(r, now))
				return LQ_ACK_DROP;
			request::copy_to(copy, r);
			return LQ_ACK_CHALLENGE;
		}
		ack.reason = LISTENQ_DROP_REQUEST_RESET;
		freed = kill(r, hash);
		return LQ_ACK_DROP;
	}
	// A SYN of another number inside the window is an error of the connection; the
	// SYN's own number lies before it and is cut off (tcp_check_req()).
	if (ack.syn && seq != Seq{r.rcv_isn}) {
		ack.reason = LISTENQ_DROP_REQUEST_SYN_IN_WINDOW;
		freed = kill(r, hash);
		return LQ_ACK_REFUSE;
	}
	// Without ACK nothing proves that the peer saw the SYN-ACK (RFC 9293 3.10.7.4).
	if (!ack.ack) {
		ack.reason = LISTENQ_DROP_ACK_BAD_SEQ;
		return LQ_ACK_DROP;
	}
	if (backoff_.defers(r) && end_seq == rcv_nxt) {
		r.flags |= LQ_REQ_ACKED;
		ack.reason = LISTENQ_DROP_ACK_DEFERRED;
		return LQ_ACK_DROP;
	}
	switch (policy::ack(config_, limits_, snapshot())) {
	case policy::AckAction::Admit:
		break;
	case policy::AckAction::Reset:
		ack.reason = LISTENQ_DROP_ABORT_ON_OVERFLOW;
		freed = kill(r, hash);
		return LQ_ACK_REFUSE;
	case policy::AckAction::Keep:
		// The timer sends the SYN-ACK again, and the peer its ACK.
		r.flags |= LQ_REQ_ACKED;
		ack.reason = LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK;
		return LQ_ACK_DROP;
	}
	r.flags |= LQ_REQ_PROMOTING;
	accept_queue_.reserve();
	promotion = {.request = &r, .hash = hash, .cookie = false};
	return LQ_ACK_PROMOTE;
}

// An ACK without a request may carry a cookie, as long as one can still be good: seconds are
// compared, so that an idle listener's last overflow never comes back as ticks wrap.
lq_ack_verdict Listener::ack_unknown(const lq_ack &ack)
{
	if (!cookies_sent_ || !config_.syncookies || !open_ || ack.rst || ack.syn || !ack.ack)
		return LQ_ACK_UNKNOWN;
	if (ack.now_s - cookie_sent_s_ > SynCookie::kLifeSeconds) {
		cookies_sent_ = false;
		return LQ_ACK_UNKNOWN;
	}
	return LQ_ACK_MAYBE_COOKIE;
}

lq_ack_verdict Listener::ack_cookie(lq_ack &ack, lq_promotion &promotion)
{
	ack.reason = LISTENQ_DROP_NONE;
	if (!open_)
		return LQ_ACK_UNKNOWN;
	ack.cookie_mss = cookie_.check(
		{.key = ack.key, .local_port = ack.local_port, .client_isn = Seq{ack.seq - 1}},
		Seq{ack.ack_seq - 1}, ack.now_s, ack.cookie_ts_off);
	if (ack.cookie_mss == 0) {
		counters_.event(LISTENQ_EVENT_COOKIE_FAILED);
		return LQ_ACK_UNKNOWN;
	}
	counters_.event(LISTENQ_EVENT_COOKIE_RECEIVED);
	switch (policy::ack(config_, limits_, snapshot())) {
	case policy::AckAction::Admit:
		accept_queue_.reserve();
		promotion = {.request = nullptr, .hash = 0, .cookie = true};
		return LQ_ACK_COOKIE;
	case policy::AckAction::Reset:
		ack.reason = LISTENQ_DROP_ABORT_ON_OVERFLOW;
		break;
	case policy::AckAction::Keep:
		// There is nothing to keep; the peer's data makes it try again.
		ack.reason = LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK;
		break;
	}
	drop(ack.reason, Ticks{ack.now});
	return ack.reason == LISTENQ_DROP_ABORT_ON_OVERFLOW ? LQ_ACK_REFUSE : LQ_ACK_DROP;
}

lq_commit Listener::promote_commit(const lq_promotion &promotion, void *child, Micros now,
				   Request *&evicted)
{
	Request &r = *promotion.request;

	evicted = nullptr;
	// An orphan's listener may be open again by now.
	if (!open_ || has(r, LQ_REQ_ORPHAN)) {
		accept_queue_.abort();
		return LQ_COMMIT_CLOSED;
	}
	if (!promotion.cookie)
		syn_queue_.remove(r, promotion.hash);
	if (filter_ != LQ_FILTER_NONE) {
		accept_queue_.abort();
		filter_queue_.push(r, filter_, child, now);
		counters_.event(LISTENQ_EVENT_FILTER_HELD);
		evicted = filter_overflow();
		return LQ_COMMIT_HELD;
	}
	accept_queue_.commit(r, child, now);
	counters_.event(LISTENQ_EVENT_ESTABLISHED);
	remember_peaks();
	return LQ_COMMIT_OK;
}

bool Listener::promote_abort(const lq_promotion &promotion, listenq_drop reason)
{
	accept_queue_.abort();
	if (promotion.cookie) {
		counters_.drop(reason);
		return true;
	}
	Request &r = *promotion.request;
	if (has(r, LQ_REQ_ORPHAN))
		return true;
	r.flags &= static_cast<u8>(~LQ_REQ_PROMOTING);
	counters_.drop(reason);
	return false;
}

Request *Listener::kill(Request &r, u32 hash)
{
	syn_queue_.remove(r, hash);
	return &r;
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

Request *Listener::accept(Micros now)
{
	Request *r = accept_queue_.pop();

	if (r) {
		counters_.event(LISTENQ_EVENT_ACCEPTED);
		counters_.accept_wait(now.since(Micros{r->stamp_us}));
	}
	return r;
}

// --- the timer ---

// Every bucket twice per first timeout, as inet_csk_reqsk_queue_prune() did; a small table
// as a whole, so that its timeouts are exact to one tick of the hand.
u32 Listener::sweep_length() const
{
	constexpr u32 kSmall = 1024;
	const u32 buckets = syn_queue_.bucket_count();
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
	u32 swept = 0;

	tick.resend_count = 0;
	tick.expired = nullptr;
	tick.expired_count = 0;
	tick.again = false;
	overflow_.tick(now, config_.hz);
	cookies_.tick(now, config_.hz);
	const bool episode = overflow_.active() || cookies_.active();
	tick.idle = syn_queue_.qlen() == 0 && !episode;
	if (syn_queue_.qlen() == 0 || !open_) {
		sweep_left_ = 0;
		return;
	}
	if (sweep_left_ == 0)
		sweep_left_ = sweep_length();
	const u8 threshold = this->threshold(now);

	const auto visit = [&](Request &r) {
		if (has(r, LQ_REQ_PROMOTING))
			return SynQueue::Sweep::Stay;
		if (r.oow_stamp != 0 && (oow_stamp(now) + 255u - r.oow_stamp) % 255 >= oow_limit())
			r.oow_stamp = 0; // before its clock wraps
		if (!now.reached(Ticks{r.expires}))
			return SynQueue::Sweep::Stay;
		const Backoff::Verdict due = backoff_.due(r, threshold);

		if (due.expire)
			return SynQueue::Sweep::Leave;
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
	const auto leave = [&](Request &r) {
		counters_.drop(LISTENQ_DROP_REQUEST_EXPIRED);
		expired.push_back(r);
		tick.expired_count++;
	};

	while (sweep_left_ > 0) {
		if (!syn_queue_.sweep_bucket(visit, leave)) {
			tick.again = true;
			break;
		}
		sweep_left_--;
		swept++;
		if (sweep_left_ > 0 &&
		    (tick.expired_count >= kExpiredBatch || swept >= kBucketBatch)) {
			tick.again = true;
			break;
		}
	}
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
	if (!open_ && (syn_queue_.qlen() || accept_queue_.qlen() || filter_queue_.qlen()))
		return "listener: closed, and something is queued";
	if (!open_ && (overflow_.running() || cookies_.running()))
		return "listener: closed, and an episode goes on";
	return nullptr;
}

} // namespace listenq
