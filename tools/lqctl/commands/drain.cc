// SPDX-License-Identifier: GPL-2.0
/* lqctl drain: listeners take no new connections, and what they have is served. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/error.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "base/plural.hh"
#include "base/timespan.hh"
#include "commands/change.hh"
#include "commands/commands.hh"
#include "commands/progress.hh"
#include "commands/words.hh"
#include "kernel/lookup.hh"
#include "view/listing.hh"

namespace lqctl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Options {
	std::string filter;
	bool end = false;
	bool no_wait = false;
	bool json = false;
	std::string timeout; /* empty: for ever */
};

class Drain final {
public:
	explicit Drain(const Options &options) : options_(options), selection_(options.filter)
	{
		if (!options.timeout.empty())
			deadline_ = Clock::now() + parse_timespan(options.timeout, "timeout", 1ms);
	}

	void run()
	{
		const std::uint32_t on = options_.end ? 0 : 1;

		ids_ = change_some(genl_, selection_, {{LISTENQ_A_LISTENER_DRAIN, on}});
		look();
		if (!options_.end && !options_.no_wait)
			wait();
		if (write_stdout(options_.json ? json_text(listing_json(listeners_))
					       : listing_text(listeners_,
							      {.numeric = true,
							       .extended = true,
							       .glyphs = locale_glyphs(),
							       .terminal = stdout_terminal()})))
			conclude();
	}

private:
	[[nodiscard]] std::uint64_t left(std::uint32_t Listener::*member) const
	{
		std::uint64_t sum = 0;

		for (const Listener &l : listeners_)
			sum += l.*member;
		return sum;
	}
	[[nodiscard]] bool is_empty() const
	{
		return left(&Listener::syn_qlen) + left(&Listener::accept_qlen) +
			       left(&Listener::filter_qlen) ==
		       0;
	}
	[[nodiscard]] std::string waiting() const
	{
		std::string text =
			fmt::format("waiting for {}: {} half-open, {} queued",
				    many(listeners_.size(), "listener"), left(&Listener::syn_qlen),
				    left(&Listener::accept_qlen));

		if (const std::uint64_t held = left(&Listener::filter_qlen))
			text += fmt::format(", {} held by a filter", held);
		return text;
	}

	/* Those that are there still. */
	void look()
	{
		bool incomplete = true;

		/* One that an inconsistent dump left out is not empty. */
		while (incomplete)
			listeners_ = poll_listeners(genl_, incomplete);
		std::erase_if(listeners_, [&](const Listener &l) { return !ids_.contains(l.id); });
	}

	void wait()
	{
		Wait wait("Ctrl-C leaves it draining");

		while (!is_empty() && !(deadline_ && Clock::now() >= *deadline_)) {
			interrupted_ = !wait.goes_on(waiting());
			if (interrupted_)
				return;
			look();
		}
	}

	void conclude() const
	{
		if (options_.end || options_.no_wait || is_empty())
			return;
		throw Error(fmt::format(
			"{}, {}: \"lqctl drain --end\" lets new connections in again",
			interrupted_ ? "interrupted" : "not done within " + options_.timeout,
			waiting()));
	}

	const Options &options_;
	Selection selection_;
	std::optional<Clock::time_point> deadline_;
	Genl genl_;
	std::set<std::uint64_t> ids_;
	std::vector<Listener> listeners_;
	bool interrupted_ = false;
};

} // namespace

Command drain(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"drain", "Let no new connections in, until what the listeners have is served");
	command->add_flag("-e,--end", o->end, "Let new connections in again");
	command->add_option("-t,--timeout", o->timeout,
			    "Wait no longer than so many seconds, or as in 500ms or 2m");
	command->add_flag("-w,--no-wait", o->no_wait, "Begin it, and do not wait");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("FILTER", o->filter, filter_help)->required();
	return {command, [o] {
			Drain(*o).run();
			return std::string();
		}};
}

} // namespace lqctl
