// SPDX-License-Identifier: GPL-2.0
/*
 * An AF_LISTENQ socket is a TCP socket: socket(), bind(), connect(), listen(), shutdown(),
 * and the errors of all of them.
 */
#include <linux/sockios.h>

#include "lq.h"

static void *const bad_pointer = (void *)8;

/* --- socket() --- */

TEST(socket_errors)
{
	const int types[] = { SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM };
	const int protocols[] = { 2, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_MPTCP, 255, -1 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(ESOCKTNOSUPPORT, error_of(socket(AF_LISTENQ, types[i], 0)))
			TH_LOG("type %d", types[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		EXPECT_EQ(EPROTONOSUPPORT, error_of(socket(AF_LISTENQ, SOCK_STREAM, protocols[i])))
			TH_LOG("protocol %d", protocols[i]);
	}
	EXPECT_EQ(EINVAL, error_of(socket(AF_LISTENQ, SOCK_STREAM | 0x100000, 0)));
	EXPECT_EQ(EINVAL, error_of(socket(AF_LISTENQ, 0x7f, 0)));
}

TEST_F(net, socket_flags)
{
	int fd = stream(LQ, variant->family, 0);

	EXPECT_FALSE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_FALSE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fd = stream(LQ, variant->family, SOCK_NONBLOCK | SOCK_CLOEXEC);
	EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

TEST(socketpair_is_refused)
{
	int fds[2];

	for_each_kind(kind) {
		int family = kind == LQ ? AF_LISTENQ : AF_INET;

		EXPECT_EQ(EOPNOTSUPP, error_of(socketpair(family, SOCK_STREAM, 0, fds)));
	}
}

/* Users need no privilege, and get none: ports below 1024 are as closed as to TCP. */
TEST_F(net, without_privileges)
{
	ASSERT_EQ(0, setgid(65534));
	ASSERT_EQ(0, setuid(65534));
	for_each_kind(kind) {
		int fd = stream(kind, variant->family, 0);

		EXPECT_EQ(EACCES, error_of(bind_to(fd, variant->family, 80)));
		fd = listener(_metadata, kind, variant->family, 0);
		expect_serves(_metadata, variant->client, fd);
	}
}

/* --- what it says it is --- */

TEST_F(net, options_say_tcp)
{
	const int names[] = { SO_PROTOCOL, SO_DOMAIN, SO_TYPE, SO_ACCEPTCONN, SO_ERROR,
			      SO_REUSEADDR, SO_SNDBUF, SO_RCVBUF, SO_RCVLOWAT };
	int fds[2][4];

	for_each_kind(kind) {
		int client;

		fds[kind][0] = stream(kind, variant->family, 0);
		fds[kind][1] = listener(_metadata, kind, variant->family, 0);
		client = client_of(_metadata, variant->client, fds[kind][1]);
		fds[kind][2] = accepted_of(_metadata, fds[kind][1]);
		fds[kind][3] = listener(_metadata, kind, variant->family, 0);
		EXPECT_EQ(0, shutdown(fds[kind][3], SHUT_RD));
		EXPECT_EQ(0, int_option(_metadata, fds[kind][0], SOL_SOCKET, SO_ACCEPTCONN));
		EXPECT_EQ(1, int_option(_metadata, fds[kind][1], SOL_SOCKET, SO_ACCEPTCONN));
		EXPECT_EQ(0, int_option(_metadata, fds[kind][3], SOL_SOCKET, SO_ACCEPTCONN));
		expect_connected(_metadata, client, fds[kind][2]);
	}
	for (int state = 0; state < 4; state++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			EXPECT_EQ(int_option(_metadata, fds[TCP][state], SOL_SOCKET, names[i]),
				  int_option(_metadata, fds[LQ][state], SOL_SOCKET, names[i]))
				TH_LOG("option %d in state %d", names[i], state);
		}
	}
	EXPECT_EQ(IPPROTO_TCP, int_option(_metadata, fds[LQ][1], SOL_SOCKET, SO_PROTOCOL));
	EXPECT_EQ(variant->family, int_option(_metadata, fds[LQ][1], SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(SOCK_STREAM, int_option(_metadata, fds[LQ][1], SOL_SOCKET, SO_TYPE));
}

TEST_F(net, names)
{
	for_each_kind(kind) {
		int fd = stream(kind, variant->family, 0), client, child;
		struct address name = name_of(_metadata, fd), peer;
		struct address any = address_of(variant->family, false, 0);

		/* Before bind(): the wildcard and port 0. */
		EXPECT_TRUE(same_address(&any, &name));
		EXPECT_EQ(ENOTCONN, error_of(getpeername(fd, &peer.sa, &peer.len)));
		ASSERT_EQ(0, bind_to(fd, variant->family, 0));
		ASSERT_EQ(0, listen(fd, 1));
		name = name_of(_metadata, fd);
		EXPECT_EQ(any.len, name.len);
		EXPECT_EQ(variant->family, name.sa.sa_family);
		EXPECT_NE(0, port_in(&name));
		EXPECT_EQ(ENOTCONN, error_of(getpeername(fd, &peer.sa, &peer.len)));

		client = client_of(_metadata, variant->client, fd);
		child = accepted_of(_metadata, fd);
		EXPECT_EQ(port_of(_metadata, fd), port_of(_metadata, child));
		peer = peer_of(_metadata, child);
		EXPECT_EQ(port_of(_metadata, client), port_in(&peer));
		if (variant->client == variant->family) {
			name = name_of(_metadata, client);
			EXPECT_TRUE(same_address(&name, &peer));
			name = name_of(_metadata, child);
			peer = peer_of(_metadata, client);
			EXPECT_TRUE(same_address(&name, &peer));
		}

		peer.len = -1;
		EXPECT_EQ(EINVAL, error_of(getsockname(fd, &name.sa, &peer.len)));
		EXPECT_EQ(EFAULT, error_of(getsockname(fd, &name.sa, bad_pointer)));
	}
}

/* --- bind() --- */

TEST_F(net, bind_errors)
{
	for_each_kind(kind) {
		struct address a = address_of(variant->family, false, 0);
		int first = listener(_metadata, kind, variant->family, 0);
		int fd = stream(kind, variant->family, 0);

		EXPECT_EQ(EINVAL, error_of(bind(fd, &a.sa, 4)));
		EXPECT_EQ(EFAULT, error_of(bind(fd, bad_pointer, a.len)));
		a.sa.sa_family = AF_UNIX;
		EXPECT_EQ(EAFNOSUPPORT, error_of(bind(fd, &a.sa, a.len)));
		/* Addresses are of AF_INET and AF_INET6, whatever the socket was made of. */
		a.sa.sa_family = AF_LISTENQ;
		EXPECT_EQ(EAFNOSUPPORT, error_of(bind(fd, &a.sa, a.len)));
		a = address_of(variant->family, false, 0);
		if (variant->family == AF_INET)
			a.in.sin_addr.s_addr = htonl(0x08080808);
		else
			a.in6.sin6_addr.s6_addr[0] = 0x20;
		EXPECT_EQ(EADDRNOTAVAIL, error_of(bind(fd, &a.sa, a.len)));

		EXPECT_EQ(EADDRINUSE,
			  error_of(bind_to(fd, variant->family, port_of(_metadata, first))));
		EXPECT_EQ(0, bind_to(fd, variant->family, 0));
		EXPECT_EQ(EINVAL, error_of(bind_to(fd, variant->family, 0)));
	}
}

/* Two bound to one port, neither listening yet: the second listen() fails. */
TEST_F(net, listen_on_a_port_in_use)
{
	for_each_kind(kind) {
		for_each_kind(other) {
			int first = stream(kind, variant->family, 0);
			int second = stream(other, variant->family, 0);

			ASSERT_EQ(0, set_int(first, SOL_SOCKET, SO_REUSEADDR, 1));
			ASSERT_EQ(0, set_int(second, SOL_SOCKET, SO_REUSEADDR, 1));
			ASSERT_EQ(0, bind_to(first, variant->family, 0));
			ASSERT_EQ(0, bind_to(second, variant->family, port_of(_metadata, first)));
			ASSERT_EQ(0, listen(first, 5));
			EXPECT_EQ(EADDRINUSE, error_of(listen(second, 5)));
			EXPECT_EQ(EINVAL, error_of(accept(second, NULL, NULL)));
			expect_serves(_metadata, variant->client, first);
			/* It may try again. */
			close(first);
			EXPECT_EQ(0, listen(second, 5));
			expect_serves(_metadata, variant->client, second);
			close(second);
		}
	}
}

/* --- listen() --- */

TEST_F(net, listen_errors)
{
	for_each_kind(kind) {
		int server = listener(_metadata, kind, variant->family, 0);
		int fd = stream(kind, variant->family, 0);

		EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
		ASSERT_EQ(0, connect_to(fd, variant->family, port_of(_metadata, server)));
		EXPECT_EQ(EINVAL, error_of(listen(fd, 5)));
		EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
		EXPECT_EQ(EINVAL, error_of(listen(accepted_of(_metadata, server), 5)));
		close(fd);
		EXPECT_EQ(EBADF, error_of(listen(fd, 5)));
		EXPECT_EQ(EBADF, error_of(accept(fd, NULL, NULL)));
		expect_serves(_metadata, variant->client, server);
	}
}

/* A port is found for it, as if bound to port 0. */
TEST_F(net, listen_without_bind)
{
	for_each_kind(kind) {
		int fd = stream(kind, variant->family, 0);

		ASSERT_EQ(0, listen(fd, 5));
		EXPECT_NE(0, port_of(_metadata, fd));
		expect_serves(_metadata, variant->client, fd);
	}
}

/* Again and again on one socket, and nothing that is queued is lost. */
TEST_F(net, listen_twice)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);

		for (int i = 0; i < 3; i++)
			client_of(_metadata, variant->client, fd);
		EXPECT_EQ(0, listen(fd, 0));
		EXPECT_EQ(0, listen(fd, 1000));
		EXPECT_EQ(0, listen(fd, -1));
		for (int i = 0; i < 3; i++)
			accepted_of(_metadata, fd);
		expect_serves(_metadata, variant->client, fd);
	}
}

/* --- a listener is no connection --- */

TEST_F(net, listener_carries_no_data)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int value = 0;
		char byte = 0;

		client_of(_metadata, variant->client, fd);
		EXPECT_EQ(ENOTCONN, error_of(recv(fd, &byte, 1, 0)));
		EXPECT_EQ(ENOTCONN, error_of(read(fd, &byte, 1)));
		EXPECT_EQ(EPIPE, error_of(send(fd, &byte, 1, MSG_NOSIGNAL)));
		EXPECT_EQ(EINVAL, error_of(ioctl(fd, SIOCINQ, &value)));
		EXPECT_EQ(EINVAL, error_of(ioctl(fd, SIOCOUTQ, &value)));
		EXPECT_EQ(EISCONN, error_of(connect_to(fd, variant->family, 1)));
		EXPECT_EQ(0, int_option(_metadata, fd, SOL_SOCKET, SO_ERROR));
		accepted_of(_metadata, fd);
		expect_serves(_metadata, variant->client, fd);
	}
}

