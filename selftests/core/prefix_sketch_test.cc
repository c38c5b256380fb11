// SPDX-License-Identifier: GPL-2.0
// PrefixSketch: whose drops they are, within the bounds that it promises.
#include "core/prefix_sketch.hh"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <vector>

#include "listener_fixture.hh"
#include "property.hh"

using listenq::PrefixSketch;
using listenq::TableHash;
using listenq::Ticks;
using testing_core::kHz;
using testing_core::kKeys;

namespace {

constexpr u32 kSecond = kHz, kPeriod = PrefixSketch::kHalfLife * kHz;

struct Peer {
	u32 addr[4] = {};
	bool v6 = false;
};

Peer v4(const char *text)
{
	Peer peer;

	EXPECT_EQ(inet_pton(AF_INET, text, peer.addr), 1);
	return peer;
}

Peer v6(const char *text)
{
	Peer peer{.v6 = true};

	EXPECT_EQ(inet_pton(AF_INET6, text, peer.addr), 1);
	return peer;
}

std::string text_of(const lq_prefix_share &share)
{
	char text[INET6_ADDRSTRLEN];

	EXPECT_TRUE(inet_ntop(share.v6 ? AF_INET6 : AF_INET, share.addr, text, sizeof(text)));
	return text + std::string("/") + std::to_string(share.length);
}

std::vector<lq_prefix_share> top(const lq_prefixes &all, u32 room = LQ_PREFIXES)
{
	std::vector<lq_prefix_share> out(room);

	out.resize(listenq::prefixes::top(all, out.data(), room));
	return out;
}

class Stream {
public:
	void add(const Peer &peer, u32 times = 1)
	{
		while (times--)
			sketch.add(hash, peer.addr, peer.v6);
	}
	lq_prefixes read(u32 now = 0) const
	{
		lq_prefixes out{};

		sketch.read(out, Ticks{now}, kHz);
		return out;
	}

