// SPDX-License-Identifier: GPL-2.0
// AcceptQueue: the connections that wait for accept(), in the order in which they came.
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
	r.next = nullptr;
	r.prev = tail_;
	(tail_ ? tail_->next : head_) = &r;
	tail_ = &r;
	qlen_++;
}

// The next one's prev is not written: it lies in memory that nobody has touched for long.
// Inline: accept() pays for no call.
[[gnu::always_inline]] inline Request *AcceptQueue::pop_front()
{
	Request *r = head_;

	if (!r)
		return nullptr;
	head_ = r->next;
	if (!head_)
		tail_ = nullptr;
	if (sweep_ == r) [[unlikely]]
		sweep_ = r->next;
	r->next = nullptr;
	qlen_--;
	return r;
}

Request *AcceptQueue::take()
{
	return pop_front();
}

Request *AcceptQueue::pop()
{
	Request *r = pop_front();

	if (r)
		leaving_.add();
	return r;
}

void AcceptQueue::undo_take(Request &r)
{
	r.next = head_;
	if (head_)
		head_->prev = &r;
	else
		tail_ = &r;
	head_ = &r;
	qlen_++;
}

void AcceptQueue::undo_pop(Request &r)
{
	left(1);
	undo_take(r);
}

void AcceptQueue::remove(Request &r)
{
	if (head_ == &r) {
		(void)pop_front();
		return;
	}
	r.prev->next = r.next;
	if (r.next)
		r.next->prev = r.prev;
	else
		tail_ = r.prev;
	if (sweep_ == &r)
		sweep_ = r.next;
	r.next = nullptr;
	qlen_--;
}

void AcceptQueue::remove_and_hold(Request &r)
{
	remove(r);
	leaving_.add();
}

Request *AcceptQueue::sweep()
{
	Request *r = sweeping_ ? sweep_ : head_;

	sweeping_ = r;
	sweep_ = r ? r->next : nullptr;
	return r;
}

Request *AcceptQueue::close()
{
	Request *r = head_;

	head_ = tail_ = sweep_ = nullptr;
	sweeping_ = false;
	qlen_ = 0;
	return r;
}

const char *AcceptQueue::check() const
{
	u32 qlen = 0;
	const Request *last = nullptr;
	bool swept = !sweep_;

	for (const Request *r = head_; r; r = r->next) {
		if (++qlen > qlen_)
			return "accept queue: more connections than qlen, or a loop";
		if (last && r->prev != last)
			return "accept queue: an entry's prev is not the one before it";
		last = r;
		swept |= r == sweep_;
		if (!r->child)
			return "accept queue: an entry has no child";
	}
	if (qlen != qlen_)
		return "accept queue: qlen is not the number of connections";
	if (last != tail_)
		return "accept queue: the tail is not the last connection";
	if (!swept || (sweep_ && !sweeping_))
		return "accept queue: the sweep is not at a connection of it";
	return nullptr;
}

} // namespace listenq
