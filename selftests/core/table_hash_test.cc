// SPDX-License-Identifier: GPL-2.0
#include "table_hash.hh"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "property.hh"
#include "support.hh"

using listenq::TableHash;
using testing_core::free_request;
using testing_core::kKeys;
using testing_core::new_request;
using testing_core::peer;

// Keys that differ in each of them.
static lq_keys keys_of(u64 seed)
{
	lq_keys keys{};

	for (u64 &key : keys.table) {
		seed += 0x9e3779b97f4a7c15; // splitmix64
		key = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9;
		key = (key ^ key >> 27) * 0x94d049bb133111eb;
		key ^= key >> 31;
	}
	return keys;
}

// The formula of the paper, in wider arithmetic and without a loop unrolled by hand; then
// MurmurHash3's fmix32() with other multipliers, in 64 bits.
static u32 plain(const lq_keys &keys, const lq_key &key)
{
	unsigned __int128 sum = static_cast<unsigned __int128>(keys.table[8]) * key.peer_port;

	for (unsigned i = 0; i < (key.v6 ? 8u : 2u); i += 2) {
		const u64 a = keys.table[i] + key.addr[i + 1];
		const u64 b = keys.table[i + 1] + key.addr[i];

		sum += static_cast<unsigned __int128>(a) * b;
	}
	u64 h = static_cast<u64>(sum) >> 32;

	h = (h ^ h >> 16) * (keys.table[9] | 1) & ~0u;
	h = (h ^ h >> 15) * (keys.table[9] >> 32 | 1) & ~0u;
	return static_cast<u32>(h ^ h >> 16);
}

TEST(table_hash, is_the_formula)
{
	property("pair-multiply-shift, permuted", [](u64 seed, u32 n) {
		const lq_keys keys = keys_of(seed);

		lq_request *r = new_request(peer(n));
		const u32 of_request = TableHash(keys)(*r);

		free_request(r);
		RC_ASSERT(TableHash(keys)(peer(n)) == plain(keys, peer(n)));
		RC_ASSERT(of_request == plain(keys, peer(n)));
	});
}

TEST(table_hash, every_field_matters_and_the_interface_does_not)
{
	for (const u8 v6 : {0, 1}) {
		std::set<u32> seen{TableHash(kKeys)(peer(v6))};
		lq_key key = peer(v6);

		key.ifindex = 7;
		key.l3_ifindex = 9;
		EXPECT_FALSE(seen.insert(TableHash(kKeys)(key)).second);
		key.peer_port ^= 0x100;
		EXPECT_TRUE(seen.insert(TableHash(kKeys)(key)).second);
		for (unsigned i = 0; i < (v6 ? 8 : 2); i++) {
			key = peer(v6);
			key.addr[i] ^= 0x100;
			EXPECT_TRUE(seen.insert(TableHash(kKeys)(key)).second) << i;
		}
	}
}

TEST(table_hash, every_key_matters)
{
	for (const unsigned n : {0u, 1u}) {
		for (unsigned i = 0; i < LQ_TABLE_KEYS; i++) {
			lq_keys keys = kKeys;

			keys.table[i] ^= 1ULL << 40;
			// IPv4 has two words and the port.
			EXPECT_EQ(TableHash(keys)(peer(n)) != TableHash(kKeys)(peer(n)),
				  n == 1 || i < 2 || i >= 8)
				<< n << " " << i;
		}
	}
}

// Two connections meet in one of @buckets no more often than by chance, whatever they are: here
// such that differ in one bit, or in the same bit of two words, or have words exchanged.
TEST(table_hash, pairs_collide_as_by_chance)
{
	constexpr u32 kBuckets = 64, kKeysTried = 20000;
	// Of the mean of kKeysTried / kBuckets, five standard deviations.
	const double mean = double{kKeysTried} / kBuckets;
	const double room = 5 * std::sqrt(mean);
	std::map<std::string, std::pair<lq_key, lq_key>> pairs;

	for (const u8 v6 : {0, 1}) {
		const lq_key key = peer(v6);
		const std::string version = v6 ? "v6 " : "v4 ";

		for (const unsigned bit : {0u, 7u, 31u}) {
			lq_key one = key, both = key;

			one.addr[1] ^= 1u << bit;
			both.addr[0] ^= 1u << bit;
			both.addr[1] ^= 1u << bit;
			pairs[version + "one " + std::to_string(bit)] = {key, one};
			pairs[version + "both " + std::to_string(bit)] = {key, both};
		}
		lq_key port = key, exchanged = key;

		port.peer_port ^= 1;
		std::swap(exchanged.addr[0], exchanged.addr[1]);
		pairs[version + "port"] = {key, port};
		pairs[version + "exchanged"] = {key, exchanged};
	}
	for (const auto &[what, pair] : pairs) {
		u32 low = 0, high = 0;

		for (u32 seed = 0; seed < kKeysTried; seed++) {
			const lq_keys keys = keys_of(seed);
			const u32 a = TableHash(keys)(pair.first), b = TableHash(keys)(pair.second);

			low += (a ^ b) % kBuckets == 0;
			high += (a ^ b) / (1u << 26) == 0;
		}
		EXPECT_NEAR(low, mean, room) << what;
		EXPECT_NEAR(high, mean, room) << what;
	}
}

// What floods are made of: ports, or addresses, one after the other.
TEST(table_hash, rows_spread)
{
	constexpr u32 kBuckets = 1024, kCount = 64 * kBuckets;

	for (u32 seed = 0; seed < 20; seed++) {
		const lq_keys keys = keys_of(seed);
		u64 worst = 0;

		for (const bool ports : {false, true}) {
			std::vector<u32> buckets(kBuckets);
			u64 squares = 0;

			for (u32 i = 0; i < kCount; i++) {
				lq_key key = peer(0);

				if (ports)
					key.peer_port = static_cast<u16>(i);
				else
					key.addr[0] = i << 8; // network order
				buckets[TableHash(keys)(key) % kBuckets]++;
			}
			for (const u32 n : buckets)
				squares += u64{n} * n;
			worst = std::max(worst, squares);
		}
		// A search looks at squares / kCount requests: 64 when all buckets are
		// alike, 65 by chance.
		EXPECT_GT(worst, u64{64} * kCount) << seed;
		EXPECT_LT(worst, u64{66} * kCount) << seed;
	}
}

// Whether port n + 1 is in a bucket behind port n's tells as little of one key as of another: were
// the hash linear in the port, it would be so for nearly all of them, or nearly none.
TEST(table_hash, order_tells_no_step)
{
	constexpr u32 kBuckets = 4096, kCount = 20000;
	const double room = 5 * std::sqrt(kCount / 12.0); // of a sum over neighbours

	for (u32 seed = 0; seed < 50; seed++) {
		const lq_keys keys = keys_of(seed);
		const TableHash hash(keys);

		for (const u32 step : {1u, 2u, 256u}) {
			lq_key key = peer(0);
			u32 behind = 0, before = hash(key) % kBuckets;

			for (u32 i = 1; i <= kCount; i++) {
				key.peer_port = static_cast<u16>(key.peer_port + step);
				const u32 now = hash(key) % kBuckets;

				behind += now > before;
				before = now;
			}
			// 256 steps of 256 come back to the same ports.
			EXPECT_NEAR(behind, kCount / 2.0 * (1 - 1.0 / kBuckets),
				    step == 256 ? room * std::sqrt(kCount / 256.0) : room)
				<< seed << " " << step;
		}
	}
}
