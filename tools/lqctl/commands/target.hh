/* SPDX-License-Identifier: GPL-2.0 */
/* Which sockets lqctl adopt and lqctl release are about. */
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernel/genl.hh"
#include "model/outcome.hh"
#include "model/selection.hh"
#include "model/tcp_listener.hh"

namespace CLI {
class App;
}

namespace lqctl {

struct Target {
	std::vector<std::string> filter; /* as in list, or several addresses and ports */
	std::vector<int> pids;
	int fd = -1; /* of the one pid: any socket, listening or not */
	bool all = false;
	std::string netns;  /* empty: this one */
	std::string cgroup; /* of whoever listens later, and nothing else; empty: not given */
};

void declare(CLI::App &command, Target &target, const char *all_help);

/*
 * --cgroup: whoever listens there later is adopted, or is not, which is said on standard output.
 * False: it was not given.
 */
[[nodiscard]] bool do_cgroup(const Target &target, bool on, bool dry_run);

/* Throws unless it says something, and one thing only. */
void check(const Target &target);

/* ":80 :443" is ":80 or :443". */
[[nodiscard]] Selection selection_of(const Target &target);

/* In the namespace that we are in; throws when there is none that --all does not stand for. */
[[nodiscard]] std::vector<TcpListener> find_targets(Genl &genl, const Target &target);

/* Does it with a descriptor of our own; what cannot be had is @failed, and why. */
[[nodiscard]] Outcome with_socket(const Target &target, const TcpListener &tcp, Result failed,
				  const std::function<Outcome(int fd)> &act);

} // namespace lqctl
