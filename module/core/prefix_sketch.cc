// SPDX-License-Identifier: GPL-2.0
// PrefixSketch: slots, their age, and several of them added up.
#include "prefix_sketch.hh"

#include <bit>

namespace listenq {

// Beside those of IPv6, which are their own first words: no segment comes from ff00::/8, where
// multicast groups are.
static constexpr u32 kV4 = 0xffffffff;

static u32 first_three_bytes()
{
	return std::endian::native == std::endian::little ? 0x00ffffff : 0xffffff00;
}

static u64 both_words(const lq_prefix &slot)
{
	u64 words;

	__builtin_memcpy(&words, slot.words, sizeof(words));
	return words;
}

static bool is_same(const lq_prefix &a, const lq_prefix &b)
{
	return both_words(a) == both_words(b);
}

static lq_prefix &least(lq_prefix (&set)[LQ_PREFIX_WAYS])
{
	lq_prefix *found = &set[0];

	for (lq_prefix &slot : set) {
		if (slot.count < found->count)
			found = &slot;
	}
	return *found;
}

// Each drop pays for it, so one walk finds the slot or the one to give up.
void PrefixSketch::add(const TableHash &hash, const u32 *peer, bool v6)
{
	const lq_prefix of{
		.words = {v6 ? peer[0] : kV4, v6 ? peer[1] : peer[0] & first_three_bytes()},
		.count = 1,
		.excess = 0};
	lq_prefix(&set)[LQ_PREFIX_WAYS] = now_.slots[set_of(hash, of.words[0], of.words[1])];
	lq_prefix *last = &set[0];

	now_.total++;
	for (lq_prefix &slot : set) {
		if (is_same(slot, of)) {
			slot.count++;
			return;
		}
		if (slot.count < last->count)
			last = &slot;
	}
	*last = {.words = {of.words[0], of.words[1]},
		 .count = last->count + 1,
		 .excess = last->count};
}

static void halve_all(lq_prefixes &all, u32 times)
{
	const u32 shift = min(times, 31u);

	all.total >>= shift;
	for (auto &set : all.slots) {
		for (lq_prefix &slot : set) {
			slot.count >>= shift;
			slot.excess >>= shift;
		}
	}
}

void PrefixSketch::halve(Ticks now, u32 hz)
{
	const u32 period = kHalfLife * max<u32>(hz, 1);
	const u32 times = (now.value - aged_.value) / period;

	halve_all(now_, times);
	// Of an empty one time begins with what comes next.
	aged_ = now_.total ? aged_ + times * period : now;
}

void PrefixSketch::read(lq_prefixes &out, Ticks now, u32 hz) const
{
	out = now_;
	halve_all(out, (now.value - aged_.value) / (kHalfLife * max<u32>(hz, 1)));
}

namespace prefixes {

// What is in one of them only, the other may have had as often as its smallest count says
// (Agarwal et al., "Mergeable Summaries", 2012).
static void add(lq_prefix (&sum)[LQ_PREFIX_WAYS], const lq_prefix (&more)[LQ_PREFIX_WAYS])
{
	lq_prefix all[2 * LQ_PREFIX_WAYS], others[LQ_PREFIX_WAYS];
	u32 count = 0;

	__builtin_memcpy(others, more, sizeof(others));
	const u32 at_most[2] = {least(sum).count, least(others).count};
	const auto put = [&](const lq_prefix &slot, u32 missed) {
		if (slot.count)
			all[count++] = {.words = {slot.words[0], slot.words[1]},
					.count = slot.count + missed,
					.excess = slot.excess + missed};
	};
	for (const lq_prefix &slot : sum) {
		lq_prefix *other = nullptr;

		for (lq_prefix &one : others) {
			if (one.count && is_same(one, slot))
				other = &one;
		}
		put(slot, !slot.count ? 0 : other ? other->count : at_most[1]);
		if (slot.count && other) {
			all[count - 1].excess += other->excess - other->count;
			other->count = 0;
		}
	}
	for (const lq_prefix &slot : others)
		put(slot, at_most[0]);
	for (lq_prefix &slot : sum) {
		u32 most = 0;

		slot = {};
		if (!count)
			continue;
		for (u32 i = 1; i < count; i++) {
			if (all[i].count > all[most].count)
				most = i;
		}
		slot = all[most];
		all[most] = all[--count];
	}
}

void add(lq_prefixes &sum, const lq_prefixes &more)
{
	for (u32 i = 0; i < LQ_PREFIX_SETS; i++)
		add(sum.slots[i], more.slots[i]);
	sum.total += more.total;
}

static lq_prefix_share share_of(const lq_prefix &slot)
{
	lq_prefix_share share{};

	share.v6 = slot.words[0] != kV4;
	share.length = share.v6 ? 64 : 24;
	share.addr[0] = share.v6 ? slot.words[0] : slot.words[1];
	share.addr[1] = share.v6 ? slot.words[1] : 0;
	share.count = slot.count;
	share.excess = slot.excess;
	return share;
}

u32 top(const lq_prefixes &all, lq_prefix_share *out, u32 room)
{
	u32 count = 0;

	for (const auto &set : all.slots) {
		for (const lq_prefix &slot : set) {
			u32 at = count;

			if (!slot.count)
				continue;
			while (at && out[at - 1].count < slot.count)
				at--;
			if (at == room)
				continue;
			if (count < room)
				count++;
			for (u32 i = count - 1; i > at; i--)
				out[i] = out[i - 1];
			out[at] = share_of(slot);
		}
	}
	return count;
}

} // namespace prefixes

} // namespace listenq