TEST_F(net, shutdown_of_a_listener)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int port = port_of(_metadata, fd), client;

		EXPECT_EQ(EINVAL, error_of(shutdown(fd, 3)));
		EXPECT_EQ(EINVAL, error_of(shutdown(fd, -1)));
		/* There is nothing to shut on the sending side. */
		EXPECT_EQ(0, shutdown(fd, SHUT_WR));
		expect_serves(_metadata, variant->client, fd);

		client = client_of(_metadata, variant->client, fd);
		EXPECT_EQ(0, shutdown(fd, SHUT_RD));
		EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
		/* What nobody accepted was reset. */
		EXPECT_TRUE(ready_within(client, POLLIN, WAIT_MS));
		EXPECT_EQ(ECONNRESET, error_of(recv(client, &port, 1, 0)));
		EXPECT_EQ(ENOTCONN, error_of(shutdown(fd, SHUT_RD)));

		/* It listens again. */
		EXPECT_EQ(0, listen(fd, 5));
		expect_serves(_metadata, variant->client, fd);
		EXPECT_EQ(0, shutdown(fd, SHUT_RDWR));
		EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
	}
}

/* connect(AF_UNSPEC) ends a listener as well; bind() may then choose anew. */
TEST_F(net, disconnect_of_a_listener)
{
	const struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int server = listener(_metadata, TCP, variant->family, 0);
		int client = client_of(_metadata, variant->client, fd);

		EXPECT_EQ(0, connect(fd, &unspec, sizeof(unspec)));
		EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
		EXPECT_EQ(0, int_option(_metadata, fd, SOL_SOCKET, SO_ACCEPTCONN));
		EXPECT_TRUE(ready_within(client, POLLIN, WAIT_MS));
		EXPECT_EQ(ECONNRESET, error_of(recv(client, &server, 1, 0)));
		ASSERT_EQ(0, listen(fd, 5));
		expect_serves(_metadata, variant->client, fd);

		/* And it can become a client. */
		EXPECT_EQ(0, connect(fd, &unspec, sizeof(unspec)));
		ASSERT_EQ(0, fcntl(fd, F_SETFL, 0));
		ASSERT_EQ(0, connect_to(fd, variant->family, port_of(_metadata, server)));
		expect_connected(_metadata, fd, accepted_of(_metadata, server));
		EXPECT_EQ(EINVAL, error_of(listen(fd, 5)));
	}
}

