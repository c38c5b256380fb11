// SPDX-License-Identifier: GPL-2.0
/* lqctl stats: the counters of this network namespace, as they are, since last time, or as rates.
 */
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <ctime>
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

double now_s()
{
	timespec ts{};
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) / 1e9;
}

std::string text_of(const Stats &stats, const StatsOptions &options, double seconds, bool rates)
{
	if (!options.json)
		return stats_text(stats, {.zeros = options.zeros, .seconds = rates ? seconds : 0});
	nlohmann::ordered_json json = to_json(stats);
	json["interval_seconds"] =
		seconds > 0 ? nlohmann::ordered_json(seconds) : nlohmann::ordered_json();
	return options.interval > 0 ? json_line(json) : json_text(json);
}

/* Until count is reached, a signal comes, or nobody reads any more. */
void each_interval(const StatsOptions &options)
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

} // namespace

void stats(const StatsOptions &options)
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

} // namespace lqctl
