// SPDX-License-Identifier: GPL-2.0
/* lqctl adopt: listening sockets of TCP's become listenq's, while they listen. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>

#include "base/error.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "commands/commands.hh"
#include "commands/target.hh"
#include "commands/words.hh"
#include "kernel/adoption.hh"
#include "kernel/netns.hh"
#include "view/outcomes.hh"

namespace lqctl {

namespace {

struct Options {
	Target target;
	bool dry_run = false;
	bool numeric = false;
	bool json = false;
	/* Empty: not given. */
	std::string backlog, policy, filter, syn_backlog, abort, retries, cookies;
};

/* All that is wrong with them is told before anything is done. */
Wishes wishes_of(const Options &o)
{
	const struct {
		const char *name;
		const std::string &value;
	} all[] = {{"policy", o.policy},	   {"max_syn_backlog", o.syn_backlog},
		   {"abort_on_overflow", o.abort}, {"synack_retries", o.retries},
		   {"syncookies", o.cookies},	   {"accept_filter", o.filter}};
	Wishes wishes;

	for (const auto &one : all) {
		if (!one.value.empty())
			wishes.settings.push_back(parse_setting(one.name, one.value));
	}
	if (!o.backlog.empty())
		wishes.backlog = std::stoi(o.backlog);
	return wishes;
}

std::vector<Outcome> adopt_all(const Options &o, const Wishes &wishes)
{
	Genl genl;
	const std::vector<TcpListener> found = find_targets(genl, o.target);
	std::vector<Outcome> outcomes;

	if (found.empty())
		throw Error(
			"no TCP socket listens in this network namespace: another one is said by "
			"--netns");
	for (const TcpListener &tcp : found)
		outcomes.push_back(with_socket(o.target, tcp, Result::not_taken, [&](int fd) {
			return adopt_socket(fd, tcp, wishes, o.dry_run);
		}));
	return outcomes;
}

void run(const Options &o)
{
	check(o.target);
	const Wishes wishes = wishes_of(o);
	if (!o.target.netns.empty())
		enter_netns(o.target.netns);
	if (do_cgroup(o.target, true, o.dry_run))
		return;

	const std::vector<Outcome> outcomes = adopt_all(o, wishes);
	if (!write_stdout(o.json ? json_text(outcomes_json(outcomes))
				 : outcomes_text(outcomes, o.numeric, stdout_terminal())))
		return;
	const std::string failures = failures_text(outcomes, "taken as asked");
	if (!failures.empty())
		throw Error(failures);
}

void declare_wishes(CLI::App &command, Options &o)
{
	command.add_option("-b,--backlog", o.backlog, "This backlog, by another listen()")
		->check(CLI::Range(0, std::numeric_limits<int>::max()));
	command.add_option("--policy", o.policy, "What the backlog means, as lqctl set has it");
	command.add_option("--accept-filter", o.filter,
			   "Hold connections back: dataready, httpready, dnsready or tlsready");
	command.add_option("--syn-backlog", o.syn_backlog, "max_syn_backlog of their own");
	command.add_option("--abort-on-overflow", o.abort, "0 or 1");
	command.add_option("--synack-retries", o.retries, "0 to 255");
	command.add_option("--syncookies", o.cookies, "0, 1 or 2");
}

} // namespace

Command adopt(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"adopt", "Make listening TCP sockets listenq's, while they listen");
	declare(*command, o->target, "All TCP listeners of the network namespace");
	command->add_flag("-d,--dry-run", o->dry_run, "Say what would be done, and change nothing");
	declare_wishes(*command, *o);
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-j,--json", o->json, "JSON");
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
