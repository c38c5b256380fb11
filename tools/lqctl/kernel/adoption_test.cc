// SPDX-License-Identifier: GPL-2.0
/* Of sockets that are TCP's: what can be seen without the module. */
#include "kernel/adoption.hh"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/fd.hh"

using namespace lqctl;

namespace {

sockaddr_in loopback()
{
	sockaddr_in address{};

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

Fd listening(sockaddr_in &address)
{
	Fd fd(socket(AF_INET, SOCK_STREAM, 0));
	socklen_t length = sizeof(address);

	address = loopback();
	EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr *>(&address), length), 0);
	EXPECT_EQ(listen(fd.get(), 1), 0);
	EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr *>(&address), &length), 0);
	return fd;
}

std::string reason(int fd, const TcpListener &tcp = {})
{
	const Outcome o = adopt_socket(fd, tcp, {}, true);

	EXPECT_EQ(o.result, o.reason ? Result::not_taken : Result::would_take);
	return o.reason ? o.reason->code : "";
}

TEST(adoption, adopt__dry)
{
	sockaddr_in address;
	const Fd fd = listening(address), idle(socket(AF_INET6, SOCK_STREAM, 0));

	EXPECT_EQ(reason(fd.get()), "");
	EXPECT_FALSE(is_ours(fd.get()));
	EXPECT_EQ(reason(idle.get()), idle.get() < 0 ? "not_tcp" : "");
}

TEST(adoption, adopt__what_can_be_seen_to_be_in_the_way)
{
	sockaddr_in address;
	const Fd fd = listening(address), udp(socket(AF_INET, SOCK_DGRAM, 0));
	const Fd client(socket(AF_INET, SOCK_STREAM, 0));
	const int one = 1;
	TcpListener tcp;

	EXPECT_EQ(reason(udp.get()), "not_tcp");
	EXPECT_EQ(reason(STDERR_FILENO), "not_tcp");
	EXPECT_EQ(reason(-1), "not_tcp");
	ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)),
		  0);
	EXPECT_EQ(reason(client.get()), "connected");
	tcp.md5 = true;
	EXPECT_EQ(reason(fd.get(), tcp), "md5_keys");
	tcp.ulp = "mptcp";
	EXPECT_EQ(reason(fd.get(), tcp), "mptcp");
	ASSERT_EQ(setsockopt(fd.get(), SOL_TCP, TCP_SAVE_SYN, &one, sizeof(one)), 0);
	EXPECT_EQ(reason(fd.get()), "save_syn");
}

TEST(adoption, release__of_what_is_tcp)
{
	sockaddr_in address;
	const Fd fd = listening(address);

	EXPECT_EQ(release_socket(fd.get(), {}, false).result, Result::already);
	EXPECT_EQ(release_socket(fd.get(), {}, true).result, Result::already);
	EXPECT_EQ(release_state(fd.get(), {}).result, Result::released);
}

} // namespace
