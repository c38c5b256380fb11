// SPDX-License-Identifier: GPL-2.0
// The model of a listener: what other members of its group take from it, and it from them.
#include "model.hh"

namespace testing_core {

u32 Session::steal_due_us()
{
	const u32 limit = config_.overload.steal_us;
	const u32 since = now_us() - stole_at_us_;

	if (stole_ && since >= limit)
		stole_ = false;
	if (limit == 0 || queue_.empty())
		return LQ_NEVER_US;
	const u32 waited = now_us() - queue_.front().since_us;
	return std::max(waited < limit ? limit - waited : 0, stole_ ? limit - since : 0);
}

// The oldest is on its way to another member.
void Session::steal()
{
	lq_stolen stolen{};
	const bool due = steal_due_us() == 0 && accept_due_us() != 0;

	MODEL_CHECK(lq_core_steal(core_, now_us(), &stolen) == due);
	if (!due)
		return;
	MODEL_CHECK(stolen.entry == queue_.front().memory && stolen.passed == filter_);
	MODEL_CHECK(stolen.entry->child == queue_.front().child);
	std::erase(unswept_, stolen.entry);
	stolen_.push_back({stolen, queue_.front(), lives_});
	queue_.pop_front();
}

// It is there, or not, or has nowhere to go back to.
void Session::end_steal(size_t which, bool taken)
{
	const Stolen s = stolen_[which];
	const bool closed = !open_ || s.life != lives_;
	const lq_steal_end end = lq_core_steal_end(core_, &s.stolen, taken);

	stolen_.erase(stolen_.begin() + static_cast<long>(which));
	if (!taken && !closed) {
		MODEL_CHECK(end == LQ_STEAL_BACK);
		queue_.push_front(s.waiting);
		accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
		return;
	}
	MODEL_CHECK(end == (taken ? LQ_STEAL_TAKEN : LQ_STEAL_CLOSED));
	if (taken)
		event(LISTENQ_EVENT_LENT);
	else
		drop(LISTENQ_DROP_LISTENER_CLOSED);
	if (taken && queue_.empty())
		overload_.rate.emptied();
	delete s.waiting.child;
	release(s.waiting.memory);
}

// One of another member's comes, which has waited for a while.
void Session::take_stolen(const Event &e)
{
	lq_request *r = allocate(peer(e.b % kPeers));
	auto *child = new int(LQ_PEER_THERE);
	const u8 passed = e.c % LQ_FILTER_COUNT;
	const bool filters =
		filter_ != LQ_FILTER_NONE && (filter_ != passed || filter_ == LQ_FILTER_BPF);
	const bool room = listenq::policy::ack(config_, limits_, snapshot()) ==
			  listenq::policy::AckAction::Admit;

	r->child = child;
	r->stamp_us = now_us() - e.d * 1000u;
	const lq_stolen stolen{.entry = r, .life = e.b, .passed = passed};
	const bool taken = lq_core_take_stolen(core_, &stolen, now_us());
	MODEL_CHECK(taken == (open_ && !filters && room));
	if (!taken) {
		delete child;
		release(r);
		return;
	}
	queue_.push_back({r, child, r->stamp_us});
	if (sweeping_ && !unswept_.empty())
		unswept_.push_back(r);
	event(LISTENQ_EVENT_STOLEN);
	accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
	stole_ = true;
	stole_at_us_ = now_us();
}

void Session::share(const Event &e)
{
	const lq_key key = peer(e.b % kPeers);
	const bool stalled =
		config_.overload.stalled_ms != 0 && !queue_.empty() &&
		now_us() - queue_.front().since_us >= config_.overload.stalled_ms * 1000 &&
		!lq_core_has_request(core_, &key);

	MODEL_CHECK(lq_core_is_stalled(core_, &key, now_us()) == stalled);
	if (stalled) {
		lq_core_redirected(core_);
		event(LISTENQ_EVENT_SYN_REDIRECTED);
	}
	if (!stolen_.empty() && e.d % 4 != 0)
		end_steal(e.d % stolen_.size(), e.d % 3 != 0);
	else if (e.d % 4 < 2)
		take_stolen(e);
	else
		steal();
}

} // namespace testing_core
