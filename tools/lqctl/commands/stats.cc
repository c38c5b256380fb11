// SPDX-License-Identifier: GPL-2.0
/* lqctl stats: the counters of this network namespace, as they are, since last time, or as rates.
 */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "base/error.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "model/history.hh"
#include "model/stats.hh"

namespace lqctl {

namespace {

struct Options {
	bool zeros = false;
	bool json = false;
	bool since = false;  /* the last call with it */
	double interval = 0; /* seconds; 0: once */
	unsigned count = 0;  /* of intervals; 0: without end */
};

double now_s()
{
	timespec ts{};
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

std::string text_of(const Stats &stats, const Options &options, double seconds, bool rates)
{
	if (!options.json)
		return stats_text(stats, {.zeros = options.zeros, .seconds = rates ? seconds : 0});
	nlohmann::ordered_json json = to_json(stats);
	json["interval_seconds"] =
		seconds > 0 ? nlohmann::ordered_json(seconds) : nlohmann::ordered_json();
	return options.interval > 0 ? json_line(json) : json_text(json);
}

/* Until count is reached, a signal comes, or nobody reads any more. */
void each_interval(const Options &options)
{
	Genl genl;
	Stats before = genl.stats();
	double then = now_s();
	auto next = std::chrono::steady_clock::now();

	for (unsigned n = 0; options.count == 0 || n < options.count; n++) {
		/* Not drifting: from the start, not from the last look. */
		next += std::chrono::duration_cast<std::chrono::steady_clock::duration>(
			std::chrono::duration<double>(options.interval));
		std::this_thread::sleep_until(next);
		const Stats now = genl.stats();
		const double time = now_s();
		std::string text = text_of(difference(now, before), options, time - then, true);
		if (n > 0 && !options.json)
			text = '\n' + text;
		if (!write_stdout(text))
			return;
		before = now;
		then = time;
	}
}

void run(const Options &options)
{
	if (options.interval > 0)
		return each_interval(options);
	const Stats now = Genl().stats();
	if (!options.since) {
		(void)write_stdout(text_of(now, options, 0, false));
		return;
	}
	const HistoryFile file = HistoryFile::standard();
	const std::optional<History> before = file.read();
	const double time = now_s();
	/* Without a last time all is new. */
	(void)write_stdout(before ? text_of(difference(now, before->stats), options,
					    time - before->time, false)
				  : text_of(now, options, 0, false));
	file.write({time, now});
}

} // namespace

Command stats(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("stats", "The counters of this network namespace");
	command->add_flag("-z,--zeros", o->zeros, "Counters at 0 too");
	command->add_flag("-j,--json", o->json, "JSON");
	auto *since = command->add_flag("-s,--since", o->since,
					"What came since the last call with this option");
	auto *interval = command->add_option("-i,--interval", o->interval,
					     "What comes in each so many seconds, with rates");
	interval->check(CLI::Range(0.1, 86400.0))->excludes(since);
	command->add_option("-c,--count", o->count, "Intervals, then the end")
		->check(CLI::Range(1u, 1000000000u))
		->needs(interval);
	return {command, [o] {
			run(*o);
			return std::string();
		}};
}

} // namespace lqctl
