// SPDX-License-Identifier: GPL-2.0
// FilterQueue: the connections that an accept filter holds back.
#include "filter_queue.hh"

namespace listenq {

using request::has;

// --- one list ---

void FilterQueue::List::push_back(Request &r)
{
	r.next = nullptr;
	r.prev = tail;
	(tail ? tail->next : head) = &r;
	tail = &r;
	length++;
}

void FilterQueue::List::push_front(Request &r)
{
	r.prev = nullptr;
	r.next = head;
	(head ? head->prev : tail) = &r;
	head = &r;
	length++;
}

void FilterQueue::List::unlink(Request &r)
{
	(r.prev ? r.prev->next : head) = r.next;
	(r.next ? r.next->prev : tail) = r.prev;
	r.next = r.prev = nullptr;
	length--;
}

const char *FilterQueue::List::check(u8 flags) const
{
	u32 counted = 0;
	const Request *last = nullptr;

	for (const Request *r = head; r; r = r->next) {
		if (++counted > length)
			return "filter queue: more connections than a list's length, or a loop";
		if (r->prev != last)
			return "filter queue: links do not agree";
		if (!r->child || (r->flags & ~LQ_REQ_V6) != flags)
			return "filter queue: an entry has no child, or another list's marks";
		last = r;
	}
	if (counted != length)
		return "filter queue: a list's length is not the number of its connections";
	if (last != tail)
		return "filter queue: the tail is not the last connection";
	return nullptr;
}

// --- all three ---

FilterQueue::List &FilterQueue::list_of(const Request &r)
{
	if (has(r, LQ_REQ_REFUSED))
		return refused_;
	return has(r, LQ_REQ_READY) ? ready_ : waiting_;
}

void FilterQueue::push(Request &r, u8 filter, void *child, Micros now)
{
	r.child = child;
	r.stamp_us = now.value;
	r.filter = {.left = 0, .kind = filter, .step = 0, .index = 0, .locked = 0};
	r.filter_seen = 0;
	r.flags = static_cast<u8>((r.flags & LQ_REQ_V6) | LQ_REQ_HELD);
	waiting_.push_back(r);
}

void FilterQueue::remove(Request &r)
{
	list_of(r).unlink(r);
	r.flags &= static_cast<u8>(~(LQ_REQ_HELD | LQ_REQ_READY));
}

void FilterQueue::refuse(Request &r)
{
	remove(r);
	put_back(r);
}

void FilterQueue::put_back(Request &r)
{
	r.flags |= LQ_REQ_HELD | LQ_REQ_REFUSED;
	refused_.push_front(r);
}

void FilterQueue::make_ready(Request &r)
{
	waiting_.unlink(r);
	r.flags |= LQ_REQ_READY;
	ready_.push_back(r);
}

Request *FilterQueue::pop_from(List &list)
{
	Request *r = list.head;

	if (r)
		remove(*r);
	return r;
}

Request *FilterQueue::pop()
{
	return pop_from(refused_.head ? refused_ : waiting_);
}

Request *FilterQueue::pop_ready()
{
	return pop_from(ready_);
}

Request *FilterQueue::pop_refused()
{
	return pop_from(refused_);
}

Request *FilterQueue::close()
{
	List *const lists[] = {&waiting_, &ready_, &refused_};
	Request *all = nullptr;

	for (List *list : lists) {
		if (!list->head)
			continue;
		list->tail->next = all;
		all = list->head;
		*list = {};
	}
	return all;
}

const char *FilterQueue::check() const
{
	if (const char *broken = waiting_.check(LQ_REQ_HELD))
		return broken;
	if (const char *broken = ready_.check(LQ_REQ_HELD | LQ_REQ_READY))
		return broken;
	return refused_.check(LQ_REQ_HELD | LQ_REQ_REFUSED);
}

} // namespace listenq
