// SPDX-License-Identifier: GPL-2.0
// Listener: the connections that an accept filter holds.
#include "listener.hh"

namespace listenq {

using request::has;

// solisten_enqueue() of FreeBSD's uipc_socket.c: the oldest makes room. A limit that shrank is
// reached in steps, each by one more than came; those that are ready are not evicted for it.
Request *Listener::filter_overflow()
{
	RequestList evicted;

	for (int i = 0; i < 2 && filter_queue_.qlen() > limits_.filter_limit; i++) {
		Request *r = filter_queue_.pop();

		if (!r)
			break;
		if (!has(*r, LQ_REQ_REFUSED))
			drop(LISTENQ_DROP_FILTER_OVERFLOW, *r);
		evicted.push_back(*r);
	}
	return evicted.take_all();
}

// close() handed out all that were held, and marked none.
bool Listener::is_held(const Request &r) const
{
	return open_ && has(r, LQ_REQ_HELD) && !has(r, LQ_REQ_REFUSED);
}

bool Listener::is_waiting(const Request &r) const
{
	return is_held(r) && !has(r, LQ_REQ_READY);
}

bool Listener::accept_has_room() const
{
	return accept_queue_.taken() < limits_.accept_limit;
}

void Listener::filter_passed()
{
	counters_.event(LISTENQ_EVENT_FILTER_PASSED);
	counters_.event(LISTENQ_EVENT_ESTABLISHED);
	remember_peaks();
}

lq_passed Listener::filter_pass(Request &r, Micros now)
{
	if (!is_waiting(r))
		return LQ_PASSED_NOT;
	// Those that are ready come first.
	if (filter_queue_.ready() || !accept_has_room()) {
		filter_queue_.make_ready(r);
		return LQ_PASSED_READY;
	}
	filter_queue_.remove(r);
	accept_queue_.push(r, r.child, now);
	filter_passed();
	return LQ_PASSED_QUEUED;
}

Request *Listener::filter_take()
{
	Request *r = filter_room() ? filter_queue_.pop_ready() : nullptr;

	if (r)
		accept_queue_.reserve();
	return r;
}

bool Listener::filter_admit(Request &r, Micros now)
{
	if (!open_) {
		accept_queue_.abort();
		counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
		return false;
	}
	accept_queue_.commit(r, r.child, now);
	filter_passed();
	return true;
}

bool Listener::filter_release(u32 count)
{
	Request *r;

	while ((r = filter_queue_.oldest()) && count--)
		filter_queue_.make_ready(*r);
	return r;
}

// Until the one that waits for longest has waited for long enough.
u32 Listener::filter_due_us(Micros now) const
{
	const Request *r = filter_queue_.oldest();
	const u32 limit = config_.filter_timeout_ms * 1000;

	if (!r || limit == 0)
		return LQ_NEVER_US;
	const u32 waited = now.since(Micros{r->stamp_us});
	return waited < limit ? limit - waited : 0;
}

bool Listener::filter_expire(Micros now, u32 count)
{
	while (filter_due_us(now) == 0) {
		if (count-- == 0)
			return true;
		filter_queue_.make_ready(*filter_queue_.oldest());
	}
	return false;
}

bool Listener::filter_gone(Request &r)
{
	if (!is_held(r))
		return false;
	filter_queue_.remove(r);
	drop(LISTENQ_DROP_FILTER_GONE, r);
	return true;
}

bool Listener::filter_refuse(Request &r)
{
	if (!is_waiting(r))
		return false;
	filter_queue_.refuse(r);
	drop(LISTENQ_DROP_FILTER_REFUSED, r);
	return true;
}

bool Listener::filter_put_back(Request &r)
{
	if (!open_)
		return false;
	filter_queue_.put_back(r);
	return true;
}

} // namespace listenq
