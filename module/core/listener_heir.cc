// SPDX-License-Identifier: GPL-2.0
// Listener: what it hands over to another as it ends, and what it takes over from one that ended.
#include "accept_filter.hh"
#include "listener.hh"

namespace listenq {

using request::has;

// --- the one that ends ---

void Listener::drain(bool on)
{
	draining_ = open_ && on;
	takes_ = open_ && !on;
}

void Listener::leave()
{
	takes_ = false;
	leave_bucket_ = 0;
}

bool Listener::leave_requests(u32 steps, u32 room, Request *&requests)
{
	RequestList out;
	bool more = false;

	if (open_ && !takes_ && !syn_queue_.is_rehashing())
		more = !syn_queue_.take_free(leave_bucket_, steps, room, [&](Request &r) {
			counters_.drop(LISTENQ_DROP_LISTENER_CLOSED);
			out.push_back(r);
		});
	requests = out.take_all();
	return more;
}

void Listener::moved(u32 count)
{
	counters_.take_back_drop(LISTENQ_DROP_LISTENER_CLOSED, count);
	counters_.event(LISTENQ_EVENT_MIGRATED, count);
}

// --- the one that goes on ---

lq_inherited Listener::inherit_request(const lq_key &key, Request &r)
{
	if (!takes_)
		return LQ_INHERITED_CLOSED;
	if (!policy::has_room(config_, limits_, snapshot()))
		return LQ_INHERITED_FULL;
	const u32 hash = syn_queue_.hash(key);
	const SynQueue::Found found = syn_queue_.search(key, hash);

	if (found.request)
		return LQ_INHERITED_DUPLICATE;
	if (found.bucket_length >= limits_.bucket_limit)
		return LQ_INHERITED_FULL;
	queue(r, hash);
	counters_.event(LISTENQ_EVENT_INHERITED);
	return LQ_INHERITED_QUEUED;
}

// A program of the user's is another one at each listener.
bool Listener::filters(u8 passed) const
{
	return filter_ != LQ_FILTER_NONE && (filter_ != passed || filter_ == LQ_FILTER_BPF);
}

lq_inherited Listener::inherit(Request &r, void *child, u8 passed, Micros since, Micros now)
{
	if (!takes_)
		return LQ_INHERITED_CLOSED;
	if (filters(passed)) {
		// Nobody who is here makes room for one who comes.
		if (filter_queue_.qlen() >= limits_.filter_limit)
			return LQ_INHERITED_FULL;
		filter_queue_.push(r, filter_, child, now);
		counters_.event(LISTENQ_EVENT_INHERITED);
		counters_.event(LISTENQ_EVENT_FILTER_HELD);
		return LQ_INHERITED_HELD;
	}
	if (policy::ack(config_, limits_, snapshot()) != policy::AckAction::Admit)
		return LQ_INHERITED_FULL;
	accept_queue_.push(r, child, since);
	counters_.event(LISTENQ_EVENT_INHERITED);
	counters_.event(LISTENQ_EVENT_ESTABLISHED);
	remember_peaks();
	return LQ_INHERITED_QUEUED;
}

} // namespace listenq
