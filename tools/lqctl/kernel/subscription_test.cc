// SPDX-License-Identifier: GPL-2.0
#include "kernel/subscription.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

constexpr std::uint16_t family = 0x23;

void set_command(Message &m, std::uint8_t command)
{
	static_cast<genlmsghdr *>(mnl_nlmsg_get_payload(m.header()))->cmd = command;
}

struct Collected {
	std::size_t events = 0;
	Contents read(Bytes datagram)
	{
		return read_events(datagram, family, [this](Bytes) { events++; });
	}
};

TEST(events, read__all_of_a_datagram_and_only_ours)
{
	Collected c;
	Message one(family), two(family), other(0x24), command(family);
	std::vector<std::byte> all;
	set_command(one.u32(1, 2), LISTENQ_CMD_EVENT);
	set_command(two, LISTENQ_CMD_EVENT);
	set_command(other, LISTENQ_CMD_EVENT);
	set_command(command, 200);
	for (const Message *m : {&one, &other, &command, &two})
		all.insert(all.end(), m->datagram().begin(), m->datagram().end());
	EXPECT_EQ(c.read(all), Contents::events);
	EXPECT_EQ(c.events, 2u);
}

TEST(events, read__the_family_goes)
{
	Collected c;
	Message ours(GENL_ID_CTRL), another(GENL_ID_CTRL), comes(GENL_ID_CTRL);
	set_command(ours.u16(CTRL_ATTR_FAMILY_ID, family), CTRL_CMD_DELFAMILY);
	set_command(another.u16(CTRL_ATTR_FAMILY_ID, family + 1), CTRL_CMD_DELFAMILY);
	set_command(comes.u16(CTRL_ATTR_FAMILY_ID, family), CTRL_CMD_NEWFAMILY);
	EXPECT_EQ(c.read(another.datagram()), Contents::events);
	EXPECT_EQ(c.read(comes.datagram()), Contents::events);
	EXPECT_EQ(c.read(ours.datagram()), Contents::family_gone);
	EXPECT_EQ(c.events, 0u);
}

TEST(events, read__every_truncation_is_an_error)
{
	Message m(family);
	set_command(m.u32(1, 2), LISTENQ_CMD_EVENT);
	for (std::size_t size = 1; size < m.datagram().size(); size++) {
		Collected c;
		EXPECT_THROW((void)c.read(m.datagram().first(size)), Error) << size;
	}
	m.header()->nlmsg_len = NLMSG_HDRLEN + 2;
	Collected c;
	EXPECT_THROW((void)c.read(m.datagram()), Error);
}

} // namespace
