// SPDX-License-Identifier: GPL-2.0
/* uapi/listenq.yaml has the names and numbers of linux/listenq.h. */
#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "counters.hh"

using namespace lqctl;

namespace {

using Set = std::map<unsigned, std::string>; /* value: name */

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

Set header_set(CounterKind kind)
{
	Set set;
	for (Counter &counter : zero_counters(kind)) {
		std::replace(counter.name.begin(), counter.name.end(), '_', '-');
		set[counter.number] = counter.name;
	}
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

TEST(spec, all_attributes)
{
	Set listener = attribute_set("listener"), stats = attribute_set("stats");
	ASSERT_EQ(listener.size(), static_cast<std::size_t>(LISTENQ_A_LISTENER_MAX));
	EXPECT_EQ(listener.rbegin()->first, static_cast<unsigned>(LISTENQ_A_LISTENER_MAX));
	ASSERT_EQ(stats.size(), static_cast<std::size_t>(LISTENQ_A_STATS_MAX));
	EXPECT_EQ(stats.rbegin()->first, static_cast<unsigned>(LISTENQ_A_STATS_MAX));
}

} // namespace
