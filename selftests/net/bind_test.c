// SPDX-License-Identifier: GPL-2.0
/* Which listener a connection reaches, and which process: ports, devices, groups, descriptors. */
#include <linux/filter.h>

#include "lq.h"

/* --- ports --- */

/* A port of a connection that lingers, or of a listener that closed: SO_REUSEADDR has it again. */
TEST_F(net, reuseaddr)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		int port = port_of(_metadata, fd);
		int client = client_of(_metadata, variant->client, fd);
		int child = accepted_of(_metadata, fd), again;

		close(fd);
		again = stream(kind, variant->family, 0);
		EXPECT_EQ(EADDRINUSE, error_of(bind_to(again, variant->family, port)));
		/* The server closes first: its side is left in TIME_WAIT. */
		ASSERT_EQ(0, set_int(child, SOL_SOCKET, SO_REUSEADDR, 1));
		close(child);
		close(client);
		ASSERT_EQ(0, set_int(again, SOL_SOCKET, SO_REUSEADDR, 1));
		ASSERT_EQ(0, bind_to(again, variant->family, port));
		ASSERT_EQ(0, listen(again, 5));
		expect_serves(_metadata, variant->client, again);
		/* Not while another listens. */
		fd = stream(kind, variant->family, 0);
		ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1));
		EXPECT_EQ(EADDRINUSE, error_of(bind_to(fd, variant->family, port)));
	}
}

/* One port, two families of sockets: TCP and AF_LISTENQ share the kernel's table. */
TEST_F(net, one_table_of_ports)
{
	int tcp = listener(_metadata, TCP, variant->family, 0);
	int lq = listener(_metadata, LQ, variant->family, 0);

	EXPECT_EQ(EADDRINUSE, error_of(bind_to(stream(LQ, variant->family, 0), variant->family,
					       port_of(_metadata, tcp))));
	EXPECT_EQ(EADDRINUSE, error_of(bind_to(stream(TCP, variant->family, 0), variant->family,
					       port_of(_metadata, lq))));
}

TEST(v6only)
{
	enter_netns(_metadata);
	for_each_kind(kind) {
		int fd = stream(kind, AF_INET6, 0), port, v4;

		ASSERT_EQ(0, set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1));
		ASSERT_EQ(0, bind_to(fd, AF_INET6, 0));
		ASSERT_EQ(0, listen(fd, 5));
		port = port_of(_metadata, fd);
		EXPECT_EQ(ECONNREFUSED,
			  error_of(connect_to(socket(AF_INET, SOCK_STREAM, 0), AF_INET, port)));
		/* So the IPv4 port is free, and each gets its own clients. */
		v4 = stream(kind, AF_INET, 0);
		ASSERT_EQ(0, bind_to(v4, AF_INET, port));
		ASSERT_EQ(0, listen(v4, 5));
		expect_serves(_metadata, AF_INET6, fd);
		expect_serves(_metadata, AF_INET, v4);
		EXPECT_EQ(EINVAL, error_of(set_int(fd, SOL_IPV6, IPV6_V6ONLY, 0)));

		fd = listener(_metadata, kind, AF_INET6, 0);
		EXPECT_EQ(EADDRINUSE, error_of(bind_to(stream(kind, AF_INET, 0), AF_INET,
						       port_of(_metadata, fd))));
	}
}

