// SPDX-License-Identifier: GPL-2.0
#include "genl.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "error.hh"
#include "message.hh"

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
}

TEST(family, check_version__same)
{
	EXPECT_NO_THROW(check_version({0x23, LISTENQ_GENL_VERSION}));
}

TEST(family, check_version__other)
{
	try {
		check_version({0x23, LISTENQ_GENL_VERSION + 1});
		FAIL();
	} catch (const Error &error) {
		EXPECT_EQ(error.status(), Exit::no_module);
		EXPECT_NE(std::string(error.what()).find("same release"), std::string::npos);
	}
}

} // namespace