	PrefixSketch sketch;
	const TableHash hash{kKeys};
};

TEST(prefix_sketch, counts_by_prefix)
{
	Stream s;

	s.add(v4("192.0.2.1"), 2);
	s.add(v4("192.0.2.255"));
	s.add(v6("2001:db8:1:2::1"), 3);
	s.add(v6("2001:db8:1:2:ffff:ffff:ffff:ffff"), 2);
	s.add(v6("::1"));
	// The one is no part of the other: an IPv4 address, and the IPv6 prefix of the same bytes.
	s.add(v6("c000:200::1"));

	std::map<std::string, u32> found;
	u32 last = ~0u;
	for (const lq_prefix_share &share : top(s.read())) {
		found[text_of(share)] = share.count;
		EXPECT_EQ(share.excess, 0u);
		EXPECT_LE(share.count, last);
		last = share.count;
	}
	EXPECT_EQ(found, (std::map<std::string, u32>{{"2001:db8:1:2::/64", 5},
						     {"192.0.2.0/24", 3},
						     {"::/64", 1},
						     {"c000:200::/64", 1}}));
	EXPECT_EQ(s.read().total, 10u);
	EXPECT_EQ(top(s.read(), 2).size(), 2u);
	EXPECT_EQ(text_of(top(s.read(), 2)[1]), "192.0.2.0/24");
	EXPECT_TRUE(top({}).empty());
}

Peer numbered(u32 n)
{
	Peer peer{.v6 = n % 2 == 1};

	peer.addr[0] = htonl(0x20000000 + (n << 8));
	peer.addr[1] = peer.v6 ? n : 0;
	return peer;
}

void check_bounds(const lq_prefixes &all, const std::map<u32, u32> &truth, u32 most_missed)
{
	std::map<std::string, lq_prefix_share> found;
	u32 total = 0;

	for (const lq_prefix_share &share : top(all))
		found[text_of(share)] = share;
	for (const auto &[n, times] : truth) {
		lq_prefix_share name{};
		const Peer peer = numbered(n);

		total += times;
		name.v6 = peer.v6;
		name.length = peer.v6 ? 64 : 24;
		name.addr[0] = peer.addr[0];
		name.addr[1] = peer.addr[1];
		const auto it = found.find(text_of(name));
		if (it == found.end()) {
			RC_ASSERT(times <= most_missed);
			continue;
		}
		RC_ASSERT(it->second.count >= times);
		RC_ASSERT(it->second.count - it->second.excess <= times);
	}
	RC_ASSERT(all.total == total);
}

u32 largest_part(const std::map<u32, u32> &truth)
{
	u32 sets[LQ_PREFIX_SETS] = {};
	const TableHash hash{kKeys};

	for (const auto &[n, times] : truth) {
		const Peer peer = numbered(n);
		sets[peer.v6 ? PrefixSketch::set_of(hash, peer.addr[0], peer.addr[1])
			     : PrefixSketch::set_of(hash, ~0u, peer.addr[0])] += times;
	}
	return *std::max_element(std::begin(sets), std::end(sets)) / LQ_PREFIX_WAYS;
}

TEST(prefix_sketch, property__counts_are_within_their_excess)
{
	property("a slot's count, and who is in none", [] {
		const auto peers = *rc::gen::container<std::vector<u32>>(rc::gen::inRange(0, 60));
		std::map<u32, u32> truth;
		Stream s;

		for (const u32 n : peers) {
			truth[n]++;
			s.add(numbered(n));
		}
		check_bounds(s.read(), truth, largest_part(truth));
	});
}

TEST(prefix_sketch, property__added_up)
{
	property("three shards", [] {
		const auto peers = *rc::gen::container<std::vector<u32>>(rc::gen::inRange(0, 180));
		std::map<u32, u32> truth;
		Stream shards[3];

		for (const u32 n : peers) {
			truth[n / 3]++;
			shards[n % 3].add(numbered(n / 3));
		}
		lq_prefixes sum = shards[0].read();
		listenq::prefixes::add(sum, shards[1].read());
		listenq::prefixes::add(sum, shards[2].read());
		check_bounds(sum, truth, largest_part(truth));
	});
}

// Whoever has a good part of them is found among any number of others.
TEST(prefix_sketch, a_flood_hides_nobody)
{
	Stream s;
	lq_prefix_share most{};

	for (u32 i = 0; i < 100000; i++) {
		Peer spoofed;
		spoofed.addr[0] = htonl(i * 2654435761u);
		s.add(spoofed);
		if (i % 4 == 0)
			s.add(v6("2001:db8::1"));
	}
	most = top(s.read()).front();
	EXPECT_EQ(text_of(most), "2001:db8::/64");
	EXPECT_GE(most.count, 25000u);
	EXPECT_LE(most.count - most.excess, 25000u);
}

TEST(prefix_sketch, age__halves)
{
	Stream s;
	const u32 start = 0u - kSecond; // ticks wrap

	s.sketch.age(Ticks{start}, kHz);
	s.add(v4("192.0.2.1"), 100);
	s.sketch.age(Ticks{start + kPeriod - 1}, kHz);
	EXPECT_EQ(s.read(start + kPeriod - 1).total, 100u);
	// A reader sees what has not been done yet.
	EXPECT_EQ(s.read(start + kPeriod).total, 50u);
	EXPECT_EQ(top(s.read(start + 2 * kPeriod)).front().count, 25u);
	s.sketch.age(Ticks{start + 2 * kPeriod + 1}, kHz);
	EXPECT_EQ(s.read(start + 2 * kPeriod + 1).total, 25u);
	// From when it was due on, not from when it was done.
	EXPECT_EQ(s.read(start + 3 * kPeriod).total, 12u);
	s.sketch.age(Ticks{start + 100 * kPeriod}, kHz);
	EXPECT_TRUE(top(s.read(start + 100 * kPeriod)).empty());
}

TEST(prefix_sketch, age__of_nothing_begins_anew)
{
	Stream s;

	s.sketch.age(Ticks{5 * kPeriod + 7}, kHz);
	s.add(v4("192.0.2.1"), 8);
	EXPECT_EQ(s.read(6 * kPeriod + 6).total, 8u);
	EXPECT_EQ(s.read(6 * kPeriod + 7).total, 4u);
}

// --- what of it a listener tells it ---

class dropped_from : public testing_core::listener {
protected:
	std::map<std::string, u32> prefixes() const
	{
		std::map<std::string, u32> found;
		lq_prefixes all{};

		core.dropped_from(all, Ticks{now});
		for (const lq_prefix_share &share : top(all))
			found[text_of(share)] = share.count;
		return found;
	}
	u32 total() const
	{
		lq_prefixes all{};

		core.dropped_from(all, Ticks{now});
		return all.total;
	}
};

TEST_F(dropped_from, full_queues_and_who_did_not_answer)
{
	listen(testing_core::config(1)); // one waits, and another
	ASSERT_TRUE(half_open(8));
	EXPECT_TRUE(establish(0) && establish(2));
	EXPECT_EQ(total(), 0u) << "nothing was dropped";
	EXPECT_EQ(send_syn(4), LQ_SYN_DROP);
	EXPECT_EQ(total(), 1u);
	EXPECT_EQ(send_ack(8), LQ_ACK_DROP);
	EXPECT_EQ(total(), 2u);
	while (accept())
		;
	ASSERT_TRUE(half_open(12));
	for (int i = 0; i < 80 && !unserved + !expired; i++) {
		now += kSecond;
		tick();
	}
	EXPECT_GT(expired + unserved, 0u);
	EXPECT_GT(total(), 0u);
}

TEST_F(dropped_from, whose_they_are)
{
	lq_syn one = make_syn(0);

	listen(testing_core::config(1));
	ASSERT_TRUE(establish(1) && establish(2));
	one.key.addr[0] = v4("198.51.100.7").addr[0];
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(send_syn(one), LQ_SYN_DROP);
	const Peer far = v6("2001:db8:1:2::3");
	one.key.v6 = true;
	std::copy_n(far.addr, 4, one.key.addr);
	EXPECT_EQ(send_syn(one), LQ_SYN_DROP);
	EXPECT_EQ(prefixes(),
		  (std::map<std::string, u32>{{"198.51.100.0/24", 3}, {"2001:db8:1:2::/64", 1}}));
	now += kPeriod;
	EXPECT_EQ(prefixes(), (std::map<std::string, u32>{{"198.51.100.0/24", 1}}));
	now += 10 * kPeriod;
	tick();
	EXPECT_EQ(total(), 0u);
}

TEST_F(dropped_from, harmless_ones_are_not_among_them)
{
	ASSERT_TRUE(half_open(4));
	send_rst(4);
	EXPECT_EQ(drops(LISTENQ_DROP_REQUEST_RESET), 1u);
	EXPECT_EQ(total(), 0u);
}

} // namespace