/* The most particular address wins: the loopback one before the wildcard. */
TEST_F(net, specific_address_wins)
{
	for_each_kind(kind) {
		struct address a = address_of(variant->client, true, 0);
		int any = stream(kind, variant->family, SOCK_NONBLOCK), port;
		int one = stream(kind, variant->client, SOCK_NONBLOCK);

		ASSERT_EQ(0, set_int(any, SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, set_int(one, SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_EQ(0, bind_to(any, variant->family, 0));
		port = htons(port_of(_metadata, any));
		if (variant->client == AF_INET)
			a.in.sin_port = port;
		else
			a.in6.sin6_port = port;
		ASSERT_EQ(0, bind(one, &a.sa, a.len));
		ASSERT_EQ(0, listen(any, 5));
		ASSERT_EQ(0, listen(one, 5));
		expect_serves(_metadata, variant->client, one);
		EXPECT_EQ(EAGAIN, error_of(accept(any, NULL, NULL)));
	}
}

/* --- devices and network namespaces --- */

static int netns_here(META)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);

	ASSERT_LE(0, fd);
	return fd;
}

static void run(META, const char *command)
{
	ASSERT_EQ(0, system(command)) TH_LOG("%s", command);
}

/* Only what comes in by the device; the socket of another device has the same port. */
TEST_F(net, bindtodevice)
{
	run(_metadata, "ip link add a0 type veth peer name b0");
	link_up(_metadata, "a0");
	link_up(_metadata, "b0");
	for_each_kind(kind) {
		int lo = stream(kind, variant->family, SOCK_NONBLOCK);
		int a0 = stream(kind, variant->family, SOCK_NONBLOCK), port, child;
		char name[IFNAMSIZ] = "";
		socklen_t len = sizeof(name);

		ASSERT_EQ(0, setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
		ASSERT_EQ(0, setsockopt(a0, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3));
		EXPECT_EQ(ENODEV, error_of(setsockopt(stream(kind, variant->family, 0), SOL_SOCKET,
						      SO_BINDTODEVICE, "zz", 3)));
		ASSERT_EQ(0, bind_to(a0, variant->family, 0));
		port = port_of(_metadata, a0);
		ASSERT_EQ(0, listen(a0, 5));
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
		ASSERT_EQ(0, bind_to(lo, variant->family, port));
		ASSERT_EQ(0, listen(lo, 5));
		client_of(_metadata, variant->client, lo);
		child = accepted_of(_metadata, lo);
		EXPECT_EQ(EAGAIN, error_of(accept(a0, NULL, NULL)));
		/* What comes of it is bound, too. */
		ASSERT_EQ(0, getsockopt(child, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
		EXPECT_STREQ("lo", name);
	}
}

/* The same port in two namespaces: two listeners that never see each other's clients. */
TEST_F(net, network_namespaces)
{
	for_each_kind(kind) {
		int here = netns_here(_metadata), there;
		int first = listener(_metadata, kind, variant->family, SOCK_NONBLOCK), second;
		int port = port_of(_metadata, first);

		enter_netns(_metadata);
		there = netns_here(_metadata);
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
		second = stream(kind, variant->family, SOCK_NONBLOCK);
		ASSERT_EQ(0, bind_to(second, variant->family, port));
		ASSERT_EQ(0, listen(second, 5));
		expect_serves(_metadata, variant->client, second);
		EXPECT_EQ(EAGAIN, error_of(accept(first, NULL, NULL)));
		ASSERT_EQ(0, setns(here, CLONE_NEWNET));
		expect_serves(_metadata, variant->client, first);
		EXPECT_EQ(EAGAIN, error_of(accept(second, NULL, NULL)));

		/* The first one's end is not the other's. */
		close(first);
		ASSERT_EQ(0, setns(there, CLONE_NEWNET));
		expect_serves(_metadata, variant->client, second);
		ASSERT_EQ(0, setns(here, CLONE_NEWNET));
	}
}

/* Between namespaces, over a real device, a socket works where it was made. */
TEST_F(net, across_namespaces)
{
	int here = netns_here(_metadata), fd, child, client;
	struct address to = {};

	run(_metadata, "ip link add a0 type veth peer name b0 && "
		       "ip addr add 192.0.2.1/24 dev a0 && ip addr add 2001:db8::1/64 dev a0 nodad");
	link_up(_metadata, "a0");
	fd = listener(_metadata, LQ, variant->family, 0);
	to = address_of(variant->client, true, port_of(_metadata, fd));
	enter_netns(_metadata);
	{
		char command[256];

		/* b0 to this namespace, by a process that stays in the other. */
		pid_t target = getpid(), pid = fork();

		ASSERT_LE(0, pid);
		if (pid == 0) {
			snprintf(command, sizeof(command), "ip link set b0 netns %d", target);
			_exit(setns(here, CLONE_NEWNET) || system(command));
		}
		ASSERT_EQ(0, status_of(_metadata, pid));
	}
	run(_metadata,
	    "ip addr add 192.0.2.2/24 dev b0 && ip addr add 2001:db8::2/64 dev b0 nodad");
	link_up(_metadata, "b0");
	if (variant->client == AF_INET)
		inet_pton(AF_INET, "192.0.2.1", &to.in.sin_addr);
	else
		inet_pton(AF_INET6, "2001:db8::1", &to.in6.sin6_addr);
	client = socket(variant->client, SOCK_STREAM, 0);
	ASSERT_EQ(0, connect(client, &to.sa, to.len)) TH_LOG("%s", strerror(errno));
	child = accepted_of(_metadata, fd);
	expect_connected(_metadata, client, child);
	/* listen() again from outside works on the socket's own namespace. */
	EXPECT_EQ(0, listen(fd, 1));
	EXPECT_EQ(1u, info_of(_metadata, fd).backlog);
}

/* --- SO_REUSEPORT groups --- */

enum { MEMBERS = 4, CLIENTS = 100 };

static int member(META, enum socket_kind kind, int family, int port)
{
	int fd = stream(kind, family, SOCK_NONBLOCK);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_EQ(0, bind_to(fd, family, port)) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(0, listen(fd, CLIENTS));
	return fd;
}

static void group(META, int members[MEMBERS], enum socket_kind kind, int family)
{
	members[0] = member(_metadata, kind, family, 0);
	for (int i = 1; i < MEMBERS; i++)
		members[i] = member(_metadata, kind, family, port_of(_metadata, members[0]));
}

/* Accept @total connections wherever they come: a client may know of its own a little earlier. */
static void accept_from(META, const int *members, int count[], int n, int total)
{
	struct pollfd pfds[MEMBERS];
	int child;

	for (int i = 0; i < n; i++) {
		pfds[i] = (struct pollfd) { .fd = members[i], .events = POLLIN };
		count[i] = 0;
	}
	while (total > 0) {
		ASSERT_LT(0, poll(pfds, n, WAIT_MS)) TH_LOG("%d are missing", total);
		for (int i = 0; i < n; i++) {
			while ((child = accept(members[i], NULL, NULL)) >= 0) {
				close(child);
				count[i]++;
				total--;
			}
		}
	}
	ASSERT_EQ(0, total);
}

/* By the hash of the flow: that one of four gets none of a hundred has a chance of 10^-12. */
TEST_F(net, reuseport_spreads)
{
	for_each_kind(kind) {
		int members[MEMBERS], count[MEMBERS];

		group(_metadata, members, kind, variant->family);
		for (int i = 0; i < CLIENTS; i++)
			client_of(_metadata, variant->client, members[0]);
		accept_from(_metadata, members, count, MEMBERS, CLIENTS);
		for (int i = 0; i < MEMBERS; i++) {
			EXPECT_LT(0, count[i]) TH_LOG("member %d", i);
		}
	}
}

/* A program chooses; it may change its mind at any time. */
TEST_F(net, reuseport_program)
{
	for_each_kind(kind) {
		int members[MEMBERS], count[MEMBERS];

		group(_metadata, members, kind, variant->family);
		for (int chosen = 0; chosen < MEMBERS; chosen++) {
			struct sock_filter always = BPF_STMT(BPF_RET | BPF_K, (unsigned int)chosen);
			const struct sock_fprog program = { .len = 1, .filter = &always };

			ASSERT_EQ(0, setsockopt(members[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
						&program, sizeof(program)));
			for (int i = 0; i < 5; i++)
				client_of(_metadata, variant->client, members[0]);
			accept_from(_metadata, members, count, MEMBERS, 5);
			for (int i = 0; i < MEMBERS; i++) {
				EXPECT_EQ(i == chosen ? 5 : 0, count[i])
					TH_LOG("member %d, chosen %d", i, chosen);
			}
		}
	}
}

/* TCP's and ours in one group: each hands over what it was chosen for. */
TEST_F(net, reuseport_mixed_group)
{
	int members[2], count[2];

	members[LQ] = member(_metadata, LQ, variant->family, 0);
	members[TCP] = member(_metadata, TCP, variant->family, port_of(_metadata, members[LQ]));
	for (int i = 0; i < CLIENTS; i++)
		client_of(_metadata, variant->client, members[LQ]);
	accept_from(_metadata, members, count, 2, CLIENTS);
	EXPECT_LT(0, count[LQ]);
	EXPECT_LT(0, count[TCP]);
}

/* Members come and go between clients: whoever connects is served by those that are there. */
TEST_F(net, reuseport_members_come_and_go)
{
	int members[MEMBERS], count[MEMBERS], port;

	group(_metadata, members, LQ, variant->family);
	port = port_of(_metadata, members[0]);
	for (int round = 0; round < 20; round++) {
		int *goes = &members[round % MEMBERS];

		for (int i = 0; i < 10; i++)
			client_of(_metadata, variant->client, *goes);
		/* What it had queued would go with it. */
		accept_from(_metadata, members, count, MEMBERS, 10);
		close(*goes);
		for (int i = 0; i < 10; i++)
			client_of(_metadata, variant->client, members[(round + 1) % MEMBERS]);
		*goes = member(_metadata, LQ, variant->family, port);
		accept_from(_metadata, members, count, MEMBERS, 10);
	}
}

/* --- several descriptors, several processes --- */

/* A listener lives as long as the last descriptor. */
TEST_F(net, dup)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		int port = port_of(_metadata, fd), copy = dup(fd);

		ASSERT_LE(0, copy);
		close(fd);
		expect_serves(_metadata, variant->client, copy);
		close(copy);
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
	}
}

/* Accept one connection and answer each byte of it; for a child process. */
static void serve_one(int fd)
{
	int child = accept(fd, NULL, NULL);
	char byte;

	if (child < 0)
		_exit(1);
	while (recv(child, &byte, 1, 0) == 1)
		if (send(child, "!", 1, MSG_NOSIGNAL) != 1)
			_exit(1);
	_exit(0);
}

static void expect_answered(META, int client)
{
	char byte = 0;

	ASSERT_EQ(1, send(client, "?", 1, MSG_NOSIGNAL));
	ASSERT_TRUE(ready_within(client, POLLIN, WAIT_MS));
	EXPECT_EQ(1, recv(client, &byte, 1, 0));
	EXPECT_EQ('!', byte);
	close(client);
}

TEST_F(net, child_process_accepts)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0), port, client;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (pid == 0)
			serve_one(fd);
		/* The parent has no part in it any more. */
		port = port_of(_metadata, fd);
		close(fd);
		client = socket(variant->client, SOCK_STREAM, 0);
		ASSERT_EQ(0, connect_to(client, variant->client, port));
		expect_answered(_metadata, client);
		EXPECT_EQ(0, status_of(_metadata, pid));
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
	}
}

