// SPDX-License-Identifier: GPL-2.0
// filter_queue.cc: order, removal from anywhere, who leaves first and who never does.
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
	EXPECT_EQ(queue.refused(), 2u);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.oldest(), &entries[0]);
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
	EXPECT_EQ(queue.oldest(), nullptr);
	EXPECT_EQ(queue.pop_refused(), &entries[3]);
}

TEST_F(filter_queue, make_ready__in_this_order_and_never_evicted)
{
	EXPECT_EQ(queue.pop_ready(), nullptr);
	queue.make_ready(entries[2]);
	queue.make_ready(entries[0]);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.qlen(), 4u);
	EXPECT_EQ(queue.ready(), 2u);
	EXPECT_EQ(queue.pop(), &entries[1]);
	EXPECT_EQ(queue.pop(), &entries[3]);
	EXPECT_EQ(queue.pop(), nullptr);
	EXPECT_EQ(queue.qlen(), 2u);
	EXPECT_EQ(queue.pop_ready(), &entries[2]);
	EXPECT_EQ(entries[2].flags, 0);
	EXPECT_EQ(queue.check(), nullptr);
	queue.remove(entries[0]);
	EXPECT_EQ(entries[0].flags, 0);
	EXPECT_EQ(queue.ready(), 0u);
}

TEST_F(filter_queue, put_back__as_a_refused_one)
{
	Request *r = queue.pop();

	queue.put_back(*r);
	EXPECT_EQ(queue.qlen(), 4u);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.pop_refused(), r);
}

TEST_F(filter_queue, put_back__counts_as_refused)
{
	queue.refuse(entries[2]);
	EXPECT_EQ(queue.refused(), 1u);
	// Out and in again, once counted as a refused one and once not.
	Request *r = queue.pop();
	ASSERT_EQ(r, &entries[2]);
	EXPECT_EQ(queue.refused(), 0u);
	queue.put_back(*r);
	EXPECT_EQ(queue.refused(), 1u);
	queue.remove(entries[3]);
	queue.put_back(entries[3]);
	EXPECT_EQ(queue.refused(), 2u);
	EXPECT_EQ(queue.check(), nullptr);
}

TEST_F(filter_queue, close__hands_back_the_chain)
{
	const Request *order[] = {&entries[1], &entries[3], &entries[0], &entries[2]};
	unsigned n = 0;

	queue.refuse(entries[1]);
	queue.make_ready(entries[3]);
	for (Request *r = queue.close(); r; r = r->next, n++) {
		ASSERT_LT(n, 4u);
		EXPECT_EQ(r, order[n]);
		EXPECT_TRUE(r->flags & LQ_REQ_HELD);
		EXPECT_EQ((r->flags & LQ_REQ_REFUSED) != 0, n == 0);
	}
	EXPECT_EQ(n, 4u);
	EXPECT_EQ(queue.qlen(), 0u);
	EXPECT_EQ(queue.ready() + queue.refused(), 0u);
	EXPECT_EQ(queue.close(), nullptr);
}

TEST_F(filter_queue, check__sees_what_is_wrong)
{
	entries[2].flags = 0;
	EXPECT_NE(queue.check(), nullptr);
	for (const u8 other : {LQ_REQ_REFUSED, LQ_REQ_READY, LQ_REQ_TSTAMP}) {
		entries[2].flags = static_cast<u8>(LQ_REQ_HELD | other);
		EXPECT_NE(queue.check(), nullptr);
	}
	entries[2].flags = LQ_REQ_HELD | LQ_REQ_V6;
	EXPECT_EQ(queue.check(), nullptr);
	entries[2].prev = &entries[0];
	EXPECT_NE(queue.check(), nullptr);
	entries[2].prev = &entries[1];
	entries[3].next = &entries[0];
	EXPECT_NE(queue.check(), nullptr);
	entries[3].next = nullptr;
	entries[1].child = nullptr;
	EXPECT_NE(queue.check(), nullptr);
	entries[1].child = &child;
}
