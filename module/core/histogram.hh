// SPDX-License-Identifier: GPL-2.0
// Histogram: times in microseconds, counted in LISTENQ_WAIT_BUCKETS buckets that are fine enough to
// tell each percentile within 10 %.
//
// Up to 15 us each has a bucket of its own; from there on an octave has four, which begin at 16,
// 19, 23 and 27 sixteenths of its power of two. In the widest, from 19 to 23, the harmonic middle
// of the first and the last is less than 4 / 42 from either: 9.6 %.
//
// A count is 40 bits, in two parts, so that a listener is no larger for it.
#pragma once

#include <bit>

#include "types.hh"

namespace listenq {

// Where of each 16th of an octave its quarter is, two bits each.
inline constexpr u32 kQuarters = 0xffea9540;

[[nodiscard]] constexpr u32 wait_bucket(u32 us)
{
	if (us < 16)
		return us;
	const u32 octave = static_cast<u32>(std::bit_width(us)) - 1;
	const u32 sixteenth = us >> (octave - 4) & 15;

	return 4 * octave + (kQuarters >> 2 * sixteenth & 3);
}

// LISTENQ_A_LISTENER_ACCEPT_WAIT, of what LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE has: no bucket lies
// in two octaves.
inline void wait_octaves(const u64 *waits, u64 *octaves)
{
	for (u32 i = 0; i < LISTENQ_HIST_BUCKETS; i++)
		octaves[i] = 0;
	for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		const u32 width = i < 16 ? static_cast<u32>(std::bit_width(i)) : i / 4 + 1;

		octaves[min<u32>(width, LISTENQ_HIST_BUCKETS - 1)] += waits[i];
	}
}

template <typename Low = u32>
class Histogram final {
public:
	void add(u32 us)
	{
		const u32 bucket = wait_bucket(us);

		if (++low_[bucket] == 0) [[unlikely]]
			high_[bucket]++;
	}
	// One that was counted, as if it had not been.
	void take_back(u32 us)
	{
		const u32 bucket = wait_bucket(us);

		if (low_[bucket]-- == 0) [[unlikely]]
			high_[bucket]--;
	}
	void add_to(u64 *sums) const
	{
		for (u32 i = 0; i < LISTENQ_WAIT_BUCKETS; i++)
			sums[i] += (u64{high_[i]} << 8 * sizeof(Low)) + low_[i];
	}

private:
	Low low_[LISTENQ_WAIT_BUCKETS] = {};
	u8 high_[LISTENQ_WAIT_BUCKETS] = {};
};

} // namespace listenq
