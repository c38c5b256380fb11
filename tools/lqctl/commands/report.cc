// SPDX-License-Identifier: GPL-2.0
/* lqctl report: a recording as one HTML page. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <system_error>

#include "base/error.hh"
#include "commands/commands.hh"
#include "report/page.hh"

namespace lqctl {

namespace {

/* Wide enough for a screen, few enough for a page that opens at once. */
constexpr std::size_t max_columns = 200;

Recording read(const std::string &name)
{
	if (name == "-")
		return read_recording(std::cin, "stdin");
	std::ifstream in(name);
	/* A directory opens, and cannot be read. */
	if (!in || (in.peek(), in.bad()))
		throw Error(fmt::format("cannot read {}: {}", name,
					std::generic_category().message(errno)));
	in.clear();
	return read_recording(in, name);
}

void write(const std::string &name, const std::string &page)
{
	std::ofstream out(name, std::ios::trunc);
	out << page;
	out.flush();
	if (!out)
		throw Error(fmt::format("cannot write {}: {}", name,
					std::generic_category().message(errno)));
}

} // namespace

void declare_report(CLI::App &app, ReportOptions &o)
{
	auto *report = app.add_subcommand("report", "A recording of record as one HTML page");
	report->add_option("-o,--output", o.output, "The page; - is stdout")->required();
	report->add_option("-t,--title", o.title, "At its top");
	report->add_option("FILE", o.input, "What record wrote; - is stdin")->required();
	report->set_help_flag("-h,--help", "What can be said to this command");
}

std::string report(const ReportOptions &options)
{
	const Recording recording = read(options.input);
	if (recording.samples() == 0)
		throw Error(fmt::format("{} holds no sample: the recording ended before the first",
					options.input));
	std::string page = report_page(recording, make_timeline(recording, max_columns),
				       options.title.empty() ? "Listen queues" : options.title);
	if (options.output == "-")
		return page;
	write(options.output, page);
	return {};
}

} // namespace lqctl
