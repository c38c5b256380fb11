// SPDX-License-Identifier: GPL-2.0
// SipHash of 64-bit words and at most one 32-bit word behind them (Aumasson and Bernstein,
// 2012), for what leaves the machine.
#pragma once

#include <bit>
#include <span>

#include "types.hh"

namespace listenq {

class SipHash24 final {
public:
	constexpr SipHash24(u64 key0, u64 key1)
	    : v0_(key0 ^ 0x736f6d6570736575ULL), v1_(key1 ^ 0x646f72616e646f6dULL),
	      v2_(key0 ^ 0x6c7967656e657261ULL), v3_(key1 ^ 0x7465646279746573ULL)
	{
	}

	constexpr void word(u64 m)
	{
		block(m);
		length_ += 8;
	}

	// The message was a whole number of words: the last block is the length alone.
	[[nodiscard]] constexpr u64 finish() { return finish_block(0); }

	// Four more bytes share the last block with the length.
	[[nodiscard]] constexpr u64 finish(u32 tail)
	{
		length_ += 4;
		return finish_block(tail);
	}

private:
	constexpr u64 finish_block(u64 tail)
	{
		block(static_cast<u64>(length_ & 0xff) << 56 | tail);
		v2_ ^= 0xff;
#pragma GCC unroll 8
		for (unsigned i = 0; i < 4; i++)
			round();
		return v0_ ^ v1_ ^ v2_ ^ v3_;
	}

	constexpr void round()
	{
		v0_ += v1_;
		v1_ = std::rotl(v1_, 13) ^ v0_;
		v0_ = std::rotl(v0_, 32);
		v2_ += v3_;
		v3_ = std::rotl(v3_, 16) ^ v2_;
		v0_ += v3_;
		v3_ = std::rotl(v3_, 21) ^ v0_;
		v2_ += v1_;
		v1_ = std::rotl(v1_, 17) ^ v2_;
		v2_ = std::rotl(v2_, 32);
	}
	constexpr void block(u64 m)
	{
		v3_ ^= m;
		round();
		round();
		v0_ ^= m;
	}

	u64 v0_, v1_, v2_, v3_;
	unsigned length_ = 0;
};

// Both addresses and both ports, as words.
[[nodiscard]] inline u64 hash_key(SipHash24 hash, const lq_key &key, u16 local)
{
	hash.word(static_cast<u64>(key.addr[0]) << 32 | key.addr[1]);
	if (key.v6) {
		hash.word(static_cast<u64>(key.addr[2]) << 32 | key.addr[3]);
		hash.word(static_cast<u64>(key.addr[4]) << 32 | key.addr[5]);
		hash.word(static_cast<u64>(key.addr[6]) << 32 | key.addr[7]);
	}
	return hash.finish(static_cast<u32>(key.peer_port) << 16 | local);
}

} // namespace listenq
