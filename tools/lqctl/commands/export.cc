// SPDX-License-Identifier: GPL-2.0
/* lqctl export: counters and queues for another program to read. */
#include "base/error.hh"
#include "base/file.hh"
#include "commands/commands.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "view/prometheus.hh"

namespace lqctl {

std::string export_(const ExportOptions &options)
{
	if (!options.prometheus)
		throw Error("export as what? There is --prometheus");
	const Selection selection(options.filter);
	Genl genl;
	const std::vector<Listener> listeners = find_listeners(genl, selection);
	const std::string text = prometheus_text(genl.stats(), listeners);

	if (options.output.empty())
		return text;
	/* The collector runs as another user. */
	write_whole(options.output, text, 0644);
	return "";
}

} // namespace lqctl
