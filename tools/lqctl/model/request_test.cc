// SPDX-License-Identifier: GPL-2.0
#include "model/request.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

void fill(Message &m)
{
	m.u64(LISTENQ_A_REQUEST_LISTENER, 7)
		.u16(LISTENQ_A_REQUEST_FAMILY, AF_INET)
		.bytes(LISTENQ_A_REQUEST_PEER, {192, 0, 2, 2})
		.u16(LISTENQ_A_REQUEST_PEER_PORT, 40000)
		.bytes(LISTENQ_A_REQUEST_LOCAL, {192, 0, 2, 1})
		.u16(LISTENQ_A_REQUEST_LOCAL_PORT, 80)
		.u32(LISTENQ_A_REQUEST_IFINDEX, 0)
		.u32(LISTENQ_A_REQUEST_STATE, LISTENQ_REQUEST_STATE_ACKED)
		.u32(LISTENQ_A_REQUEST_AGE, 7340)
		.u32(LISTENQ_A_REQUEST_DUE, 660)
		.u32(LISTENQ_A_REQUEST_RETRANS, 3)
		.u32(LISTENQ_A_REQUEST_TIMEOUTS, 2)
		.u32(LISTENQ_A_REQUEST_FLAGS, LISTENQ_REQUEST_F_SACK | LISTENQ_REQUEST_F_WSCALE)
		.u32(LISTENQ_A_REQUEST_MSS, 1460)
		.u32(LISTENQ_A_REQUEST_SND_WSCALE, 7)
		.u32(LISTENQ_A_REQUEST_RCV_WSCALE, 9);
}

TEST(request, parse__all_of_it)
{
	Message m;
	fill(m);
	const Request r = parse_request(m.attributes());
	EXPECT_EQ(to_json(r).dump(),
		  R"({"listener":7,"family":"inet","peer_address":"192.0.2.2","peer_port":40000,)"
		  R"("local_address":"192.0.2.1","local_port":80,"interface":null,"state":"acked",)"
		  R"("age_ms":7340,"due_ms":660,"retransmits":3,"timeouts":2,"mss":1460,)"
		  R"("timestamps":false,"sack":true,"ecn":false,)"
		  R"("window_scale":{"peer":7,"local":9}})");
}

TEST(request, parse__of_a_newer_module)
{
	Message m;
	m.bytes(LISTENQ_A_REQUEST_PEER, std::vector<std::uint8_t>(16))
		.u32(LISTENQ_A_REQUEST_STATE, 77)
		.u32(500, 1);
	const Request r = parse_request(m.attributes());
	EXPECT_EQ(r.state, "request_state_77");
	EXPECT_EQ(r.peer.family, AF_INET6);
}

TEST(request, parse__malformed)
{
	Message none, odd;
	none.u32(LISTENQ_A_REQUEST_AGE, 1);
	EXPECT_THROW((void)parse_request(none.attributes()), Error);
	odd.bytes(LISTENQ_A_REQUEST_PEER, {1, 2, 3});
	EXPECT_THROW((void)parse_request(odd.attributes()), Error);
}

TEST(request, text__the_oldest_first)
{
	Message m;
	fill(m);
	Request old = parse_request(m.attributes()), young = old;
	young.age = 5;
	young.peer.port = 1;
	old.age = 123456;
	EXPECT_EQ(requests_text({young, old}, {.numeric = true}),
		  "State  Age Retrans Timeouts  Due Peer Address:Port Local Address:Port Options\n"
		  "acked 123s       3        2 0.6s 192.0.2.2:40000   192.0.2.1:80       sack "
		  "wscale:7,9 mss:1460\n"
		  "acked 0.0s       3        2 0.6s 192.0.2.2:1       192.0.2.1:80       sack "
		  "wscale:7,9 mss:1460\n");
	EXPECT_EQ(requests_text({}, {.header = false}), "");
	/* On a narrow terminal the peer and its age stay. */
	EXPECT_EQ(requests_text({old}, {.numeric = true, .terminal = {false, 40}}),
		  " Age Retrans Peer Address:Port\n"
		  "123s       3 192.0.2.2:40000\n");
}

} // namespace
