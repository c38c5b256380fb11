// SPDX-License-Identifier: GPL-2.0
// The shims' steps on the host: the core behind a lock, memory that may run out, children that
// are counted. What the module does in a critical section is one here, and what it does outside
// of them is outside.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "support.hh"

namespace testing_core {

// Memory that fails when told to. Safe to use from any thread.
class Memory {
public:
	// The n-th allocation from now fails, with @rest all that follow; 0: none.
	void fail(u64 n, bool rest = false)
	{
		asked_ = 0;
		nth_ = n;
		rest_ = rest;
	}
	[[nodiscard]] u64 asked() const { return asked_; }
	[[nodiscard]] s64 live() const { return live_; }
	[[nodiscard]] u64 failed() const { return failed_; }

	[[nodiscard]] bool take()
	{
		const u64 n = ++asked_;

		if (nth_ != 0 && (n == nth_ || (rest_ && n > nth_))) {
			failed_++;
			return false;
		}
		live_++;
		return true;
	}
	void give() { live_--; }

private:
	std::atomic<u64> asked_{0}, nth_{0}, failed_{0};
	std::atomic<s64> live_{0};
	std::atomic<bool> rest_{false};
};

class HostShim {
public:
	explicit HostShim(Memory &memory)
	    : memory_(memory), core_memory_(new u64[(lq_core_size() + 7) / 8]),
	      core_(lq_core_init(core_memory_, &kKeys))
	{
	}
	~HostShim() { delete[] core_memory_; }
	HostShim(const HostShim &) = delete;
	HostShim &operator=(const HostShim &) = delete;

	// What other CPUs may do meanwhile, between two critical sections.
	std::function<void()> meanwhile = [] {};
	std::atomic<u32> now{1000};
	std::atomic<u64> handed_over{0}, created{0}, resets{0};
	u64 gone_every = ~u64{0}; // of so many children one is reset by its peer at once

	// --- listen.c, shard.c; one at a time, as lock_sock() has it ---

	// False: no memory, and it does not listen.
	bool listen(const lq_config &config)
	{
		std::lock_guard owner(sock_);
		lq_limits limits;
		u32 count;

		lq_core_limits(&config, &limits);
		{
			std::lock_guard lock(lock_);
			lq_core_configure(core_, &config, &limits);
			count = lq_core_table_first(core_);
		}
		if (listening_) {
			grow();
			return true;
		}
		if (!memory_.take())
			return false;
		lq_request **buckets = new_buckets(count);
		std::lock_guard lock(lock_);
		lq_core_open(core_, buckets, count);
		listening_ = true;
		return true;
	}

	void close()
	{
		std::lock_guard owner(sock_);

		if (!listening_)
			return;
		listening_ = false;
		lq_drained drained;
		bool more;
		do {
			{
				std::lock_guard lock(lock_);
				more = lq_core_close(core_, kStepsAtOnce, &drained);
				while (lq_core_event(core_, &event_))
					;
			}
			// cancel_work_sync() of both works
			std::lock_guard work(work_);
			std::lock_guard reaper(reaper_);
			release_all(drained.requests, false);
			release_all(drained.connections, true);
			release_all(drained.held, true);
		} while (more);
		free_table(drained.table);
	}

	// What a filter holds is ready, as lq_filter_remove().
	void filter(u8 which)
	{
		std::lock_guard owner(sock_);

		if (!listening_)
			return;
		{
			std::lock_guard lock(lock_);
			lq_core_filter_set(core_, which);
		}
		if (which != LQ_FILTER_NONE)
			return;
		bool more;
		do {
			std::lock_guard lock(lock_);
			more = lq_core_filter_release(core_, 2);
		} while (more);
		reap();
	}

	// --- syn.c ---

