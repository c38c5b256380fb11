// SPDX-License-Identifier: GPL-2.0
// Listener: the connections that an accept filter holds.
#include "listener.hh"

namespace listenq {

using request::has;

// solisten_enqueue() of FreeBSD's uipc_socket.c: the oldest makes room. A limit that shrank is
// reached in steps, each by one more than came.
Request *Listener::filter_overflow()
{
	RequestList evicted;

	for (int i = 0; i < 2 && filter_queue_.qlen() > limits_.filter_limit; i++) {
		Request *r = filter_queue_.pop();

		if (!has(*r, LQ_REQ_REFUSED))
			counters_.drop(LISTENQ_DROP_FILTER_OVERFLOW);
		evicted.push_back(*r);
	}
	return evicted.take_all();
}

// close() handed out all that were held, and marked none.
bool Listener::is_held(const Request &r) const
{
	return open_ && has(r, LQ_REQ_HELD) && !has(r, LQ_REQ_REFUSED);
}

void Listener::filter_admit(Request &r, Micros now)
{
	accept_queue_.push(r, r.child, now);
	counters_.event(LISTENQ_EVENT_FILTER_PASSED);
	counters_.event(LISTENQ_EVENT_ESTABLISHED);
	remember_peaks();
}

bool Listener::filter_pass(Request &r, Micros now)
{
	if (!is_held(r))
		return false;
	filter_queue_.remove(r);
	filter_admit(r, now);
	return true;
}

bool Listener::filter_gone(Request &r)
{
	if (!is_held(r))
		return false;
	filter_queue_.remove(r);
	counters_.drop(LISTENQ_DROP_FILTER_GONE);
	return true;
}

bool Listener::filter_refuse(Request &r)
{
	if (!is_held(r))
		return false;
	filter_queue_.refuse(r);
	counters_.drop(LISTENQ_DROP_FILTER_REFUSED);
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