/* --- as a client --- */

TEST_F(net, connect_as_a_client)
{
	for_each_kind(kind) {
		int server = listener(_metadata, kind, variant->family, 0);
		int port = port_of(_metadata, server);

		for (int nonblocking = 0; nonblocking <= 1; nonblocking++) {
			int fd = stream(LQ, variant->client, nonblocking ? SOCK_NONBLOCK : 0);

			EXPECT_EQ(nonblocking ? EINPROGRESS : 0,
				  error_of(connect_to(fd, variant->client, port)));
			EXPECT_TRUE(ready_within(fd, POLLOUT, WAIT_MS));
			EXPECT_EQ(0, int_option(_metadata, fd, SOL_SOCKET, SO_ERROR));
			/* The second call takes note of the end of the first. */
			EXPECT_EQ(nonblocking ? 0 : EISCONN,
				  error_of(connect_to(fd, variant->client, port)));
			expect_connected(_metadata, fd, accepted_of(_metadata, server));
			EXPECT_EQ(EISCONN, error_of(connect_to(fd, variant->client, port)));
			EXPECT_EQ(0, shutdown(fd, SHUT_WR));
			EXPECT_EQ(EPIPE, error_of(send(fd, "x", 1, MSG_NOSIGNAL)));
			close(fd);
		}
	}
}

