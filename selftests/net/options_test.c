// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options: those of TCP are TCP's own, those at SOL_LISTENQ are ours, and what listenq
 * cannot do is refused or falls back.
 */
#include <linux/filter.h>

#include "lq.h"

static void *const bad_pointer = (void *)8;

/* --- TCP's options --- */

TEST_F(net, children_inherit)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },      { SOL_SOCKET, SO_RCVBUF, 30000 },
		{ SOL_SOCKET, SO_SNDBUF, 40000 },     { SOL_SOCKET, SO_PRIORITY, 5 },
		{ SOL_SOCKET, SO_MARK, 77 },	      { SOL_SOCKET, SO_OOBINLINE, 1 },
		{ SOL_SOCKET, SO_RCVLOWAT, 3 },	      { SOL_TCP, TCP_NODELAY, 1 },
		{ SOL_TCP, TCP_KEEPIDLE, 123 },	      { SOL_TCP, TCP_USER_TIMEOUT, 4567 },
		{ SOL_TCP, TCP_MAXSEG, 700 },	      { SOL_TCP, TCP_NOTSENT_LOWAT, 9000 },
		{ SOL_TCP, TCP_LINGER2, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int value[2];

		for_each_kind(kind) {
			int fd = bound(_metadata, kind, variant->family, 0);

			ASSERT_EQ(0, set_int(fd, options[i].level, options[i].name,
					     options[i].value))
				TH_LOG("option %d: %s", options[i].name, strerror(errno));
			ASSERT_EQ(0, listen(fd, 5));
			client_of(_metadata, variant->client, fd);
			value[kind] = int_option(_metadata, accepted_of(_metadata, fd),
						 options[i].level, options[i].name);
		}
		EXPECT_EQ(value[TCP], value[LQ])
			TH_LOG("level %d, option %d", options[i].level, options[i].name);
	}
}

/* Lengths and pointers of options that TCP has. */
TEST_F(net, option_errors)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0);
		int value = 1;
		socklen_t len = -1;

		EXPECT_EQ(EINVAL, error_of(getsockopt(fd, SOL_TCP, TCP_NODELAY, &value, &len)));
		len = 2;
		EXPECT_EQ(0, getsockopt(fd, SOL_TCP, TCP_NODELAY, &value, &len));
		EXPECT_EQ(2u, len);
		len = sizeof(value);
		EXPECT_EQ(EFAULT, error_of(getsockopt(fd, SOL_TCP, TCP_NODELAY, bad_pointer, &len)));
		EXPECT_EQ(EFAULT,
			  error_of(getsockopt(fd, SOL_TCP, TCP_NODELAY, &value, bad_pointer)));
		EXPECT_EQ(ENOPROTOOPT, error_of(getsockopt(fd, SOL_TCP, 9999, &value, &len)));
		EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, SOL_TCP, 9999, 1)));
		EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_TCP, TCP_NODELAY, &value, 3)));
		EXPECT_EQ(EFAULT, error_of(setsockopt(fd, SOL_TCP, TCP_NODELAY, bad_pointer, 4)));
		EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, 12345, 1, 1)));
		/* IPv4 and IPv6 do not say the same here. */
		EXPECT_EQ(variant->family == AF_INET ? EOPNOTSUPP : ENOPROTOOPT,
			  error_of(getsockopt(fd, 12345, 1, &value, &len)));
	}
}

/* --- SOL_LISTENQ --- */

