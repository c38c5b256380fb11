// SPDX-License-Identifier: GPL-2.0
// FilterQueue: the connections that an accept filter holds back, the oldest first.
#include "filter_queue.hh"

namespace listenq {

using request::has;

void FilterQueue::push(Request &r, u8 filter, void *child, Micros now)
{
	r.child = child;
	r.stamp_us = now.value;
	r.filter = {.left = 0, .kind = filter, .step = 0, .index = 0, .pad = 0};
	r.filter_seen = 0;
	r.flags = static_cast<u8>((r.flags & LQ_REQ_V6) | LQ_REQ_HELD);
	r.next = nullptr;
	r.prev = tail_;
	(tail_ ? tail_->next : head_) = &r;
	tail_ = &r;
	qlen_++;
}

void FilterQueue::unlink(Request &r)
{
	(r.prev ? r.prev->next : head_) = r.next;
	(r.next ? r.next->prev : tail_) = r.prev;
	r.next = r.prev = nullptr;
}

void FilterQueue::remove(Request &r)
{
	unlink(r);
	r.flags &= static_cast<u8>(~LQ_REQ_HELD);
	qlen_--;
	if (has(r, LQ_REQ_REFUSED))
		refused_--;
}

void FilterQueue::refuse(Request &r)
{
	unlink(r);
	push_front(r);
}

void FilterQueue::put_back(Request &r)
{
	push_front(r);
	qlen_++;
}

void FilterQueue::push_front(Request &r)
{
	r.flags |= LQ_REQ_HELD | LQ_REQ_REFUSED;
	refused_++;
	r.prev = nullptr;
	r.next = head_;
	(head_ ? head_->prev : tail_) = &r;
	head_ = &r;
}

Request *FilterQueue::pop()
{
	Request *r = head_;

	if (r)
		remove(*r);
	return r;
}

Request *FilterQueue::pop_waiting()
{
	Request *r = head_;

	while (r && has(*r, LQ_REQ_REFUSED))
		r = r->next;
	if (r)
		remove(*r);
	return r;
}

Request *FilterQueue::pop_refused()
{
	return head_ && has(*head_, LQ_REQ_REFUSED) ? pop() : nullptr;
}

Request *FilterQueue::close()
{
	Request *all = head_;

	head_ = tail_ = nullptr;
	qlen_ = refused_ = 0;
	return all;
}

const char *FilterQueue::check() const
{
	u32 qlen = 0, refused = 0;
	const Request *last = nullptr;

	for (const Request *r = head_; r; r = r->next) {
		if (++qlen > qlen_)
			return "filter queue: more connections than qlen, or a loop";
		if (r->prev != last)
			return "filter queue: links do not agree";
		if (!r->child || !has(*r, LQ_REQ_HELD))
			return "filter queue: an entry has no child or is not held";
		if (has(*r, LQ_REQ_REFUSED) && ++refused != qlen)
			return "filter queue: a refused one stands behind";
		last = r;
	}
	if (qlen != qlen_)
		return "filter queue: qlen is not the number of connections";
	if (refused != refused_)
		return "filter queue: refused is not the number of refused connections";
	if (last != tail_)
		return "filter queue: the tail is not the last connection";
	return nullptr;
}

} // namespace listenq
