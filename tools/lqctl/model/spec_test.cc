// SPDX-License-Identifier: GPL-2.0
/* uapi/listenq.yaml has the names and numbers of linux/listenq.h. */
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/counters.hh"
#include "model/listener.hh"

using namespace lqctl;

namespace {

using Set = std::map<unsigned, std::string>; /* value: name */

/* The lines of one definition, set or operation: from its name on, until the next one's. */
std::vector<std::string> section(const std::string &part, const std::string &title)
{
	std::ifstream in(LISTENQ_SPEC);
	std::string line;
	std::vector<std::string> found;
	const std::string indent(part == "operations:" ? 6 : 4, ' ');
	bool here = false;

	while (std::getline(in, line) && line != part)
		;
	while (std::getline(in, line) && (line.empty() || line[0] == ' ')) {
		if (line.starts_with(indent + "name: "))
			here = line == indent + "name: " + title;
		else if (here)
			found.push_back(line);
	}
	return found;
}

/* The attribute set's part of the file, which has one key in a line. */
Set attribute_set(const std::string &set)
{
	std::ifstream in(LISTENQ_SPEC);
	std::string line, name;
	bool here = false;
	Set found;

	EXPECT_TRUE(in) << LISTENQ_SPEC;
	while (std::getline(in, line) && line != "attribute-sets:")
		;
	while (std::getline(in, line) && line != "operations:") {
		if (line.starts_with("    name: "))
			here = line.substr(10) == set;
		else if (line.starts_with("        name: "))
			name = line.substr(14);
		else if (here && line.starts_with("        value: "))
			found[static_cast<unsigned>(std::stoul(line.substr(15)))] = name;
	}
	return found;
}

std::string dashed(std::string name)
{
	std::replace(name.begin(), name.end(), '_', '-');
	return name;
}

Set header_set(CounterKind kind)
{
	Set set;
	for (const Counter &counter : zero_counters(kind))
		set[counter.number] = dashed(counter.name);
	return set;
}

TEST(spec, drops)
{
	EXPECT_EQ(attribute_set("drops"), header_set(CounterKind::drop));
}

TEST(spec, events)
{
	EXPECT_EQ(attribute_set("events"), header_set(CounterKind::event));
}

TEST(spec, stats_attributes)
{
	Set stats = attribute_set("stats");
	ASSERT_EQ(stats.size(), static_cast<std::size_t>(LISTENQ_A_STATS_MAX));
	EXPECT_EQ(stats.rbegin()->first, static_cast<unsigned>(LISTENQ_A_STATS_MAX));
}

TEST(spec, listener_attributes)
{
	Set want = {
#define NAME(NAME, name) {LISTENQ_A_LISTENER_##NAME, name}
		NAME(ID, "id"),
		NAME(PAD, "pad"),
		NAME(FAMILY, "family"),
		NAME(ADDR, "addr"),
		NAME(PORT, "port"),
		NAME(IFINDEX, "ifindex"),
		NAME(INODE, "inode"),
		NAME(UID, "uid"),
		NAME(POLICY, "policy"),
		NAME(FLAGS, "flags"),
		NAME(BACKLOG_ASKED, "backlog-asked"),
		NAME(DROPS, "drops"),
		NAME(EVENTS, "events"),
		NAME(ACCEPT_WAIT, "accept-wait"),
		NAME(V6ONLY, "v6only"),
		NAME(ACCEPT_FILTER, "accept-filter"),
		NAME(ABORT_ON_OVERFLOW, "abort-on-overflow"),
		NAME(OWN, "own"),
		NAME(FOLLOWING, "following"),
		NAME(DRAIN, "drain"),
		NAME(BACKLOG_GIVEN, "backlog-given"),
		NAME(ACCEPT_OLDEST, "accept-oldest"),
		NAME(FORMER_DROPS, "former-drops"),
		NAME(FORMER_EVENTS, "former-events"),
		NAME(FORMER_WAIT, "former-wait"),
		NAME(ACCEPT_WAIT_US, "accept-wait-us"),
		NAME(FORMER_WAIT_US, "former-wait-us"),
		NAME(ACCEPT_WAIT_FINE, "accept-wait-fine"),
		NAME(HANDSHAKE, "handshake"),
		NAME(HANDSHAKE_US, "handshake-us"),
		NAME(FORMER_WAIT_FINE, "former-wait-fine"),
		NAME(FORMER_HANDSHAKE, "former-handshake"),
		NAME(FORMER_HANDSHAKE_US, "former-handshake-us"),
#undef NAME
	};
	for (const Number &n : numbers)
		want[n.attribute] = dashed(n.name);
	EXPECT_EQ(attribute_set("listener"), want);
	EXPECT_EQ(want.size(), static_cast<std::size_t>(LISTENQ_A_LISTENER_MAX));
	EXPECT_EQ(want.rbegin()->first, static_cast<unsigned>(LISTENQ_A_LISTENER_MAX));
}

TEST(spec, request_attributes)
{
	const Set want = {
#define NAME(NAME, name) {LISTENQ_A_REQUEST_##NAME, name}
		NAME(PAD, "pad"),
		NAME(LISTENER, "listener"),
		NAME(FAMILY, "family"),
		NAME(PEER, "peer"),
		NAME(PEER_PORT, "peer-port"),
		NAME(LOCAL, "local"),
		NAME(LOCAL_PORT, "local-port"),
		NAME(IFINDEX, "ifindex"),
		NAME(STATE, "state"),
		NAME(AGE, "age"),
		NAME(DUE, "due"),
		NAME(RETRANS, "retrans"),
		NAME(TIMEOUTS, "timeouts"),
		NAME(FLAGS, "flags"),
		NAME(MSS, "mss"),
		NAME(SND_WSCALE, "snd-wscale"),
		NAME(RCV_WSCALE, "rcv-wscale"),
#undef NAME
	};
	EXPECT_EQ(attribute_set("request"), want);
	EXPECT_EQ(want.size(), static_cast<std::size_t>(LISTENQ_A_REQUEST_MAX));
}

TEST(spec, dropped_attributes)
{
	const Set dropped = {
		{LISTENQ_A_DROPPED_PAD, "pad"},
		{LISTENQ_A_DROPPED_LISTENER, "listener"},
		{LISTENQ_A_DROPPED_TOTAL, "total"},
		{LISTENQ_A_DROPPED_PREFIX, "prefix"},
	};
	const Set prefix = {
		{LISTENQ_A_PREFIX_ADDR, "addr"},
		{LISTENQ_A_PREFIX_LENGTH, "length"},
		{LISTENQ_A_PREFIX_COUNT, "count"},
		{LISTENQ_A_PREFIX_EXCESS, "excess"},
	};
	EXPECT_EQ(attribute_set("dropped"), dropped);
	EXPECT_EQ(dropped.size(), static_cast<std::size_t>(LISTENQ_A_DROPPED_MAX));
	EXPECT_EQ(attribute_set("prefix"), prefix);
	EXPECT_EQ(prefix.size(), static_cast<std::size_t>(LISTENQ_A_PREFIX_MAX));
}

TEST(spec, request_states_and_flags)
{
	std::vector<std::string> states, want{"unspec"}, flags, own;
	for (const std::string &line : section("definitions:", "request-state")) {
		if (line.starts_with("        name: "))
			states.push_back(line.substr(14));
	}
#define NAME(number, NAME, name, text) want.push_back(#name);
	LISTENQ_REQUEST_STATES(NAME)
#undef NAME
	for (std::string &name : want)
		name = dashed(name);
	EXPECT_EQ(states, want);
	for (const std::string &line : section("definitions:", "request-f")) {
		if (line.starts_with("      - "))
			flags.push_back(line.substr(8));
	}
	EXPECT_EQ(flags, (std::vector<std::string>{"tstamp", "wscale", "sack", "ecn"}));
	EXPECT_EQ(LISTENQ_REQUEST_F_ECN, 1 << 3);
	for (const std::string &line : section("definitions:", "own")) {
		if (line.starts_with("      - "))
			own.push_back(line.substr(8));
	}
	std::vector<std::string> names = own_names(~0U);
	for (std::string &name : names)
		name = dashed(name);
	EXPECT_EQ(own, names);
	EXPECT_EQ(LISTENQ_OWN_STALLED_MS, 1 << (own.size() - 1));
}

TEST(spec, every_command)
{
	const std::pair<const char *, int> want[] = {
		{"listener-get", LISTENQ_CMD_LISTENER_GET},
		{"stats-get", LISTENQ_CMD_STATS_GET},
		{"listener-set", LISTENQ_CMD_LISTENER_SET},
		{"event", LISTENQ_CMD_EVENT},
		{"request-get", LISTENQ_CMD_REQUEST_GET},
		{"dropped-get", LISTENQ_CMD_DROPPED_GET},
	};
	for (const auto &[name, value] : want) {
		const auto lines = section("operations:", name);
		EXPECT_NE(std::find(lines.begin(), lines.end(),
				    fmt::format("      value: {}", value)),
			  lines.end())
			<< name;
	}
	EXPECT_EQ(std::size(want), static_cast<std::size_t>(LISTENQ_CMD_MAX));
}

TEST(spec, event_types)
{
	std::vector<std::string> names, want{"none"};
	for (const std::string &line : section("definitions:", "event-type")) {
		if (line.starts_with("        name: "))
			names.push_back(line.substr(14));
	}
#define NAME(number, NAME, name, text) want.push_back(#name);
	LISTENQ_EVENT_TYPES(NAME)
#undef NAME
	for (std::string &name : want)
		name = dashed(name);
	EXPECT_EQ(names, want);
	EXPECT_EQ(want.size(), static_cast<std::size_t>(__LISTENQ_EVENT_TYPE_MAX));
}

TEST(spec, event_attributes)
{
	const Set want = {
#define NAME(NAME, name) {LISTENQ_A_EVENT_##NAME, name}
		NAME(PAD, "pad"),
		NAME(TIME, "time"),
		NAME(TYPE, "type"),
		NAME(LISTENER, "listener"),
		NAME(FAMILY, "family"),
		NAME(ADDR, "addr"),
		NAME(PORT, "port"),
		NAME(IFINDEX, "ifindex"),
		NAME(V6ONLY, "v6only"),
		NAME(POLICY, "policy"),
		NAME(BACKLOG_ASKED, "backlog-asked"),
		NAME(BACKLOG, "backlog"),
		NAME(ACCEPT_QLEN, "accept-qlen"),
		NAME(ACCEPT_LIMIT, "accept-limit"),
		NAME(SYN_QLEN, "syn-qlen"),
		NAME(SYN_LIMIT, "syn-limit"),
		NAME(REASON, "reason"),
		NAME(COUNT, "count"),
		NAME(UNTOLD, "untold"),
#undef NAME
	};
	EXPECT_EQ(attribute_set("event"), want);
	EXPECT_EQ(want.size(), static_cast<std::size_t>(LISTENQ_A_EVENT_MAX));
}

TEST(spec, event_operation_and_group)
{
	std::ifstream in(LISTENQ_SPEC);
	const std::string spec{std::istreambuf_iterator<char>(in), {}};
	std::set<std::string> listed, all;
	bool value = false;

	for (const std::string &line : section("operations:", "event")) {
		value |= line == fmt::format("      value: {}", int{LISTENQ_CMD_EVENT});
		if (line.starts_with("          - "))
			listed.insert(line.substr(12));
	}
	EXPECT_TRUE(value);
	for (const auto &[number, name] : attribute_set("event")) {
		if (name != "pad")
			all.insert(name);
	}
	EXPECT_EQ(listed, all);
	EXPECT_NE(spec.find(fmt::format("\nmcast-groups:\n  list:\n    -\n      name: {}\n",
					LISTENQ_GENL_MCGRP_EVENTS)),
		  std::string::npos);
}

} // namespace