	lq_syn_verdict syn(u32 n)
	{
		lq_syn syn{};
		lq_request_copy copy;
		lq_request *freed;
		lq_syn_verdict verdict;

		syn.key = peer(n);
		syn.seq = 1000;
		syn.now = now;
		syn.now_s = now / kHz;
		{
			std::lock_guard lock(lock_);
			verdict = lq_core_syn(core_, &syn, &copy, &freed);
		}
		release(freed);
		take_events();
		if (verdict != LQ_SYN_NEW)
			return verdict;
		lq_request *r = memory_.take() ? new_request(syn.key) : nullptr;
		between();
		if (!r) {
			std::lock_guard lock(lock_);
			lq_core_syn_abort(core_, LISTENQ_DROP_NO_MEMORY);
			return verdict;
		}
		lq_commit commit;
		{
			std::lock_guard lock(lock_);
			commit = lq_core_syn_commit(core_, &syn, r, n % 3 == 0);
		}
		if (commit != LQ_COMMIT_OK)
			release(r);
		else
			grow();
		return verdict;
	}

	// --- ack.c, cookie.c, child.c ---

	lq_ack_verdict ack(u32 n, bool rst = false)
	{
		lq_ack ack{};
		lq_request_copy copy;
		lq_promotion promotion{};
		lq_request *freed = nullptr;
		lq_ack_verdict verdict;

		ack.key = peer(n);
		ack.seq = ack.end_seq = 1001;
		ack.ack_seq = 5001;
		ack.ack = !rst;
		ack.rst = rst;
		ack.now = now;
		ack.now_s = now / kHz;
		for (int asked = 1;; asked++) {
			{
				std::lock_guard lock(lock_);
				verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);
			}
			if (verdict == LQ_ACK_VET) {
				ack.vetted = true;
				continue;
			}
			if (verdict != LQ_ACK_WAIT)
				break;
			std::this_thread::yield();
			ack.waited = asked == kWaitAsks;
		}
		release(freed);
		take_events();
		if (verdict == LQ_ACK_PROMOTE)
			promote(promotion);
		return verdict;
	}

	// A cookie's ACK that finds the accept queue full.
	void keep(const lq_ack &ack, const lq_promotion &promotion)
	{
		lq_request *request = memory_.take() ? new_request(ack.key) : nullptr;
		lq_request *evicted = nullptr;

		if (!request)
			return;
		request->rcv_isn = ack.seq - 1;
		request->snt_isn = ack.ack_seq - 1;
		bool kept;
		{
			std::lock_guard lock(lock_);
			kept = lq_core_keep(core_, &ack, &promotion, request, &evicted);
		}
		if (!kept)
			release(request);
		if (evicted)
			release(evicted);
	}

	// The ACK of a peer that answers a cookie, which it makes itself with our keys.
	lq_ack_verdict cookie_ack(u32 n)
	{
		lq_ack ack{};
		lq_promotion promotion{};
		lq_request_copy cookie{};
		lq_ack_verdict verdict;

		ack.key = peer(n);
		ack.now = now;
		ack.now_s = now / kHz;
		cookie.request.rcv_isn = 1000;
		cookie.request.mss = 1460;
		(void)lq_core_cookie(&kKeys, &ack.key, 80, ack.now_s, 0, &cookie.request);
		ack.seq = ack.end_seq = 1001;
		ack.ack_seq = cookie.request.snt_isn + 1;
		ack.local_port = 80;
		ack.ack = ack.vetted = true;
		{
			std::lock_guard lock(lock_);
			verdict = lq_core_ack_cookie(core_, &ack, &promotion);
		}
		if (verdict == LQ_ACK_KEEP)
			keep(ack, promotion);
		if (verdict != LQ_ACK_COOKIE)
			return verdict;
		promotion.request = memory_.take() ? new_request(ack.key) : nullptr;
		if (promotion.request) {
			promote(promotion);
			return verdict;
		}
		std::lock_guard lock(lock_);
		u8 reason = LISTENQ_DROP_CHILD_FAILED;
		(void)lq_core_promote_abort(core_, &promotion, &reason);
		return verdict;
	}

