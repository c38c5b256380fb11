// SPDX-License-Identifier: GPL-2.0
// SipHash against the vectors of its authors, and the hash of a segment's key.
#include "core/siphash.hh"

#include <set>

#include "property.hh"
#include "support.hh"

using namespace listenq;
using testing_core::kKeys;
using testing_core::peer;

namespace {

// vectors.h of the reference implementation (github.com/veorq/SipHash): SipHash-2-4, key
// 00 01 .. 0f, message 00 01 .. n-1. Those of whole words.
struct Vector {
	unsigned words;
	u64 hash;
};
constexpr Vector kVectors24[] = {
	{0, 0x726fdb47dd0e0e31}, {1, 0x93f5f5799a932462}, {2, 0x3f2acc7f57c29bdb},
	{3, 0xb8ad50c6f649af94}, {4, 0x7127512f72f27cce}, {5, 0x0e3ea96b5304a7d0},
	{6, 0xe612a3cb9ecba951}, {7, 0xb78dbfaf3a8d83bd},
};

u64 message_word(unsigned n)
{
	u64 word = 0;

	for (unsigned i = 0; i < 8; i++)
		word |= static_cast<u64>(n * 8 + i) << (8 * i);
	return word;
}

} // namespace

TEST(siphash, finish__2_4_reference_vectors)
{
	for (const Vector &v : kVectors24) {
		SipHash24 hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);

		for (unsigned i = 0; i < v.words; i++)
			hash.word(message_word(i));
		EXPECT_EQ(hash.finish(), v.hash) << v.words << " words";
	}
}

TEST(siphash, finish__2_4_reference_vectors_with_half_a_word)
{
	constexpr Vector kHalf[] = {{0, 0xcf2794e0277187b7}, {1, 0x751e8fbc860ee5fb}};

	for (const Vector &v : kHalf) {
		SipHash24 hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);

		for (unsigned i = 0; i < v.words; i++)
			hash.word(message_word(i));
		EXPECT_EQ(hash.finish(static_cast<u32>(message_word(v.words))), v.hash)
			<< v.words << " words";
	}
}

// An independent, plain SipHash-2-4, for the lengths that have no published vectors.
static u64 plain_siphash(u64 k0, u64 k1, const std::vector<u64> &words)
{
	u64 v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		    k1 ^ 0x7465646279746573};
	const auto rotate = [](u64 x, unsigned b) { return x << b | x >> (64 - b); };
	const auto rounds = [&](unsigned n) {
		while (n--) {
			v[0] += v[1], v[2] += v[3];
			v[1] = rotate(v[1], 13), v[3] = rotate(v[3], 16);
			v[1] ^= v[0], v[3] ^= v[2];
			v[0] = rotate(v[0], 32);
			v[2] += v[1], v[0] += v[3];
			v[1] = rotate(v[1], 17), v[3] = rotate(v[3], 21);
			v[1] ^= v[2], v[3] ^= v[0];
			v[2] = rotate(v[2], 32);
		}
	};
	const auto block = [&](u64 m) {
		v[3] ^= m;
		rounds(2);
		v[0] ^= m;
	};

	for (const u64 w : words)
		block(w);
	block(static_cast<u64>(words.size() * 8 % 256) << 56);
	v[2] ^= 0xff;
	rounds(4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

TEST(siphash, finish__of_any_length_is_the_plain_one)
{
	std::vector<u64> words;

	for (unsigned n = 0; n < 40; n++) {
		SipHash24 hash(1, ~2ULL);

		for (const u64 w : words)
			hash.word(w);
		EXPECT_EQ(hash.finish(), plain_siphash(1, ~2ULL, words));
		words.push_back(message_word(n));
	}
}

TEST(siphash, finish__usable_in_a_constant_expression)
{
	static_assert(SipHash24(0x0706050403020100, 0x0f0e0d0c0b0a0908).finish() ==
		      0x726fdb47dd0e0e31);
}

TEST(siphash, hash_key__every_field_matters)
{
	for (const u8 v6 : {0, 1}) {
		std::set<u64> seen;
		const auto add = [&](const lq_key &key, u16 local) {
			const u64 hash =
				hash_key(SipHash24(kKeys.isn[0], kKeys.isn[1]), key, local);
			EXPECT_TRUE(seen.insert(hash).second);
		};
		lq_key key = peer(v6);

		add(key, 80);
		add(key, 81);
		key.peer_port++;
		add(key, 80);
		for (unsigned i = 0; i < (v6 ? 8 : 2); i++) {
			key = peer(v6);
			key.addr[i] ^= 0x100;
			add(key, 80);
		}
	}
}

TEST(siphash, hash_key__interfaces_do_not_matter)
{
	lq_key a = peer(1), b = peer(1);

	b.ifindex = 7;
	b.l3_ifindex = 9;
	EXPECT_EQ(hash_key(SipHash24(1, 2), a, 80), hash_key(SipHash24(1, 2), b, 80));
}

TEST(siphash, hash_key__peer_port_and_local_port_do_not_mix)
{
	lq_key a = peer(0), b = peer(0);

	a.peer_port = 1;
	b.peer_port = 2;
	EXPECT_NE(hash_key(SipHash24(1, 2), a, 2), hash_key(SipHash24(1, 2), b, 1));
}

TEST(siphash, hash_key__the_key_matters)
{
	property("another key, another hash", [](u64 k0, u64 k1, u64 other) {
		RC_PRE(k0 != other);
		RC_ASSERT(hash_key(SipHash24(k0, k1), peer(0), 0) !=
			  hash_key(SipHash24(other, k1), peer(0), 0));
	});
}
