// SPDX-License-Identifier: GPL-2.0
// Shards: one listener's queues in several pieces.
#include "shards.hh"

#include <bit>

#include "table_hash.hh"

namespace listenq::shards {

u32 count(const lq_limits &limits, u32 asked)
{
	const u32 places = min(limits.accept_limit, limits.syn_limit);

	return clamp<u32>(asked, 1, max<u32>(places / kLeastPlaces, 1));
}

// The first ones have what does not divide.
static u32 part(u32 whole, u32 count, u32 index)
{
	return max<u32>(whole / count + (index < whole % count ? 1 : 0), 1);
}

void share(lq_config &config, lq_limits &limits, u32 count, u32 index)
{
	if (count == 1)
		return;
	config.max_syn_backlog = part(config.max_syn_backlog, count, index);
	limits.accept_limit = part(limits.accept_limit, count, index);
	limits.admit_limit = limits.accept_limit;
	limits.syn_limit = part(limits.syn_limit, count, index);
	limits.filter_limit = part(limits.filter_limit, count, index);
	limits.syn_buckets = std::bit_ceil((limits.syn_buckets + count - 1) / count);
}

u32 of(const lq_keys &keys, const lq_key &key, u32 count)
{
	return static_cast<u32>(static_cast<u64>(TableHash(keys)(key)) * count >> 32);
}

u32 first(u32 home, u32 turn, u32 count)
{
	if (count == 1 || turn % kVisit != kVisit - 1)
		return home;
	return (home + 1 + turn / kVisit % (count - 1)) % count;
}

// What share() leaves as it is for each shard is the same in all; the other numbers are divided, or
// counted by each.
static constexpr bool is_same_in_all(__u32 listenq_info::*number)
{
#define LQ_X(NAME, name, low, high, initial) number == &listenq_info::name ||
	return LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
			       number == &listenq_info::backlog ||
	       number == &listenq_info::synack_retries || number == &listenq_info::syncookies;
}

// Microseconds from one to the next of two series that go on side by side; 0: there is none.
static u32 together(u64 a, u64 b)
{
	return static_cast<u32>(a && b ? max<u64>(a * b / (a + b), 1) : a + b);
}

// The smaller one; 0 is none.
static u32 least(u32 a, u32 b)
{
	return a && b ? min(a, b) : a + b;
}

// An overflow of a shard that had so many.
static bool goes_on(const listenq_info &info, u32 overflows)
{
	return overflows && info.overflow_ago_s == 0;
}

void add(listenq_info &sum, const listenq_info &more)
{
#define ADD(number, NAME, name, place, metric, text)                                               \
	if (!is_same_in_all(&listenq_info::name))                                                  \
		sum.name += more.name;
	LISTENQ_NUMBERS(ADD)
#undef ADD
	sum.overflow_ago_s -= more.overflow_ago_s;
	sum.overflow_shortest_ms -= more.overflow_shortest_ms;
	sum.overflow_longest_ms -= more.overflow_longest_ms;
	sum.overflow_ago_s =
		goes_on(sum, sum.overflows - more.overflows) || goes_on(more, more.overflows)
			? 0
			: least(sum.overflow_ago_s, more.overflow_ago_s);
	sum.overflow_shortest_ms = least(sum.overflow_shortest_ms, more.overflow_shortest_ms);
	sum.overflow_longest_ms = max(sum.overflow_longest_ms, more.overflow_longest_ms);
	sum.accept_interval_us =
		together(sum.accept_interval_us - more.accept_interval_us, more.accept_interval_us);
	sum.accepted += more.accepted;
	sum.established += more.established;
	sum.drops += more.drops;
}

} // namespace listenq::shards