union rights {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr rights_message(union rights *rights, struct iovec *iov)
{
	static char byte;

	*iov = (struct iovec) { &byte, 1 };
	return (struct msghdr) {
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = rights->bytes,
		.msg_controllen = sizeof(rights->bytes),
	};
}

static int send_descriptor(int via, int fd)
{
	union rights rights = {};
	struct iovec iov;
	struct msghdr message = rights_message(&rights, &iov);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(via, &message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int via)
{
	union rights rights = {};
	struct iovec iov;
	struct msghdr message = rights_message(&rights, &iov);
	int fd = -1;

	if (recvmsg(via, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* A listener that is in a message, and nowhere else, listens on. */
TEST_F(net, passed_to_another_process)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		int port = port_of(_metadata, fd), client, pair[2];
		pid_t pid;

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		ASSERT_EQ(0, send_descriptor(pair[0], fd));
		close(fd);
		client = socket(variant->client, SOCK_STREAM, 0);
		ASSERT_EQ(0, connect_to(client, variant->client, port));
		pid = fork();
		ASSERT_LE(0, pid);
		if (pid == 0) {
			close(client);
			serve_one(receive_descriptor(pair[1]));
		}
		expect_answered(_metadata, client);
		EXPECT_EQ(0, status_of(_metadata, pid));
		close(pair[0]);
		close(pair[1]);
		EXPECT_EQ(ECONNREFUSED, error_of(connect_to(socket(variant->client, SOCK_STREAM, 0),
							    variant->client, port)));
	}
}

TEST_HARNESS_MAIN
