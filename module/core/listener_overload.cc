// SPDX-License-Identifier: GPL-2.0
// Listener: what becomes of the accept queue when accept() comes too late.
#include "listener.hh"

namespace listenq {

// As if accept() had not had it.
void Listener::accept_undo(Request &r, Micros now, bool at_once)
{
	if (at_once)
		accept_queue_.undo_take(r);
	else
		accept_queue_.undo_pop(r);
	counters_.take_back(LISTENQ_EVENT_ACCEPTED);
	counters_.accept_wait_back(now.since(Micros{r.stamp_us}));
}

// CoDel measures the oldest, and drops it, whoever is next.
Request *Listener::accept_next(Micros now)
{
	const OverloadConfig &config = config_.overload;
	Request *oldest = accept_queue_.oldest();

	codel_drops_ = false;
	if (!oldest)
		return nullptr;
	const u32 waited_us = now.since(Micros{oldest->stamp_us});
	if (Overload::expires(config, waited_us))
		return oldest;
	if (config.codel_target_ms)
		codel_drops_ = overload_.codel.drops(config, now, waited_us, accept_queue_.qlen());
	if (!codel_drops_ && Overload::newest_first(config, waited_us))
		return accept_queue_.newest();
	return oldest;
}

listenq_drop Listener::accept_judge(Request &r, lq_peer peer, Micros now, bool at_once)
{
	const u32 waited_us = now.since(Micros{r.stamp_us});
	listenq_drop reason = Overload::drops(config_.overload, peer);

	if (reason == LISTENQ_DROP_NONE && Overload::expires(config_.overload, waited_us))
		reason = LISTENQ_DROP_ACCEPT_EXPIRED;
	if (reason == LISTENQ_DROP_NONE && codel_drops_)
		reason = LISTENQ_DROP_ACCEPT_CODEL;
	codel_drops_ = false;
	if (reason != LISTENQ_DROP_NONE) {
		give_up(r, reason);
		return reason;
	}
	if (at_once)
		accept_queue_.remove(r);
	else
		accept_queue_.remove_and_hold(r);
	accepted(r, now);
	if (manages()) {
		overload_.rate.accepted(now, waited_us, accept_queue_.qlen() != 0);
		admit();
	}
	return LISTENQ_DROP_NONE;
}

void Listener::give_up(Request &r, listenq_drop reason)
{
	accept_queue_.remove(r);
	drop(reason, r);
	if (accept_queue_.qlen() == 0)
		overload_.rate.emptied();
}

// How many may be before a new connection.
void Listener::admit()
{
	limits_.admit_limit =
		overload_.rate.places(config_.overload.syn_admission_ms, limits_.accept_limit);
}

Request *Listener::accept_expire(Micros now)
{
	if (accept_due_us(now) != 0)
		return nullptr;
	Request *r = accept_queue_.oldest();
	give_up(*r, LISTENQ_DROP_ACCEPT_EXPIRED);
	return r;
}

u32 Listener::accept_due_us(Micros now) const
{
	const Request *r = accept_queue_.oldest();
	const u32 limit = config_.overload.accept_max_wait_ms * 1000;

	if (!r || limit == 0)
		return LQ_NEVER_US;
	const u32 waited = now.since(Micros{r->stamp_us});
	return waited < limit ? limit - waited : 0;
}

listenq_drop Listener::sweep_judge(Request &r, lq_peer peer, Micros now)
{
	listenq_drop reason = Overload::drops(config_.overload, peer);

	if (reason == LISTENQ_DROP_NONE &&
	    Overload::expires(config_.overload, now.since(Micros{r.stamp_us})))
		reason = LISTENQ_DROP_ACCEPT_EXPIRED;
	if (reason != LISTENQ_DROP_NONE)
		give_up(r, reason);
	return reason;
}

// While connections are refused those that are gone are in the way. The timer runs until that ends.
bool Listener::wants_sweep() const
{
	return overflow_.active() && accept_queue_.qlen() != 0 &&
	       config_.overload.accept_dead != LISTENQ_DEAD_KEEP;
}

} // namespace listenq