TEST_F(net, listenq_options)
{
	static const struct {
		int name, low, high;
	} numbers[] = {
		{ LQ_SYN_BACKLOG, 1, 1 << 20 },
		{ LQ_ABORT_ON_OVERFLOW, 0, 1 },
		{ LQ_SYNACK_RETRIES, 0, 255 },
		{ LQ_SYNCOOKIES, 0, 2 },
		{ LQ_ACCEPT_MAX_WAIT_MS, 0, 3600000 },
		{ LQ_ACCEPT_DEAD, 0, 2 },
		{ LQ_ACCEPT_ORDER, 0, 2 },
		{ LQ_CODEL_TARGET_MS, 0, 60000 },
		{ LQ_CODEL_INTERVAL_MS, 1, 60000 },
		{ LQ_SYN_ADMISSION_MS, 0, 3600000 },
		{ LQ_GRACE_MS, 0, 600000 },
		{ LQ_STEAL_US, 0, 60000000 },
		{ LQ_STALLED_MS, 0, 3600000 },
		{ LQ_SHARDS, 0, 64 }, /* the last: a listener's are decided */
	};

	for (int listens = 0; listens <= 1; listens++) {
		int fd = bound(_metadata, LQ, variant->family, 0);

		if (listens) {
			ASSERT_EQ(0, listen(fd, 5));
		}
		for (size_t i = 0; i < ARRAY_SIZE(numbers) - listens; i++) {
			const int name = numbers[i].name;
			long long wide = numbers[i].high;

			EXPECT_EQ(-1, int_option(_metadata, fd, SOL_LISTENQ, name));
			EXPECT_EQ(EINVAL, error_of(set_int(fd, SOL_LISTENQ, name, -2)));
			EXPECT_EQ(EINVAL,
				  error_of(set_int(fd, SOL_LISTENQ, name, numbers[i].high + 1)));
			if (numbers[i].low > 0) {
				EXPECT_EQ(EINVAL, error_of(set_int(fd, SOL_LISTENQ, name,
								   numbers[i].low - 1)));
			}
			EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, name, &wide, 3)));
			EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, name, &wide, 0)));
			EXPECT_EQ(EFAULT,
				  error_of(setsockopt(fd, SOL_LISTENQ, name, bad_pointer, 4)));
			EXPECT_EQ(-1, int_option(_metadata, fd, SOL_LISTENQ, name));
			EXPECT_EQ(0, set_int(fd, SOL_LISTENQ, name, numbers[i].low));
			EXPECT_EQ(numbers[i].low, int_option(_metadata, fd, SOL_LISTENQ, name));
			/* More than an int is no harm. */
			EXPECT_EQ(0, setsockopt(fd, SOL_LISTENQ, name, &wide, sizeof(wide)));
			EXPECT_EQ(numbers[i].high, int_option(_metadata, fd, SOL_LISTENQ, name));
			EXPECT_EQ(0, set_int(fd, SOL_LISTENQ, name, -1));
			EXPECT_EQ(-1, int_option(_metadata, fd, SOL_LISTENQ, name));
		}
		EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, SOL_LISTENQ, LQ_INFO, 1)));
		EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, SOL_LISTENQ, 0, 1)));
		EXPECT_EQ(ENOPROTOOPT, error_of(set_int(fd, SOL_LISTENQ, 9999, 1)));
	}
}

TEST_F(net, listenq_policy)
{
	const char unterminated[] = { 'a', 'i', 'x' };
	int fd = bound(_metadata, LQ, variant->family, 0);
	char name[64] = "";
	socklen_t len = sizeof(name);

	ASSERT_EQ(0, getsockopt(fd, SOL_LISTENQ, LQ_POLICY, name, &len));
	EXPECT_EQ(LISTENQ_POLICY_NAMSIZ, (int)len);
	EXPECT_STREQ("linux", name);
	EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, LQ_POLICY, "plan9", 6)));
	EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, LQ_POLICY, "linux2", 7)));
	EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, LQ_POLICY, "lin", 3)));
	EXPECT_EQ(EINVAL, error_of(setsockopt(fd, SOL_LISTENQ, LQ_POLICY, "linux", 0)));
	EXPECT_EQ(EFAULT, error_of(setsockopt(fd, SOL_LISTENQ, LQ_POLICY, bad_pointer, 6)));
	EXPECT_EQ(0, getsockopt(fd, SOL_LISTENQ, LQ_POLICY, name, &len));
	EXPECT_STREQ("linux", name);
	/* With its NUL, without it, and with rubbish after it. */
	memset(name, 'x', sizeof(name));
	memcpy(name, "solaris", 8);
	EXPECT_EQ(0, setsockopt(fd, SOL_LISTENQ, LQ_POLICY, unterminated, 3));
	EXPECT_EQ(0, listen(fd, 4));
	EXPECT_STREQ("aix", info_of(_metadata, fd).policy);
	EXPECT_EQ(0, setsockopt(fd, SOL_LISTENQ, LQ_POLICY, name, sizeof(name)));
	EXPECT_STREQ("solaris", info_of(_metadata, fd).policy);
	EXPECT_EQ(6u, info_of(_metadata, fd).accept_limit);
	EXPECT_EQ(0, setsockopt(fd, SOL_LISTENQ, LQ_POLICY, "", 1));
	EXPECT_STREQ("linux", info_of(_metadata, fd).policy);
}

