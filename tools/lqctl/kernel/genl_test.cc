// SPDX-License-Identifier: GPL-2.0
#include "kernel/genl.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

TEST(family, parse)
{
	Message m;
	m.text(CTRL_ATTR_FAMILY_NAME, LISTENQ_GENL_NAME)
		.u16(CTRL_ATTR_FAMILY_ID, 0x23)
		.u32(CTRL_ATTR_VERSION, 1)
		.u32(CTRL_ATTR_HDRSIZE, 0);
	Family family = parse_family(m.attributes());
	EXPECT_EQ(family.id, 0x23);
	EXPECT_EQ(family.version, 1u);
	EXPECT_EQ(family.events_group, 0u);
}

TEST(family, parse__the_group_of_events)
{
	Message m;
	const auto group = [&](std::uint16_t index, const char *name, std::uint32_t number) {
		m.nest(index, [&] {
			m.u32(CTRL_ATTR_MCAST_GRP_ID, number).text(CTRL_ATTR_MCAST_GRP_NAME, name);
		});
	};
	m.nest(CTRL_ATTR_MCAST_GROUPS, [&] {
		group(1, "other", 7);
		group(2, LISTENQ_GENL_MCGRP_EVENTS, 8);
		group(3, "more", 9);
	});
	EXPECT_EQ(parse_family(m.attributes()).events_group, 8u);
}

TEST(family, check_version__same)
{
	EXPECT_NO_THROW(check_version({0x23, LISTENQ_GENL_VERSION, 0}));
}

TEST(family, check_version__other)
{
	try {
		check_version({0x23, LISTENQ_GENL_VERSION + 1, 0});
		FAIL();
	} catch (const Error &error) {
		EXPECT_EQ(error.status(), Exit::no_module);
		EXPECT_NE(std::string(error.what()).find("same release"), std::string::npos);
	}
}

} // namespace
