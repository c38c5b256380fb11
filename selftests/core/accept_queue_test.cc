// SPDX-License-Identifier: GPL-2.0
// AcceptQueue: the order, the promotion protocol, and what leaves out of order.
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

TEST_F(accept_queue, remove__from_anywhere)
{
	Request *r[5];

	for (unsigned n = 0; n < 5; n++)
		r[n] = put(n);
	for (const unsigned n : {2u, 4u, 0u, 1u, 3u}) {
		queue.remove(*r[n]);
		EXPECT_EQ(queue.check(), nullptr);
		EXPECT_EQ(r[n]->next, nullptr);
		free_request(r[n]);
	}
	EXPECT_EQ(queue.taken(), 0u);
	EXPECT_EQ(queue.newest(), nullptr);
	put(0);
	EXPECT_EQ(queue.oldest(), queue.newest());
}

TEST_F(accept_queue, remove_and_hold__keeps_the_slot_until_it_left)
{
	Request *first = put(0), *second = put(1);

	queue.remove_and_hold(*second);
	EXPECT_EQ(queue.qlen(), 1u);
	EXPECT_EQ(queue.taken(), 2u);
	EXPECT_EQ(queue.newest(), first);
	queue.left(1);
	EXPECT_EQ(queue.taken(), 1u);
	free_request(second);
}

TEST_F(accept_queue, undo__it_is_the_oldest_again)
{
	Request *first = put(0), *second = put(1);

	queue.undo_pop(*queue.pop());
	EXPECT_EQ(queue.oldest(), first);
	queue.undo_take(*queue.take());
	EXPECT_EQ(queue.oldest(), first);
	EXPECT_EQ(queue.taken(), 2u);
	EXPECT_EQ(queue.check(), nullptr);
	queue.remove(*second); // by its prev
	EXPECT_EQ(queue.check(), nullptr);
	free_request(second);
	queue.undo_take(*queue.take()); // the only one
	EXPECT_EQ(queue.newest(), first);
}

TEST_F(accept_queue, sweep__each_that_was_there_once)
{
	Request *r[4];

	EXPECT_EQ(queue.sweep(), nullptr);
	for (unsigned n = 0; n < 3; n++)
		r[n] = put(n);
	EXPECT_EQ(queue.sweep(), r[0]);
	// The next one goes meanwhile, and another comes.
	queue.remove(*r[1]);
	free_request(r[1]);
	r[3] = put(3);
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.sweep(), r[2]);
	EXPECT_EQ(queue.sweep(), r[3]);
	put(4); // after its end
	EXPECT_EQ(queue.sweep(), nullptr);
	EXPECT_EQ(queue.sweep(), r[0]);
	// accept() is faster.
	for (int i = 0; i < 4; i++)
		free_request(queue.take());
	EXPECT_EQ(queue.check(), nullptr);
	EXPECT_EQ(queue.sweep(), nullptr);
}

TEST_F(accept_queue, check__sees_a_wrong_prev)
{
	Request *first = put(0), *second = put(1);

	second->prev = second;
	EXPECT_STREQ(queue.check(), "accept queue: an entry's prev is not the one before it");
	second->prev = first;
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

TEST_F(accept_queue, property__is_a_list)
{
	property("reserve, commit, abort, pop, remove, sweep and close as a deque does", [] {
		const auto ops = *rc::gen::arbitrary<std::vector<u16>>();
		AcceptQueue queue;
		std::deque<Request *> model, unswept;
		u32 promoting = 0, leaving = 0;
		bool sweeping = false;

		const auto gone = [&](Request *r) {
			std::erase(model, r);
			std::erase(unswept, r);
			free_request(r);
		};
		for (const u16 op : ops) {
			const u16 more = op / 12;

			switch (op % 12) {
			case 0:
			case 1:
			case 2:
				queue.reserve();
				promoting++;
				break;
			case 3:
			case 4:
			case 5:
				if (!promoting)
					break;
				model.push_back(new_request(peer(op)));
				if (!unswept.empty())
					unswept.push_back(model.back());
				queue.commit(*model.back(), &children[0], Micros{0});
				promoting--;
				break;
			case 6:
				if (!promoting)
					break;
				queue.abort();
				promoting--;
				break;
			case 7: {
				Request *r = queue.pop();

				RC_ASSERT(r == (model.empty() ? nullptr : model.front()));
				if (r && more % 4 == 0) {
					std::erase(unswept, r);
					queue.undo_pop(*r);
				} else if (r) {
					gone(r);
					leaving++;
				}
				break;
			}
			case 8:
				if (leaving)
					queue.left(1), leaving--;
				break;
			case 9: {
				if (model.empty())
					break;
				Request *r = model[more % model.size()];

				if (more % 2) {
					queue.remove_and_hold(*r);
					leaving++;
				} else {
					queue.remove(*r);
				}
				gone(r);
				break;
			}
			case 10: {
				if (!sweeping)
					unswept = model;
				Request *r = queue.sweep();

				sweeping = !unswept.empty();
				RC_ASSERT(r == (sweeping ? unswept.front() : nullptr));
				if (r)
					unswept.pop_front();
				break;
			}
			case 11:
				if (more % 16)
					break;
				RC_ASSERT(free_list(queue.close()) == model.size());
				model.clear();
				unswept.clear();
				sweeping = false;
				break;
			}
			RC_ASSERT(queue.check() == nullptr);
			RC_ASSERT(queue.qlen() == model.size());
			RC_ASSERT(queue.taken() == model.size() + promoting + leaving);
			RC_ASSERT(queue.oldest() == (model.empty() ? nullptr : model.front()));
			RC_ASSERT(queue.newest() == (model.empty() ? nullptr : model.back()));
		}
		free_list(queue.close());
	});
}
