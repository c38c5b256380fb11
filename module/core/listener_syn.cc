// SPDX-License-Identifier: GPL-2.0
// Listener: the verdicts on a SYN.
#include "listener.hh"

#include "handshake.hh"
#include "options.hh"

namespace listenq {

using handshake::in_window;
using handshake::paws_rejects;
using handshake::synack_window;
using request::has;

lq_syn_verdict Listener::syn(lq_syn &syn, lq_request_copy &copy, Request *&freed)
{
	freed = nullptr;
	syn.reason = LISTENQ_DROP_NONE;
	syn.event_pending = false;
	syn.cookies_on = false;
	counters_.event(LISTENQ_EVENT_SYN_RECEIVED);
	if (!takes_)
		return LQ_SYN_CLOSED;
	// A cookie needs no hash, nor does a drop: an empty queue has nothing to find.
	const bool search = syn_queue_.qlen() != 0;
	SynQueue::Found found{};
	if (search) {
		syn.hash = syn_queue_.hash(syn.key);
		found = syn_queue_.search(syn.key, syn.hash);
	}
	if (found.request) {
		const lq_syn_verdict verdict = syn_for_request(syn, *found.request, copy, freed);

		drop(syn.reason, syn.key, Ticks{syn.now});
		return verdict;
	}
	const bool paused = is_paused(syn.now_s);
	const policy::SynVerdict verdict = policy::decide(config_, limits_, snapshot(),
							  {.bucket_length = found.bucket_length,
							   .from_time_wait = syn.from_time_wait,
							   .paused = paused});

	syn.cookies_on = verdict.cookies_on;
	if (verdict.cookies_on && pauses() && !paused)
		pause(syn.now_s);
	switch (verdict.action) {
	case policy::SynAction::Admit:
	case policy::SynAction::Evict:
		break;
	case policy::SynAction::Cookie:
		return answer_by_cookie(syn);
	case policy::SynAction::Drop:
		return refuse(syn, verdict.reason, LQ_SYN_DROP);
	case policy::SynAction::Reset:
		return refuse(syn, verdict.reason, LQ_SYN_RESET);
	}
	if (!search)
		syn.hash = syn_queue_.hash(syn.key);
	if (verdict.action == policy::SynAction::Evict) {
		// The SYN's own bucket first, if that is full: one that gave way for all others
		// would soon give up the newest.
		if (found.bucket_length >= limits_.bucket_limit)
			freed = syn_queue_.evict_from(syn.hash);
		if (!freed)
			freed = syn_queue_.evict_oldest(kEvictSteps);
		if (!freed)
			return refuse(syn, verdict.reason, LQ_SYN_DROP);
		drop_for_room(*freed, Ticks{syn.now});
		syn.event_pending = event_pending();
	}
	syn_queue_.reserve();
	syn.life = life_;
	return LQ_SYN_NEW;
}

// With FreeBSD's pause an overflow is followed by 15 s of cookies alone, and by twice as long
// each time that the flood comes back within the length of the last pause, up to 16 minutes
// (syncache_pause() of sys/netinet/tcp_syncache.c).
bool Listener::is_paused(u32 now_s) const
{
	return pauses() && pause_length_s_ && static_cast<s32>(pause_until_s_ - now_s) > 0;
}

void Listener::pause(u32 now_s)
{
	constexpr u32 kFirst = 15, kLongest = 16 * 60;
	const bool again = pause_length_s_ && now_s - pause_until_s_ <= pause_length_s_;

	pause_length_s_ = again ? min(pause_length_s_ * 2, kLongest) : kFirst;
	pause_until_s_ = now_s + pause_length_s_;
}

lq_syn_verdict Listener::answer_by_cookie(lq_syn &syn)
{
	counters_.event(LISTENQ_EVENT_COOKIE_SENT);
	counters_.event(LISTENQ_EVENT_SYNACK_SENT);
	cookies_.happened(Ticks{syn.now});
	cookies_sent_ = true;
	cookie_sent_s_ = syn.now_s;
	syn.event_pending = event_pending();
	return LQ_SYN_COOKIE;
}

lq_syn_verdict Listener::refuse(lq_syn &syn, listenq_drop reason, lq_syn_verdict verdict)
{
	syn.reason = reason;
	drop(reason, syn.key, Ticks{syn.now});
	syn.event_pending = event_pending();
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
		if (repeat(r, now, copy))
			return LQ_SYN_DUPLICATE;
		syn.reason = LISTENQ_DROP_SYN_RATE_LIMITED;
		return LQ_SYN_DROP;
	}
	if (paws || !in_window(seq, seq + 1 + syn.payload, rcv_nxt, rcv_nxt + synack_window(r))) {
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

// A duplicate SYN: its SYN-ACK is sent again, unless it is too soon for that.
bool Listener::repeat(Request &r, Ticks now, lq_request_copy &copy)
{
	counters_.event(LISTENQ_EVENT_SYN_DUPLICATE);
	if (rate_limited(r, now))
		return false;
	r.expires = (now + backoff_.timeout(r.num_timeout)).value;
	look_at(Ticks{r.expires});
	if (r.num_retrans < 0xff)
		r.num_retrans++;
	counters_.event(LISTENQ_EVENT_SYNACK_SENT);
	request::copy_to(copy, r);
	return true;
}

lq_commit Listener::syn_commit(const lq_syn &syn, Request &r, bool proven)
{
	listenq_drop refused = LISTENQ_DROP_NONE;

	if (takes_ && !syn.from_time_wait)
		refused = policy::syn_commit(config_, snapshot(), proven);
	syn_queue_.release();
	// One that listens again may do so at another port.
	if (!takes_ || syn.life != life_)
		return LQ_COMMIT_CLOSED;
	if (refused != LISTENQ_DROP_NONE) {
		drop(refused, syn.key, Ticks{syn.now});
		return LQ_COMMIT_REFUSED;
	}
	// The same SYN may have come in on another CPU meanwhile.
	if (syn_queue_.find(syn.key, syn.hash)) {
		counters_.event(LISTENQ_EVENT_SYN_DUPLICATE);
		return LQ_COMMIT_DUPLICATE;
	}
	counters_.event(LISTENQ_EVENT_REQUEST_CREATED);
	counters_.event(LISTENQ_EVENT_SYNACK_SENT);
	queue_new(r, syn.hash, Ticks{syn.now});
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

} // namespace listenq
