// SPDX-License-Identifier: GPL-2.0
// AcceptQueue: the connections that wait for accept(), first in, first out.
#include "accept_queue.hh"

namespace listenq {

void AcceptQueue::commit(Request &r, void *child, Micros now)
{
	promoting_.end(1, "accept queue: a child comes without a slot");
	push(r, child, now);
}

void AcceptQueue::push(Request &r, void *child, Micros now)
{
	r.child = child;
	r.stamp_us = now.value;
	r.flags &= LQ_REQ_V6;
	list_.push_back(r);
	qlen_++;
}

Request *AcceptQueue::take()
{
	Request *r = list_.pop_front();

	if (r)
		qlen_--;
	return r;
}

Request *AcceptQueue::pop()
{
	Request *r = take();

	if (r)
		leaving_.add();
	return r;
}

Request *AcceptQueue::close()
{
	qlen_ = 0;
	return list_.take_all();
}

const char *AcceptQueue::check() const
{
	u32 qlen = 0;
	const Request *last = nullptr;

	for (const Request *r = list_.front(); r; r = r->next) {
		last = r;
		if (++qlen > qlen_)
			return "accept queue: more connections than qlen, or a loop";
		if (!r->child)
			return "accept queue: an entry has no child";
	}
	if (qlen != qlen_)
		return "accept queue: qlen is not the number of connections";
	if (last != list_.back())
		return "accept queue: the tail is not the last connection";
	return nullptr;
}

} // namespace listenq
