// SPDX-License-Identifier: GPL-2.0
// The model of a listener: what a SYN, an ACK and the end of a promotion must lead to.
#include "model.hh"

namespace testing_core {

void Session::syn(const Event &e)
{
	const unsigned n = e.a % kPeers;
	const auto found = half_.find(n);
	Syn syn{};
	lq_request_copy copy;
	lq_request *freed = &poison_;

	syn.key = peer(n);
	syn.now = now();
	// Mostly a peer repeats itself; else the number is anywhere near.
	syn.seq = 1000 + (e.b < 160 ? 0 : e.b % 16 * 97 - 300);
	syn.saw_tstamp = e.c & 1;
	syn.tsval = 5000 + (e.c & 2 ? 100 : 0) - (e.c & 4 ? 200 : 0);
	syn.from_time_wait = e.c >= 240;
	u8 timestamp[] = {8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
	for (unsigned i = 0; i < 4; i++)
		timestamp[2 + i] = static_cast<u8>(syn.tsval >> (24 - 8 * i));
	syn.options = timestamp;
	syn.options_length = syn.saw_tstamp ? sizeof(timestamp) : 0;
	const lq_syn_verdict verdict = lq_core_syn(core_, &syn, &copy, &freed);

	event(LISTENQ_EVENT_SYN_RECEIVED);
	if (!open_) {
		MODEL_CHECK(verdict == LQ_SYN_CLOSED);
		MODEL_CHECK(!syn.reason && !freed);
	} else if (found != half_.end()) {
		syn_again(found, syn, verdict, copy, freed);
		MODEL_CHECK(verdict == LQ_SYN_RESET || !freed);
	} else {
		syn_new(e, n, syn, verdict, freed);
	}
	drop(syn.reason);
}

void Session::syn_new(const Event &e, unsigned n, const Syn &syn, lq_syn_verdict verdict,
		      lq_request *freed)
{
	using listenq::policy::SynAction;
	// A session has fewer peers than a bucket has places.
	SynAction want =
		listenq::policy::decide(
			config_, limits_, snapshot(),
			{.bucket_length = 0, .from_time_wait = syn.from_time_wait, .paused = false})
			.action;

	if (want == SynAction::Evict && std::all_of(half_.begin(), half_.end(), [](auto &each) {
		    return each.second.promoting;
	    }))
		want = SynAction::Drop;
	switch (want) {
	case SynAction::Drop:
		MODEL_CHECK(verdict == LQ_SYN_DROP && syn.reason && !freed);
		return;
	case SynAction::Reset:
		MODEL_CHECK(verdict == LQ_SYN_RESET && syn.reason && !freed);
		return;
	case SynAction::Evict:
		evicted(freed);
		break;
	case SynAction::Cookie: // a session has none
		MODEL_CHECK(false);
		return;
	case SynAction::Admit:
		MODEL_CHECK(!freed);
		break;
	}
	MODEL_CHECK(verdict == LQ_SYN_NEW && !syn.reason);
	reservations_.push_back({syn, n, lives_});
	// Mostly it goes on at once.
	if (e.d < 200)
		end_reservation(static_cast<u8>(reservations_.size() - 1), false, e.d % 2);
}

void Session::evicted(lq_request *freed)
{
	const auto it = std::find_if(half_.begin(), half_.end(),
				     [&](auto &each) { return each.second.memory == freed; });

	MODEL_CHECK(it != half_.end() && !it->second.promoting);
	drop(LISTENQ_DROP_REQUEST_EVICTED);
	half_.erase(it);
	release(freed);
}

void Session::syn_again(std::map<unsigned, Half>::iterator found, const Syn &syn,
			lq_syn_verdict verdict, const lq_request_copy &copy, lq_request *freed)
{
	Half &h = found->second;
	const bool paws = old_timestamp(h, syn.saw_tstamp, syn.tsval);

	if (h.promoting) {
		MODEL_CHECK(verdict == LQ_SYN_DROP);
		MODEL_CHECK(syn.reason == LISTENQ_DROP_ACK_BUSY);
	} else if (syn.seq == h.rcv_isn && !paws) {
		event(LISTENQ_EVENT_SYN_DUPLICATE);
		replied(h, verdict == LQ_SYN_DUPLICATE);
		if (verdict == LQ_SYN_DUPLICATE) {
			MODEL_CHECK(syn.reason == LISTENQ_DROP_NONE);
			h.expires = now() + timeout(h.timeouts);
			h.retransmits = std::min(h.retransmits + 1, 255u);
			arm(lq_core_due(core_) - now());
			event(LISTENQ_EVENT_SYNACK_SENT);
			is_copy_of(copy, h.memory);
		} else {
			MODEL_CHECK(verdict == LQ_SYN_DROP);
			MODEL_CHECK(syn.reason == LISTENQ_DROP_SYN_RATE_LIMITED);
		}
	} else if (paws || !in_window(syn.seq, syn.seq + 1, h.rcv_isn + 1, h.rcv_wnd)) {
		MODEL_CHECK(syn.reason ==
			    (paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ));
		replied(h, verdict == LQ_SYN_CHALLENGE);
		arm(lq_core_due(core_) - now());
		if (verdict == LQ_SYN_CHALLENGE)
			is_copy_of(copy, h.memory);
		else
			MODEL_CHECK(verdict == LQ_SYN_DROP);
	} else {
		MODEL_CHECK(verdict == LQ_SYN_RESET);
		MODEL_CHECK(syn.reason == LISTENQ_DROP_REQUEST_SYN_IN_WINDOW);
		MODEL_CHECK(freed == h.memory);
		release(freed);
		half_.erase(found);
	}
}

void Session::end_reservation(u8 which, bool abort, bool proven)
{
	const size_t index = which % reservations_.size();
	const Reservation res = reservations_[index];
	const bool last_quarter =
		!res.syn.from_time_wait && listenq::policy::syn_commit(config_, snapshot(), proven);

	if (abort) {
		lq_core_syn_abort(core_, LISTENQ_DROP_NO_ROUTE);
		drop(LISTENQ_DROP_NO_ROUTE);
		reservations_.erase(reservations_.begin() + static_cast<long>(index));
		return;
	}
	lq_request *r = allocate(res.syn.key);
	r->rcv_isn = res.syn.seq;
	r->snt_isn = 70000 + res.peer;
	r->ts_recent = res.syn.tsval;
	r->rcv_wnd = static_cast<u16>(res.peer % 3 * 500);
	r->stamp_us = now_us();
	r->num_timeout = r->num_retrans = r->oow_stamp = 9; // not the shim's to set
	if (res.syn.saw_tstamp)
		r->flags |= LQ_REQ_TSTAMP;
	const lq_commit commit = lq_core_syn_commit(core_, &res.syn, r, proven);

	reservations_.erase(reservations_.begin() + static_cast<long>(index));
	if (!open_ || res.life != lives_) {
		MODEL_CHECK(commit == LQ_COMMIT_CLOSED);
		release(r);
	} else if (last_quarter) {
		MODEL_CHECK(commit == LQ_COMMIT_REFUSED);
		drop(LISTENQ_DROP_SYN_LAST_QUARTER);
		release(r);
	} else if (half_.contains(res.peer)) {
		MODEL_CHECK(commit == LQ_COMMIT_DUPLICATE);
		event(LISTENQ_EVENT_SYN_DUPLICATE);
		release(r);
	} else {
		MODEL_CHECK(commit == LQ_COMMIT_OK);
		event(LISTENQ_EVENT_REQUEST_CREATED);
		event(LISTENQ_EVENT_SYNACK_SENT);
		// The timer counts from the SYN.
		half_.insert_or_assign(
			res.peer, Half(r, res.syn.now + timeout(0), res.syn.saw_tstamp, false));
		arm(r->expires - now());
		syn_peak_ = std::max<size_t>(syn_peak_, half_.size());
	}
}

void Session::ack(const Event &e)
{
	const unsigned n = e.a % kPeers;
	const auto found = half_.find(n);
	lq_request_copy copy;
	lq_request *freed = &poison_;
	lq_promotion promotion{&poison_, 0, false, 0};
	lq_ack ack{};

	ack.key = peer(n);
	ack.now = now();
	ack.ack = true;
	if (found != half_.end()) {
		const Half &h = found->second;

		ack.seq = h.rcv_isn + 1;
		ack.ack_seq = h.snt_isn + 1;
		ack.tsval = h.ts_recent;
	}
	ack.saw_tstamp = e.c & 1;
	switch (e.b % 16) { // mostly it is right
	case 0:
		ack.ack_seq++;
		break;
	case 1:
		ack.rst = true;
		break;
	case 2:
		ack.rst = true;
		ack.seq += e.d;
		break;
	case 3:
		ack.rst = true;
		ack.ack = e.d & 1;
		ack.ack_seq += e.d;
		break;
	case 4:
		ack.seq += static_cast<u32>(e.d) * 8 - 300;
		break;
	case 5:
		ack.tsval -= 1 + e.d;
		break;
	case 6:
		ack.ack = false;
		break;
	default:
		break;
	}
	ack.end_seq = ack.seq + (e.c & 2 ? e.d : 0);
	lq_ack_verdict verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);

	if (found != half_.end() && found->second.promoting) {
		MODEL_CHECK(verdict == LQ_ACK_WAIT && ack.reason == LISTENQ_DROP_NONE);
		MODEL_CHECK(promotion.request == &poison_ && !freed);
		ack.waited = true;
		verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);
	}
	// Whatever changes more than a promotion does is asked about once more, and nothing was
	// done.
	if (verdict == LQ_ACK_VET) {
		MODEL_CHECK(found != half_.end() && ack.reason == LISTENQ_DROP_NONE && !freed);
		MODEL_CHECK(promotion.request == &poison_);
		ack.vetted = true;
		verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);
	} else {
		MODEL_CHECK(verdict == LQ_ACK_UNKNOWN || verdict == LQ_ACK_PASS ||
			    verdict == LQ_ACK_PROMOTE || (verdict == LQ_ACK_DROP && ack.waited));
	}
	MODEL_CHECK(verdict != LQ_ACK_VET);
	drop(ack.reason);
	MODEL_CHECK((promotion.request != &poison_) == (verdict == LQ_ACK_PROMOTE));
	if (found == half_.end()) {
		MODEL_CHECK(verdict == LQ_ACK_UNKNOWN);
		MODEL_CHECK(ack.reason == LISTENQ_DROP_NONE && !freed);
		return;
	}
	if (ack_for_half(found, ack, verdict, copy, promotion, freed)) {
		promotions_.push_back({promotion, n, false, found->second.memory});
		// Mostly the child is made at once.
		if (e.c < 180)
			end_promotion(static_cast<u8>(promotions_.size() - 1), e.c < 20);
	}
}

