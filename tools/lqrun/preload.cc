// SPDX-License-Identifier: GPL-2.0
/*
 * liblqrun.so: makes socket() ask for AF_LISTENQ where the program asked for TCP, listen() for the
 * backlog of $LISTENQ, and takes over, or names, what listens without having come from socket().
 * Loaded by LD_PRELOAD into programs that know nothing of it, so: libc only, no allocation, no
 * lock, errno kept.
 *
 * Invariants: what is not a TCP stream socket reaches the next socket() unchanged.
 * Locking: none; the settings are read from the environment before main(), or by the first call,
 * and are the same whoever reads them.
 */
#include <dlfcn.h>
#include <linux/listenq.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>

#include "decimal.hh"
#include "environment.hh"
#include "exec.hh"
#include "line.hh"
#include "module.hh"
#include "takeover.hh"

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
	std::atomic<int> backlog{lqrun::own_backlog};
	std::atomic<const char *> filter{nullptr}; /* nullptr: none */
	std::atomic<bool> strict{false};
	std::atomic<bool> verbose{false};
};

constinit Settings settings;
constinit std::atomic<bool> refusal_told{false};
/* The cookies of sockets that stay TCP's, as they were told. */
constinit std::atomic<std::uint64_t> plain_told[64]{};

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

void load_settings()
{
	settings.next_socket = reinterpret_cast<SocketCall>(dlsym(RTLD_NEXT, "socket"));
	settings.next_listen = reinterpret_cast<ListenCall>(dlsym(RTLD_NEXT, "listen"));
	settings.family = number_or(lqrun::env_family, AF_LISTENQ);
	settings.backlog = lqrun::parse_backlog(std::getenv(lqrun::env_backlog));
	settings.filter = lqrun::known_filter(std::getenv(lqrun::env_filter));
	settings.strict = is_set(lqrun::env_strict);
	settings.verbose = is_set(lqrun::env_verbose);
	lqrun::find_next_exec();
	lqrun::watch_this_process();
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

/* Why socket(AF_LISTENQ) failed, and what helps. */
void put_refusal(Line &line, const Settings &s, int why)
{
	line.put("family ").put(s.family);
	if (why != EAFNOSUPPORT) {
		line.put(why == EPERM ? " is not permitted (EPERM)" : " is not permitted (EACCES)")
			.put(" by a security module (AppArmor: \"include <abstractions/listenq>\" "
			     "in the "
			     "profile, or \"network ash stream,\"; SELinux), or by seccomp "
			     "(systemd: RestrictAddressFamilies= must name AF_ASH)");
		return;
	}
	const lqrun::Loaded loaded = lqrun::module_loaded();
	const int other = lqrun::module_family(s.family);
	if (loaded == lqrun::Loaded::no)
		line.put(" is not supported: the listenq module is not loaded (\"modprobe "
			 "listenq\")");
	else if (loaded == lqrun::Loaded::unknown)
		line.put(" is not supported (is the listenq module loaded?)");
	else if (other != s.family)
		line.put(" is not supported: the listenq module was loaded with family=")
			.put(other)
			.put(" (\"lqrun -f ")
			.put(other)
			.put("\")");
	else
		line.put(" is refused though the listenq module is loaded: by seccomp (systemd: "
			 "RestrictAddressFamilies= must name AF_ASH)");
}

void tell_refused(const Settings &s, int why, const char *consequence)
{
	ErrnoKeeper keeper;
	if (refusal_told.exchange(true))
		return;
	Line line;
	put_refusal(line, s, why);
	line.put(": ").put(consequence).write();
}

/* What a kernel without the module, or something between it and the program, answers. */
bool is_refused(int why)
{
	return why == EAFNOSUPPORT || why == EACCES || why == EPERM;
}

/* Loads the module, as anybody may by a socket of the family, but not by the name of a TCP_ULP. */
void load_module(const Settings &s)
{
	ErrnoKeeper keeper;
	SocketCall next = s.next_socket;
	const int fd = next(s.family, SOCK_STREAM | SOCK_CLOEXEC, LISTENQ_PROTO_IPV4);
	if (fd >= 0)
		close(fd);
}

/* Once for each socket, which its cookie tells apart, and not more often than there is room. */
bool is_told(int fd)
{
	ErrnoKeeper keeper;
	std::uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0 || cookie == 0)
		return false;
	for (std::atomic<std::uint64_t> &told : plain_told) {
		std::uint64_t other = 0;
		if (told.compare_exchange_strong(other, cookie))
			return false;
		if (other == cookie)
			return true;
	}
	return true;
}

/* A socket that did not come from our socket(), before listen(); 0, or why it stays TCP's. */
int take_over(const Settings &s, int fd)
{
	int why = lqrun::take_over(fd);
	if (why == ENOENT && !refusal_told) {
		load_module(s);
		why = lqrun::take_over(fd);
	}
	if (why == 0 && (s.verbose || refusal_told))
		lqrun::tell_taken_over(fd);
	return why;
}

/* What socket() said of all sockets need not be said of each. */
void tell_plain(const Settings &s, int fd, int why)
{
	const bool known = why == ENOENT && refusal_told && !s.strict;
	if (!known && !is_told(fd))
		lqrun::tell_plain(program_invocation_short_name, fd, why,
				  s.strict ? ": listen() fails, because of --strict" : "");
}

int listen_on_listenq(const Settings &s, int fd, int backlog)
{
	ListenCall next = s.next_listen;
	const char *filter = s.filter;
	const bool own = s.backlog == lqrun::own_backlog;
	const int other = own ? backlog : s.backlog.load();

	if (other != backlog && s.verbose) {
		ErrnoKeeper keeper;
		Line().put("listen(")
			.put(fd)
			.put(", ")
			.put(backlog)
			.put(") -> backlog ")
			.put(other)
			.write();
	}
	const int result = next(fd, other);
	if (result == 0 && filter)
		lqrun::set_filter(fd, filter, s.verbose);
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
	const int why = errno;
	if (!is_refused(why))
		return fd;
	if (s.strict) {
		tell_refused(s, why, "socket() fails, because of --strict");
		return fd;
	}
	errno = before;
	fd = next(domain, type, protocol);
	/* Without IPv6 neither has it, and the module is not to blame. */
	if (fd >= 0)
		tell_refused(s, why, "using the kernel's own TCP");
	return fd;
}

extern "C" [[gnu::visibility("default")]] int listen(int fd, int backlog) noexcept
{
	const Settings &s = ready_settings();
	ListenCall next = s.next_listen;
	const lqrun::Owner owner = lqrun::owner_of(fd);

	lqrun::watch_this_process();
	if (owner == lqrun::Owner::other)
		return next(fd, backlog);
	const int why = owner == lqrun::Owner::tcp ? take_over(s, fd) : 0;
	if (why == 0)
		return listen_on_listenq(s, fd, backlog);
	if (s.strict) {
		tell_plain(s, fd, why);
		errno = EOPNOTSUPP;
		return -1;
	}
	/* Only now has it a port, where the program named none. */
	const int result = next(fd, backlog);
	if (result == 0)
		tell_plain(s, fd, why);
	return result;
}
