// SPDX-License-Identifier: GPL-2.0
#include "model/event.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string_view>
#include <vector>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

constexpr std::uint64_t at = 1'763'721'062'123'456'789; /* 10:31:02 UTC */

Message &fill(Message &m, std::uint32_t type)
{
	return m.u64(LISTENQ_A_EVENT_TIME, at)
		.u32(LISTENQ_A_EVENT_TYPE, type)
		.u64(LISTENQ_A_EVENT_LISTENER, 7)
		.u16(LISTENQ_A_EVENT_FAMILY, AF_INET)
		.bytes(LISTENQ_A_EVENT_ADDR, {192, 0, 2, 1})
		.u16(LISTENQ_A_EVENT_PORT, 8080)
		.u32(LISTENQ_A_EVENT_IFINDEX, 0)
		.u8(LISTENQ_A_EVENT_V6ONLY, 0)
		.text(LISTENQ_A_EVENT_POLICY, "linux")
		.u32(LISTENQ_A_EVENT_BACKLOG_ASKED, 511)
		.u32(LISTENQ_A_EVENT_BACKLOG, 511)
		.u32(LISTENQ_A_EVENT_ACCEPT_QLEN, 512)
		.u32(LISTENQ_A_EVENT_ACCEPT_LIMIT, 512)
		.u32(LISTENQ_A_EVENT_SYN_QLEN, 3)
		.u32(LISTENQ_A_EVENT_SYN_LIMIT, 256);
}

Event overflow_ended()
{
	Message m;
	fill(m, LISTENQ_EVENT_TYPE_OVERFLOW_ENDED)
		.u32(LISTENQ_A_EVENT_REASON, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK)
		.u64(LISTENQ_A_EVENT_COUNT, 907);
	return parse_event(m.attributes());
}

class event : public ::testing::Test {
protected:
	void SetUp() override
	{
		setenv("TZ", "UTC0", 1);
		tzset();
	}
};

TEST_F(event, parse__every_type_has_its_name)
{
	for (std::uint32_t type = 1; type < __LISTENQ_EVENT_TYPE_MAX; type++) {
		Message m;
		const Event e = parse_event(fill(m, type).attributes());
		EXPECT_EQ(e.type.find("event_type_"), std::string::npos) << type;
		EXPECT_TRUE(e.reason.empty());
		EXPECT_FALSE(e.count);
	}
	Message m;
	fill(m, 4).u32(LISTENQ_A_EVENT_MAX + 1, 1);
	EXPECT_EQ(parse_event(m.attributes()).type, "overflow_began");
}

TEST_F(event, parse__a_newer_module)
{
	Message m;
	fill(m, 200).u32(LISTENQ_A_EVENT_REASON, 200);
	const Event e = parse_event(m.attributes());
	EXPECT_EQ(e.type, "event_type_200");
	EXPECT_EQ(e.reason, "drop_200");
}

TEST_F(event, parse__what_must_be_there)
{
	Message no_type, no_listener, long_address;
	no_type.u64(LISTENQ_A_EVENT_LISTENER, 1);
	no_listener.u32(LISTENQ_A_EVENT_TYPE, 1);
	fill(long_address, 1).bytes(LISTENQ_A_EVENT_ADDR, std::vector<std::uint8_t>(17));
	EXPECT_THROW((void)parse_event(no_type.attributes()), Error);
	EXPECT_THROW((void)parse_event(no_listener.attributes()), Error);
	EXPECT_THROW((void)parse_event(long_address.attributes()), Error);
}

TEST_F(event, text__all_of_it)
{
	EXPECT_EQ(event_text(overflow_ended(), true, ascii_glyphs),
		  "2025-11-21T10:31:02.123Z overflow_ended 192.0.2.1:8080 @7 linux backlog 511 "
		  "accept 512/512 "
		  "syn 3/256 reason accept_queue_full_ack count 907\n");
}