	// --- filter.c, reaper.c ---

	// The oldest that a filter holds has waited long enough: it, and no other, is ready.
	void held()
	{
		std::lock_guard lock(lock_);

		(void)lq_core_filter_release(core_, 1);
	}

	// Puts what is ready on the accept queue, as there is room. close() waits for it.
	void reap()
	{
		std::lock_guard work(reaper_);

		for (;;) {
			lq_request *entry;
			bool admitted;
			{
				std::lock_guard lock(lock_);
				entry = lq_core_filter_take(core_);
			}
			if (!entry)
				return;
			std::this_thread::yield();
			{
				std::lock_guard lock(lock_);
				admitted = lq_core_filter_admit(core_, entry, now);
			}
			if (!admitted)
				release_child(entry);
		}
	}

	// --- accept.c, timer.c ---

	bool accept()
	{
		// The carrier, as lq_carrier_get().
		if (!memory_.take())
			return false;
		lq_request *entry, *culled = nullptr;
		{
			std::lock_guard lock(lock_);
			if (lq_core_manages(core_)) {
				entry = next_locked(culled);
			} else {
				entry = lq_core_accept(core_, now);
				if (entry && peer_of(*entry) != LQ_PEER_THERE) {
					lq_core_accept_undo(core_, entry, now, false);
					entry = next_locked(culled);
				}
			}
		}
		release_all(culled, true);
		if (entry) {
			handed_over++;
			memory_.give(); // the child is the caller's
			delete static_cast<int *>(entry->child);
			release(entry);
			between();
			bool room;
			{
				std::lock_guard lock(lock_);
				lq_core_accept_done(core_, 1);
				room = lq_core_filter_room(core_);
			}
			if (room)
				reap();
		}
		memory_.give();
		return entry;
	}
	// cull.c: some of those that waited too long, and of those that are gone. close() waits for
	// it.
	void cull()
	{
		std::lock_guard work(reaper_);
		lq_request *culled = nullptr;

		{
			std::lock_guard lock(lock_);
			if (lq_request *entry = lq_core_accept_expire(core_, now)) {
				entry->next = culled;
				culled = entry;
			}
			for (int looks = 0; looks < 3; looks++) {
				lq_request *entry = lq_core_sweep_next(core_);

				if (!entry)
					break;
				if (lq_core_sweep_judge(core_, entry, peer_of(*entry), now)) {
					entry->next = culled;
					culled = entry;
				}
			}
		}
		release_all(culled, true);
	}
	// share.c: the oldest of another member's queue comes to this one's.
	bool pull(HostShim &from)
	{
		lq_stolen stolen;
		bool taken;
		lq_steal_end end;

		{
			std::lock_guard lock(from.lock_);
			if (!lq_core_steal(from.core_, from.now, &stolen))
				return false;
		}
		between();
		{
			std::lock_guard lock(lock_);
			taken = lq_core_take_stolen(core_, &stolen, now);
		}
		between();
		{
			std::lock_guard lock(from.lock_);
			end = lq_core_steal_end(from.core_, &stolen, taken);
		}
		if (end == LQ_STEAL_CLOSED)
			from.release_child(stolen.entry);
		return taken;
	}

	[[nodiscard]] bool readable() const { return lq_core_accept_qlen(core_) != 0; }
	[[nodiscard]] u32 half_open() const { return lq_core_syn_qlen(core_); }

	void tick()
	{
		lq_tick tick;

		do {
			tick.now = now;
			tick.now_s = now / 1000;
			{
				std::lock_guard lock(lock_);
				lq_core_tick(core_, &tick);
			}
			release_all(tick.expired, false);
			release_all(tick.unserved, false);
		} while (tick.again);
		if (tick.idle)
			grow();
		take_events();
	}

	// --- a look inside ---

