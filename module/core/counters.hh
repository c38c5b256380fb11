// SPDX-License-Identifier: GPL-2.0
// Counters: what happened at one listener, by event, by drop reason, and how long
// connections waited for accept().
#pragma once

#include <bit>

#include "types.hh"

namespace listenq {

class Counters final {
public:
	void drop(u8 reason, u32 count = 1)
	{
		if (reason != LISTENQ_DROP_NONE && reason < __LISTENQ_DROP_MAX)
			values_.drops[reason] += count;
	}
	void event(listenq_event event, u32 count = 1) { values_.events[event] += count; }
	// It did not come to that after all.
	void take_back(listenq_event event) { values_.events[event]--; }
	void take_back_drop(listenq_drop reason, u32 count) { values_.drops[reason] -= count; }

	// Bucket 0: under 1 us; bucket n: 2^(n-1)..2^n - 1 us; the last is open.
	void accept_wait(u32 us)
	{
		values_.accept_wait[bucket(us)]++;
		values_.accept_wait_us += us;
	}
	void accept_wait_back(u32 us)
	{
		values_.accept_wait[bucket(us)]--;
		values_.accept_wait_us -= us;
	}

	// Without those that lose nothing.
	[[nodiscard]] u64 drops_total() const
	{
		u64 sum = 0;

		for (u32 reason = 0; reason < __LISTENQ_DROP_MAX; reason++) {
			if (!(LISTENQ_DROPS_HARMLESS >> reason & 1))
				sum += values_.drops[reason];
		}
		return sum;
	}
	[[nodiscard]] u64 events(listenq_event event) const { return values_.events[event]; }
	[[nodiscard]] const lq_counters &values() const { return values_; }

private:
	[[nodiscard]] static u32 bucket(u32 us)
	{
		return min<u32>(static_cast<u32>(std::bit_width(us)), LISTENQ_HIST_BUCKETS - 1);
	}

	lq_counters values_{};
};

} // namespace listenq
