// SPDX-License-Identifier: GPL-2.0
// Listener: the verdicts on an ACK or RST, and what comes of a promotion.
#include "listener.hh"

#include "handshake.hh"

namespace listenq {

using handshake::in_window;
using handshake::paws_rejects;
using handshake::synack_window;
using request::has;

lq_ack_verdict Listener::ack(lq_ack &ack, lq_request_copy &copy, lq_promotion &promotion,
			     Request *&freed)
{
	freed = nullptr;
	ack.reason = LISTENQ_DROP_NONE;
	if (syn_queue_.qlen() == 0 || !open_)
		return ack_unknown(ack);
	const u32 hash = syn_queue_.hash(ack.key);
	Request *r = syn_queue_.find(ack.key, hash);

	if (!r)
		return ack_unknown(ack);
	const lq_ack_verdict verdict = ack_for_request(ack, *r, hash, copy, promotion, freed);
	drop(ack.reason, ack.key, Ticks{ack.now});
	return verdict;
}

// tcp_check_req() of net/ipv4/tcp_minisocks.c, for all but plain SYNs, in its order.
lq_ack_verdict Listener::ack_for_request(lq_ack &ack, Request &r, u32 hash, lq_request_copy &copy,
					 lq_promotion &promotion, Request *&freed)
{
	const Seq seq{ack.seq}, end_seq{ack.end_seq}, rcv_nxt = Seq{r.rcv_isn} + 1;
	const Ticks now{ack.now};

	if (has(r, LQ_REQ_PROMOTING)) {
		if (!ack.waited)
			return LQ_ACK_WAIT;
		ack.reason = LISTENQ_DROP_ACK_BUSY;
		return LQ_ACK_DROP;
	}
	const bool paws = paws_rejects(r, ack.saw_tstamp, ack.tsval);

	// The SYN once more, whatever came with it: FIN, for one.
	if (ack.syn && !ack.ack && !ack.rst && seq == Seq{r.rcv_isn} && !paws) {
		if (!ack.vetted)
			return LQ_ACK_VET;
		if (repeat(r, now, copy))
			return LQ_ACK_DUPLICATE;
		ack.reason = LISTENQ_DROP_SYN_RATE_LIMITED;
		return LQ_ACK_SKIP;
	}
	// RFC 9293 3.10.7.4: an ACK of something never sent is answered with RST.
	if (ack.ack && !ack.rst && Seq{ack.ack_seq} != Seq{r.snt_isn} + 1)
		return LQ_ACK_PASS;
	if (paws || !in_window(seq, end_seq, rcv_nxt, rcv_nxt + synack_window(r))) {
		if (!ack.vetted)
			return LQ_ACK_VET;
		ack.reason = paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ;
		if (ack.rst)
			return LQ_ACK_DROP;
		// A segment with data is no part of a loop of ACKs: tcp_oow_rate_limited().
		if ((seq == end_seq || ack.syn) && rate_limited(r, now))
			return LQ_ACK_SKIP;
		request::copy_to(copy, r);
		return LQ_ACK_CHALLENGE;
	}
	// All that follows but the promotion changes the request, counts or answers at once.
	if (!ack.vetted && (ack.rst || ack.syn || !ack.ack || backoff_.defers(r)))
		return LQ_ACK_VET;
	if (ack.rst) {
		// RFC 9293 3.10.7.4 and RFC 5961 3.2: only the exact number resets.
		if (seq != rcv_nxt) {
			ack.reason = LISTENQ_DROP_ACK_BAD_SEQ;
			if (rate_limited(r, now))
				return LQ_ACK_SKIP;
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
	const policy::AckAction action = policy::ack(config_, limits_, snapshot());
	if (!ack.vetted && action != policy::AckAction::Admit)
		return LQ_ACK_VET;
	switch (action) {
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
	promotion = {.request = &r, .hash = hash, .cookie = false, .life = life_};
	return LQ_ACK_PROMOTE;
}

// An ACK without a request may carry a cookie, as long as one can still be good: seconds are
// compared, so that an idle listener's last overflow never comes back as ticks wrap.
lq_ack_verdict Listener::ack_unknown(const lq_ack &ack)
{
	if (!(cookies_sent_ || ack.cookies_recent) || !config_.syncookies || !open_ || ack.rst ||
	    ack.syn || !ack.ack)
		return LQ_ACK_UNKNOWN;
	if (cookies_sent_ && ack.now_s - cookie_sent_s_ > SynCookie::kLifeSeconds)
		cookies_sent_ = false;
	return cookies_sent_ || ack.cookies_recent ? LQ_ACK_MAYBE_COOKIE : LQ_ACK_UNKNOWN;
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
	const policy::AckAction action = policy::ack(config_, limits_, snapshot());
	if (!ack.vetted && action != policy::AckAction::Admit)
		return LQ_ACK_VET;
	switch (action) {
	case policy::AckAction::Admit:
		accept_queue_.reserve();
		promotion = {.request = nullptr, .hash = 0, .cookie = true, .life = life_};
		return LQ_ACK_COOKIE;
	case policy::AckAction::Reset:
		ack.reason = LISTENQ_DROP_ABORT_ON_OVERFLOW;
		break;
	case policy::AckAction::Keep:
		ack.reason = LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK;
		promotion = {.request = nullptr, .hash = 0, .cookie = true, .life = life_};
		break;
	}
	drop(ack.reason, ack.key, Ticks{ack.now});
	return ack.reason == LISTENQ_DROP_ABORT_ON_OVERFLOW ? LQ_ACK_REFUSE : LQ_ACK_KEEP;
}

// What its SYN did not get it gets now: this peer is there, and hears in the end what became of it.
// For that a request gives way whose peer did not answer in time; the others may be under way.
bool Listener::keep(const lq_ack &ack, const lq_promotion &promotion, Request &r, Request *&evicted)
{
	const u32 hash = syn_queue_.hash(ack.key);
	const SynQueue::Found found = syn_queue_.search(ack.key, hash);

	evicted = nullptr;
	// Its ACK may have come in on another CPU as well.
	if (!takes_ || promotion.life != life_ || found.request ||
	    found.bucket_length >= limits_.bucket_limit)
		return false;
	if (!policy::has_room(config_, limits_, snapshot())) {
		evicted = syn_queue_.evict_silent(kEvictSteps);
		if (!evicted)
			return false;
		drop_for_room(*evicted, Ticks{ack.now});
	}
	counters_.event(LISTENQ_EVENT_COOKIE_RECEIVED);
	r.flags |= LQ_REQ_ACKED;
	queue_new(r, hash, Ticks{ack.now});
	return true;
}

lq_commit Listener::promote_commit(const lq_promotion &promotion, void *child, Micros now,
				   Request *&evicted)
{
	Request &r = *promotion.request;

	evicted = nullptr;
	// An orphan's listener may be open again by now, and so may a cookie's, which is in no
	// queue.
	if (!open_ || has(r, LQ_REQ_ORPHAN) || promotion.life != life_) {
		accept_queue_.abort();
		if (has(r, LQ_REQ_ORPHAN))
			return LQ_COMMIT_CLOSED;
		// close() has not come to its bucket yet, or a cookie's was in none.
		if (!promotion.cookie)
			syn_queue_.remove(r, promotion.hash);
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
		return LQ_COMMIT_CLOSED;
	}
	// Once for each connection, however often the peer sends its ACK before there is room.
	if (promotion.cookie) {
		counters_.event(LISTENQ_EVENT_COOKIE_RECEIVED);
	} else {
		syn_queue_.remove(r, promotion.hash);
		counters_.handshake(now.since(Micros{r.stamp_us}));
	}
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

bool Listener::promote_abort(const lq_promotion &promotion, listenq_drop &reason)
{
	accept_queue_.abort();
	if (promotion.cookie) {
		counters_.drop(reason); // NONE: another ACK's child is the connection
		return true;
	}
	Request &r = *promotion.request;
	if (has(r, LQ_REQ_ORPHAN)) {
		reason = LISTENQ_DROP_LISTENER_CLOSED; // close() has counted it
		return true;
	}
	r.flags &= static_cast<u8>(~LQ_REQ_PROMOTING);
	if (reason != LISTENQ_DROP_NONE) {
		r.flags |= LQ_REQ_ACKED; // its ACK came: listen_overflow of tcp_check_req()
		drop(reason, r);
	}
	return false;
}

// tcp_req_err() of net/ipv4/tcp_ipv4.c.
lq_unreachable Listener::unreachable(const lq_key &key, Seq seq, bool fatal, Request *&freed)
{
	freed = nullptr;
	if (syn_queue_.qlen() == 0 || !open_)
		return LQ_UNREACHABLE_UNKNOWN;
	const u32 hash = syn_queue_.hash(key);
	Request *r = syn_queue_.find(key, hash);

	// A SYN-ACK got there, if its ACK is building the child: the error is for that.
	if (!r || has(*r, LQ_REQ_PROMOTING))
		return LQ_UNREACHABLE_UNKNOWN;
	if (seq != Seq{r->snt_isn})
		return LQ_UNREACHABLE_OUT_OF_WINDOW;
	if (!fatal)
		return LQ_UNREACHABLE_KEPT;
	drop(LISTENQ_DROP_REQUEST_UNREACHABLE, *r);
	freed = kill(*r, hash);
	return LQ_UNREACHABLE_ENDED;
}

Request *Listener::kill(Request &r, u32 hash)
{
	syn_queue_.remove(r, hash);
	return &r;
}

} // namespace listenq
