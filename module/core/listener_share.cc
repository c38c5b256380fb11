// SPDX-License-Identifier: GPL-2.0
// Listener: what another member of its group takes from its accept queue, and what it takes itself.
#include "listener.hh"

namespace listenq {

// --- the one that a connection comes from ---

u32 Listener::steal_due_us(Micros now)
{
	const u32 limit = config_.overload.steal_us;
	const Request *oldest = accept_queue_.oldest();

	if (stole_ && now.since(stole_at_) >= limit)
		stole_ = false;
	if (!oldest || limit == 0)
		return LQ_NEVER_US;
	const u32 waited = now.since(Micros{oldest->stamp_us});
	const u32 left = waited < limit ? limit - waited : 0;

	return stole_ ? max(left, limit - now.since(stole_at_)) : left;
}

// It holds its slot until steal_end(): it may come back.
bool Listener::steal(Micros now, lq_stolen &stolen)
{
	if (steal_due_us(now) != 0 || accept_due_us(now) == 0)
		return false;
	stolen.entry = accept_queue_.pop();
	stolen.life = life_;
	stolen.passed = filter_;
	return true;
}

lq_steal_end Listener::steal_end(const lq_stolen &stolen, bool taken)
{
	if (taken) {
		accept_queue_.left(1);
		counters_.event(LISTENQ_EVENT_LENT);
		if (manages() && accept_queue_.qlen() == 0)
			overload_.rate.emptied();
		return LQ_STEAL_TAKEN;
	}
	if (open_ && stolen.life == life_) {
		accept_queue_.undo_pop(*stolen.entry);
		// Another may have come meanwhile.
		remember_peaks();
		return LQ_STEAL_BACK;
	}
	accept_queue_.left(1);
	counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
	return LQ_STEAL_CLOSED;
}

// --- the one that takes it ---

bool Listener::take_stolen(const lq_stolen &stolen, Micros now)
{
	Request &r = *stolen.entry;

	if (!takes_ || filters(stolen.passed) ||
	    policy::ack(config_, limits_, snapshot()) != policy::AckAction::Admit)
		return false;
	accept_queue_.push(r, r.child, Micros{r.stamp_us});
	stole_ = true;
	stole_at_ = now;
	counters_.event(LISTENQ_EVENT_STOLEN);
	remember_peaks();
	return true;
}

// --- SYNs ---

bool Listener::is_stalled(const lq_key &key, Micros now) const
{
	const u32 limit = config_.overload.stalled_ms * 1000;
	const Request *oldest = accept_queue_.oldest();

	return limit && oldest && now.since(Micros{oldest->stamp_us}) >= limit && !has_request(key);
}

void Listener::redirected()
{
	counters_.event(LISTENQ_EVENT_SYN_REDIRECTED);
}

} // namespace listenq
