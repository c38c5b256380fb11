// SPDX-License-Identifier: GPL-2.0
// filter_queue.cc: order, removal from anywhere, the refused in front.
#include "core/filter_queue.hh"

#include "property.hh"
#include "support.hh"

using listenq::FilterQueue;
using listenq::Micros;
using listenq::Request;
using namespace testing_core;

namespace {

class filter_queue : public testing::Test {
protected:
	void SetUp() override
	{
		for (Request &r : entries) {
			r.flags = LQ_REQ_TSTAMP | LQ_REQ_PROMOTING;
			queue.push(r, LQ_FILTER_DATAREADY, &child, Micros{7});
		}
	}
	void TearDown() override
	{
		EXPECT_EQ(queue.check(), nullptr);
		while (queue.pop())
			;
		EXPECT_EQ(queue.qlen(), 0u);
		EXPECT_EQ(queue.check(), nullptr);
	}

	int child = 0;
	Request entries[4] = {};
	FilterQueue queue;
};

} // namespace

TEST_F(filter_queue, push__prepares_the_entry)
{
	EXPECT_EQ(queue.qlen(), 4u);
	EXPECT_EQ(entries[0].flags, LQ_REQ_HELD);
	EXPECT_EQ(entries[0].child, &child);
	EXPECT_EQ(entries[0].stamp_us, 7u);
	EXPECT_EQ(entries[0].filter.kind, LQ_FILTER_DATAREADY);
	EXPECT_EQ(entries[0].filter_seen, 0u);
}

TEST_F(filter_queue, pop__the_oldest)
{
	for (Request &r : entries)
		EXPECT_EQ(queue.pop(), &r);
	EXPECT_EQ(queue.pop(), nullptr);
}

TEST_F(filter_queue, remove__from_anywhere)
{
	queue.remove(entries[1]);
	EXPECT_EQ(entries[1].flags, 0);
	EXPECT_EQ(queue.check(), nullptr);
	queue.remove(entries[3]);
	EXPECT_EQ(queue.check(), nullptr);
	queue.remove(entries[0]);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.pop(), &entries[2]);
}

TEST_F(filter_queue, refuse__stands_in_front)
{
	EXPECT_EQ(queue.pop_refused(), nullptr);
	queue.refuse(entries[2]);
	queue.refuse(entries[3]);
	EXPECT_EQ(queue.qlen(), 4u);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.pop_waiting(), &entries[0]);
	EXPECT_EQ(queue.pop_refused(), &entries[3]);
	EXPECT_EQ(queue.pop(), &entries[2]);
	EXPECT_EQ(queue.pop_refused(), nullptr);
	EXPECT_TRUE(entries[2].flags & LQ_REQ_REFUSED);
}

TEST_F(filter_queue, refuse__the_only_one)
{
	for (int i = 0; i < 3; i++)
		(void)queue.pop();
	queue.refuse(entries[3]);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.pop_waiting(), nullptr);
	EXPECT_EQ(queue.pop_refused(), &entries[3]);
}

TEST_F(filter_queue, put_back__as_a_refused_one)
{
	Request *r = queue.pop();

	queue.put_back(*r);
	EXPECT_EQ(queue.qlen(), 4u);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.pop_refused(), r);
}

TEST_F(filter_queue, waiting__without_the_refused)
{
	EXPECT_EQ(queue.waiting(), 4u);
	queue.refuse(entries[2]);
	EXPECT_EQ(queue.waiting(), 3u);
	EXPECT_EQ(queue.pop_waiting(), &entries[0]);
	EXPECT_EQ(queue.waiting(), 2u);
	// Out and in again, once counted as a refused one and once not.
	Request *r = queue.pop();
	ASSERT_EQ(r, &entries[2]);
	EXPECT_EQ(queue.waiting(), 2u);
	queue.put_back(*r);
	EXPECT_EQ(queue.waiting(), 2u);
	queue.remove(entries[3]);
	queue.put_back(entries[3]);
	EXPECT_EQ(queue.waiting(), 1u);
	EXPECT_EQ(queue.check(), nullptr);
}

TEST_F(filter_queue, close__hands_back_the_chain)
{
	unsigned n = 0;

	queue.refuse(entries[1]);
	for (Request *r = queue.close(); r; r = r->next, n++)
		EXPECT_EQ((r->flags & LQ_REQ_REFUSED) != 0, r == &entries[1]);
	EXPECT_EQ(n, 4u);
	EXPECT_EQ(queue.qlen(), 0u);
	EXPECT_EQ(queue.waiting(), 0u);
}

TEST_F(filter_queue, check__sees_what_is_wrong)
{
	entries[2].flags = 0;
	EXPECT_NE(queue.check(), nullptr);
	entries[2].flags = LQ_REQ_HELD | LQ_REQ_REFUSED;
	EXPECT_NE(queue.check(), nullptr);
	entries[2].flags = LQ_REQ_HELD;
	entries[0].flags = LQ_REQ_HELD | LQ_REQ_REFUSED; // in front, but not counted
	EXPECT_NE(queue.check(), nullptr);
	entries[0].flags = LQ_REQ_HELD;
	entries[2].prev = &entries[0];
	EXPECT_NE(queue.check(), nullptr);
	entries[2].prev = &entries[1];
}
