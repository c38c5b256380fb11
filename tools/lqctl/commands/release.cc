// SPDX-License-Identifier: GPL-2.0
/* lqctl release: listeners of listenq's become TCP's again, once their queues have drained. */
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/error.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "base/plural.hh"
#include "base/timespan.hh"
#include "commands/commands.hh"
#include "commands/progress.hh"
#include "commands/target.hh"
#include "commands/words.hh"
#include "kernel/adoption.hh"
#include "kernel/lookup.hh"
#include "kernel/netns.hh"
#include "kernel/users.hh"
#include "view/outcomes.hh"

namespace lqctl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Options {
	Target target;
	bool dry_run = false;
	bool no_wait = false;
	bool numeric = false;
	bool json = false;
	std::string timeout; /* empty: for ever */
};

/* How long after the last listener something of it may still use the module: sockets that are
 * closed. */
constexpr auto last_users_time = 5s;
/*
 * A socket's reference goes once every task has left what it may have been in (call_rcu_tasks()):
 * that takes as long as a thread of the kernel runs without a pause, which on a busy machine was
 * over 5 s.
 */
constexpr auto last_tasks_time = 120s;

std::optional<Clock::time_point> deadline_of(const std::string &timeout)
{
	if (timeout.empty())
		return std::nullopt;
	return Clock::now() + parse_timespan(timeout, "timeout", 1ms);
}

/* The socket could not be had because it is no more, or not there any more. */
bool is_gone(const Outcome &o)
{
	return o.reason && (o.reason->code == "closed" || o.reason->code == "process_ended" ||
			    o.reason->code == "no_process");
}

Error still_used(std::uint64_t users)
{
	constexpr std::size_t enough = 3;
	const std::vector<std::string> all = sockets_in_use();
	std::string text =
		fmt::format("the module is still used {}", plural(users, "time", "times"));

	for (std::size_t i = 0; i < std::min(all.size(), enough); i++)
		text += fmt::format("{} {}", i == 0 ? ":" : ";", all[i]);
	if (all.size() > enough)
		text += fmt::format("; and {} sockets more", all.size() - enough);
	if (all.empty() && geteuid() != 0)
		text += ": run as root to see by whom";
	else if (all.empty())
		text += ", by no socket of a process that is seen here: wait, or see the other pid "
			"namespaces";
	return Error(text);
}

class Release final {
public:
	explicit Release(const Options &options)
	    : options_(options), deadline_(deadline_of(options.timeout))
	{
	}

	void run()
	{
		find();
		for (const TcpListener &tcp : found_)
			outcomes_.push_back(at(tcp, [&](int fd) {
				return release_socket(fd, tcp.listener, options_.dry_run);
			}));
		if (waits())
			wait();
		if (write_stdout(options_.json ? json_text(outcomes_json(outcomes_))
					       : outcomes_text(outcomes_, options_.numeric,
							       stdout_terminal())))
			conclude();
	}

private:
	[[nodiscard]] bool waits() const { return !options_.dry_run && !options_.no_wait; }
	[[nodiscard]] bool by_fd() const { return options_.target.fd >= 0; }

	/* A filter may name what is TCP's already; of all, or of a process, ours are meant. */
	void find()
	{
		Genl genl;

		found_ = find_targets(genl, options_.target);
		if (by_fd() || !options_.target.filter.empty())
			return;
		std::erase_if(found_, [](const TcpListener &t) { return t.listener.plain; });
		if (found_.empty() && !options_.target.all)
			throw Error(
				"no listener of these processes is listenq's: \"lqctl list --all "
				"-p\" shows which are");
	}

	template <typename Act>
	[[nodiscard]] Outcome at(const TcpListener &tcp, Act act) const
	{
		return with_socket(options_.target, tcp, Result::not_released, act);
	}

	/*
	 * Descriptors are held for a moment only: of a program that ends meanwhile nothing is kept
	 * open.
	 */
	[[nodiscard]] Outcome look(TcpListener &tcp) const
	{
		const auto state = [&](int fd) { return release_state(fd, tcp.listener); };
		Outcome now = at(tcp, state);

		if (is_gone(now) && !by_fd()) {
			/* Another process may have it now. */
			std::vector<Listener> again = {tcp.listener};
			add_processes(again);
			tcp.listener.processes = again[0].processes;
			now = at(tcp, state);
		}
		if (is_gone(now))
			return {tcp.listener, Result::released, std::nullopt, std::nullopt};
		return now;
	}

	[[nodiscard]] bool drains() const
	{
		return std::any_of(outcomes_.begin(), outcomes_.end(),
				   [](const Outcome &o) { return o.result == Result::draining; });
	}

	void wait()
	{
		Wait wait("Ctrl-C leaves it going");

		while (drains() && !(deadline_ && Clock::now() >= *deadline_)) {
			interrupted_ = !wait.goes_on(waiting_text(outcomes_));
			if (interrupted_)
				return;
			for (std::size_t i = 0; i < outcomes_.size(); i++) {
				if (outcomes_[i].result == Result::draining)
					outcomes_[i] = look(found_[i]);
			}
		}
		if (options_.target.all && !drains())
			wait_for_module(wait);
	}

	/* Sockets that are seen to have the module will not give it back by themselves. */
	void wait_for_module(Wait &wait)
	{
		wait_for_module_until(wait, Clock::now() + last_users_time);
		if (!interrupted_ && module_users() && geteuid() == 0 && sockets_in_use().empty())
			wait_for_module_until(wait, Clock::now() + last_tasks_time);
	}

	void wait_for_module_until(Wait &wait, Clock::time_point end)
	{
		end = std::min(end, deadline_.value_or(Clock::time_point::max()));
		while (!interrupted_ && module_users() && Clock::now() < end)
			interrupted_ = !wait.goes_on("all are released, and the kernel has yet to "
						     "let go of the module");
	}

	void conclude() const
	{
		if (const std::string text = failures_text(outcomes_, "released"); !text.empty())
			throw Error(text);
		if (!waits())
			return;
		if (drains())
			throw Error(fmt::format("{}, {}: the release goes on by itself, and "
						"\"lqctl adopt\" takes it "
						"back",
						interrupted_
							? "interrupted"
							: "not done within " + options_.timeout,
						waiting_text(outcomes_)));
		if (!options_.target.all)
			return;
		if (const std::uint64_t users = module_users())
			throw still_used(users);
	}

	const Options &options_;
	std::optional<Clock::time_point> deadline_;
	std::vector<TcpListener> found_;
	std::vector<Outcome> outcomes_; /* of each of them */
	bool interrupted_ = false;
};

void run(const Options &options)
{
	check(options.target);
	if (!options.target.netns.empty())
		enter_netns(options.target.netns);
	if (do_cgroup(options.target, false, options.dry_run))
		return;
	Release(options).run();
}

} // namespace

Command release(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"release", "Give listeners back to TCP, once their queues have drained");
	declare(*command, o->target,
		"All listeners of the network namespace, until the module can be unloaded");
	command->add_flag("-d,--dry-run", o->dry_run, "Say what would be done, and change nothing");
	command->add_option("-t,--timeout", o->timeout,
			    "Wait no longer than so many seconds, or as in 500ms or 2m");
	command->add_flag("-w,--no-wait", o->no_wait, "Begin it, and do not wait");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-j,--json", o->json, "JSON");
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
