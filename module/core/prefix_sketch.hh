// SPDX-License-Identifier: GPL-2.0
// PrefixSketch: which prefixes a stream of peers comes from, in fixed memory: Space-Saving
// (Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
// Streams", 2005) in sets of a few slots, of which a keyed hash chooses a prefix's.
//
// A slot's count is what its prefix has, or more by its excess at most: what the slot had of
// others. The smallest count of a set is a part of all that came to the set, one of LQ_PREFIX_WAYS:
// a prefix that has more than that is in a slot.
//
// All counts are halved every kHalfLife seconds, rounded down: what they say is of late.
#pragma once

#include "table_hash.hh"

namespace listenq {

class PrefixSketch final {
public:
	static constexpr u32 kHalfLife = 8;

	// Of LQ_PREFIX_SETS: the uppermost bits.
	[[nodiscard]] static u32 set_of(const TableHash &hash, u32 first, u32 second)
	{
		static_assert(LQ_PREFIX_SETS == 4);
		return hash.of_pair(first, second) >> 30;
	}
	void add(const TableHash &hash, const u32 *peer, bool v6);
	// Before what comes at @now is added.
	void age(Ticks now, u32 hz)
	{
		if (now.value - aged_.value >= kHalfLife * hz)
			halve(now, hz);
	}
	// As of @now.
	void read(lq_prefixes &out, Ticks now, u32 hz) const;

private:
	void halve(Ticks now, u32 hz);

	lq_prefixes now_{};
	Ticks aged_{0}; // to when; while there is something
};

namespace prefixes {

// @sum and @more are of the same keys: that of all that came to both.
void add(lq_prefixes &sum, const lq_prefixes &more);
// The @room that have most, the most frequent first; their number.
[[nodiscard]] u32 top(const lq_prefixes &all, lq_prefix_share *out, u32 room);

} // namespace prefixes

} // namespace listenq
