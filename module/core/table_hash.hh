// SPDX-License-Identifier: GPL-2.0
// TableHash: where a connection is in a listener's hash tables, and in which shard.
//
// Pair-multiply-shift (Thorup, "High Speed Hashing for Integers and Strings", 2015): of 32-bit
// words and 64-bit random keys, the upper half is strongly universal: whoever does not know the
// keys cannot choose connections that collide more often than chance lets any.
//
// Nobody sees its results, but who has many requests sees in which order the timer sends their
// SYN-ACKs again, or a dump lists them: bucket after bucket. That sum alone is linear in the port,
// and its keys would be told by such an order. So the upper half goes through a permutation with
// keys of its own, whose multiplications and shifts have no common algebra (the finalizer of
// MurmurHash3 with secret multipliers); a permutation leaves it strongly universal. It also
// scatters what comes one after the other. No proof says that it hides the keys, as SipHash does
// (siphash.hh) for sequence numbers and cookies: therefore no bucket grows beyond
// lq_limits.bucket_limit, whatever anybody knows.
#pragma once

#include "request.hh"

namespace listenq {

class TableHash final {
public:
	explicit TableHash(const lq_keys &keys) : keys_(keys.table) {}

	// A table takes low bits of it, shards::of() high ones.
	[[nodiscard]] u32 operator()(const lq_key &key) const
	{
		return hash(key.addr, key.peer_port, key.v6);
	}
	[[nodiscard]] u32 operator()(const Request &r) const
	{
		return hash(request::words(r), r.peer_port, request::has(r, LQ_REQ_V6));
	}
	// Of two words alone: the uppermost bits are the ones to use.
	[[nodiscard]] u32 of_pair(u32 first, u32 second) const
	{
		return static_cast<u32>((keys_[0] + second) * (keys_[1] + first) >> 32);
	}

private:
	[[nodiscard]] u32 hash(const u32 *addr, u16 port, bool v6) const
	{
		u64 sum = pair(addr, 0) + keys_[8] * port;

		if (v6)
			sum += pair(addr, 2) + pair(addr, 4) + pair(addr, 6);
		return permute(static_cast<u32>(sum >> 32));
	}

	// One to one, as both multipliers are odd.
	[[nodiscard]] u32 permute(u32 h) const
	{
		h = (h ^ h >> 16) * (static_cast<u32>(keys_[9]) | 1);
		h = (h ^ h >> 15) * (static_cast<u32>(keys_[9] >> 32) | 1);
		return h ^ h >> 16;
	}

	[[nodiscard]] u64 pair(const u32 *addr, unsigned i) const
	{
		return (keys_[i] + addr[i + 1]) * (keys_[i + 1] + addr[i]);
	}

	const u64 (&keys_)[LQ_TABLE_KEYS];
};

} // namespace listenq
