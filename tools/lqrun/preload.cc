// SPDX-License-Identifier: GPL-2.0
/*
 * liblqrun.so: makes socket() ask for AF_LISTENQ where the program asked for TCP, and listen() for
 * the backlog of $LISTENQ. Loaded by LD_PRELOAD into programs that know nothing of it, so: libc
 * only, no allocation, no lock, errno kept.
 *
 * Invariants: what is not a TCP stream socket reaches the next socket() unchanged.
 * Locking: none; the settings are read from the environment before main(), or by the first call,
 * and are the same whoever reads them.
 */
#include <dlfcn.h>
#include <linux/listenq.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "decimal.hh"
#include "environment.hh"
#include "line.hh"

namespace {

using lqrun::ErrnoKeeper;
using lqrun::Line;
using SocketCall = int (*)(int, int, int);
using ListenCall = int (*)(int, int);

struct Settings {
	std::atomic<bool> ready{false};
	std::atomic<SocketCall> next_socket{nullptr}; /* libc's, or another preloaded library's */
	std::atomic<ListenCall> next_listen{nullptr};
	std::atomic<int> family{AF_LISTENQ};
	std::atomic<int> backlog{-1};		   /* -1: the program's own */
	std::atomic<const char *> filter{nullptr}; /* nullptr: none */
	std::atomic<bool> strict{false};
	std::atomic<bool> verbose{false};
};

constinit Settings settings;
constinit std::atomic<bool> fallback_told{false};

bool is_set(const char *name)
{
	const char *value = std::getenv(name);
	return value && *value;
}

int number_or(const char *name, int otherwise)
{
	const char *value = std::getenv(name);
	int number;
	return value && lqrun::parse_decimal(value, INT_MAX, number) ? number : otherwise;
}

/* Our own copy of the name: the program may change its environment. */
const char *known_filter(const char *name)
{
	for (const char *known : lqrun::filters) {
		if (name && std::strcmp(name, known) == 0)
			return known;
	}
	return nullptr;
}

void load_settings()
{
	settings.next_socket = reinterpret_cast<SocketCall>(dlsym(RTLD_NEXT, "socket"));
	settings.next_listen = reinterpret_cast<ListenCall>(dlsym(RTLD_NEXT, "listen"));
	settings.family = number_or(lqrun::env_family, AF_LISTENQ);
	settings.backlog = number_or(lqrun::env_backlog, -1);
	settings.filter = known_filter(std::getenv(lqrun::env_filter));
	settings.strict = is_set(lqrun::env_strict);
	settings.verbose = is_set(lqrun::env_verbose);
	settings.ready = true;
}

/* Before main(), while there is one thread; another library's constructor may come earlier. */
[[gnu::constructor]] void load_settings_early()
{
	load_settings();
}

const Settings &ready_settings()
{
	if (!settings.ready) {
		ErrnoKeeper keeper;
		load_settings();
	}
	return settings;
}

bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

const char *name_of(int domain)
{
	return domain == AF_INET6 ? "TCP/IPv6" : "TCP/IPv4";
}

void tell_moved(int fd, int domain)
{
	ErrnoKeeper keeper;
	Line().put("socket ").put(fd).put(": ").put(name_of(domain)).put(" on AF_LISTENQ").write();
}

void tell_unsupported(const Settings &s, const char *consequence)
{
	ErrnoKeeper keeper;
	if (!fallback_told.exchange(true))
		Line().put("family ")
			.put(s.family)
			.put(" is not supported (is the listenq module loaded?): ")
			.put(consequence)
			.write();
}

/* The kernel answers for the socket: it may be inherited, duplicated, or asked for by the program.
 */
bool is_listenq(int fd)
{
	ErrnoKeeper keeper;
	listenq_info info;
	socklen_t size = sizeof(info);
	return getsockopt(fd, SOL_LISTENQ, LQ_INFO, &info, &size) == 0;
}

/* After listen(): a filter is a listener's. One that is there already stays. */
void set_filter(const Settings &s, int fd, const char *name)
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
	if (done && s.verbose)
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

int listen_and_filter(const Settings &s, int fd, int backlog)
{
	ListenCall next = s.next_listen;
	const char *filter = s.filter;
	const int result = next(fd, backlog);

	if (result == 0 && filter && is_listenq(fd))
		set_filter(s, fd, filter);
	return result;
}

} // namespace

extern "C" [[gnu::visibility("default")]] int socket(int domain, int type, int protocol) noexcept
{
	const Settings &s = ready_settings();
	SocketCall next = s.next_socket;

	if (!is_tcp(domain, type, protocol))
		return next(domain, type, protocol);

	int before = errno;
	int fd = next(s.family, type, domain == AF_INET6 ? LISTENQ_PROTO_IPV6 : LISTENQ_PROTO_IPV4);
	if (fd >= 0) {
		if (s.verbose)
			tell_moved(fd, domain);
		return fd;
	}
	if (errno != EAFNOSUPPORT)
		return fd;
	if (s.strict) {
		tell_unsupported(s, "socket() fails, because of --strict");
		return fd;
	}
	errno = before;
	fd = next(domain, type, protocol);
	/* Without IPv6 neither has it, and the module is not to blame. */
	if (fd >= 0)
		tell_unsupported(s, "using the kernel's own TCP");
	return fd;
}

extern "C" [[gnu::visibility("default")]] int listen(int fd, int backlog) noexcept
{
	const Settings &s = ready_settings();
	int other = s.backlog;

	if (other < 0 || other == backlog || !is_listenq(fd))
		return listen_and_filter(s, fd, backlog);
	if (s.verbose) {
		ErrnoKeeper keeper;
		Line().put("listen(")
			.put(fd)
			.put(", ")
			.put(backlog)
			.put(") -> backlog ")
			.put(other)
			.write();
	}
	return listen_and_filter(s, fd, other);
}
