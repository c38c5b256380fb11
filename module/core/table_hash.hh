// SPDX-License-Identifier: GPL-2.0
// TableHash: where a connection is in a listener's hash tables, and in which shard.
//
// Pair-multiply-shift (Thorup, "High Speed Hashing for Integers and Strings", 2015): of 32-bit
// words and 64-bit random keys, the upper half is strongly universal. Whoever does not know the
// keys cannot choose connections that collide more often than chance lets any. Unlike SipHash it
// does not hide its keys from who sees its results. None goes onto the wire: sequence numbers and
// cookies are SipHash of other keys (siphash.hh). But a dump of requests lists bucket after bucket,
// and that order is some of it (docs/security.md).
#pragma once

#include "types.hh"

namespace listenq {

class TableHash final {
public:
	explicit TableHash(const lq_keys &keys) : keys_(keys.table) {}

	// A table takes low bits of it, shards::of() high ones.
	[[nodiscard]] u32 operator()(const lq_key &key) const
	{
		u64 sum = pair(key, 0) + keys_[8] * key.peer_port;

		if (key.v6)
			sum += pair(key, 2) + pair(key, 4) + pair(key, 6);
		return static_cast<u32>(sum >> 32);
	}

private:
	[[nodiscard]] u64 pair(const lq_key &key, unsigned i) const
	{
		return (keys_[i] + key.addr[i + 1]) * (keys_[i + 1] + key.addr[i]);
	}

	const u64 (&keys_)[LQ_TABLE_KEYS];
};

} // namespace listenq
