// SPDX-License-Identifier: GPL-2.0
/* lqctl report: a recording as one HTML page. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include "base/error.hh"
#include "commands/commands.hh"
#include "report/page.hh"

namespace lqctl {

namespace {

struct Options {
	std::string input;  /* "-": stdin */
	std::string output; /* "-": stdout */
	std::string title;
};

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

std::string run(const Options &options)
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

} // namespace

Command report(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("report", "A recording of record as one HTML page");
	command->add_option("-o,--output", o->output, "The page; - is stdout")->required();
	command->add_option("-t,--title", o->title, "At its top");
	command->add_option("FILE", o->input, "What record wrote; - is stdin")->required();
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
