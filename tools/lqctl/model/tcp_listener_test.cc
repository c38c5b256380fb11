// SPDX-License-Identifier: GPL-2.0
#include "model/tcp_listener.hh"

#include <gtest/gtest.h>
#include <linux/inet_diag.h>

#include <cstring>

#include "base/error.hh"
#include "wire/message.hh"

using namespace lqctl;
using lqctl::testing::Message;

namespace {

inet_diag_msg listening(std::uint8_t family)
{
	inet_diag_msg m{};

	m.idiag_family = family;
	m.idiag_state = 10;
	m.id.idiag_sport = htons(8080);
	m.id.idiag_src[0] = htonl(0x7f000001);
	m.id.idiag_src[3] = htonl(1);
	m.id.idiag_cookie[0] = 5;
	m.id.idiag_cookie[1] = 1;
	m.idiag_rqueue = 3;
	m.idiag_wqueue = 128;
	m.idiag_uid = 33;
	m.idiag_inode = 4711;
	return m;
}

/* The Message's own header is what Message::attributes() skips. */
std::vector<std::byte> with_attributes(const inet_diag_msg &m, const Message &attributes)
{
	const Bytes more = attributes.attributes();
	std::vector<std::byte> all(sizeof(m) + more.size());

	std::memcpy(all.data(), &m, sizeof(m));
	std::copy(more.begin(), more.end(), all.begin() + sizeof(m));
	return all;
}

TEST(tcp_listener, parse)
{
	const TcpListener t = parse_tcp_listener(with_attributes(listening(AF_INET), Message()));
	const Listener &l = t.listener;
	EXPECT_TRUE(l.plain);
	EXPECT_EQ(to_string(l.address, true), "127.0.0.1:8080");
	EXPECT_EQ(l.accept_qlen, 3u);
	EXPECT_EQ(l.backlog, 128u);
	EXPECT_EQ(l.accept_limit, 129u);
	EXPECT_EQ(l.inode, 4711u);
	EXPECT_EQ(l.uid, 33u);
	EXPECT_EQ(t.cookie, 0x100000005u);
	EXPECT_EQ(t.ulp, "");
	EXPECT_FALSE(t.md5);
}

TEST(tcp_listener, parse__attributes)
{
	Message m;
	m.u8(INET_DIAG_SKV6ONLY, 1).u8(INET_DIAG_SHUTDOWN, 0).bytes(INET_DIAG_MD5SIG, {1, 2});
	m.nest(INET_DIAG_ULP_INFO,
	       [&] { m.text(INET_ULP_INFO_NAME, "mptcp").u32(INET_ULP_INFO_MPTCP, 1); });
	inet_diag_msg six = listening(AF_INET6);
	six.id.idiag_src[0] = 0;
	const TcpListener t = parse_tcp_listener(with_attributes(six, m));
	EXPECT_EQ(to_string(t.listener.address, true), "[::1]:8080");
	EXPECT_TRUE(t.listener.address.v6only);
	EXPECT_EQ(t.ulp, "mptcp");
	EXPECT_TRUE(t.md5);
}

TEST(tcp_listener, parse__every_truncation_is_an_error_or_shorter)
{
	Message m;
	m.u8(INET_DIAG_SKV6ONLY, 1).nest(INET_DIAG_ULP_INFO, [&] {
		m.text(INET_ULP_INFO_NAME, "tls");
	});
	const std::vector<std::byte> whole = with_attributes(listening(AF_INET6), m);
	for (std::size_t size = 0; size < whole.size(); size++) {
		const std::vector<std::byte> copy(whole.begin(),
						  whole.begin() + static_cast<long>(size));
		try {
			EXPECT_TRUE(parse_tcp_listener(copy).listener.plain);
			EXPECT_GE(size, sizeof(inet_diag_msg));
		} catch (const Error &) {
		}
	}
}

TEST(tcp_listener, json)
{
	Listener l = parse_tcp_listener(with_attributes(listening(AF_INET), Message())).listener;
	EXPECT_EQ(to_json(l).dump(),
		  R"({"id":null,"stack":"tcp","family":"inet","address":"127.0.0.1","port":8080,)"
		  R"("interface":null,"v6only":false,"inode":4711,"uid":33,"policy":null,)"
		  R"("backlog":128,"accept_qlen":3,"accept_limit":129})");
	l.has_processes = true;
	l.processes = {{"nginx", 12, 6}};
	EXPECT_EQ(to_json(l)["processes"].dump(), R"([{"name":"nginx","pid":12,"fd":6}])");
	EXPECT_EQ(to_json(Listener{})["stack"], "listenq");
}

} // namespace
