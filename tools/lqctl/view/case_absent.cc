// SPDX-License-Identifier: GPL-2.0
/* Findings about an address and port where no listener of ours is. */
#include <fmt/core.h>

#include <algorithm>

#include "model/process.hh"
#include "view/absence.hh"

namespace lqctl {

namespace {

class AbsentCase final {
public:
	explicit AbsentCase(const Absence &a) : a_(a) {}

	std::vector<Finding> all()
	{
		for (const Listener &l : a_.here)
			(serves(l) ? serving_ : others_).push_back(l);
		if (serving_.empty())
			nobody();
		for (const Listener &l : serving_)
			l.plain ? plain(l) : any_address(l);
		if (!a_.address_is_here)
			add("no_such_address", Severity::problem,
			    fmt::format("no interface of this network namespace has {}: who "
					"connects to it is led elsewhere, or times out.",
					a_.wanted.address->host()),
			    {"ip addr"});
		others();
		if (serving_.empty())
			elsewhere();
		return std::move(found_);
	}

private:
	[[nodiscard]] bool serves(const Listener &l) const
	{
		return !a_.wanted.address || lqctl::serves(l.address, *a_.wanted.address);
	}

	void add(const char *code, Severity severity, std::string text,
		 std::vector<std::string> commands = {})
	{
		found_.push_back({code, severity, std::move(text), std::move(commands)});
	}

	[[nodiscard]] std::string name(const Listener &l) const
	{
		std::string text = to_string(l.address, a_.numeric);
		if (!l.processes.empty())
			text += ", " + holder_text(l.processes);
		return text;
	}

	void nobody()
	{
		add("no_listener", Severity::problem,
		    fmt::format("nobody listens at {} in this network namespace: a SYN is answered "
				"with RST, and connect() fails with \"connection refused\". Where "
				"it times out instead, the SYN does not come here, or the answer "
				"does not go back: a firewall, a route, another machine.",
				name_of(a_.wanted, a_.numeric)),
		    {fmt::format("tcpdump -ni any 'tcp port {}'", a_.wanted.port),
		     "nft list ruleset"});
		if (a_.grace_ms)
			add("held", Severity::note,
			    fmt::format("net.listenq.grace_ms is {}: where a listener has ended "
					"with connections in its queues, clients are not refused "
					"for that long, but time out, or wait for the next.",
					a_.grace_ms));
	}

	void any_address(const Listener &l)
	{
		add("any_address", Severity::note,
		    fmt::format("{} has what comes for {}.", name(l),
				name_of(a_.wanted, a_.numeric)),
		    {fmt::format("lqctl explain @{}", l.id)});
	}

	void plain(const Listener &l)
	{
		const bool full = l.accept_qlen >= l.accept_limit;
		std::string text =
			fmt::format("{} is plain TCP's, not listenq's; its accept queue holds {} "
				    "of {}",
				    name(l), l.accept_qlen, l.accept_limit);
		if (full && a_.tcp_aborts)
			text += ", so clients time out, or with "
				"net.ipv4.tcp_abort_on_overflow=1 are reset";
		else if (full)
			text += ", so clients time out";
		add("plain_tcp", full ? Severity::problem : Severity::note, text + '.',
		    {fmt::format("lqctl adopt :{}", l.address.port)});
	}

	/* At the port, but not at the address. */
	void others()
	{
		std::string family, address;
		for (const Listener &l : others_) {
			std::string &text =
				l.address.family == a_.wanted.address->family ? address : family;
			text += (text.empty() ? "" : "; ") + name(l);
		}
		if (!address.empty())
			add("other_address", Severity::warning,
			    fmt::format("somebody listens at port {}, but at another address: {}. "
					"Who connects there gets in.",
					a_.wanted.port, address));
		if (!family.empty())
			add("other_family", Severity::warning,
			    fmt::format("somebody listens at port {}, but not with {}: {}.",
					a_.wanted.port,
					a_.wanted.address->family == AF_INET6 ? "IPv6" : "IPv4",
					family));
	}

	void elsewhere()
	{
		std::string text;
		std::vector<std::string> commands;
		for (const auto &there : a_.elsewhere) {
			text += fmt::format("{}{}, in {}", text.empty() ? "" : "; ",
					    name(there.listener), there.name);
			std::string command =
				fmt::format("lqctl explain -N {} :{}", there.netns, a_.wanted.port);
			if (std::find(commands.begin(), commands.end(), command) == commands.end())
				commands.push_back(std::move(command));
		}
		if (!text.empty())
			add("other_namespace", Severity::warning,
			    fmt::format("somebody listens at port {} in another network namespace: "
					"{}.",
					a_.wanted.port, text),
			    commands);
		if (!a_.all_seen)
			add("namespaces_unseen", Severity::note,
			    "not all other network namespaces could be looked into: that takes "
			    "root (CAP_SYS_ADMIN and CAP_SYS_PTRACE).");
	}

	const Absence &a_;
	std::vector<Listener> serving_, others_;
	std::vector<Finding> found_;
};

} // namespace

std::vector<Finding> diagnose(const Absence &absence)
{
	return AbsentCase(absence).all();
}

std::string name_of(const Endpoint &wanted, bool numeric)
{
	return wanted.address ? to_string(*wanted.address, numeric)
			      : fmt::format("port {}", wanted.port);
}

} // namespace lqctl
