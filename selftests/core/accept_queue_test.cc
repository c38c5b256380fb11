// SPDX-License-Identifier: GPL-2.0
// AcceptQueue: first in, first out, and the promotion protocol.
#include "core/accept_queue.hh"

#include <deque>

#include "property.hh"
#include "support.hh"

using listenq::AcceptQueue;
using listenq::Micros;
using listenq::Request;
using namespace testing_core;

namespace {

int children[64];

class accept_queue : public testing::Test {
protected:
	void TearDown() override
	{
		EXPECT_EQ(queue.check(), nullptr);
		free_list(queue.close());
	}
	Request *put(unsigned n, u32 us = 0)
	{
		Request *r = new_request(peer(n));

		queue.reserve();
		queue.commit(*r, &children[n], Micros{us});
		return r;
	}

	AcceptQueue queue;
};

} // namespace

TEST_F(accept_queue, reserve__takes_a_slot_and_queues_nothing)
{
	queue.reserve();
	EXPECT_EQ(queue.promoting(), 1u);
	EXPECT_EQ(queue.taken(), 1u);
	EXPECT_EQ(queue.qlen(), 0u);
	EXPECT_EQ(queue.pop(), nullptr);
	queue.abort();
}

TEST_F(accept_queue, abort__gives_the_slot_back)
{
	queue.reserve();
	queue.reserve();
	queue.abort();
	EXPECT_EQ(queue.taken(), 1u);
	queue.abort();
	EXPECT_EQ(queue.taken(), 0u);
}

TEST_F(accept_queue, abort__of_a_slot_that_nobody_held)
{
	queue.reserve();
	queue.abort();
	EXPECT_DEATH(queue.abort(), "a slot that nobody held is given back");
}

TEST_F(accept_queue, commit__without_a_slot)
{
	Request *r = new_request(peer(0));

	EXPECT_DEATH(queue.commit(*r, &children[0], Micros{0}), "a child comes without a slot");
	free_request(r);
}

TEST_F(accept_queue, left__more_than_were_taken_out)
{
	put(0);
	free_request(queue.pop());
	EXPECT_DEATH(queue.left(2), "more connections left than were taken out");
	queue.left(1);
}

TEST_F(accept_queue, take__gives_the_slot_up_at_once)
{
	Request *first = put(0), *second = put(1);

	EXPECT_EQ(queue.take(), first);
	EXPECT_EQ(queue.taken(), 1u);
	EXPECT_EQ(queue.pop(), second);
	EXPECT_EQ(queue.taken(), 1u);
	queue.left(1);
	EXPECT_EQ(queue.taken(), 0u);
	EXPECT_EQ(queue.take(), nullptr);
	free_request(first);
	free_request(second);
}

TEST_F(accept_queue, commit__turns_the_slot_into_an_entry)
{
	Request *r = put(0, 77);

	EXPECT_EQ(queue.promoting(), 0u);
	EXPECT_EQ(queue.qlen(), 1u);
	EXPECT_EQ(queue.taken(), 1u);
	EXPECT_EQ(r->child, &children[0]);
	EXPECT_EQ(r->stamp_us, 77u);
}

TEST_F(accept_queue, pop__oldest_first)
{
	std::deque<Request *> order;

	for (unsigned n = 0; n < 10; n++)
		order.push_back(put(n));
	for (unsigned n = 0; n < 10; n++) {
		Request *r = queue.pop();

		ASSERT_EQ(r, order[n]);
		queue.left(1);
		EXPECT_EQ(r->next, nullptr);
		EXPECT_EQ(r->child, &children[n]);
		EXPECT_EQ(queue.qlen(), 9 - n);
		EXPECT_EQ(queue.check(), nullptr);
		free_request(r);
	}
	EXPECT_EQ(queue.pop(), nullptr);
}

TEST_F(accept_queue, pop__the_last_one_leaves_a_queue_that_works)
{
	put(0);
	free_request(queue.pop());
	queue.left(1);
	EXPECT_EQ(queue.check(), nullptr);
	put(1);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.qlen(), 1u);
}

TEST_F(accept_queue, left__gives_the_slot_back_only_then)
{
	put(0);
	put(1);
	free_request(queue.pop());
	EXPECT_EQ(queue.qlen(), 1u);
	EXPECT_EQ(queue.taken(), 2u);
	queue.left(1);
	EXPECT_EQ(queue.taken(), 1u);
}

TEST_F(accept_queue, pop__of_nothing_holds_no_slot)
{
	EXPECT_EQ(queue.pop(), nullptr);
	EXPECT_EQ(queue.taken(), 0u);
}

TEST_F(accept_queue, close__hands_back_the_chain_in_order)
{
	Request *first = put(0), *second = put(1);

	queue.reserve();
	Request *chain = queue.close();
	ASSERT_EQ(chain, first);
	ASSERT_EQ(chain->next, second);
	EXPECT_EQ(second->next, nullptr);
	EXPECT_EQ(free_list(chain), 2u);
	EXPECT_EQ(queue.qlen(), 0u);
	// The ACK that builds a child still holds its slot.
	EXPECT_EQ(queue.promoting(), 1u);
	queue.abort();
	EXPECT_EQ(queue.close(), nullptr);
}

TEST_F(accept_queue, check__sees_an_entry_without_a_child)
{
	Request *r = put(0);
	void *child = r->child;

	r->child = nullptr;
	EXPECT_STREQ(queue.check(), "accept queue: an entry has no child");
	r->child = child;
}

TEST_F(accept_queue, check__sees_a_lost_entry)
{
	Request *first = put(0);
	Request *second = put(1);

	first->next = nullptr;
	EXPECT_STREQ(queue.check(), "accept queue: qlen is not the number of connections");
	first->next = second;
}

TEST_F(accept_queue, check__sees_a_loop)
{
	Request *r = put(0);

	r->next = r;
	EXPECT_STREQ(queue.check(), "accept queue: more connections than qlen, or a loop");
	r->next = nullptr;
}

TEST_F(accept_queue, property__is_a_fifo)
{
	property("reserve, commit, abort, pop and close as a deque does", [] {
		const auto ops = *rc::gen::arbitrary<std::vector<u8>>();
		AcceptQueue queue;
		std::deque<Request *> model;
		u32 promoting = 0, leaving = 0;

		for (const u8 op : ops) {
			switch (op % 8) {
			case 0:
			case 1:
			case 2:
				queue.reserve();
				promoting++;
				break;
			case 3:
			case 4:
				if (!promoting)
					break;
				model.push_back(new_request(peer(op)));
				queue.commit(*model.back(), &children[0], Micros{0});
				promoting--;
				break;
			case 5:
				if (!promoting)
					break;
				queue.abort();
				promoting--;
				break;
			case 6: {
				Request *r = queue.pop();

				RC_ASSERT(r == (model.empty() ? nullptr : model.front()));
				if (r) {
					model.pop_front();
					free_request(r);
					leaving++;
				}
				if (leaving && op & 64) {
					queue.left(1);
					leaving--;
				}
				break;
			}
			case 7:
				if (op < 240)
					break;
				RC_ASSERT(free_list(queue.close()) == model.size());
				model.clear();
				break;
			}
			RC_ASSERT(queue.check() == nullptr);
			RC_ASSERT(queue.qlen() == model.size());
			RC_ASSERT(queue.taken() == model.size() + promoting + leaving);
		}
		free_list(queue.close());
	});
}
