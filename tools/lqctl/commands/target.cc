// SPDX-License-Identifier: GPL-2.0
/* Targets: words to listeners, and listeners to descriptors. */
#include "commands/target.hh"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.hh"
#include "base/output.hh"
#include "kernel/cgroups.hh"
#include "kernel/descriptor.hh"
#include "kernel/netns.hh"
#include "kernel/processes.hh"
#include "kernel/tcp_listeners.hh"

namespace lqctl {

namespace {

bool is_address(const std::string &word)
{
	if (word.starts_with('@'))
		return true;
	try {
		(void)Filter(word);
		return true;
	} catch (const Error &) {
		return false;
	}
}

bool has_pid(const TcpListener &tcp, int pid)
{
	const std::vector<Process> &all = tcp.listener.processes;

	return std::any_of(all.begin(), all.end(), [=](const Process &p) { return p.pid == pid; });
}

/* Why nothing that listens here is this process's. */
Error nothing_of(int pid)
{
	std::error_code error;
	const std::filesystem::path process = fmt::format("/proc/{}", pid);

	if (!std::filesystem::exists(process, error))
		return Error(fmt::format("there is no process {}: it has ended, or is in another "
					 "pid namespace",
					 pid));
	std::filesystem::directory_iterator fds(process / "fd", error);
	if (error)
		return Error(fmt::format(
			"the descriptors of process {} cannot be seen: run as root", pid));
	if (!in_our_netns(pid))
		return Error(fmt::format(
			"process {} is in another network namespace: add \"-N {}\"", pid, pid));
	return Error(fmt::format("process {} has no TCP socket that listens in this network "
				 "namespace: \"lqctl list --all -p\" shows who has one",
				 pid));
}

/* What of a socket can be seen by its descriptor. */
void look_at(int fd, Listener &l)
{
	sockaddr_storage name{};
	socklen_t length = sizeof(name);
	struct stat status;

	if (fstat(fd, &status) == 0)
		l.inode = status.st_ino;
	if (getsockname(fd, reinterpret_cast<sockaddr *>(&name), &length) < 0)
		return;
	l.address.family = name.ss_family;
	if (name.ss_family == AF_INET6) {
		sockaddr_in6 six;
		std::memcpy(&six, &name, sizeof(six));
		std::memcpy(l.address.bytes.data(), &six.sin6_addr, sizeof(six.sin6_addr));
		l.address.port = ntohs(six.sin6_port);
	} else if (name.ss_family == AF_INET) {
		sockaddr_in four;
		std::memcpy(&four, &name, sizeof(four));
		std::memcpy(l.address.bytes.data(), &four.sin_addr, sizeof(four.sin_addr));
		l.address.port = ntohs(four.sin_port);
	}
}

/* --pid P --fd N: whatever it is. */
TcpListener one_descriptor(int pid, int fd)
{
	TcpListener tcp;
	std::string name;

	std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
	tcp.listener.plain = true;
	tcp.listener.has_processes = true;
	tcp.listener.processes = {{name, pid, fd}};
	const Taken taken = take_descriptor(pid, fd);
	if (taken.fd.get() >= 0)
		look_at(taken.fd.get(), tcp.listener);
	return tcp;
}

} // namespace

void declare(CLI::App &command, Target &target, const char *all_help)
{
	command.add_option("-p,--pid", target.pids, "Listeners of this process; may be repeated")
		->check(CLI::PositiveNumber)
		->allow_extra_args(false);
	command.add_option("-f,--fd", target.fd, "This descriptor of the process, listening or not")
		->check(CLI::NonNegativeNumber);
	command.add_flag("-a,--all", target.all, all_help);
	command.add_option("-N,--netns", target.netns,
			   "In this network namespace: a name of \"ip netns\", a file, or a pid");
	command.add_option("-G,--cgroup", target.cgroup,
			   "Whoever listens in this cgroup from now on, by systemd's name of it");
	command.add_option("FILTER", target.filter,
			   ":PORT, ADDRESS or ADDRESS:PORT, also several, or as in list");
}

void check(const Target &target)
{
	const int said = target.all + !target.filter.empty() + !target.pids.empty();

	if (!target.cgroup.empty() && (said > 0 || target.fd >= 0))
		throw Error(
			"--cgroup is about those that listen later: leave the filter, --pid and "
			"--all for another command");
	if (!target.cgroup.empty())
		return;
	if (target.fd >= 0 && (target.pids.size() != 1 || said != 1))
		throw Error("--fd is a descriptor of one process: add --pid, and nothing else");
	if (said == 0)
		throw Error(
			"say which listeners: :PORT, ADDRESS:PORT, --pid or --all; \"lqctl list "
			"--all\" shows them");
	if (target.all && said > 1)
		throw Error("--all are all listeners: leave the filter and --pid away");
}

bool do_cgroup(const Target &target, bool on, bool dry_run)
{
	if (target.cgroup.empty())
		return false;
	const std::uint64_t id = cgroup_id(target.cgroup);
	const bool changed = dry_run || watch_cgroup(id, on);

	return write_stdout(fmt::format("cgroup {}: whoever listens there {}{} listenq's\n",
					target.cgroup, dry_run ? "would be" : "is",
					on ? (changed ? " from now on" : " already")
					   : (changed ? " no more" : " not"))) ||
	       true;
}

Selection selection_of(const Target &target)
{
	std::string text;

	if (target.filter.size() < 2 ||
	    !std::all_of(target.filter.begin(), target.filter.end(), is_address))
		return Selection(target.filter);
	for (const std::string &word : target.filter)
		text += (text.empty() ? "" : " or ") + word;
	return Selection(text);
}

std::vector<TcpListener> find_targets(Genl &genl, const Target &target)
{
	if (target.fd >= 0)
		return {one_descriptor(target.pids.front(), target.fd)};

	const Selection selection = selection_of(target);
	std::vector<TcpListener> found = find_tcp_listeners(genl, selection, true);
	if (!target.pids.empty()) {
		for (const int pid : target.pids) {
			if (std::none_of(found.begin(), found.end(),
					 [=](const TcpListener &t) { return has_pid(t, pid); }))
				throw nothing_of(pid);
		}
		std::erase_if(found, [&](const TcpListener &t) {
			return std::none_of(target.pids.begin(), target.pids.end(),
					    [&](int pid) { return has_pid(t, pid); });
		});
	}
	if (found.empty() && !target.all)
		throw Error(fmt::format("no listener matches \"{}\": see \"lqctl list --all\"",
					selection.text()));
	return found;
}

Outcome with_socket(const Target &target, const TcpListener &tcp, Result failed,
		    const std::function<Outcome(int fd)> &act)
{
	const Taken taken =
		target.fd >= 0 ? take_descriptor(target.pids.front(), target.fd) : take_socket(tcp);

	if (taken.fd.get() < 0)
		return {tcp.listener, failed, taken.reason, std::nullopt};
	return act(taken.fd.get());
}

} // namespace lqctl
