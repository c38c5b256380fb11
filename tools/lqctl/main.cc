// SPDX-License-Identifier: GPL-2.0
/* lqctl: looks into the listeners of the listenq module and sets its sysctls. */
#include <fmt/core.h>
#include <linux/listenq.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>

#include "base/error.hh"
#include "base/output.hh"
#include "commands/commands.hh"
#include "wire/reply.hh"

namespace lqctl {
namespace {

struct Options {
	ListOptions list;
	ShowOptions show;
	ExplainOptions explain;
	RequestsOptions requests;
	StatsOptions stats;
	GetOptions get;
	SetOptions set;
	ResetOptions reset;
	ProbeOptions probe;
	MonitorOptions monitor;
	ExportOptions exporter;
	TopOptions top;
	RecordOptions record;
	ReportOptions report;
};

constexpr const char *filter_help =
	":PORT, ADDRESS, ADDRESS:PORT, @ID, or as in \"sport = :80 and drops > 0\"";

void declare(CLI::App &app, Options &o)
{
	app.require_subcommand(0, 1);
	app.set_version_flag("--version", fmt::format("lqctl {} (netlink interface {})",
						      LISTENQ_VERSION, LISTENQ_GENL_VERSION));
	app.set_help_flag("-h,--help", "What can be said to lqctl");

	auto *list = app.add_subcommand("list", "The listeners of this network namespace");
	list->add_flag("-H,--no-header", o.list.no_header, "No line of column titles");
	list->add_flag("-n,--numeric", o.list.numeric, "Ports as numbers, not as service names");
	list->add_flag("-e,--extended", o.list.extended,
		       "Limits, peaks, drops by reason and waiting times, below each listener");
	list->add_flag("-j,--json", o.list.json, "JSON");
	list->add_flag("-p,--processes", o.list.processes, "The processes that hold each socket");
	list->add_flag("-L,--netstat", o.list.netstat, "As FreeBSD's netstat -L shows them");
	list->add_option("FILTER", o.list.filter, filter_help);

	auto *show =
		app.add_subcommand("show", "Listeners whole: limits and why, queues, drops, waits");
	show->add_flag("-n,--numeric", o.show.numeric, "Ports as numbers, not as service names");
	show->add_flag("-j,--json", o.show.json, "JSON");
	show->add_option("FILTER", o.show.filter, filter_help);

	auto *explain = app.add_subcommand(
		"explain", "What holds listeners back, in words, and what to change");
	explain->add_flag("-n,--numeric", o.explain.numeric,
			  "Ports as numbers, not as service names");
	explain->add_flag("-j,--json", o.explain.json, "JSON");
	explain->add_option("-i,--interval", o.explain.interval,
			    "Seconds to watch, 1 unless given; 0: what was counted is all")
		->check(CLI::Range(0.0, 3600.0));
	explain->add_option("FILTER", o.explain.filter, filter_help);

	auto *requests = app.add_subcommand("requests", "The half-open requests of listeners");
	requests->add_flag("-H,--no-header", o.requests.no_header, "No line of column titles");
	requests->add_flag("-n,--numeric", o.requests.numeric,
			   "Ports as numbers, not as service names");
	requests->add_flag("-j,--json", o.requests.json, "JSON");
	requests->add_option("FILTER", o.requests.filter, filter_help);

	auto *stats = app.add_subcommand("stats", "The counters of this network namespace");
	stats->add_flag("-z,--zeros", o.stats.zeros, "Counters at 0 too");
	stats->add_flag("-j,--json", o.stats.json, "JSON");
	auto *since = stats->add_flag("-s,--since", o.stats.since,
				      "What came since the last call with this option");
	auto *interval = stats->add_option("-i,--interval", o.stats.interval,
					   "What comes in each so many seconds, with rates");
	interval->check(CLI::Range(0.1, 86400.0))->excludes(since);
	stats->add_option("-c,--count", o.stats.count, "Intervals, then the end")
		->check(CLI::Range(1u, 1000000000u))
		->needs(interval);

	auto *get = app.add_subcommand("get", "The settings of this network namespace");
	get->add_flag("-n,--values", o.get.values, "Values without the names");
	get->add_flag("-j,--json", o.get.json, "JSON");
	get->add_option("NAME", o.get.names, "With or without net.listenq.; none: all of them");

	auto *set = app.add_subcommand(
		"set", "Change settings of this network namespace, or of listeners");
	set->add_flag("-j,--json", o.set.json, "JSON");
	set->add_option("-l,--listener", o.set.listener,
			"The settings of these live listeners: @ID, or as in list");
	set->add_option("NAME=VALUE", o.set.assignments, "Such as max_syn_backlog=1024");

	auto *reset = app.add_subcommand(
		"reset", "Let listeners follow the settings of their network namespace again");
	reset->add_flag("-j,--json", o.reset.json, "JSON");
	reset->add_option("FILTER", o.reset.filter, filter_help)->required();

	auto *probe = app.add_subcommand(
		"probe", "How many connections a backlog holds, found out by connecting");
	probe->add_option("POLICY", o.probe.policies,
			  "Policies to probe; none: those of UNP figure 4.10");
	probe->add_option("-b,--backlogs", o.probe.backlogs, "Such as 0-14 or 1,5,128");
	probe->add_flag("-t,--tcp", o.probe.tcp, "Plain TCP, too (or alone)");
	probe->add_option("-T,--timeout", o.probe.timeout_ms,
			  "Milliseconds after which a connect() counts as not completed")
		->check(CLI::Range(10, 60000));
	probe->add_option("-l,--limit", o.probe.limit, "Connections for each, at most")
		->check(CLI::Range(1, 100000));
	probe->add_flag("-j,--json", o.probe.json, "JSON");

	auto *exporter = app.add_subcommand("export", "Counters and queues for another program");
	exporter->add_flag("--prometheus", o.exporter.prometheus,
			   "The text format of Prometheus, for node_exporter's textfile collector");
	exporter->add_option("-o,--output", o.exporter.output,
			     "This file, replaced at once as a whole");
	exporter->add_option("FILTER", o.exporter.filter, filter_help);

	auto *top = app.add_subcommand("top", "The listeners, refreshed in place");
	top->add_flag("-n,--numeric", o.top.numeric, "Ports as numbers, not as service names");
	top->add_flag("-b,--batch", o.top.batch, "One frame after the other, for a file or a pipe");
	top->add_option("-i,--interval", o.top.interval,
			"Seconds between two looks, 1 unless given")
		->check(CLI::Range(0.1, 3600.0));
	top->add_option("-c,--count", o.top.count, "Looks, then the end")
		->check(CLI::Range(1u, 1000000000u));
	top->add_option("FILTER", o.top.filter, filter_help);

	auto *monitor =
		app.add_subcommand("monitor", "What happens at the listeners, as it happens");
	monitor->add_flag("-n,--numeric", o.monitor.numeric,
			  "Ports as numbers, not as service names");
	monitor->add_flag("-j,--json", o.monitor.json, "JSON, one object in a line");
	monitor->add_option("-w,--warn", o.monitor.warn,
			    "Warn when a queue reaches this part of its limit, such as 80%");
	monitor->add_option("-x,--exec", o.monitor.exec,
			    "Run this by sh for each event, with LISTENQ_* in its environment");
	monitor->add_option("FILTER", o.monitor.filter, filter_help);

	declare_record(app, o.record);
	declare_report(app, o.report);

	for (CLI::App *command :
	     {list, show, explain, requests, stats, get, set, reset, probe, monitor, exporter, top})
		command->set_help_flag("-h,--help", "What can be said to this command");
}

std::string run(const CLI::App &app, const Options &o)
{
	if (app.got_subcommand("list"))
		return list(o.list);
	if (app.got_subcommand("show"))
		return show(o.show);
	if (app.got_subcommand("explain"))
		return explain(o.explain);
	if (app.got_subcommand("requests"))
		return requests(o.requests);
	if (app.got_subcommand("get"))
		return get(o.get);
	if (app.got_subcommand("reset"))
		return reset(o.reset);
	if (app.got_subcommand("export"))
		return export_(o.exporter);
	if (app.got_subcommand("probe"))
		return probe(o.probe);
	if (app.got_subcommand("report"))
		return report(o.report);
	if (o.set.assignments.empty())
		throw Error("nothing to set: write it as NAME=VALUE, such as max_syn_backlog=1024");
	return o.set.listener.empty() ? set(o.set) : set_listeners(o.set);
}

/* A reader that has seen enough is no error. */
Exit write_out(const std::string &text)
{
	(void)write_stdout(text);
	return Exit::ok;
}

std::string not_understood(const CLI::App &app)
{
	std::vector<std::string> extras = app.remaining(true);
	std::string where = "lqctl";
	const char *what = "command";

	for (const CLI::App *command : app.get_subcommands()) {
		where += ' ' + command->get_name();
		what = "argument";
	}
	if (extras[0].starts_with('-'))
		what = "option";
	return fmt::format("unknown {} \"{}\": see \"{} --help\"", what, extras[0], where);
}

Exit main_(int argc, char **argv)
{
	CLI::App app("Looks into the listeners of the listenq module and sets its sysctls",
		     "lqctl");
	Options options;

	declare(app, options);
	try {
		app.parse(argc, argv);
	} catch (const CLI::Success &) {
		if (const auto *version = app.get_version_ptr(); version && version->count())
			return write_out(app.version() + '\n');
		for (const CLI::App *command : app.get_subcommands())
			return write_out(command->help(app.get_name()));
		return write_out(app.help());
	} catch (const CLI::ExtrasError &) {
		throw Error(not_understood(app));
	} catch (const CLI::ParseError &error) {
		throw Error(fmt::format("{}: see \"lqctl --help\"", error.what()));
	}
	if (app.get_subcommands().empty())
		throw Error("no command given: use list, show, explain, requests, stats, top, get, "
			    "set, "
			    "reset, probe, monitor, record, report or export; see "
			    "\"lqctl --help\"");
	if (app.got_subcommand("monitor")) {
		monitor(options.monitor);
		return Exit::ok;
	}
	if (app.got_subcommand("top")) {
		top(options.top);
		return Exit::ok;
	}
	if (app.got_subcommand("stats")) {
		stats(options.stats);
		return Exit::ok;
	}
	if (app.got_subcommand("record")) {
		record(options.record);
		return Exit::ok;
	}
	return write_out(run(app, options));
}

} // namespace
} // namespace lqctl

int main(int argc, char **argv)
{
	lqctl::Exit status = lqctl::Exit::failed;
	std::string what;

	std::setlocale(LC_CTYPE, "");
	std::signal(SIGPIPE, SIG_IGN);
	try {
		return static_cast<int>(lqctl::main_(argc, argv));
	} catch (const lqctl::Error &error) {
		what = error.what();
		status = error.status();
	} catch (const std::exception &error) {
		what = error.what();
	}
	fmt::print(stderr, "lqctl: {}\n", what);
	return static_cast<int>(status);
}
