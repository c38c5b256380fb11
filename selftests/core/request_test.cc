// SPDX-License-Identifier: GPL-2.0
// Request: keys, copies and lists.
#include "core/request.hh"

#include "property.hh"
#include "support.hh"

using listenq::Request;
using listenq::RequestList;
namespace request = listenq::request;
using namespace testing_core;

TEST(request, matches__every_field)
{
	for (const u8 v6 : {0, 1}) {
		Request *r = new_request(peer(v6));

		EXPECT_TRUE(request::matches(*r, peer(v6)));
		for (unsigned i = 0; i < (v6 ? 8 : 2); i++) {
			lq_key key = peer(v6);

			key.addr[i] ^= 1;
			EXPECT_FALSE(request::matches(*r, key)) << "word " << i;
		}
		lq_key key = peer(v6);
		key.peer_port++;
		EXPECT_FALSE(request::matches(*r, key));
		key = peer(v6);
		key.v6 = !key.v6;
		EXPECT_FALSE(request::matches(*r, key));
		free_request(r);
	}
}

TEST(request, matches__an_unbound_request_answers_to_any_interface)
{
	Request *r = new_request(peer(0));
	lq_key key = peer(0);

	key.ifindex = 12;
	key.l3_ifindex = 13;
	EXPECT_TRUE(request::matches(*r, key));
	free_request(r);
}

TEST(request, matches__a_bound_request_is_not_fooled_by_no_vrf)
{
	Request *r = new_request(peer(0));
	lq_key key = peer(0);

	r->ifindex = 3;
	key.ifindex = 1;
	key.l3_ifindex = 0;
	EXPECT_FALSE(request::matches(*r, key));
	key.l3_ifindex = 3;
	EXPECT_TRUE(request::matches(*r, key));
	free_request(r);
}

TEST(request, key_of__is_the_key_again)
{
	for (const u32 n : {0u, 1u, 6u, 7u}) {
		Request *r = new_request(peer(n));
		const lq_key key = request::key_of(*r), wanted = peer(n);

		EXPECT_TRUE(request::matches(*r, key));
		EXPECT_EQ(key.peer_port, wanted.peer_port);
		EXPECT_EQ(key.v6, wanted.v6);
		for (unsigned i = 0; i < 8; i++)
			EXPECT_EQ(key.addr[i], wanted.addr[i]);
		free_request(r);
	}
}

TEST(request, copy_to__all_of_it_but_the_link)
{
	for (const u32 n : {0u, 1u}) {
		Request *r = new_request(peer(n));
		const size_t size = n ? LQ_REQUEST_SIZE_V6 : LQ_REQUEST_SIZE_V4;
		lq_request_copy copy;

		std::memset(&copy, 0xee, sizeof(copy));
		r->next = r;
		request::copy_to(copy, *r);
		EXPECT_EQ(copy.request.next, nullptr);
		r->next = nullptr;
		EXPECT_EQ(std::memcmp(copy.bytes, r, size), 0);
		if (!n) {
			EXPECT_EQ(copy.bytes[LQ_REQUEST_SIZE_V4], 0xee);
		}
		free_request(r);
	}
}

// Whatever a phase writes, what both share stays: who it is, and since when.
TEST(request, phases__share_what_is_outside_of_them)
{
	Request *r = new_request(peer(1));
	const lq_key key = request::key_of(*r);
	int child = 0;

	r->stamp_us = 77;
	r->next = r;
	r->oow_stamp = 5;
	r->rcv_isn = r->snt_isn = r->ts_recent = r->ts_off = r->expires = r->rcv_wnd = ~0u;
	r->ifindex = r->mark = ~0u;
	r->window_clamp = r->mss = 0xffff;
	r->num_timeout = r->wscale = r->syn_tos = r->num_retrans = 0xff;
	for (int phase = 0; phase < 2; phase++) {
		EXPECT_EQ(r->stamp_us, 77u);
		EXPECT_EQ(r->next, r);
		EXPECT_EQ(r->oow_stamp, 5u);
		EXPECT_EQ(r->flags, LQ_REQ_V6);
		EXPECT_EQ(r->peer_port, key.peer_port);
		EXPECT_EQ(std::memcmp(request::words(*r), key.addr, sizeof(key.addr)), 0);
		r->child = r->owner = &child;
		r->prev = r;
		r->rcvlowat = -1;
		r->filter = {.left = ~0u, .kind = 1, .step = 1, .index = 1, .locked = 1};
		r->filter_seen = ~0u;
	}
	// And none of the second is another of it.
	EXPECT_TRUE(r->child == &child && r->owner == &child && r->prev == r);
	EXPECT_TRUE(r->rcvlowat == -1 && r->filter.left == ~0u && r->filter_seen == ~0u);
	r->next = nullptr;
	free_request(r);
}

TEST(request, push_back__pop_front__in_order)
{
	RequestList list;
	Request a{}, b{}, c{};

	EXPECT_EQ(list.pop_front(), nullptr);
	list.push_back(a);
	EXPECT_EQ(list.front(), &a);
	EXPECT_EQ(list.back(), &a);
	list.push_back(b);
	EXPECT_EQ(list.pop_front(), &a);
	list.push_back(c);
	EXPECT_EQ(list.pop_front(), &b);
	EXPECT_EQ(list.pop_front(), &c);
	EXPECT_EQ(list.back(), nullptr);
	EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(request, take_all__leaves_an_empty_list)
{
	RequestList list;
	Request a{}, b{};

	list.push_back(a);
	list.push_back(b);
	EXPECT_EQ(list.take_all(), &a);
	EXPECT_EQ(a.next, &b);
	EXPECT_EQ(list.take_all(), nullptr);
	list.push_back(b);
	EXPECT_EQ(list.front(), &b);
	EXPECT_EQ(list.back(), &b);
}