TEST_F(net, listenq_getsockopt_lengths)
{
	int fd = listener(_metadata, LQ, variant->family, 0);
	struct listenq_info whole = info_of(_metadata, fd);
	unsigned char part[sizeof(whole) + 8];
	socklen_t len;

	/* The front part into a short buffer, and nothing behind it. */
	for (socklen_t room = 0; room <= sizeof(part); room++) {
		socklen_t want = room < sizeof(whole) ? room : sizeof(whole);

		memset(part, 0x55, sizeof(part));
		len = room;
		ASSERT_EQ(0, getsockopt(fd, SOL_LISTENQ, LQ_INFO, part, &len));
		ASSERT_EQ(want, len);
		ASSERT_EQ(0, memcmp(part, &whole, want));
		for (size_t i = want; i < sizeof(part); i++) {
			ASSERT_EQ(0x55, part[i]);
		}
	}
	len = -1;
	EXPECT_EQ(EINVAL, error_of(getsockopt(fd, SOL_LISTENQ, LQ_INFO, part, &len)));
	len = sizeof(part);
	EXPECT_EQ(EFAULT, error_of(getsockopt(fd, SOL_LISTENQ, LQ_INFO, bad_pointer, &len)));
	EXPECT_EQ(EFAULT, error_of(getsockopt(fd, SOL_LISTENQ, LQ_INFO, part, bad_pointer)));
	EXPECT_EQ(ENOPROTOOPT, error_of(getsockopt(fd, SOL_LISTENQ, 0, part, &len)));
	EXPECT_EQ(ENOPROTOOPT, error_of(getsockopt(fd, SOL_LISTENQ, 9999, part, &len)));
}

/* They are the listener's: neither an accepted socket nor TCP knows them. */
TEST_F(net, listenq_options_elsewhere)
{
	int fd = listener(_metadata, LQ, variant->family, 0), child;
	struct listenq_info info;
	socklen_t len = sizeof(info);

	client_of(_metadata, variant->client, fd);
	child = accepted_of(_metadata, fd);
	EXPECT_EQ(ENOPROTOOPT, error_of(set_int(child, SOL_LISTENQ, LQ_SYN_BACKLOG, 1)));
	EXPECT_EQ(variant->family == AF_INET ? EOPNOTSUPP : ENOPROTOOPT,
		  error_of(getsockopt(child, SOL_LISTENQ, LQ_INFO, &info, &len)));
	/* Before listen(): all 0, and no listener's number. */
	fd = stream(LQ, variant->family, 0);
	memset(&info, 0x55, sizeof(info));
	ASSERT_EQ(0, getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &len));
	EXPECT_EQ(0u, info.id);
	EXPECT_EQ(0u, info.accept_limit);
}

/* --- what listenq refuses, and where it falls back --- */

static int set_md5(int fd, int family)
{
	struct tcp_md5sig md5 = { .tcpm_keylen = 3, .tcpm_key = "key" };
	struct address a = address_of(family, true, 0);

	memcpy(&md5.tcpm_addr, &a.storage, a.len);
	return setsockopt(fd, SOL_TCP, TCP_MD5SIG, &md5, sizeof(md5));
}

TEST_F(net, refused_options)
{
	int fd = listener(_metadata, LQ, variant->family, 0);

	EXPECT_EQ(EOPNOTSUPP, error_of(set_int(fd, SOL_TCP, TCP_SAVE_SYN, 1)));
	EXPECT_EQ(EOPNOTSUPP, error_of(set_int(stream(LQ, variant->family, 0), SOL_TCP,
					       TCP_SAVE_SYN, 1)));
	EXPECT_EQ(EOPNOTSUPP, error_of(set_md5(fd, variant->family)));
	EXPECT_EQ(EOPNOTSUPP, error_of(set_int(fd, SOL_IPV6, IPV6_ADDRFORM, AF_INET)));
	expect_serves(_metadata, variant->client, fd);

	/* Keys that were set before: listen() refuses, and connect() signs as TCP does. */
	fd = bound(_metadata, LQ, variant->family, 0);
	if (set_md5(fd, variant->family)) {
		EXPECT_EQ(ENOPROTOOPT, errno);
		SKIP(return, "the kernel has no TCP-MD5");
	}
	EXPECT_EQ(EOPNOTSUPP, error_of(listen(fd, 5)));
	EXPECT_EQ(EINVAL, error_of(accept(fd, NULL, NULL)));
}

