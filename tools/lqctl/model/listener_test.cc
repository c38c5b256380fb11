// SPDX-License-Identifier: GPL-2.0
#include "model/listener.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

Message &minimal(Message &m)
{
	return m.u64(LISTENQ_A_LISTENER_ID, 7)
		.bytes(LISTENQ_A_LISTENER_ADDR, {127, 0, 0, 1})
		.u16(LISTENQ_A_LISTENER_PORT, 8080);
}

TEST(listener, parse__minimal)
{
	Message m;
	Listener l = parse_listener(minimal(m).attributes());
	EXPECT_EQ(l.id, 7u);
	EXPECT_EQ(l.address.family, AF_INET);
	EXPECT_EQ(l.address.host(), "127.0.0.1");
	EXPECT_EQ(l.address.port, 8080);
	EXPECT_EQ(total(l.drops), 0u);
	EXPECT_TRUE(l.accept_wait.empty());
}

TEST(listener, parse__everything)
{
	Message m;
	std::vector<std::uint64_t> wait(LISTENQ_HIST_BUCKETS);
	wait[5] = 6;
	m.u64(LISTENQ_A_LISTENER_ID, 1ull << 40)
		.u16(LISTENQ_A_LISTENER_FAMILY, AF_INET6)
		.bytes(LISTENQ_A_LISTENER_ADDR, std::vector<std::uint8_t>(16))
		.u16(LISTENQ_A_LISTENER_PORT, 443)
		.u32(LISTENQ_A_LISTENER_IFINDEX, 2)
		.u64(LISTENQ_A_LISTENER_INODE, 3)
		.u32(LISTENQ_A_LISTENER_UID, 4)
		.text(LISTENQ_A_LISTENER_POLICY, "linux")
		.u32(LISTENQ_A_LISTENER_FLAGS, LISTENQ_F_BACKLOG_TRUNCATED)
		.u32(LISTENQ_A_LISTENER_BACKLOG_ASKED, static_cast<std::uint32_t>(-1))
		.u32(LISTENQ_A_LISTENER_BACKLOG, 4096)
		.u32(LISTENQ_A_LISTENER_ACCEPT_QLEN, 10)
		.u32(LISTENQ_A_LISTENER_ACCEPT_LIMIT, 4097)
		.u32(LISTENQ_A_LISTENER_SYN_QLEN, 12)
		.u32(LISTENQ_A_LISTENER_SYN_YOUNG, 13)
		.u32(LISTENQ_A_LISTENER_SYN_LIMIT, 14)
		.u32(LISTENQ_A_LISTENER_SYN_BUCKETS, 15)
		.u32(LISTENQ_A_LISTENER_MAX_SYN_BACKLOG, 16)
		.u32(LISTENQ_A_LISTENER_SYNACK_RETRIES, 17)
		.u32(LISTENQ_A_LISTENER_ACCEPT_QLEN_PEAK, 18)
		.u32(LISTENQ_A_LISTENER_SYN_QLEN_PEAK, 19)
		.nest(LISTENQ_A_LISTENER_DROPS, [&] { m.u64(LISTENQ_DROP_LSM, 20); })
		.nest(LISTENQ_A_LISTENER_EVENTS, [&] { m.u64(LISTENQ_EVENT_ACCEPTED, 21); })
		.u64s(LISTENQ_A_LISTENER_ACCEPT_WAIT, wait)
		.u8(LISTENQ_A_LISTENER_V6ONLY, 1)
		.text(LISTENQ_A_LISTENER_ACCEPT_FILTER, "httpready")
		.u32(LISTENQ_A_LISTENER_SYNCOOKIES, 2)
		.u32(LISTENQ_A_LISTENER_FILTER_QLEN, 22)
		.u32(LISTENQ_A_LISTENER_FILTER_LIMIT, 23)
		.u32(LISTENQ_A_LISTENER_SHARDS, 3)
		.u32(LISTENQ_A_LISTENER_ACCEPT_MAX_WAIT_MS, 24)
		.u32(LISTENQ_A_LISTENER_ACCEPT_DEAD, LISTENQ_DEAD_SKIP_FIN)
		.u32(LISTENQ_A_LISTENER_ACCEPT_ORDER, LISTENQ_ORDER_ADAPTIVE)
		.u32(LISTENQ_A_LISTENER_CODEL_TARGET_MS, 25)
		.u32(LISTENQ_A_LISTENER_CODEL_INTERVAL_MS, 26)
		.u32(LISTENQ_A_LISTENER_SYN_ADMISSION_MS, 27)
		.u32(LISTENQ_A_LISTENER_ACCEPT_GONE, 28)
		.u32(LISTENQ_A_LISTENER_ACCEPT_INTERVAL, 29)
		.u32(LISTENQ_A_LISTENER_GRACE_MS, 30)
		.u32(LISTENQ_A_LISTENER_STEAL_US, 35)
		.u32(LISTENQ_A_LISTENER_STALLED_MS, 36)
		.u32(LISTENQ_A_LISTENER_OVERFLOWS, 31)
		.u32(LISTENQ_A_LISTENER_OVERFLOW_AGO, 32)
		.u32(LISTENQ_A_LISTENER_OVERFLOW_SHORTEST, 33)
		.u32(LISTENQ_A_LISTENER_OVERFLOW_LONGEST, 34)
		.u32(LISTENQ_A_LISTENER_OWN, LISTENQ_OWN_POLICY)
		.u32(LISTENQ_A_LISTENER_FOLLOWING,
		     LISTENQ_OWN_ABORT_ON_OVERFLOW | LISTENQ_OWN_SYNCOOKIES);

	auto json = to_json(parse_listener(m.attributes()));
	EXPECT_EQ(json["drops"]["lsm"], 20);
	EXPECT_EQ(json["drops_total"], 20);
	EXPECT_EQ(json["events"]["accepted"], 21);
	EXPECT_EQ(json["accept_wait"][5]["count"], 6);
	EXPECT_TRUE(json["accept_wait_fine"].is_null()) << "of an older module";
	EXPECT_TRUE(json["handshake"].is_null());
	EXPECT_EQ(json["percentiles"].dump(), R"({"accept_wait":null,"handshake":null})");
	for (const char *key : {"drops", "events", "accept_wait", "interface", "accept_wait_fine",
				"handshake", "percentiles"})
		json.erase(key);
	EXPECT_EQ(
		json.dump(),
		R"({"id":1099511627776,"stack":"listenq","family":"inet6","address":"::",)"
		R"("port":443,"v6only":true,)"
		R"("inode":3,"uid":4,"policy":"linux","backlog_asked":-1,"backlog":4096,)"
		R"("backlog_truncated":true,"abort_on_overflow":false,"max_syn_backlog":16,)"
		R"("synack_retries":17,"syncookies":2,"grace_ms":30,)"
		R"("accept_max_wait_ms":24,)"
		R"("accept_dead":"skip-fin","accept_order":"adaptive","codel_target_ms":25,)"
		R"("codel_interval_ms":26,"syn_admission_ms":27,)"
		R"("accept_qlen":10,"accept_limit":4097,)"
		R"("accept_qlen_peak":18,"accept_gone":28,"accept_interval_us":29,)"
		R"("overflows":31,"overflow_ago_s":32,"overflow_shortest_ms":33,)"
		R"("overflow_longest_ms":34,"syn_qlen":12,)"
		R"("syn_young":13,"syn_limit":14,)"
		R"("syn_qlen_peak":19,"syn_buckets":15,"accept_filter":"httpready",)"
		R"("filter_qlen":22,"filter_limit":23,"backlog_given":null,)"
		R"("shards":3,"steal_us":35,"stalled_ms":36,"accept_oldest_us":0,"own":["policy"],)"
		R"("following":["abort_on_overflow","syncookies"],)"
		R"("drops_total":20})");
}

