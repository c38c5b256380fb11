// SPDX-License-Identifier: GPL-2.0
/* lqctl: looks into the listeners of the listenq module and sets its sysctls. */
#include <fmt/core.h>
#include <linux/listenq.h>

#include <CLI/CLI.hpp>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.hh"
#include "base/nearest.hh"
#include "base/output.hh"
#include "commands/commands.hh"

namespace lqctl {
namespace {

/* In the order of "lqctl --help". */
constexpr Command (*commands[])(CLI::App &) = {
	list, show,  adopt, release, drain, hold, explain, requests, stats, get,
	set,  reset, probe, export_, serve, top,  monitor, record,   report};

/* A reader that has seen enough is no error. */
int write_out(const std::string &text)
{
	(void)write_stdout(text);
	return static_cast<int>(Exit::ok);
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
	std::vector<std::string> known;
	if (app.get_subcommands().empty()) {
		for (const CLI::App *command : app.get_subcommands([](auto *) { return true; }))
			known.push_back(command->get_name());
	}
	const std::string meant = nearest(extras[0], known);
	return fmt::format("unknown {} \"{}\": {}see \"{} --help\"", what, extras[0],
			   meant.empty() ? "" : fmt::format("did you mean \"{}\"? ", meant), where);
}

int main_(int argc, char **argv)
{
	CLI::App app("Looks into the listeners of the listenq module and sets its sysctls",
		     "lqctl");
	std::vector<Command> all;

	app.require_subcommand(0, 1);
	app.set_version_flag("--version", fmt::format("lqctl {} (netlink interface {})",
						      LISTENQ_VERSION, LISTENQ_GENL_VERSION));
	app.set_help_flag("-h,--help", "What can be said to lqctl");
	for (const auto declare : commands) {
		all.push_back(declare(app));
		all.back().app->set_help_flag("-h,--help", "What can be said to this command");
	}
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
		throw Error("no command given: use list, show, adopt, release, drain, hold, "
			    "explain, requests, stats, top, get, set, reset, probe, monitor, "
			    "record, report, serve or "
			    "export; see \"lqctl --help\"");
	for (const Command &command : all) {
		if (!app.got_subcommand(command.app))
			continue;
		const Answer answer = command.run();
		if (!answer.text.empty())
			(void)write_out(answer.text);
		return answer.status;
	}
	return static_cast<int>(Exit::ok);
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
		return lqctl::main_(argc, argv);
	} catch (const lqctl::Error &error) {
		what = error.what();
		status = error.status();
	} catch (const std::exception &error) {
		what = error.what();
	}
	fmt::print(stderr, "lqctl: {}\n", what);
	return static_cast<int>(status);
}
