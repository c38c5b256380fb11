// SPDX-License-Identifier: GPL-2.0
// RequestInfo: what a reader may know of a half-open request.
#include "core/request_info.hh"

#include <gtest/gtest.h>

#include "support.hh"

using listenq::Micros;
using listenq::Request;
using listenq::Ticks;
namespace request_info = listenq::request_info;
using namespace testing_core;

TEST(request_info, of__every_field)
{
	Request *r = new_request(peer(1));

	r->flags |= LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_ECN;
	r->wscale = 0x97;
	r->mss = 1440;
	r->num_retrans = 3;
	r->num_timeout = 2;
	r->stamp_us = 0xffffff00; // the clock wraps
	r->expires = 350;
	const lq_request_info info = request_info::of(*r, Ticks{100}, Micros{2000 - 0x100}, kHz);
	EXPECT_EQ(std::memcmp(info.key.addr, peer(1).addr, sizeof(info.key.addr)), 0);
	EXPECT_EQ(info.key.peer_port, peer(1).peer_port);
	EXPECT_TRUE(info.key.v6);
	EXPECT_EQ(info.age_ms, 2u);
	EXPECT_EQ(info.due_ms, 2500u);
	EXPECT_EQ(info.mss, 1440);
	EXPECT_EQ(info.num_retrans, 3);
	EXPECT_EQ(info.num_timeout, 2);
	EXPECT_EQ(info.snd_wscale, 7);
	EXPECT_EQ(info.rcv_wscale, 9);
	EXPECT_EQ(info.flags,
		  LISTENQ_REQUEST_F_TSTAMP | LISTENQ_REQUEST_F_WSCALE | LISTENQ_REQUEST_F_ECN);
	EXPECT_EQ(info.state, LISTENQ_REQUEST_STATE_SYN_RECV);
	free_request(r);
}

TEST(request_info, of__states_and_what_is_due)
{
	Request *r = new_request(peer(0));

	r->flags = LQ_REQ_SACK | LQ_REQ_ACKED;
	r->wscale = 0x97; // without LQ_REQ_WSCALE of no meaning
	r->expires = 99;
	lq_request_info info = request_info::of(*r, Ticks{100}, Micros{0}, kHz);
	EXPECT_EQ(info.state, LISTENQ_REQUEST_STATE_ACKED);
	EXPECT_EQ(info.flags, LISTENQ_REQUEST_F_SACK);
	EXPECT_EQ(info.snd_wscale, 0);
	EXPECT_EQ(info.rcv_wscale, 0);
	EXPECT_EQ(info.due_ms, 0u);
	EXPECT_FALSE(info.key.v6);
	r->flags |= LQ_REQ_PROMOTING;
	info = request_info::of(*r, Ticks{98}, Micros{0}, 1000);
	EXPECT_EQ(info.state, LISTENQ_REQUEST_STATE_PROMOTING);
	EXPECT_EQ(info.due_ms, 1u);
	free_request(r);
}
