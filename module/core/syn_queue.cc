// SPDX-License-Identifier: GPL-2.0
// SynQueue: the half-open requests of one listener, in a hash table with a random key.
#include "syn_queue.hh"

namespace listenq {

void SynQueue::resize(Request **buckets, u32 count)
{
	new_generation();
	old_ = buckets_;
	old_mask_ = mask_;
	// Of an empty table nothing is to be moved.
	rehashed_ = qlen_ == 0 ? old_mask_ + 1 : 0;
	rehashing_ = old_ != nullptr;
	buckets_ = buckets;
	mask_ = count - 1;
	clock_hand_ = 0;
}

Request **SynQueue::rehash(u32 steps)
{
	for (u32 taken = 0; rehashed_ <= old_mask_ && taken < steps; taken++) {
		Request *oldest_first = nullptr;

		while (Request *r = old_[rehashed_]) {
			old_[rehashed_] = r->next;
			r->next = oldest_first;
			oldest_first = r;
			taken++;
		}
		rehashed_++;
		// So that the newest are at the front again: in a smaller table those of
		// one old bucket, before those of another.
		while (Request *r = oldest_first) {
			Request **head = &buckets_[hash_(*r) & mask_];

			oldest_first = r->next;
			r->next = *head;
			*head = r;
		}
	}
	if (rehashed_ <= old_mask_)
		return nullptr;
	Request **table = old_;
	rehashing_ = false;
	old_ = nullptr;
	clock_hand_ &= mask_;
	return table;
}

Request **SynQueue::close()
{
	Request **table = buckets_;

	new_generation();
	buckets_ = nullptr;
	mask_ = 0;
	clock_hand_ = 0;
	return table;
}

void SynQueue::insert(Request &r, u32 hash)
{
	Request **head = bucket(hash);

	r.next = *head;
	*head = &r;
	qlen_++;
	if (request::is_young(r))
		young_++;
}

void SynQueue::remove(Request &r, u32 hash)
{
	Request **link = bucket(hash);

	while (*link != &r)
		link = &(*link)->next;
	unlink(link);
}

void SynQueue::unlink(Request **link)
{
	Request *r = *link;

	*link = r->next;
	r->next = nullptr;
	qlen_--;
	if (request::is_young(*r))
		young_--;
}

// The last one of them, which is the oldest, in the chain at @link; none that an ACK holds.
SynQueue::Taken SynQueue::take_last(Request **link, Which which)
{
	Request **last = nullptr;
	u32 steps = 1;

	for (; *link; link = &(*link)->next, steps++) {
		const Request &r = **link;

		if (request::has(r, LQ_REQ_PROMOTING))
			continue;
		if (which == Which::Any ||
		    (!request::is_young(r) && !request::has(r, LQ_REQ_ACKED)))
			last = link;
	}
	if (!last)
		return {nullptr, steps};
	Request *r = *last;
	unlink(last);
	return {r, steps};
}

Request *SynQueue::evict(u32 steps, Which which)
{
	u32 taken = 0;

	// A hand of its own, that moves on each time: were it always the first bucket that has
	// some, new requests would be gone at once, and old ones elsewhere would stay.
	for (u32 i = 0; i < hand_round() && taken < steps; i++) {
		const Taken last = take_last(bucket(evict_hand_ & hand_mask()), which);

		evict_hand_++;
		if (last.request)
			return last.request;
		taken += last.steps;
	}
	return nullptr;
}

// The request after the last one that a walk saw in its bucket, or nullptr.
const Request *SynQueue::resume(lq_request_cursor &at) const
{
	const Request *const first = buckets_[at.bucket];

	if (at.position == 0)
		return first;
	for (const Request *r = first; r; r = r->next) {
		if (r->stamp_us == at.last_us && request::matches(*r, at.last))
			return r->next;
	}
	// It went. The others are behind those seen, unless some of these went, too.
	at.interrupted = true;
	const Request *r = first;
	for (u32 i = 1; r && i < at.position; i++)
		r = r->next;
	return r;
}

void SynQueue::mark_timed_out(Request &r)
{
	if (request::is_young(r))
		young_--;
	if (r.num_timeout < 0xff)
		r.num_timeout++;
}

const char *SynQueue::check() const
{
	u32 qlen = 0, young = 0;

	const u32 old_count = rehashing_ ? old_mask_ + 1 : 0;

	for (u32 i = 0; i < old_count + bucket_count(); i++) {
		Request **head = i < old_count ? &old_[i] : &buckets_[i - old_count];

		for (const Request *r = *head; r; r = r->next) {
			qlen++;
			young += request::is_young(*r);
			if (bucket(hash_(*r)) != head)
				return "SYN queue: a request is in the wrong bucket";
			if (request::has(*r, LQ_REQ_ORPHAN))
				return "SYN queue: an orphan is in the table";
			if (qlen > qlen_)
				return "SYN queue: more requests than qlen, or a loop";
		}
	}
	if (qlen != qlen_)
		return "SYN queue: qlen is not the number of requests";
	if (young != young_)
		return "SYN queue: young is not the number of young requests";
	return nullptr;
}

} // namespace listenq
