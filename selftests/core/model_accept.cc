// SPDX-License-Identifier: GPL-2.0
// The model of a listener: the accept queue, an accept filter, and accept().
#include "model.hh"

namespace testing_core {

// Refused ones go first, the one refused last before all others; then the oldest that waits.
void Session::overflow(lq_request *evicted, bool put_back)
{
	std::deque<Waiting> expected;

	for (int i = 0; i < 2; i++) {
		std::deque<Waiting> &from = refused_.empty() ? held_ : refused_;

		if (held_.size() + ready_.size() + refused_.size() <= limits_.filter_limit ||
		    from.empty())
			break;
		if (refused_.empty())
			drop(LISTENQ_DROP_FILTER_OVERFLOW);
		expected.push_back(from.front());
		from.pop_front();
	}
	while (evicted) {
		lq_request *next = evicted->next;

		MODEL_CHECK(!expected.empty() && evicted == expected.front().memory);
		if (put_back) { // as if somebody had the child's lock
			MODEL_CHECK(lq_core_filter_put_back(core_, evicted));
			refused_.push_front(expected.front());
			expected.pop_front();
		} else {
			take(expected, evicted);
		}
		evicted = next;
	}
	MODEL_CHECK(expected.empty());
}

void Session::let_go(const Waiting &w)
{
	queue_.push_back({w.memory, w.child, now_us()});
	if (sweeping_ && !unswept_.empty())
		unswept_.push_back(w.memory);
	event(LISTENQ_EVENT_FILTER_PASSED);
	event(LISTENQ_EVENT_ESTABLISHED);
	accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
}

void Session::make_ready(size_t which)
{
	ready_.push_back(held_[which]);
	held_.erase(held_.begin() + static_cast<long>(which));
}

void Session::pass(size_t which)
{
	const lq_passed passed = lq_core_filter_pass(core_, held_[which].memory, now_us());

	if (ready_.empty() && accept_has_room()) {
		MODEL_CHECK(passed == LQ_PASSED_QUEUED);
		let_go(held_[which]);
		held_.erase(held_.begin() + static_cast<long>(which));
	} else {
		MODEL_CHECK(passed == LQ_PASSED_READY);
		make_ready(which);
	}
}

void Session::release_held(u32 count)
{
	const bool more = lq_core_filter_release(core_, count);

	MODEL_CHECK(more == (count < held_.size()));
	while (count-- && !held_.empty())
		make_ready(0);
}

u32 Session::filter_due_us() const
{
	const u32 limit = config_.filter_timeout_ms * 1000;

	if (held_.empty() || limit == 0)
		return LQ_NEVER_US;
	const u32 waited = now_us() - held_.front().since_us;
	return waited < limit ? limit - waited : 0;
}

void Session::expire_held(u32 count)
{
	const bool more = lq_core_filter_expire(core_, now_us(), count);

	for (; count && filter_due_us() == 0; count--)
		make_ready(0);
	MODEL_CHECK(more == (filter_due_us() == 0));
}

void Session::take_ready()
{
	const lq_request *r = lq_core_filter_take(core_);

	if (ready_.empty() || !accept_has_room()) {
		MODEL_CHECK(!r);
		return;
	}
	MODEL_CHECK(r == ready_.front().memory);
	taken_.push_back(ready_.front());
	ready_.pop_front();
}

// It is in no queue: what its child says meanwhile is nothing to anybody.
void Session::admit()
{
	const Waiting w = taken_.front();

	MODEL_CHECK(lq_core_filter_pass(core_, w.memory, now_us()) == LQ_PASSED_NOT);
	MODEL_CHECK(!lq_core_filter_gone(core_, w.memory));
	MODEL_CHECK(!lq_core_filter_refuse(core_, w.memory));
	const bool admitted = lq_core_filter_admit(core_, w.memory, now_us());

	MODEL_CHECK(admitted == open_);
	if (admitted) {
		taken_.pop_front();
		let_go(w);
	} else {
		drop(LISTENQ_DROP_LISTENER_CLOSED);
		take(taken_, w.memory);
	}
}

void Session::filter(const Event &e)
{
	std::deque<Waiting> &either = e.d % 2 && !ready_.empty() ? ready_ : held_;
	const size_t which = held_.empty() ? 0 : e.b % held_.size();
	const size_t of_either = either.empty() ? 0 : e.b % either.size();

	switch (e.c % 11) {
	case 0:
	case 1:
		if (!held_.empty())
			pass(which);
		break;
	case 2:
		if (either.empty())
			break;
		MODEL_CHECK(lq_core_filter_gone(core_, either[of_either].memory));
		drop(LISTENQ_DROP_FILTER_GONE);
		release(either[of_either].memory);
		delete either[of_either].child;
		either.erase(either.begin() + static_cast<long>(of_either));
		break;
	case 3:
	case 4:
		if (held_.empty())
			break;
		MODEL_CHECK(lq_core_filter_refuse(core_, held_[which].memory));
		drop(LISTENQ_DROP_FILTER_REFUSED);
		refused_.push_front(held_[which]);
		held_.erase(held_.begin() + static_cast<long>(which));
		break;
	case 5: {
		lq_request *r = lq_core_filter_refused(core_);

		MODEL_CHECK((r != nullptr) == !refused_.empty());
		if (r)
			take(refused_, r);
		break;
	}
	case 6:
		release_held(e.b % 8u);
		break;
	case 7: // what does not wait any more stays where it is
		for (const auto *queue : {&queue_, &ready_, &refused_}) {
			if (queue->empty())
				continue;
			lq_request *r = queue->front().memory;

			MODEL_CHECK(lq_core_filter_pass(core_, r, now_us()) == LQ_PASSED_NOT);
			MODEL_CHECK(!lq_core_filter_refuse(core_, r));
			MODEL_CHECK(queue == &ready_ || !lq_core_filter_gone(core_, r));
		}
		break;
	case 8:
		expire_held(e.b % 8u);
		break;
	case 9:
		take_ready();
		break;
	case 10:
		if (!taken_.empty())
			admit();
		break;
	}
}

void Session::take(std::deque<Waiting> &queue, lq_request *r, size_t which)
{
	const Waiting w = queue[which];

	queue.erase(queue.begin() + static_cast<long>(which));
	std::erase(unswept_, r);
	MODEL_CHECK(r == w.memory);
	MODEL_CHECK(r->child == w.child);
	delete w.child;
	release(r);
}

// Some peers have left since.
void Session::gone(const Event &e)
{
	if (e.b % 3 == 0 && !queue_.empty())
		*queue_[e.c % queue_.size()].child = e.d % 2 ? LQ_PEER_GONE : LQ_PEER_FINISHED;
}

void Session::accept(const Event &e)
{
	gone(e);
	const bool at_once = e.c % 2;
	if (lq_core_manages(core_)) {
		for (int i = 0; i < 3 && !accept_one(e); i++)
			;
		return;
	}
	lq_request *r =
		at_once ? lq_core_accept_at_once(core_, now_us()) : lq_core_accept(core_, now_us());
	if (queue_.empty()) {
		MODEL_CHECK(!r);
		return;
	}
	MODEL_CHECK(r == queue_.front().memory);
	// As a shim that looks at what it was given.
	if (*queue_.front().child != LQ_PEER_THERE) {
		lq_core_accept_undo(core_, r, now_us(), at_once);
		std::erase(unswept_, r);
		for (int i = 0; i < 3 && !accept_one(e); i++)
			;
		return;
	}
	accepted(0, at_once, e.a % 4 == 0);
}

// It is out of the core's queue, and handed over; or is yet to be.
void Session::accepted(size_t which, bool at_once, bool stays)
{
	event(LISTENQ_EVENT_ACCEPTED);
	const u32 us = now_us() - queue_[which].since_us;
	waits_[wait_bucket(us)]++;
	waits_us_ += us;
	take(queue_, queue_[which].memory, which);
	if (at_once)
		return;
	leaving_++;
	if (!stays)
		leave();
}

void Session::admit_limit()
{
	limits_.admit_limit =
		overload_.rate.places(config_.overload.syn_admission_ms, limits_.accept_limit);
}

u32 Session::accept_due_us() const
{
	const u32 limit = config_.overload.accept_max_wait_ms * 1000;

	if (queue_.empty() || limit == 0)
		return LQ_NEVER_US;
	const u32 waited = now_us() - queue_.front().since_us;
	return waited < limit ? limit - waited : 0;
}

// Why @w is not for accept().
listenq_drop Session::judged(const Waiting &w, bool codel) const
{
	const lq_overload &o = config_.overload;

	if (*w.child == LQ_PEER_GONE && o.accept_dead != LISTENQ_DEAD_KEEP)
		return LISTENQ_DROP_ACCEPT_GONE;
	if (*w.child == LQ_PEER_FINISHED && o.accept_dead == LISTENQ_DEAD_SKIP_FIN)
		return LISTENQ_DROP_ACCEPT_FINISHED;
	if (o.accept_max_wait_ms && now_us() - w.since_us >= o.accept_max_wait_ms * 1000)
		return LISTENQ_DROP_ACCEPT_EXPIRED;
	return codel ? LISTENQ_DROP_ACCEPT_CODEL : LISTENQ_DROP_NONE;
}

// True: accept() has one, or there is none.
bool Session::accept_one(const Event &e)
{
	const lq_overload &o = config_.overload;
	const bool at_once = e.c % 2;
	lq_request *r = lq_core_accept_next(core_, now_us());

	if (queue_.empty()) {
		MODEL_CHECK(!r);
		return true;
	}
	const u32 oldest_us = now_us() - queue_.front().since_us;
	bool codel = false, newest = false;
	if (!o.accept_max_wait_ms || oldest_us < o.accept_max_wait_ms * 1000) {
		if (o.codel_target_ms)
			codel = overload_.codel.drops(o, {now_us()}, oldest_us,
						      static_cast<u32>(queue_.size()));
		const u32 target_ms = o.codel_target_ms ? o.codel_target_ms : 100;
		newest = !codel && (o.accept_order == LISTENQ_ORDER_LIFO ||
				    (o.accept_order == LISTENQ_ORDER_ADAPTIVE &&
				     oldest_us >= target_ms * 1000));
	}
	const size_t which = newest ? queue_.size() - 1 : 0;
	const Waiting w = queue_[which];
	MODEL_CHECK(r == w.memory);
	const listenq_drop reason = judged(w, codel);
	MODEL_CHECK(lq_core_accept_judge(core_, r, static_cast<lq_peer>(*w.child), now_us(),
					 at_once) == reason);
	if (reason != LISTENQ_DROP_NONE) {
		drop(reason);
		take(queue_, r, which);
		if (queue_.empty())
			overload_.rate.emptied();
		return false;
	}
	const u32 waited_us = now_us() - w.since_us;
	accepted(which, at_once, e.a % 4 == 0);
	if (listenq::Overload::manages(o)) {
		overload_.rate.accepted({now_us()}, waited_us, !queue_.empty());
		admit_limit();
	}
	return true;
}

// The work that gives places up without accept().
void Session::sweep(const Event &e)
{
	gone(e);
	for (int i = e.c % 4; i > 0; i--) {
		const bool due = accept_due_us() == 0;
		lq_request *r = lq_core_accept_expire(core_, now_us());

		MODEL_CHECK(due == (r != nullptr));
		if (!r)
			break;
		drop(LISTENQ_DROP_ACCEPT_EXPIRED);
		take(queue_, r);
		if (queue_.empty())
			overload_.rate.emptied();
	}
	for (int i = e.d % 8; i > 0; i--) {
		if (!sweeping_) {
			for (const Waiting &w : queue_)
				unswept_.push_back(w.memory);
		}
		lq_request *r = lq_core_sweep_next(core_);
		sweeping_ = !unswept_.empty();
		MODEL_CHECK((r != nullptr) == sweeping_);
		if (!r)
			break;
		MODEL_CHECK(r == unswept_.front());
		unswept_.pop_front();
		const auto w = std::find_if(queue_.begin(), queue_.end(),
					    [&](const Waiting &each) { return each.memory == r; });
		MODEL_CHECK(w != queue_.end());
		const listenq_drop reason = judged(*w, false);
		const auto peer = static_cast<lq_peer>(*w->child);
		MODEL_CHECK(lq_core_skips(core_, peer) == (reason == LISTENQ_DROP_ACCEPT_GONE ||
							   reason == LISTENQ_DROP_ACCEPT_FINISHED));
		MODEL_CHECK(lq_core_sweep_judge(core_, r, peer, now_us()) == reason);
		if (reason == LISTENQ_DROP_NONE)
			continue;
		drop(reason);
		take(queue_, r, static_cast<size_t>(w - queue_.begin()));
		if (queue_.empty())
			overload_.rate.emptied();
	}
}

void Session::leave()
{
	lq_core_accept_done(core_, 1);
	leaving_--;
}

} // namespace testing_core
