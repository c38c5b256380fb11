// SPDX-License-Identifier: GPL-2.0
/* lqctl stats: the counters of this network namespace. */
#include "commands.hh"
#include "genl.hh"
#include "stats.hh"

namespace lqctl {

std::string stats(const StatsOptions &options)
{
	Stats stats = Genl().stats();
	return options.json ? json_text(to_json(stats)) : stats_text(stats, options.zeros);
}

} // namespace lqctl
