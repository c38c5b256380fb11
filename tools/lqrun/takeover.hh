/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that did not come from our socket(): what they are, how they become listenq's, and
 * what is said of those that do not. Shared by lqrun and its library: libc only, no allocation.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <linux/listenq.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>

#include "line.hh"
#include "module.hh"

namespace lqrun {

enum class Owner { listenq, tcp, other };

/* -1: it has no such option. */
inline int socket_option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* The kernel answers for the socket: it may be inherited, duplicated, or asked for by the program.
 */
inline Owner owner_of(int fd)
{
	ErrnoKeeper keeper;
	listenq_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &size) == 0)
		return Owner::listenq;
	const int domain = socket_option(fd, SO_DOMAIN);
	const bool tcp = (domain == AF_INET || domain == AF_INET6) &&
			 socket_option(fd, SO_TYPE) == SOCK_STREAM &&
			 socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP;
	return tcp ? Owner::tcp : Owner::other;
}

/* A socket of plain TCP becomes listenq's, before or after listen(). 0, or why not. */
inline int take_over(int fd)
{
	ErrnoKeeper keeper;
	const char name[] = "listenq";
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof(name) - 1) == 0 ? 0 : errno;
}

/* Its address and port, as ss(8) shows them; the port. */
inline int put_address(Line &line, int fd)
{
	sockaddr_storage address = {};
	socklen_t size = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "";

	if (getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size) != 0)
		return 0;
	if (address.ss_family == AF_INET6) {
		const auto *in6 = reinterpret_cast<const sockaddr_in6 *>(&address);
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		line.put("[").put(text).put("]:").put(ntohs(in6->sin6_port));
		return ntohs(in6->sin6_port);
	}
	const auto *in = reinterpret_cast<const sockaddr_in *>(&address);
	inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	line.put(text).put(":").put(ntohs(in->sin_port));
	return ntohs(in->sin_port);
}

/* Why take_over() failed (0: it was not tried), and what to do before lqctl(8) is asked for the
 * same. */
inline void put_reason(Line &line, int why)
{
	switch (why) {
	case 0:
		line.put("it was open before, and nothing says for whom; ");
		return;
	case ENOENT:
		line.put(module_loaded() == Loaded::yes
				 ? "the listenq module that is loaded takes no sockets over; load "
				   "the one of this lqrun, then "
				 : "the listenq module is not loaded; \"modprobe listenq\", then ");
		return;
	case EEXIST:
		line.put("it has another TCP_ULP; without that, ");
		return;
	case EOPNOTSUPP:
		line.put("it has what listenq does not do (TCP_SAVE_SYN, MD5 or AO keys); without "
			 "that, ");
		return;
	case EISCONN:
		line.put("it is or was connected; with a new socket, ");
		return;
	case EACCES:
	case EPERM:
		line.put("a security module or seccomp does not let the program ask for TCP_ULP; "
			 "from outside, ");
		return;
	case EAGAIN:
		line.put("another call was changing it, or a sockmap still has it; later, ");
		return;
	case ENOMEM:
		line.put("there was no memory; later, ");
		return;
	default:
		line.put("errno ").put(why).put("; ");
	}
}

/* A listener that stays TCP's: whose, where, why and the remedy. */
inline void tell_plain(const char *program, int fd, int why, const char *consequence)
{
	ErrnoKeeper keeper;
	Line line;

	line.put(program).put(": fd ").put(fd).put(", ");
	const int port = put_address(line, fd);
	line.put(", is plain TCP's: ");
	put_reason(line, why);
	line.put("\"lqctl adopt :");
	if (port)
		line.put(port);
	else
		line.put("PORT");
	line.put("\"").put(consequence).write();
}

inline void tell_taken_over(int fd)
{
	ErrnoKeeper keeper;
	Line line;

	line.put("socket ").put(fd).put(": ");
	put_address(line, fd);
	line.put(" taken over from TCP").write();
}

/* After listen(): a filter is a listener's. One that is there already stays. */
inline void set_filter(int fd, const char *name, bool verbose)
{
	ErrnoKeeper keeper;
	listenq_accept_filter_arg filter = {};
	socklen_t size = sizeof(filter);

	if (getsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, &filter, &size) == 0)
		return;
	filter = {};
	std::strcpy(filter.name, name); /* one of lqrun::filters */
	const bool done =
		setsockopt(fd, SOL_LISTENQ, LQ_ACCEPT_FILTER, &filter, sizeof(filter)) == 0;
	if (done && verbose)
		Line().put("accept filter of ").put(fd).put(": ").put(name).write();
	else if (!done)
		Line().put("accept filter ")
			.put(name)
			.put(" could not be set on ")
			.put(fd)
			.put(": errno ")
			.put(errno)
			.write();
}

} // namespace lqrun