/* A mapped connection is TCP's, in every operation: it becomes one of AF_INET, and goes on. */
TEST(addrform_of_a_mapped_connection)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
	int server, fd;

	enter_netns(_metadata);
	server = listener(_metadata, TCP, AF_INET, 0);
	fd = stream(LQ, AF_INET6, 0);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
	mapped.sin6_port = htons(port_of(_metadata, server));
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)));
	EXPECT_EQ(0, error_of(set_int(fd, SOL_IPV6, IPV6_ADDRFORM, AF_INET)));
	expect_connected(_metadata, fd, accepted_of(_metadata, server));
}

/* 0x605: data in the SYN with and without a cookie, from the client and at the server. */
TEST_F(net, fastopen_falls_back)
{
	static const char *const modes[] = { "3", "0x605" };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct address to = address_of(variant->client, true, 0);
		int fd = bound(_metadata, LQ, variant->family, 0), port;
		char data[6] = "";

		write_file(_metadata, "/proc/sys/net/ipv4/tcp_fastopen", modes[i]);
		EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN, 5));
		ASSERT_EQ(0, listen(fd, 5));
		EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_FASTOPEN, 10));
		port = htons(port_of(_metadata, fd));
		if (variant->client == AF_INET)
			to.in.sin_port = port;
		else
			to.in6.sin6_port = port;
		/* The second client would have a cookie, had there been one. */
		for (int n = 0; n < 2; n++) {
			int client = socket(variant->client, SOCK_STREAM, 0), child;

			ASSERT_EQ(5, sendto(client, "hello", 5, MSG_FASTOPEN, &to.sa, to.len))
				TH_LOG("sendto: %s", strerror(errno));
			child = accepted_of(_metadata, fd);
			ASSERT_TRUE(ready_within(child, POLLIN, WAIT_MS));
			EXPECT_EQ(5, recv(child, data, 5, MSG_WAITALL));
			EXPECT_STREQ("hello", data);
			expect_connected(_metadata, client, child);
			close(client);
			close(child);
		}
		close(fd);
	}
}

/* accept() gets a connection only when data is there. */
TEST_F(net, defer_accept)
{
	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK), client, child;
		char byte = 0;

		/* A minute: for nobody to wait for. */
		ASSERT_EQ(0, set_int(fd, SOL_TCP, TCP_DEFER_ACCEPT, 60));
		EXPECT_LE(60, int_option(_metadata, fd, SOL_TCP, TCP_DEFER_ACCEPT));
		client = client_of(_metadata, variant->client, fd);
		EXPECT_EQ(EAGAIN, error_of(accept(fd, NULL, NULL)));
		ASSERT_EQ(1, send(client, "x", 1, 0));
		child = accepted_of(_metadata, fd);
		EXPECT_EQ(1, recv(child, &byte, 1, 0));
		EXPECT_EQ('x', byte);
		expect_connected(_metadata, child, client);
		EXPECT_EQ(0, set_int(fd, SOL_TCP, TCP_DEFER_ACCEPT, 0));
		expect_serves(_metadata, variant->client, fd);
	}
}

/* The listener's socket filter decides about SYNs and ACKs. */
TEST_F(net, socket_filter_of_a_listener)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { .len = 1, .filter = &nothing };
	int value = 0;

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, SOCK_NONBLOCK);
		int client = socket(variant->client, SOCK_STREAM | SOCK_NONBLOCK, 0);

		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
					sizeof(program)));
		EXPECT_EQ(EINPROGRESS, error_of(connect_to(client, variant->client,
							   port_of(_metadata, fd))));
		EXPECT_FALSE(ready_within(client, POLLOUT, 300));
		ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, sizeof(value)));
		/* The SYN comes again after a second. */
		expect_connected(_metadata, client, accepted_of(_metadata, fd));
	}
}

/* An accepted socket is kernel TCP through and through, kernel TLS included. */
TEST_F(net, children_take_upper_layer_protocols)
{
	int err[2];

	for_each_kind(kind) {
		int fd = listener(_metadata, kind, variant->family, 0), child;

		client_of(_metadata, variant->client, fd);
		child = accepted_of(_metadata, fd);
		err[kind] = error_of(setsockopt(child, SOL_TCP, TCP_ULP, "tls", 3));
	}
	EXPECT_EQ(err[TCP], err[LQ]);
	if (err[TCP])
		SKIP(return, "no kernel TLS");
}

TEST_HARNESS_MAIN
