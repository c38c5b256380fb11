// SPDX-License-Identifier: GPL-2.0
/* lqctl explain: what holds listeners back, in words. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "base/json.hh"
#include "base/terminal.hh"
#include "commands/commands.hh"
#include "commands/words.hh"
#include "kernel/genl.hh"
#include "kernel/lookup.hh"
#include "kernel/sysctl.hh"
#include "view/diagnosis.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false;
	double interval = 1; /* seconds between two looks; 0: one look */
	std::vector<std::string> filter;
};

std::vector<Observation> observe(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	std::map<std::uint64_t, Listener> before;
	std::vector<Observation> observations;
	const auto start = std::chrono::steady_clock::now();

	if (options.interval > 0) {
		for (Listener &l : find_some(genl, selection))
			before.emplace(l.id, std::move(l));
		std::this_thread::sleep_for(std::chrono::duration<double>(options.interval));
	}
	const std::uint32_t somaxconn = read_somaxconn();
	for (Listener &l : find_some(genl, selection, true)) {
		Observation o;
		o.now = std::move(l);
		o.somaxconn = somaxconn;
		if (const auto it = before.find(o.now.id); it != before.end()) {
			o.before = std::move(it->second);
			o.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() -
								  start)
					    .count();
		}
		observations.push_back(std::move(o));
	}
	return observations;
}

Tone tone_of(Severity severity)
{
	switch (severity) {
	case Severity::note:
		return Tone::plain;
	case Severity::warning:
		return Tone::warn;
	case Severity::problem:
		return Tone::bad;
	}
	return Tone::plain;
}

std::string text_of(const Observation &o, bool numeric, const Terminal &terminal)
{
	const std::size_t width = terminal.columns ? terminal.columns : 80;
	const std::vector<Finding> findings = diagnose(o);
	std::string name = to_string(o.now.address, numeric);
	std::string out;

	name += o.now.processes.empty()
			? fmt::format(" (@{})", o.now.id)
			: fmt::format(" ({}, @{})", o.now.processes.front().name, o.now.id);
	out += paint(name, Tone::title, terminal.colour) + ":\n" +
	       wrapped(verdict(o, findings), "  ", width);
	for (const Finding &f : findings) {
		out += '\n' +
		       paint(fmt::format("  {}: {}", to_string(f.severity), f.code),
			     tone_of(f.severity), terminal.colour) +
		       '\n' + wrapped(f.text, "    ", width);
		/* Whole, however long: they are to be copied. */
		for (const std::string &command : f.commands)
			out += fmt::format("      $ {}\n", command);
	}
	return out;
}

std::string run(const Options &options)
{
	const std::vector<Observation> observations = observe(options);

	if (options.json) {
		nlohmann::ordered_json json;
		json["listeners"] = nlohmann::ordered_json::array();
		for (const Observation &o : observations) {
			const std::vector<Finding> findings = diagnose(o);
			nlohmann::ordered_json one;
			one["id"] = o.now.id;
			one["family"] = family_name(o.now.address);
			one["address"] = o.now.address.host();
			one["port"] = o.now.address.port;
			one["watched_seconds"] = o.seconds;
			one["verdict"] = verdict(o, findings);
			one["findings"] = nlohmann::ordered_json::array();
			for (const Finding &f : findings)
				one["findings"].push_back(to_json(f));
			json["listeners"].push_back(one);
		}
		return json_text(json);
	}
	std::string out;
	for (const Observation &o : observations)
		out += (out.empty() ? "" : "\n") + text_of(o, options.numeric, stdout_terminal());
	return out;
}

} // namespace

Command explain(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"explain", "What holds listeners back, in words, and what to change");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("-i,--interval", o->interval,
			    "Seconds to watch, 1 unless given; 0: what was counted is all")
		->check(CLI::Range(0.0, 3600.0));
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
