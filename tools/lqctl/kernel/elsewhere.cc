// SPDX-License-Identifier: GPL-2.0
/* The other network namespaces, one after the other. */
#include "kernel/elsewhere.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.hh"
#include "base/fd.hh"
#include "kernel/lookup.hh"
#include "kernel/netns.hh"
#include "kernel/tcp_listeners.hh"

namespace lqctl {

namespace {

/* "/proc/12/ns/net" to "12", which -N takes as "ip netns" names, too. */
std::string word_of(const Netns &ns)
{
	constexpr std::string_view proc = "/proc/";

	if (!ns.file.starts_with(proc))
		return ns.name;
	return ns.file.substr(proc.size(), ns.file.find('/', proc.size()) - proc.size());
}

bool is_same(const struct stat &a, const std::string &file)
{
	struct stat b {};

	return stat(file.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

} // namespace

std::vector<Elsewhere> find_elsewhere(std::uint16_t port, bool &all_seen)
{
	const Selection selection(fmt::format(":{}", port));
	const Fd here(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
	std::vector<Elsewhere> all;
	struct stat st {
	}, ignored{};

	/* Of a process of another user's, that is not to be seen without a privilege. */
	all_seen = stat("/proc/1/ns/net", &ignored) == 0;
	if (here.get() < 0 || fstat(here.get(), &st) != 0) {
		all_seen = false;
		return all;
	}
	for (const Netns &ns : all_netns()) {
		if (is_same(st, ns.file))
			continue;
		try {
			Elsewhere one{word_of(ns), ns.name, {}};
			enter_netns(ns.file);
			Genl genl;
			for (TcpListener &t : find_tcp_listeners(genl, selection, false))
				one.listeners.push_back(std::move(t.listener));
			if (!one.listeners.empty()) {
				add_processes(one.listeners);
				all.push_back(std::move(one));
			}
		} catch (const Error &) {
			all_seen = false;
		}
	}
	if (setns(here.get(), CLONE_NEWNET) < 0 && errno != EPERM)
		throw Error("this network namespace cannot be entered again");
	return all;
}

bool is_address_here(const Address &address)
{
	const Fd sock(socket(address.family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	sockaddr_in v4{};
	sockaddr_in6 v6{};
	const sockaddr *name = reinterpret_cast<const sockaddr *>(&v4);
	socklen_t size = sizeof(v4);

	if (address.family == AF_INET6) {
		v6.sin6_family = AF_INET6;
		std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof(v6.sin6_addr));
		name = reinterpret_cast<const sockaddr *>(&v6);
		size = sizeof(v6);
	} else {
		v4.sin_family = AF_INET;
		std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof(v4.sin_addr));
	}
	/* Others than this one say nothing of the address. */
	return sock.get() < 0 || bind(sock.get(), name, size) == 0 || errno != EADDRNOTAVAIL;
}

} // namespace lqctl