// Whether a promotion begins.
bool Session::ack_for_half(std::map<unsigned, Half>::iterator found, const lq_ack &ack,
			   lq_ack_verdict verdict, const lq_request_copy &copy,
			   const lq_promotion &promotion, lq_request *freed)
{
	Half &h = found->second;
	const u32 rcv_nxt = h.rcv_isn + 1;
	const bool paws = old_timestamp(h, ack.saw_tstamp, ack.tsval);
	const bool inside = in_window(ack.seq, ack.end_seq, rcv_nxt, h.rcv_wnd);
	const auto is = [&](lq_ack_verdict v, unsigned reason) {
		MODEL_CHECK(verdict == v);
		MODEL_CHECK(ack.reason == reason);
	};
	const auto challenge = [&](unsigned reason) {
		replied(h, verdict == LQ_ACK_CHALLENGE);
		arm(lq_core_due(core_) - now());
		if (verdict == LQ_ACK_CHALLENGE)
			is_copy_of(copy, h.memory);
		is(verdict == LQ_ACK_CHALLENGE ? LQ_ACK_CHALLENGE : LQ_ACK_SKIP, reason);
	};

	if (h.promoting) {
		is(LQ_ACK_DROP, LISTENQ_DROP_ACK_BUSY);
	} else if (ack.ack && !ack.rst && ack.ack_seq != h.snt_isn + 1) {
		is(LQ_ACK_PASS, LISTENQ_DROP_NONE);
	} else if (paws || !inside) {
		const unsigned reason = paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ;

		if (ack.rst) {
			is(LQ_ACK_DROP, reason);
		} else if (ack.seq != ack.end_seq) {
			is(LQ_ACK_CHALLENGE, reason);
			is_copy_of(copy, h.memory);
		} else {
			challenge(reason);
		}
	} else if (ack.rst && ack.seq != rcv_nxt) {
		challenge(LISTENQ_DROP_ACK_BAD_SEQ);
	} else if (ack.rst) {
		is(LQ_ACK_DROP, LISTENQ_DROP_REQUEST_RESET);
		MODEL_CHECK(freed == h.memory);
		release(freed);
		half_.erase(found);
		return false;
	} else if (!ack.ack) {
		is(LQ_ACK_DROP, LISTENQ_DROP_ACK_BAD_SEQ);
	} else if (h.timeouts < config_.defer_accept && ack.end_seq == rcv_nxt) {
		is(LQ_ACK_DROP, LISTENQ_DROP_ACK_DEFERRED);
		h.acked = true;
	} else if (const auto action = listenq::policy::ack(config_, limits_, snapshot());
		   action != listenq::policy::AckAction::Admit) {
		if (action == listenq::policy::AckAction::Reset) {
			is(LQ_ACK_REFUSE, LISTENQ_DROP_ABORT_ON_OVERFLOW);
			MODEL_CHECK(freed == h.memory);
			release(freed);
			half_.erase(found);
			return false;
		}
		is(LQ_ACK_DROP, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
		h.acked = true;
	} else {
		is(LQ_ACK_PROMOTE, LISTENQ_DROP_NONE);
		MODEL_CHECK(promotion.request == h.memory);
		h.promoting = true;
		MODEL_CHECK(!freed);
		return true;
	}
	MODEL_CHECK(!freed);
	return false;
}

void Session::end_promotion(u8 which, bool abort)
{
	const auto it = promotions_.begin() + which % static_cast<long>(promotions_.size());
	const Promotion p = *it;

	promotions_.erase(it);
	if (abort) {
		u8 reason = LISTENQ_DROP_CHILD_FAILED;
		const bool closed = lq_core_promote_abort(core_, &p.promotion, &reason);

		MODEL_CHECK(closed == p.orphan);
		MODEL_CHECK(reason ==
			    (closed ? LISTENQ_DROP_LISTENER_CLOSED : LISTENQ_DROP_CHILD_FAILED));
		if (closed) {
			release(p.memory);
		} else {
			drop(LISTENQ_DROP_CHILD_FAILED);
			half_.at(p.peer).promoting = false;
			half_.at(p.peer).acked = true;
		}
		return;
	}
	int *child = new int(LQ_PEER_THERE);
	lq_request *evicted = &poison_;
	const lq_commit commit =
		lq_core_promote_commit(core_, &p.promotion, child, now_us(), &evicted);
	MODEL_CHECK(commit == (p.orphan	 ? LQ_COMMIT_CLOSED
			       : filter_ ? LQ_COMMIT_HELD
					 : LQ_COMMIT_OK));
	if (p.orphan) {
		MODEL_CHECK(!evicted);
		release(p.memory);
		delete child;
		return;
	}
	const u32 took_us = now_us() - half_.at(p.peer).since_us;
	handshakes_[wait_bucket(took_us)]++;
	handshakes_us_ += took_us;
	half_.erase(p.peer);
	if (filter_) {
		held_.push_back({p.memory, child, now_us()});
		event(LISTENQ_EVENT_FILTER_HELD);
		MODEL_CHECK(p.memory->filter.kind == filter_);
		MODEL_CHECK(p.memory->filter_seen == 0);
		overflow(evicted, p.peer % 3 == 0);
		return;
	}
	MODEL_CHECK(!evicted);
	event(LISTENQ_EVENT_ESTABLISHED);
	queue_.push_back({p.memory, child, now_us()});
	if (sweeping_ && !unswept_.empty())
		unswept_.push_back(p.memory);
	accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
}

// A SYN of which nothing was kept, as an earlier listener's cookie may have answered it.
void Session::cookie_ack(const Event &e)
{
	using listenq::policy::AckAction;
	const unsigned n = e.a % kPeers;
	const AckAction action = listenq::policy::ack(config_, limits_, snapshot());
	lq_request_copy cookie{};
	lq_promotion promotion{&poison_, 0, false, 0};
	lq_ack ack{};

	ack.key = peer(n);
	ack.now = now();
	cookie.request.rcv_isn = 1000 + e.c;
	cookie.request.mss = 1460;
	lq_core_cookie(&kKeys, &ack.key, 80, 0, 0, &cookie.request);
	ack.seq = ack.end_seq = cookie.request.rcv_isn + 1;
	ack.ack_seq = cookie.request.snt_isn + 1;
	ack.local_port = 80;
	ack.ack = true;
	lq_ack_verdict verdict = lq_core_ack_cookie(core_, &ack, &promotion);

	if (!open_) {
		MODEL_CHECK(verdict == LQ_ACK_UNKNOWN);
		return;
	}
	if (action != AckAction::Admit) {
		MODEL_CHECK(verdict == LQ_ACK_VET && ack.reason == LISTENQ_DROP_NONE);
		MODEL_CHECK(promotion.request == &poison_);
		ack.vetted = true;
		verdict = lq_core_ack_cookie(core_, &ack, &promotion);
	}
	drop(ack.reason);
	if (action == AckAction::Admit) {
		u8 reason = LISTENQ_DROP_NONE;

		MODEL_CHECK(verdict == LQ_ACK_COOKIE && !ack.reason);
		MODEL_CHECK(lq_core_promote_abort(core_, &promotion, &reason) && !reason);
	} else if (action == AckAction::Reset) {
		MODEL_CHECK(verdict == LQ_ACK_REFUSE);
		MODEL_CHECK(ack.reason == LISTENQ_DROP_ABORT_ON_OVERFLOW);
	} else {
		MODEL_CHECK(verdict == LQ_ACK_KEEP);
		MODEL_CHECK(ack.reason == LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
		keep(n, ack, promotion);
	}
}

void Session::keep(unsigned n, const lq_ack &ack, const lq_promotion &promotion)
{
	const bool room = listenq::policy::has_room(config_, limits_, snapshot());
	const bool known = half_.contains(n);
	const bool silent = std::any_of(half_.begin(), half_.end(), [](const auto &each) {
		return each.second.timeouts && !each.second.acked && !each.second.promoting;
	});
	lq_request *r = allocate(ack.key);
	lq_request *gone = &poison_;

	r->rcv_isn = ack.seq - 1;
	r->snt_isn = ack.ack_seq - 1;
	r->stamp_us = now_us();
	r->num_timeout = r->num_retrans = r->oow_stamp = 9; // not the shim's to set
	const bool kept = lq_core_keep(core_, &ack, &promotion, r, &gone);

	// Of a large table not every bucket is looked at.
	MODEL_CHECK(kept ? !known && (room || silent)
			 : known || (!room && (!silent || buckets_ > 512)));
	MODEL_CHECK(gone != &poison_ && (gone != nullptr) == (kept && !room));
	if (gone) {
		const auto it = std::find_if(half_.begin(), half_.end(), [&](const auto &each) {
			return each.second.memory == gone;
		});
		MODEL_CHECK(it != half_.end() && it->second.timeouts && !it->second.acked);
		evicted(gone);
	}
	if (!kept) {
		release(r);
		return;
	}
	event(LISTENQ_EVENT_COOKIE_RECEIVED);
	half_.insert_or_assign(n, Half(r, now() + timeout(0), false, true));
	arm(r->expires - now());
	syn_peak_ = std::max<size_t>(syn_peak_, half_.size());
}

} // namespace testing_core