	[[nodiscard]] listenq_info info()
	{
		std::lock_guard lock(lock_);
		listenq_info info{};

		lq_core_info(core_, &info);
		return info;
	}
	[[nodiscard]] lq_counters counters()
	{
		std::lock_guard lock(lock_);
		lq_counters counters{};

		lq_core_counters(core_, &counters);
		return counters;
	}
	[[nodiscard]] const char *check()
	{
		std::lock_guard lock(lock_);

		return lq_core_check(core_, ~0u);
	}

private:
	// As LQ_WAIT_ASKS of ack.c: enough, unless the other thread waits for this one.
	static constexpr int kWaitAsks = 1000;
	// As LQ_STEPS_AT_ONCE, for the small tables of tests.
	static constexpr u32 kStepsAtOnce = 3;

	// It may set another for the next time.
	void between()
	{
		const auto now = meanwhile;

		now();
	}

	static lq_peer peer_of(const lq_request &entry)
	{
		return static_cast<lq_peer>(*static_cast<int *>(entry.child));
	}
	lq_request *next_locked(lq_request *&culled)
	{
		while (lq_request *entry = lq_core_accept_next(core_, now)) {
			if (!lq_core_accept_judge(core_, entry, peer_of(*entry), now, false))
				return entry;
			entry->next = culled;
			culled = entry;
		}
		return nullptr;
	}

	void promote(const lq_promotion &promotion)
	{
		int *child = memory_.take() ? new int(LQ_PEER_THERE) : nullptr;

		if (child && ++created % gone_every == 0)
			*child = LQ_PEER_GONE;
		between();
		if (!child) {
			u8 reason = LISTENQ_DROP_CHILD_FAILED;
			bool free;
			{
				std::lock_guard lock(lock_);
				free = lq_core_promote_abort(core_, &promotion, &reason);
			}
			if (free)
				release(promotion.request);
			return;
		}
		lq_request *evicted = nullptr;
		lq_commit commit;
		{
			std::lock_guard lock(lock_);
			commit = lq_core_promote_commit(core_, &promotion, child, now, &evicted);
		}
		if (commit == LQ_COMMIT_CLOSED) {
			release(promotion.request);
			resets++;
			delete child;
			memory_.give();
		}
		release_all(evicted, true);
	}

	void take_events()
	{
		lq_event event;

		if (!lq_core_event_pending(core_))
			return;
		std::lock_guard lock(lock_);
		while (lq_core_event(core_, &event))
			;
	}

	void release(lq_request *r)
	{
		if (!r)
			return;
		free_request(r);
		memory_.give();
	}
	void release_child(lq_request *entry)
	{
		resets++;
		delete static_cast<int *>(entry->child);
		memory_.give();
		release(entry);
	}
	void release_all(lq_request *list, bool children)
	{
		while (list) {
			lq_request *next = list->next;

			if (children)
				release_child(list);
			else
				release(list);
			list = next;
		}
	}
	void free_table(void *table)
	{
		if (!table)
			return;
		std::free(table);
		memory_.give();
	}
	// The work of table.c, of which there is one.
	void grow()
	{
		std::unique_lock work(work_, std::try_to_lock);
		u32 count = 0;

		if (!work)
			return;
		{
			std::lock_guard lock(lock_);
			count = lq_core_table_wanted(core_);
		}
		if (!count || !memory_.take())
			return;
		lq_request **buckets = new_buckets(count);
		bool taken;
		{
			std::lock_guard lock(lock_);
			taken = lq_core_resize(core_, buckets, count);
		}
		void *table = taken ? nullptr : buckets;
		while (!table) {
			std::lock_guard lock(lock_);
			table = lq_core_rehash(core_, kStepsAtOnce);
		}
		free_table(table);
	}

	Memory &memory_;
	u64 *core_memory_;
	lq_core *core_;
	std::mutex sock_, work_, lock_, reaper_;
	lq_event event_{};
	bool listening_ = false;
};

} // namespace testing_core
