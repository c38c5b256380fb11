// SPDX-License-Identifier: GPL-2.0
#include "kernel/setting.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"

namespace lqctl {

static std::string refusal(std::string_view name, std::string_view value)
{
	try {
		(void)parse_setting(name, value);
	} catch (const Error &error) {
		return error.what();
	}
	return "";
}

TEST(setting, numbers)
{
	const Setting s = parse_setting("max_syn_backlog", "1024");

	EXPECT_EQ(s.attribute, LISTENQ_A_LISTENER_MAX_SYN_BACKLOG);
	EXPECT_EQ(std::get<std::uint32_t>(s.value), 1024u);
	EXPECT_EQ(std::get<std::uint32_t>(parse_setting("syncookies", "0").value), 0u);
	EXPECT_EQ(parse_setting("backlog", "0").attribute, LISTENQ_A_LISTENER_BACKLOG);
	EXPECT_EQ(std::get<std::uint32_t>(parse_setting("backlog", "2147483647").value),
		  0x7fffffffu);
	EXPECT_EQ(std::get<std::uint32_t>(parse_setting("synack_retries", "default").value),
		  LISTENQ_FOLLOW);
}

TEST(setting, names)
{
	const Setting s = parse_setting("policy", "linux-2.4");

	EXPECT_EQ(s.attribute, LISTENQ_A_LISTENER_POLICY);
	EXPECT_EQ(std::get<std::string>(s.value), "linux-2.4");
	EXPECT_EQ(std::get<std::string>(parse_setting("policy", "windows").value), "windows");
	EXPECT_EQ(std::get<std::string>(parse_setting("policy", "default").value), "");
	EXPECT_EQ(std::get<std::string>(parse_setting("accept_filter", "none").value), "");
	EXPECT_EQ(std::get<std::string>(parse_setting("accept_filter", "tlsready").value),
		  "tlsready");
}

TEST(setting, names_of_numbers)
{
	const auto number = [](const char *name, const char *value) {
		return std::get<std::uint32_t>(parse_setting(name, value).value);
	};

	EXPECT_EQ(number("accept_dead", "skip"), LISTENQ_DEAD_SKIP);
	EXPECT_EQ(number("accept_dead", "keep"), LISTENQ_DEAD_KEEP);
	EXPECT_EQ(number("accept_dead", "skip-fin"), LISTENQ_DEAD_SKIP_FIN);
	EXPECT_EQ(number("accept_dead", "default"), LISTENQ_FOLLOW);
	EXPECT_EQ(number("accept_order", "lifo"), LISTENQ_ORDER_LIFO);
	EXPECT_EQ(number("accept_order", "adaptive"), LISTENQ_ORDER_ADAPTIVE);
	EXPECT_NE(refusal("accept_order", "1").find("one of fifo, lifo, adaptive"),
		  std::string::npos);
	EXPECT_NE(refusal("accept_dead", "").find("one of skip, keep"), std::string::npos);
	EXPECT_NE(refusal("codel_interval_ms", "0").find("from 1 to 60000"), std::string::npos);
	EXPECT_NE(refusal("grace_ms", "600001").find("from 0 to 600000"), std::string::npos);
}

TEST(setting, refusals_say_what_to_give)
{
	EXPECT_NE(refusal("colour", "5").find("it has policy, backlog, max_syn_backlog"),
		  std::string::npos);
	for (const char *bad : {"-1", "default", "", "1x", "2147483648"})
		EXPECT_NE(refusal("backlog", bad).find("give a number from 0 to 2147483647"),
			  std::string::npos)
			<< bad;
	EXPECT_NE(refusal("policy", "lin").find("one of linux, linux-classic"), std::string::npos);
	EXPECT_NE(refusal("policy", "").find("one of"), std::string::npos);
	EXPECT_NE(refusal("policy", "none").find("one of"), std::string::npos);
	EXPECT_NE(refusal("accept_filter", "bpf").find("tlsready"), std::string::npos);
	for (const char *bad : {"-1", "3", "", "1x", "4294967296", " 1"})
		EXPECT_NE(refusal("syncookies", bad).find("from 0 to 2"), std::string::npos) << bad;
	EXPECT_NE(refusal("max_syn_backlog", "0").find("from 1 to 1048576"), std::string::npos);
}

} // namespace lqctl
