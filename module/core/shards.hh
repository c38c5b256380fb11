// SPDX-License-Identifier: GPL-2.0
// Shards: one listener's queues in several pieces, each a Listener with a lock of its own, so that
// CPUs do not wait for each other. Pure functions: whose a connection is, what part of a limit a
// shard has, where accept() looks, and what they come to together.
//
// One shard: first in, first out, and limits to the last place. More: both hold for each shard.
#pragma once

#include "types.hh"

namespace listenq::shards {

// No fewer places than these of each limit to a shard: chance fills a small one too soon.
inline constexpr u32 kLeastPlaces = 16;
// Of so many accept() calls of a CPU one begins at another shard than its own.
inline constexpr u32 kVisit = 8;

// How many of the shards that were asked for are worth it under @limits: 1..asked.
[[nodiscard]] u32 count(const lq_limits &limits, u32 asked);

// What shard @index of @count has of the whole: all shares together are the whole, unless that
// is less than one for each.
void share(lq_config &config, lq_limits &limits, u32 count, u32 index);

// The shard of a connection, 0..count - 1; nobody without the keys can choose it.
[[nodiscard]] u32 of(const lq_keys &keys, const lq_key &key, u32 count);

// Where the accept() call number @turn of those at home in shard @home looks first; it goes on
// with the next ones, modulo @count. Now and then it is another, so that no connection waits for
// ever while its shard has no CPU.
[[nodiscard]] u32 first(u32 home, u32 turn, u32 count);

// Add up what two shards say; what they have in common is @sum's already.
void add(listenq_info &sum, const listenq_info &more);

} // namespace listenq::shards
