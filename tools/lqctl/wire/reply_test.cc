// SPDX-License-Identifier: GPL-2.0
#include "wire/reply.hh"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

struct Collected {
	int messages = 0;
	Reply reply{1, [this](Bytes) { messages++; }};
};

std::vector<std::byte> join(std::initializer_list<const Message *> messages)
{
	std::vector<std::byte> all;
	for (const Message *m : messages)
		all.insert(all.end(), m->datagram().begin(), m->datagram().end());
	return all;
}

nlmsgerr failure(int error, std::uint32_t request_length)
{
	nlmsgerr e{};
	e.error = error;
	e.msg.nlmsg_len = request_length;
	return e;
}

TEST(reply, feed__message_then_ack)
{
	Collected c;
	Message m, ack(NLMSG_ERROR);
	ack.raw(failure(0, NLMSG_HDRLEN));
	EXPECT_FALSE(c.reply.feed(m.u32(1, 2).datagram()));
	EXPECT_TRUE(c.reply.feed(ack.datagram()));
	EXPECT_EQ(c.messages, 1);
	EXPECT_FALSE(c.reply.interrupted());
}

TEST(reply, feed__dump_of_many_in_one_datagram)
{
	Collected c;
	Message one, two, done(NLMSG_DONE);
	one.u32(1, 2);
	two.u32(1, 3);
	done.raw(0);
	EXPECT_TRUE(c.reply.feed(join({&one, &two, &done})));
	EXPECT_EQ(c.messages, 2);
}

TEST(reply, feed__interrupted_dump)
{
	Collected c;
	Message one(0x20, 1, NLM_F_MULTI | NLM_F_DUMP_INTR), done(NLMSG_DONE);
	done.raw(0);
	EXPECT_TRUE(c.reply.feed(join({&one, &done})));
	EXPECT_TRUE(c.reply.interrupted());
}

TEST(reply, feed__interruption_on_the_last_message)
{
	Collected c;
	Message done(NLMSG_DONE, 1, NLM_F_DUMP_INTR);
	done.raw(0);
	EXPECT_TRUE(c.reply.feed(done.datagram()));
	EXPECT_TRUE(c.reply.interrupted());
}

TEST(reply, feed__other_sequence_numbers_are_passed_over)
{
	Collected c;
	Message stale(0x20, 99), done(NLMSG_DONE, 99);
	done.raw(0);
	EXPECT_FALSE(c.reply.feed(join({&stale, &done})));
	EXPECT_EQ(c.messages, 0);
}

TEST(reply, feed__error)
{
	Collected c;
	Message error(NLMSG_ERROR);
	error.raw(failure(-ENOENT, NLMSG_HDRLEN));
	try {
		(void)c.reply.feed(error.datagram());
		FAIL();
	} catch (const NetlinkError &e) {
		EXPECT_EQ(e.code(), ENOENT);
		EXPECT_STREQ(e.what(), "No such file or directory");
	}
}

TEST(reply, feed__error_with_extack_capped)
{
	Collected c;
	Message error(NLMSG_ERROR, 1, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	error.raw(failure(-EINVAL, 400)).u32(NLMSGERR_ATTR_OFFS, 20);
	error.text(NLMSGERR_ATTR_MSG, "no such listener");
	try {
		(void)c.reply.feed(error.datagram());
		FAIL();
	} catch (const NetlinkError &e) {
		EXPECT_EQ(e.extack(), "no such listener");
		EXPECT_STREQ(e.what(), "no such listener (Invalid argument)");
	}
}

TEST(reply, feed__error_with_extack_behind_the_request)
{
	Collected c;
	Message error(NLMSG_ERROR, 1, NLM_F_ACK_TLVS);
	error.raw(failure(-EINVAL, NLMSG_HDRLEN + 6)).raw(std::uint64_t{0});
	error.text(NLMSGERR_ATTR_MSG, "why");
	try {
		(void)c.reply.feed(error.datagram());
		FAIL();
	} catch (const NetlinkError &e) {
		EXPECT_EQ(e.extack(), "why");
	}
}

TEST(reply, feed__dump_ends_in_an_error)
{
	Collected c;
	Message done(NLMSG_DONE, 1, NLM_F_ACK_TLVS);
	done.raw(-ENOMEM).text(NLMSGERR_ATTR_MSG, "dump");
	try {
		(void)c.reply.feed(done.datagram());
		FAIL();
	} catch (const NetlinkError &e) {
		EXPECT_EQ(e.code(), ENOMEM);
		EXPECT_EQ(e.extack(), "dump");
	}
}

TEST(reply, feed__every_truncation_is_an_error)
{
	Message error(NLMSG_ERROR, 1, NLM_F_CAPPED | NLM_F_ACK_TLVS), one;
	error.raw(failure(-EINVAL, 400)).text(NLMSGERR_ATTR_MSG, "no such listener");
	one.u32(1, 2);
	for (const Message *m : {&one, &error}) {
		for (std::size_t size = 1; size < m->datagram().size(); size++) {
			Collected c;
			std::vector<std::byte> copy(m->datagram().begin(),
						    m->datagram().begin() +
							    static_cast<long>(size));
			EXPECT_THROW((void)c.reply.feed(copy), Error) << size;
		}
	}
}

TEST(reply, feed__error_message_claims_a_longer_request_than_there_is)
{
	Collected c;
	Message error(NLMSG_ERROR, 1, NLM_F_ACK_TLVS);
	error.raw(failure(-EINVAL, 0xfffffff0));
	EXPECT_THROW((void)c.reply.feed(error.datagram()), NetlinkError);
}

TEST(reply, feed__messages_without_a_header_of_their_own)
{
	std::size_t size = 99;
	Reply reply(
		1, [&](Bytes payload) { size = payload.size(); }, 0);
	Message m;
	m.header()->nlmsg_len = NLMSG_HDRLEN + 2;
	EXPECT_FALSE(reply.feed(m.datagram()));
	EXPECT_EQ(size, 2u);
}

TEST(reply, feed__message_without_genetlink_header)
{
	Collected c;
	Message m;
	m.header()->nlmsg_len = NLMSG_HDRLEN + 2;
	EXPECT_THROW((void)c.reply.feed(m.datagram()), Error);
}

} // namespace
