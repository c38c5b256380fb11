// SPDX-License-Identifier: GPL-2.0
// SynQueue: the half-open requests of one listener, in a hash table with a random key.
//
// Invariants (check()):
//	qlen is the number of requests in the table, young <= qlen of them never timed out,
//	every request is in the bucket of its hash, in this table only: while a new table
//	replaces an old one, in the old one if its bucket there has not been moved yet;
//	reserved counts SYNs between lq_core_syn() and their commit or abort.
// Locking: the caller's; see bridge/core.h.
#pragma once

#include "backoff.hh"
#include "table_hash.hh"

namespace listenq {

class SynQueue final {
public:
	explicit SynQueue(const lq_keys &keys) : hash_(keys) {}

	// A step is a bucket or a request that is looked at: what bounds the time of a call. A call
	// that has begun with a bucket comes to its end.

	// Take @buckets (a power of two of null pointers). What is queued stays where it is:
	// if is_rehashing() then, rehash() moves it.
	void resize(Request **buckets, u32 count);
	[[nodiscard]] bool is_rehashing() const { return rehashing_; }
	// Move what the old table holds, for @steps. nullptr: there is more; or that table, which
	// is empty. Meanwhile everything but resize(), drain() and close() may come.
	[[nodiscard]] Request **rehash(u32 steps);

	[[nodiscard]] u32 hash(const lq_key &key) const { return hash_(key); }
	// The request, or nullptr and how many others its bucket holds.
	struct Found {
		Request *request;
		u32 bucket_length;
	};
	[[nodiscard]] Found search(const lq_key &key, u32 hash) const;
	[[nodiscard]] Request *find(const lq_key &key, u32 hash) const
	{
		return search(key, hash).request;
	}

	void insert(Request &r, u32 hash);
	// @r is in the table.
	void remove(Request &r, u32 hash);
	// The first timeout makes a request old.
	void mark_timed_out(Request &r);

	// Room for one request whose route and memory are still to be found.
	void reserve() { reserved_.add(); }
	void release() { reserved_.end(1, "SYN queue: room that nobody reserved is given back"); }

	// Take out an old request to make room, or nullptr. The newest are at the front of
	// their bucket. From bucket @hash, or from one bucket after the other.
	[[nodiscard]] Request *evict_from(u32 hash)
	{
		return take_last(bucket(hash), Which::Any).request;
	}
	// At most @steps; the next call goes on from there.
	[[nodiscard]] Request *evict_oldest(u32 steps) { return evict(steps, Which::Any); }
	// The same, of those that timed out and were never acknowledged.
	[[nodiscard]] Request *evict_silent(u32 steps) { return evict(steps, Which::Silent); }

	// Take out what is queued, for @steps, each of which may end within a bucket.
	// @visit(Request &) owns each request. True: nothing is left. Nothing may be put in, nor
	// be swept, until close().
	template <typename Visit>
	[[nodiscard]] bool drain(u32 steps, Visit visit);
	// Take out what no ACK holds, @room of them at most, for @steps, from bucket @at on, which
	// is moved on. True: all buckets were visited. Not while rehashing.
	template <typename Visit>
	[[nodiscard]] bool take_free(u32 &at, u32 steps, u32 room, Visit visit);
	// Hand back the table, which is empty.
	[[nodiscard]] Request **close();

	// Run the clock hand over @buckets buckets, for @steps; hand_round() are all, while
	// rehashing some of them twice. @visit(Request &) says whether the request stays, leaves
	// (then @leave(Request &) owns it), or ends the sweep before the hand leaves the bucket.
	// Returns how many buckets it left: @buckets, unless the sweep was ended.
	enum class Sweep : u8 { Stay, Leave, Stop };
	template <typename Visit, typename Leave>
	[[nodiscard]] u32 sweep(u32 buckets, u32 steps, Visit visit, Leave leave);
	[[nodiscard]] u32 hand_round() const { return buckets_ ? hand_mask() + 1 : 0; }

	// Call @visit(const Request &) for @room requests from @at on, at most, in @buckets
	// buckets; see struct lq_request_cursor. While rehashing it is interrupted, and done.
	template <typename Visit>
	void walk(lq_request_cursor &at, u32 room, u32 buckets, Visit visit) const;

	[[nodiscard]] bool is_open() const { return buckets_ != nullptr; }
	[[nodiscard]] u32 qlen() const { return qlen_; }
	[[nodiscard]] u32 young() const { return young_; }
	[[nodiscard]] u32 reserved() const { return reserved_.count(); }
	[[nodiscard]] u32 bucket_count() const { return buckets_ ? mask_ + 1 : 0; }

