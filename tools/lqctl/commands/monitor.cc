// SPDX-License-Identifier: GPL-2.0
/* lqctl monitor: events as they come. */
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/journal.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "base/runner.hh"
#include "base/signals.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/subscription.hh"
#include "model/event.hh"
#include "model/selection.hh"
#include "model/threshold.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false; /* JSON lines */
	bool journal = false;
	std::vector<std::string> filter;
	std::string warn; /* a part of the limits, as "80%"; empty: no warning */
	std::string exec; /* a command for sh -c; empty: none */
};

using Clock = std::chrono::steady_clock;
constexpr auto poll_interval = std::chrono::seconds(1);

class Monitor final {
public:
	explicit Monitor(const Options &options) : options_(options), selection_(options.filter)
	{
		if (selection_.wants_processes())
			throw Error("monitor cannot filter by process: one that listens may have "
				    "gone when its event comes; filter by port or address");
		if (!options.warn.empty())
			thresholds_.emplace(parse_percent(options.warn));
		if (!options.exec.empty())
			runner_.emplace(options.exec);
		if (options.journal)
			journal_.emplace();
	}

	void run()
	{
		Genl genl;
		Subscription subscription(genl.family());
		const auto all = {SIGINT, SIGTERM, SIGCHLD};
		Signals signals(all, all);
		auto next = Clock::now();

		/* What comes from here on is told; what is so already is told first. */
		tell_state(genl);
		for (;;) {
			if (thresholds_ && Clock::now() >= next) {
				warn(genl);
				next = Clock::now() + poll_interval;
			}
			/* Of stdout, if it is used, only what is wrong with it: the reader is gone.
			 */
			pollfd fds[] = {{subscription.fd(), POLLIN, 0},
					{signals.fd(), POLLIN, 0},
					{journal_ ? -1 : STDOUT_FILENO, 0, 0}};
			if (closed_ || (poll(fds, 3, wait_until(next)) < 0 && errno != EINTR))
				return;
			if (fds[2].revents & (POLLERR | POLLHUP))
				return;
			if (fds[1].revents && !go_on(signals))
				return;
			if (fds[0].revents)
				subscription.read([&](Bytes a) { tell(parse_event(a)); },
						  [&] { print(events_lost(now_ns())); });
		}
	}

private:
	/* False: a signal ends it. */
	[[nodiscard]] bool go_on(Signals &signals)
	{
		while (const auto signal = signals.next()) {
			if (*signal != SIGCHLD)
				return false;
			if (runner_)
				runner_->reap();
		}
		return true;
	}

	[[nodiscard]] int wait_until(Clock::time_point next) const
	{
		if (!thresholds_)
			return -1;
		const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
		return left.count() > 0 ? static_cast<int>(left.count()) : 0;
	}

	void tell_state(Genl &genl)
	{
		bool incomplete;

		for (const Listener &l : poll_listeners(genl, incomplete)) {
			Event event = as_event(l, now_ns());
			event.type = "listener_state";
			print(event);
			told_.insert(l.id);
			if (l.overflows && !l.overflow_ago_s) {
				event.type = "overflow_goes_on";
				print(event);
			}
		}
	}

	/* One that began between the subscription and the look is told once. */
	void tell(const Event &event)
	{
		if (event.type != "listener_started" || told_.erase(event.listener) == 0)
			print(event);
	}

	void warn(Genl &genl)
	{
		bool incomplete;
		const std::vector<Listener> listeners = poll_listeners(genl, incomplete);

		/* One that an inconsistent dump left out is not below. */
		if (incomplete)
			return;
		for (const Event &event : thresholds_->update(listeners, now_ns()))
			print(event);
	}

	void print(Event event)
	{
		if (closed_ || (event.listener && !selection_.matches(as_listener(event))))
			return;
		event.seq = ++shown_;
		if (journal_) {
			write_journal(event);
		} else if (!write_stdout(options_.json ? json_line(to_json(event))
						       : text_of(event))) {
			closed_ = true;
			return;
		}
		if (runner_ && !runner_->start(event.listener, event_environment(event)))
			fmt::print(stderr, "lqctl: too many commands wait to run: none for {}\n",
				   event.type);
	}

	[[nodiscard]] std::string text_of(const Event &event) const
	{
		return event_text(event, options_.numeric, locale_glyphs());
	}

	/* What it does not take is not lost: stderr is somebody's log, too. */
	void write_journal(const Event &event)
	{
		std::string text = text_of(event);

		text.pop_back();
		Journal::Fields fields = event_environment(event);
		fields.insert(fields.begin(), {{"MESSAGE", text},
					       {"PRIORITY", std::to_string(event_priority(event))},
					       {"SYSLOG_IDENTIFIER", "listenq"}});
		if (!journal_->send(fields))
			std::fputs(fmt::format("lqctl: the journal does not take it ({}): {}\n",
					       std::strerror(errno), text)
					   .c_str(),
				   stderr);
	}

	const Options &options_;
	Selection selection_;
	std::optional<Thresholds> thresholds_;
	std::optional<Runner> runner_;
	std::optional<Journal> journal_;
	std::set<std::uint64_t> told_; /* the state of these, by id */
	std::uint64_t shown_ = 0;
	bool closed_ = false; /* nobody reads stdout any more */
};

void run(const Options &options)
{
	Monitor(options).run();
}

} // namespace

Command monitor(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command =
		app.add_subcommand("monitor", "What happens at the listeners, as it happens");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	auto *json = command->add_flag("-j,--json", o->json, "JSON, one object in a line");
	command->add_flag("--journal", o->journal, "Into systemd's journal, with fields LISTENQ_*")
		->excludes(json);
	command->add_option("-w,--warn", o->warn,
			    "Warn when a queue reaches this part of its limit, such as 80%");
	command->add_option("-x,--exec", o->exec,
			    "Run this by sh for each event, with LISTENQ_* in its environment");
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
