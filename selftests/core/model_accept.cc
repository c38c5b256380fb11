// SPDX-License-Identifier: GPL-2.0
// The model of a listener: the accept queue, an accept filter, and accept().
#include "model.hh"

namespace testing_core {

// Refused ones go first, the one refused last before all others; then the oldest.
void Session::overflow(lq_request *evicted, bool put_back)
{
	std::deque<Waiting> expected;

	for (int i = 0; i < 2 && held_.size() + refused_.size() > limits_.filter_limit; i++) {
		std::deque<Waiting> &from = refused_.empty() ? held_ : refused_;

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

void Session::let_go(size_t which)
{
	const Waiting w = held_[which];

	held_.erase(held_.begin() + static_cast<long>(which));
	queue_.push_back({w.memory, w.child, now_us()});
	event(LISTENQ_EVENT_FILTER_PASSED);
	event(LISTENQ_EVENT_ESTABLISHED);
	accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
}

void Session::filter(const Event &e)
{
	const size_t which = held_.empty() ? 0 : e.b % held_.size();

	switch (e.c % 8) {
	case 0:
	case 1:
		if (held_.empty())
			break;
		MODEL_CHECK(lq_core_filter_pass(core_, held_[which].memory, now_us()));
		let_go(which);
		break;
	case 2:
		if (held_.empty())
			break;
		MODEL_CHECK(lq_core_filter_gone(core_, held_[which].memory));
		drop(LISTENQ_DROP_FILTER_GONE);
		release(held_[which].memory);
		delete held_[which].child;
		held_.erase(held_.begin() + static_cast<long>(which));
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
		while (lq_request *r = lq_core_filter_pop(core_)) {
			MODEL_CHECK(!held_.empty() && r == held_.front().memory);
			MODEL_CHECK(!lq_core_filter_pass(core_, r, now_us()));
			lq_core_filter_admit(core_, r, now_us());
			let_go(0);
		}
		MODEL_CHECK(held_.empty());
		break;
	case 7: // what is not held any more stays where it is
		for (const auto *waiting : {&queue_, &refused_}) {
			if (waiting->empty())
				continue;
			lq_request *r = waiting->front().memory;

			MODEL_CHECK(!lq_core_filter_pass(core_, r, now_us()));
			MODEL_CHECK(!lq_core_filter_gone(core_, r));
			MODEL_CHECK(!lq_core_filter_refuse(core_, r));
		}
		break;
	}
}

void Session::take(std::deque<Waiting> &queue, lq_request *r)
{
	const Waiting w = queue.front();

	queue.pop_front();
	MODEL_CHECK(r == w.memory);
	MODEL_CHECK(r->child == w.child);
	delete w.child;
	release(r);
}

void Session::accept(const Event &e)
{
	lq_request *r = lq_core_accept(core_, now_us());

	if (queue_.empty()) {
		MODEL_CHECK(!r);
		return;
	}
	MODEL_CHECK(r);
	event(LISTENQ_EVENT_ACCEPTED);
	const int bucket = static_cast<int>(std::bit_width(now_us() - queue_.front().since_us));
	waits_[std::min(bucket, LISTENQ_HIST_BUCKETS - 1)]++;
	take(queue_, r);
	leaving_++;
	if (e.a % 4)
		leave();
}

void Session::leave()
{
	lq_core_accept_done(core_, 1);
	leaving_--;
}

} // namespace testing_core
