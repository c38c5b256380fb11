// SPDX-License-Identifier: GPL-2.0
/* TCP's listeners: a dump of sock_diag for each family, joined with ours by their inodes. */
#include "kernel/tcp_listeners.hh"

#include <fmt/core.h>
#include <linux/inet_diag.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <tuple>

#include "base/error.hh"
#include "kernel/lookup.hh"
#include "kernel/sock_diag.hh"

namespace lqctl {

namespace {

/* TCP_LISTEN, whose header does not go with the kernel's. */
constexpr std::uint32_t listen_state = 10;

std::vector<TcpListener> dump_all()
{
	std::vector<TcpListener> all;

	try {
		/* Only who asks for this is told of MD5 keys and the ULP (inet_sk_diag_fill()). */
		dump_sockets(
			{.states = 1U << listen_state, .extensions = 1U << (INET_DIAG_INFO - 1)},
			[&](Bytes message) { all.push_back(parse_tcp_listener(message)); });
	} catch (const NetlinkError &error) {
		throw Error(fmt::format("TCP's listeners cannot be listed: {}: does the kernel "
					"have its modules inet_diag and tcp_diag?",
					error.what()));
	}
	std::sort(all.begin(), all.end(), [](const TcpListener &a, const TcpListener &b) {
		const auto place = [](const TcpListener &t) {
			const Address &address = t.listener.address;
			return std::tuple(address.port, address.family, address.bytes, t.cookie);
		};
		return place(a) < place(b);
	});
	return all;
}

} // namespace

std::vector<TcpListener> find_tcp_listeners(Genl &genl, const Selection &selection, bool processes)
{
	processes = processes || selection.wants_processes();
	/* In this order: one that is adopted meanwhile is ours in the end. */
	std::vector<TcpListener> all = dump_all();
	std::map<std::uint64_t, Listener> ours;
	for (Listener &l : find_listeners(genl, {}))
		ours.emplace(l.inode, std::move(l));

	std::vector<Listener> listeners;
	for (TcpListener &t : all) {
		const auto it = ours.find(t.listener.inode);
		listeners.push_back(it == ours.end() ? t.listener : it->second);
	}
	if (processes)
		add_processes(listeners);
	for (std::size_t i = 0; i < all.size(); i++)
		all[i].listener = std::move(listeners[i]);
	std::erase_if(all, [&](const TcpListener &t) { return !selection.matches(t.listener); });
	return all;
}

std::vector<Listener> find_plain_listeners(Genl &genl, const Selection &selection)
{
	std::vector<Listener> plain;

	try {
		for (TcpListener &t : find_tcp_listeners(genl, selection, true)) {
			if (t.listener.plain)
				plain.push_back(std::move(t.listener));
		}
	} catch (const Error &) {
		plain.clear();
	}
	return plain;
}

} // namespace lqctl
