// SPDX-License-Identifier: GPL-2.0
// Counters: what happened at one listener, by event, by drop reason, how long connections waited
// for accept(), and how long their handshakes took.
#pragma once

#include "histogram.hh"

namespace listenq {

class Counters final {
public:
	void drop(u8 reason, u32 count = 1)
	{
		if (reason != LISTENQ_DROP_NONE && reason < __LISTENQ_DROP_MAX)
			drops_[reason] += count;
	}
	void event(listenq_event event, u32 count = 1) { events_[event] += count; }
	// It did not come to that after all.
	void take_back(listenq_event event) { events_[event]--; }
	void take_back_drop(listenq_drop reason, u32 count) { drops_[reason] -= count; }

	void accept_wait(u32 us)
	{
		accept_wait_.add(us);
		accept_wait_us_ += us;
	}
	void accept_wait_back(u32 us)
	{
		accept_wait_.take_back(us);
		accept_wait_us_ -= us;
	}
	void handshake(u32 us)
	{
		handshake_.add(us);
		handshake_us_ += us;
	}

	// Without those that lose nothing.
	[[nodiscard]] u64 drops_total() const
	{
		u64 sum = 0;

		for (u32 reason = 0; reason < __LISTENQ_DROP_MAX; reason++) {
			if (!(LISTENQ_DROPS_HARMLESS >> reason & 1))
				sum += drops_[reason];
		}
		return sum;
	}
	[[nodiscard]] u64 events(listenq_event event) const { return events_[event]; }
	[[nodiscard]] u64 drops(listenq_drop reason) const { return drops_[reason]; }
	void add_to(lq_counters &sum) const
	{
		for (u32 i = 0; i < __LISTENQ_DROP_MAX; i++)
			sum.drops[i] += drops_[i];
		for (u32 i = 0; i < __LISTENQ_EVENT_MAX; i++)
			sum.events[i] += events_[i];
		sum.accept_wait_us += accept_wait_us_;
		sum.handshake_us += handshake_us_;
		accept_wait_.add_to(sum.accept_wait);
		handshake_.add_to(sum.handshake);
	}

private:
	u64 drops_[__LISTENQ_DROP_MAX] = {};
	u64 events_[__LISTENQ_EVENT_MAX] = {};
	u64 accept_wait_us_ = 0;
	u64 handshake_us_ = 0;
	Histogram<> accept_wait_; // times and their sums: what took longer than an hour begins anew
	Histogram<> handshake_;
};

} // namespace listenq
