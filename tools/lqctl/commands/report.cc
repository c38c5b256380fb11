// SPDX-License-Identifier: GPL-2.0
/* lqctl report: recordings as one HTML page. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <list>
#include <memory>
#include <sstream>
#include <system_error>

#include "base/error.hh"
#include "commands/commands.hh"
#include "report/page.hh"
#include "report/recording_ring.hh"

namespace lqctl {

namespace {

struct Options {
	std::vector<std::string> inputs; /* "-": stdin; a directory: a ring */
	std::string output;		 /* "-": stdout */
	std::string title;
};

/* Wide enough for a screen, few enough for a page that opens at once. */
constexpr std::size_t max_columns = 200;

Error unreadable(const std::string &name)
{
	return Error(
		fmt::format("cannot read {}: {}", name, std::generic_category().message(errno)));
}

Recording read_ring(const std::string &name)
{
	std::stringstream all;

	for (const std::filesystem::path &file : ring_files(name)) {
		std::ifstream in(file);
		/* Else the ring went on meanwhile, and it is none of its files any more. */
		if (in.peek() != std::ifstream::traits_type::eof())
			all << in.rdbuf() << '\n';
	}
	return read_recording(all, name);
}

Recording read(const std::string &name)
{
	std::error_code ignored;

	if (name == "-")
		return read_recording(std::cin, "stdin");
	if (std::filesystem::is_directory(name, ignored))
		return read_ring(name);
	std::ifstream in(name);
	if (!in)
		throw unreadable(name);
	return read_recording(in, name);
}

/* The machine's, or else the file's, each once. */
std::string name_of(const Recording &recording, const std::string &file,
		    const std::vector<Host> &others)
{
	std::string name = recording.segments.back().host;
	const auto taken = [&](const std::string &one) {
		return std::any_of(others.begin(), others.end(),
				   [&](const Host &other) { return other.name == one; });
	};

	if (name.empty())
		name = file;
	else if (taken(name))
		name += fmt::format(" ({})", file);
	const std::string first = name;
	for (std::size_t i = 2; taken(name); i++)
		name = fmt::format("{} ({})", first, i);
	return name;
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
	std::list<Recording> recordings; /* timelines point into them */
	std::vector<Host> hosts;

	for (const std::string &file : options.inputs) {
		const Recording &recording = recordings.emplace_back(read(file));
		if (recording.samples() == 0)
			throw Error(
				fmt::format("{} holds no sample: the recording ended before the "
					    "first",
					    file));
		hosts.push_back({name_of(recording, file, hosts), &recording,
				 make_timeline(recording, max_columns)});
	}
	std::string page =
		report_page(hosts, options.title.empty() ? "Listen queues" : options.title);
	if (options.output == "-")
		return page;
	write(options.output, page);
	return {};
}

} // namespace

Command report(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand("report", "Recordings of record as one HTML page");
	command->add_option("-o,--output", o->output, "The page; - is stdout")->required();
	command->add_option("-t,--title", o->title, "At its top");
	command->add_option(
		       "FILE", o->inputs,
		       "What record wrote, of several machines; - is stdin, a directory a ring")
		->required();
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