TEST_F(net, connect_errors)
{
	for_each_kind(kind) {
		const struct address a = address_of(variant->family, true, 1);
		struct address other = a;
		int fd = stream(kind, variant->family, 0);

		/* Nothing listens at port 1. */
		EXPECT_EQ(ECONNREFUSED, error_of(connect(fd, &a.sa, a.len)));
		EXPECT_EQ(EINVAL, error_of(connect(fd, &a.sa, 4)));
		EXPECT_EQ(EFAULT, error_of(connect(fd, bad_pointer, a.len)));
		other.sa.sa_family = AF_LISTENQ;
		EXPECT_EQ(EAFNOSUPPORT, error_of(connect(fd, &other.sa, other.len)));
		/* A failed connect() does not stand in the way of listen(). */
		EXPECT_EQ(0, listen(fd, 5));
		expect_serves(_metadata, variant->client, fd);
	}
}

/* An option of ours came before connect(), so the socket had a listener that never listened. */
TEST_F(net, connect_with_options_set)
{
	int server = listener(_metadata, LQ, variant->family, 0);
	int fd = stream(LQ, variant->client, 0);

	ASSERT_EQ(0, set_int(fd, SOL_LISTENQ, LQ_SYN_BACKLOG, 10));
	EXPECT_EQ(ECONNREFUSED, error_of(connect_to(fd, variant->client, 1)));
	EXPECT_EQ(10, int_option(_metadata, fd, SOL_LISTENQ, LQ_SYN_BACKLOG));
	ASSERT_EQ(0, connect_to(fd, variant->client, port_of(_metadata, server)));
	expect_connected(_metadata, fd, accepted_of(_metadata, server));
	/* A connected socket is TCP's, which knows no such level. */
	EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, SOL_LISTENQ, LQ_SYN_BACKLOG, 10)));
}

/* A mapped address makes tcp_v6_connect() exchange the operations that find our listener. */
TEST(failed_connect_keeps_the_listener)
{
	static const char *const refused[] = { "::ffff:127.0.0.1", "::ffff:203.0.113.1", "::1" };

	enter_netns(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct address a = address_of(AF_INET6, true, 1);
		int fd = stream(LQ, AF_INET6, 0);

		inet_pton(AF_INET6, refused[i], &a.in6.sin6_addr);
		ASSERT_EQ(0, set_int(fd, SOL_LISTENQ, LQ_SYN_BACKLOG, 10));
		/* No route to the second one: that fails at once. */
		EXPECT_EQ(i == 1 ? ENETUNREACH : ECONNREFUSED,
			  error_of(connect(fd, &a.sa, a.len)));
		EXPECT_EQ(10, int_option(_metadata, fd, SOL_LISTENQ, LQ_SYN_BACKLOG))
			TH_LOG("%s", refused[i]);
		ASSERT_EQ(0, listen(fd, 5));
		EXPECT_EQ(10u, info_of(_metadata, fd).max_syn_backlog);
		expect_serves(_metadata, AF_INET6, fd);
		expect_serves(_metadata, AF_INET, fd);
	}
}

TEST_HARNESS_MAIN
