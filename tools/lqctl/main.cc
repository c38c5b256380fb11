// SPDX-License-Identifier: GPL-2.0
/* lqctl: looks into the listeners of the listenq module and sets its sysctls. */
#include <fmt/core.h>
#include <linux/listenq.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "commands.hh"
#include "error.hh"
#include "reply.hh"

namespace lqctl {
namespace {

struct Options {
	ListOptions list;
	StatsOptions stats;
	GetOptions get;
	SetOptions set;
	ProbeOptions probe;
	MonitorOptions monitor;
	RecordOptions record;
	ReportOptions report;
};

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
	list->add_option("FILTER", o.list.filter, ":PORT, ADDRESS or ADDRESS:PORT");

	auto *stats = app.add_subcommand("stats", "The counters of this network namespace");
	stats->add_flag("-z,--zeros", o.stats.zeros, "Counters at 0 too");
	stats->add_flag("-j,--json", o.stats.json, "JSON");

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

	auto *monitor =
		app.add_subcommand("monitor", "What happens at the listeners, as it happens");
	monitor->add_flag("-n,--numeric", o.monitor.numeric,
			  "Ports as numbers, not as service names");
	monitor->add_flag("-j,--json", o.monitor.json, "JSON, one object in a line");
	monitor->add_option("-w,--warn", o.monitor.warn,
			    "Warn when a queue reaches this part of its limit, such as 80%");
	monitor->add_option("-x,--exec", o.monitor.exec,
			    "Run this by sh for each event, with LISTENQ_* in its environment");
	monitor->add_option("FILTER", o.monitor.filter, ":PORT, ADDRESS or ADDRESS:PORT");

	declare_record(app, o.record);
	declare_report(app, o.report);

	for (CLI::App *command : {list, stats, get, set, probe, monitor})
		command->set_help_flag("-h,--help", "What can be said to this command");
}

std::string run(const CLI::App &app, const Options &o)
{
	if (app.got_subcommand("list"))
		return list(o.list);
	if (app.got_subcommand("stats"))
		return stats(o.stats);
	if (app.got_subcommand("get"))
		return get(o.get);
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
	if ((std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
	     std::fflush(stdout) == 0) ||
	    errno == EPIPE)
		return Exit::ok;
	throw Error(
		fmt::format("cannot write to stdout: {}", std::generic_category().message(errno)));
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
		throw Error("no command given: use list, stats, get, set, probe, monitor, record "
			    "or report; "
			    "see \"lqctl --help\"");
	if (app.got_subcommand("monitor")) {
		monitor(options.monitor);
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