	// Every request and every bucket is looked at: so many steps.
	[[nodiscard]] const char *check() const;
	[[nodiscard]] u32 check_steps() const
	{
		return qlen_ + bucket_count() + (rehashing_ ? old_mask_ + 1 : 0);
	}

private:
	[[nodiscard]] Request **bucket(u32 hash) const
	{
		if (rehashing_ && (hash & old_mask_) >= rehashed_) [[unlikely]]
			return &old_[hash & old_mask_];
		return &buckets_[hash & mask_];
	}
	// Taken as a hash, each number up to it is a bucket's, and each bucket has one.
	[[nodiscard]] u32 hand_mask() const { return rehashing_ ? mask_ | old_mask_ : mask_; }
	void unlink(Request **link);
	void new_generation() { generation_ += generation_ == ~0u ? 2 : 1; }
	struct Taken {
		Request *request;
		u32 steps;
	};
	enum class Which : u8 { Any, Silent };
	[[nodiscard]] Taken take_last(Request **link, Which which);
	[[nodiscard]] Request *evict(u32 steps, Which which);
	[[nodiscard]] const Request *resume(lq_request_cursor &at) const;

	Request **buckets_ = nullptr;
	u32 mask_ = 0;
	u32 generation_ = 1; // of the table; never 0
	Hint<u32> qlen_{0};
	u32 young_ = 0;
	Reservations reserved_;
	u32 clock_hand_ = 0; // next bucket to sweep
	u32 evict_hand_ = 0; // next bucket to evict from, modulo the number of buckets
	bool rehashing_ = false;
	const TableHash hash_;
	// While rehashing: the table before, and how many of its buckets have been moved.
	Request **old_ = nullptr;
	u32 old_mask_ = 0;
	u32 rehashed_ = 0;
};

inline SynQueue::Found SynQueue::search(const lq_key &key, u32 hash) const
{
	u32 length = 0;

	if (!buckets_)
		return {nullptr, 0};
	for (Request *r = *bucket(hash); r; r = r->next) {
		if (request::matches(*r, key))
			return {r, length};
		length++;
	}
	return {nullptr, length};
}

template <typename Visit>
bool SynQueue::drain(u32 steps, Visit visit)
{
	for (; qlen_ > 0 && steps > 0; steps--) {
		if (Request *r = buckets_[clock_hand_]) {
			unlink(&buckets_[clock_hand_]);
			visit(*r);
		} else {
			clock_hand_ = (clock_hand_ + 1) & mask_;
		}
	}
	return qlen_ == 0;
}

template <typename Visit>
bool SynQueue::take_free(u32 &at, u32 steps, u32 room, Visit visit)
{
	for (; at < bucket_count() && qlen_ > 0; at++) {
		Request **link = &buckets_[at];

		if (steps == 0)
			return false;
		steps--;
		while (Request *r = *link) {
			if (request::has(*r, LQ_REQ_PROMOTING)) {
				link = &r->next;
				continue;
			}
			if (room == 0)
				return false;
			room--;
			unlink(link);
			visit(*r);
		}
	}
	return true;
}

template <typename Visit>
void SynQueue::walk(lq_request_cursor &at, u32 room, u32 buckets, Visit visit) const
{
	if ((at.generation && at.generation != generation_) || rehashing_)
		at.interrupted = at.done = true;
	at.generation = generation_;
	for (; !at.done && buckets > 0; buckets--) {
		if (at.bucket >= bucket_count()) {
			at.done = true;
			return;
		}
		for (const Request *r = resume(at); r; r = r->next) {
			if (room-- == 0)
				return;
			visit(*r);
			at.last = request::key_of(*r);
			at.last_us = r->stamp_us;
			at.position++;
		}
		at.bucket++;
		at.position = 0;
	}
}

template <typename Visit, typename Leave>
u32 SynQueue::sweep(u32 buckets, u32 steps, Visit visit, Leave leave)
{
	u32 left = buckets, taken = 0;

	while (left > 0) {
		// As far as buckets lie one behind the other.
		const u32 run = rehashing_ ? 1 : min(left, bucket_count() - clock_hand_);
		Request **const first = bucket(clock_hand_), **const end = first + run;

		for (Request **head = first; head != end; head++) {
			Request **link = head;

			if (taken++ >= steps) {
				clock_hand_ += static_cast<u32>(head - first);
				return buckets - left + static_cast<u32>(head - first);
			}
			while (Request *r = *link) {
				const Sweep what = visit(*r);

				taken++;
				if (what == Sweep::Stay) {
					link = &r->next;
				} else if (what == Sweep::Leave) {
					unlink(link);
					leave(*r);
				} else {
					clock_hand_ += static_cast<u32>(head - first);
					return buckets - left + static_cast<u32>(head - first);
				}
			}
		}
		clock_hand_ = (clock_hand_ + run) & hand_mask();
		left -= run;
	}
	return buckets;
}

} // namespace listenq
