/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the servers have in common: the command line, a listener of listenq's, and a service that
 * says back what it is told. How connections come to a thread is what each file is about.
 */
#pragma once

#include <linux/listenq.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "listen.h"

[[noreturn]] inline void die(const std::string &what)
{
	std::fprintf(stderr, "%s\n", what.c_str());
	std::exit(1);
}

[[noreturn]] inline void die_of_errno(const std::string &what)
{
	die(what + ": " + std::strerror(errno));
}

struct Options {
	enum class Stack { listenq, tcp, either } stack = Stack::listenq;
	int backlog = 511;
	unsigned workers = std::thread::hardware_concurrency();
	std::uint16_t port = 0;
};

inline unsigned long number_of(const char *text, unsigned long max)
{
	char *end;

	errno = 0;
	const unsigned long number = std::strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number > max)
		die(std::string("\"") + text + "\" is no number from 0 to " + std::to_string(max));
	return number;
}

inline Options options_of(int argc, char **argv)
{
	const std::string usage = std::string("usage: ") + argv[0] +
				  " [-t | -f] [-b BACKLOG] [-w THREADS] PORT\n"
				  "  -t: plain TCP; -f: plain TCP where listenq is not to be had";
	Options o;

	for (int c; (c = getopt(argc, argv, "tfb:w:")) != -1;) {
		switch (c) {
		case 't':
			o.stack = Options::Stack::tcp;
			break;
		case 'f':
			o.stack = Options::Stack::either;
			break;
		case 'b':
			o.backlog = static_cast<int>(number_of(optarg, INT_MAX));
			break;
		case 'w':
			o.workers = static_cast<unsigned>(number_of(optarg, 1024));
			break;
		default:
			die(usage);
		}
	}
	if (optind != argc - 1)
		die(usage);
	o.port = static_cast<std::uint16_t>(number_of(argv[optind], 65535));
	if (o.workers == 0)
		o.workers = 1;
	return o;
}

/* A stream socket, listenq's or TCP's; @v6: of IPv6. */
inline int stream_socket(Options::Stack stack, bool v6, int flags = 0)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | flags;

	if (stack != Options::Stack::tcp) {
		const int fd =
			socket(AF_LISTENQ, type, v6 ? LISTENQ_PROTO_IPV6 : LISTENQ_PROTO_IPV4);
		if (fd >= 0 || stack == Options::Stack::listenq || errno != EAFNOSUPPORT) {
			if (fd < 0 && errno == EAFNOSUPPORT)
				die("AF_LISTENQ: the listenq module is not loaded: run \"modprobe "
				    "listenq\" as root, or give -t or -f for plain TCP");
			return fd;
		}
	}
	return socket(v6 ? AF_INET6 : AF_INET, type, 0);
}

/*
 * Listens at the port for IPv6 and IPv4: one socket of IPv6 takes both, unless told otherwise.
 * @flags: SOCK_NONBLOCK. @shared: with others, by SO_REUSEPORT.
 */
inline int make_listener(const Options &o, int flags = 0, bool shared = false)
{
	const int on = 1, off = 0, fd = stream_socket(o.stack, true, flags);
	sockaddr_in6 address{};

	if (fd < 0)
		die_of_errno("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0 ||
	    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0))
		die_of_errno("setsockopt");
	address.sin6_family = AF_INET6;
	address.sin6_port = htons(o.port);
	if (bind(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
		die_of_errno("bind to port " + std::to_string(o.port));
	Listen(fd, o.backlog);
	return fd;
}

/* What a peer or a lack of memory does to one connection ends no server. */
inline bool is_passing(int error)
{
	return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EMFILE ||
	       error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* After an error of accept(): without a free descriptor others have to end first, so don't spin. */
inline void wait_for_descriptor(int error)
{
	if (error == EMFILE || error == ENFILE)
		usleep(10000);
}

/* The next connection, however long it takes. */
inline int next_connection(int listener)
{
	for (;;) {
		const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (!is_passing(errno))
			die_of_errno("accept");
		wait_for_descriptor(errno);
	}
}

inline bool send_all(int fd, const char *data, std::size_t size)
{
	while (size) {
		const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		data += sent;
		size -= static_cast<std::size_t>(sent);
	}
	return true;
}

/* Says back what the peer says, until it closes. */
inline void serve(int fd)
{
	char data[4096];

	for (;;) {
		const ssize_t size = read(fd, data, sizeof(data));
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0 || !send_all(fd, data, static_cast<std::size_t>(size)))
			break;
	}
	close(fd);
}