TEST_F(event, text__a_truncated_backlog)
{
	Event e = overflow_ended();
	e.backlog_asked = -1;
	e.count.reset();
	e.reason.clear();
	EXPECT_EQ(event_text(e, true, ascii_glyphs),
		  "2025-11-21T10:31:02.123Z overflow_ended 192.0.2.1:8080 @7 linux backlog -1->511 "
		  "accept "
		  "512/512 syn 3/256\n");
}

TEST_F(event, untold__is_said)
{
	Event e = overflow_ended();
	EXPECT_FALSE(to_json(e).contains("untold"));
	e.untold = 41;
	EXPECT_EQ(to_json(e)["untold"], 41);
	EXPECT_TRUE(event_text(e, true, ascii_glyphs).ends_with(" count 907 untold 41\n"));
}

TEST_F(event, text__lost)
{
	EXPECT_EQ(event_text(events_lost(at), true, ascii_glyphs),
		  "2025-11-21T10:31:02.123Z events_lost\n");
}

TEST_F(event, json__all_of_it)
{
	EXPECT_EQ(to_json(overflow_ended()).dump(),
		  R"({"event":"overflow_ended","time":"2025-11-21T10:31:02.123456789Z",)"
		  R"("time_ns":1763721062123456789,"id":7,"family":"inet","address":"192.0.2.1",)"
		  R"("port":8080,"interface":null,"policy":"linux","backlog_asked":511,)"
		  R"("backlog":511,"accept_qlen":512,"accept_limit":512,"syn_qlen":3,)"
		  R"("syn_limit":256,"reason":"accept_queue_full_ack","count":907})");
	Message m;
	const auto json =
		to_json(parse_event(fill(m, LISTENQ_EVENT_TYPE_COOKIES_BEGAN).attributes()));
	EXPECT_FALSE(json.contains("reason") || json.contains("count"));
}

TEST_F(event, json__lost)
{
	EXPECT_EQ(to_json(events_lost(at)).dump(),
		  R"({"event":"events_lost","time":"2025-11-21T10:31:02.123456789Z",)"
		  R"("time_ns":1763721062123456789})");
}

TEST_F(event, environment__the_members_in_capitals)
{
	std::map<std::string, std::string> all;
	for (const auto &[name, value] : event_environment(overflow_ended()))
		all[name] = value;
	EXPECT_EQ(all["LISTENQ_EVENT"], "overflow_ended");
	EXPECT_EQ(all["LISTENQ_ID"], "7");
	EXPECT_EQ(all["LISTENQ_ADDRESS"], "192.0.2.1");
	EXPECT_EQ(all["LISTENQ_PORT"], "8080");
	EXPECT_EQ(all["LISTENQ_INTERFACE"], "");
	EXPECT_EQ(all["LISTENQ_REASON"], "accept_queue_full_ack");
	EXPECT_EQ(all["LISTENQ_COUNT"], "907");
	EXPECT_EQ(all["LISTENQ_TIME_NS"], "1763721062123456789");
	EXPECT_EQ(all.size(), to_json(overflow_ended()).size());
}

/* Each of them, so that a new one is thought of. */
TEST_F(event, priorities)
{
	const std::map<unsigned, std::vector<const char *>> all = {
		{4,
		 {"overflow_began", "overflow_goes_on", "cookies_began", "accept_queue_above",
		  "syn_queue_above", "events_lost"}},
		{5,
		 {"backlog_truncated", "overflow_ended", "cookies_ended", "accept_queue_below",
		  "syn_queue_below"}},
		{6, {"listener_state", "listener_started", "listener_stopped"}},
	};

	for (const auto &[priority, types] : all) {
		for (const char *type : types) {
			Event e;

			e.type = type;
			EXPECT_EQ(event_priority(e), priority) << type;
		}
	}
	std::size_t kernels = 0;
	for (const auto &[priority, types] : all) {
#define NAME(number, NAME, name, text)                                                             \
	kernels += static_cast<std::size_t>(std::ranges::count_if(                                 \
		types, [](std::string_view type) { return type == #name; }));
		LISTENQ_EVENT_TYPES(NAME)
#undef NAME
	}
	EXPECT_EQ(kernels, static_cast<std::size_t>(LISTENQ_EVENT_TYPE_MAX));
}

} // namespace