TEST(listener, parse__unknown_attributes_and_padding_are_passed_over)
{
	Message m;
	m.bytes(LISTENQ_A_LISTENER_PAD, {});
	minimal(m).u32(LISTENQ_A_LISTENER_MAX + 1, 1).bytes(LISTENQ_A_LISTENER_MAX + 9, {1, 2, 3});
	EXPECT_EQ(parse_listener(m.attributes()).id, 7u);
}

TEST(listener, parse__without_id_address_or_port)
{
	Message empty, no_port;
	no_port.u64(LISTENQ_A_LISTENER_ID, 7).bytes(LISTENQ_A_LISTENER_ADDR, {1, 2, 3, 4});
	EXPECT_THROW((void)parse_listener(empty.attributes()), Error);
	EXPECT_THROW((void)parse_listener(no_port.attributes()), Error);
}

TEST(listener, parse__wrong_sizes)
{
	Message address, number;
	address.bytes(LISTENQ_A_LISTENER_ADDR, {1, 2, 3, 4, 5});
	EXPECT_THROW((void)parse_listener(address.attributes()), Error);
	minimal(number).u16(LISTENQ_A_LISTENER_SYN_QLEN, 1);
	EXPECT_THROW((void)parse_listener(number.attributes()), Error);
}

TEST(listener, times__in_fine_buckets)
{
	const std::vector<std::uint64_t> coarse(LISTENQ_HIST_BUCKETS), wait{0, 0, 5},
		handshake{0, 7};
	for (const bool first : {false, true}) {
		Message m;
		m.u64(LISTENQ_A_LISTENER_ID, 1)
			.bytes(LISTENQ_A_LISTENER_ADDR, {127, 0, 0, 1})
			.u16(LISTENQ_A_LISTENER_PORT, 80);
		if (first)
			m.u64s(LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE, wait);
		m.u64s(LISTENQ_A_LISTENER_ACCEPT_WAIT, coarse)
			.u64s(LISTENQ_A_LISTENER_HANDSHAKE, handshake)
			.u64(LISTENQ_A_LISTENER_HANDSHAKE_US, 7)
			.u64s(LISTENQ_A_LISTENER_FORMER_WAIT_FINE, handshake)
			.u64s(LISTENQ_A_LISTENER_FORMER_WAIT, coarse)
			.u64s(LISTENQ_A_LISTENER_FORMER_HANDSHAKE, wait)
			.u64(LISTENQ_A_LISTENER_FORMER_HANDSHAKE_US, 10);
		if (!first)
			m.u64s(LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE, wait);
		const Listener l = parse_listener(m.attributes());
		EXPECT_EQ(l.accept_wait.percentile_us(50), 2u);
		EXPECT_EQ(l.accept_wait.count(), 5u);
		EXPECT_EQ(l.handshake.count(), 7u);
		EXPECT_EQ(l.handshake_us, 7u);
		EXPECT_EQ(l.former_wait.count(), 7u);
		EXPECT_EQ(l.former_handshake.percentile_us(99), 2u);
		EXPECT_EQ(l.former_handshake_us, 10u);
		EXPECT_EQ(to_json(l)["percentiles"]["handshake"]["p99_us"], 1);
		EXPECT_EQ(to_json(l)["accept_wait"][2]["count"], 5);
	}
}

TEST(listener, times__what_is_left_out_is_empty)
{
	Message m;
	m.u64(LISTENQ_A_LISTENER_ID, 1)
		.bytes(LISTENQ_A_LISTENER_ADDR, {127, 0, 0, 1})
		.u16(LISTENQ_A_LISTENER_PORT, 80)
		.u64(LISTENQ_A_LISTENER_HANDSHAKE_US, 0);
	const auto json = to_json(parse_listener(m.attributes()));
	EXPECT_EQ(json["accept_wait_fine"].dump(), "[]");
	EXPECT_EQ(json["handshake"].dump(), "[]");
	EXPECT_EQ(json["accept_wait"].size(), 32u);
}

} // namespace
