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
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/sysctl.hh"
#include "kernel/tcp_listeners.hh"
#include "view/diagnosis.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false;
	double interval = 1; /* seconds between two looks; 0: one look */
	std::vector<std::string> filter;
};

std::vector<Observation> observe(const Options &options, Genl &genl, const Selection &selection)
{
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

nlohmann::ordered_json json_of(const Observation &o)
{
	const std::vector<Finding> findings = diagnose(o);
	nlohmann::ordered_json json;

	json["id"] = o.now.id;
	json["family"] = family_name(o.now.address);
	json["address"] = o.now.address.host();
	json["port"] = o.now.address.port;
	json["watched_seconds"] = o.seconds;
	json["verdict"] = verdict(o, findings);
	json["findings"] = nlohmann::ordered_json::array();
	for (const Finding &f : findings)
		json["findings"].push_back(to_json(f));
	return json;
}

/* Those that match and are not ours: there is nothing to explain, but that. */
std::string plain_text(const std::vector<Listener> &plain, const Selection &selection, bool numeric,
		       const Terminal &terminal)
{
	std::string names, command;

	if (plain.empty())
		return "";
	if (plain.size() == 1)
		command = fmt::format("lqctl adopt :{}", plain.front().address.port);
	else
		command = selection.text().empty() ? "lqctl adopt --all" : adopt_command(selection);
	for (const Listener &l : plain)
		names += fmt::format("{}{}{}", names.empty() ? "" : ", ",
				     to_string(l.address, numeric),
				     l.processes.empty() ? "" : " " + holder_text(l.processes));
	return '\n' + paint("plain TCP's, not listenq's:", Tone::title, terminal.colour) + '\n' +
	       wrapped(names, "  ", terminal.columns ? terminal.columns : 80) +
	       fmt::format("      $ {}\n", command);
}

std::string run(const Options &options)
{
	const Selection selection(options.filter);
	Genl genl;
	const std::vector<Observation> observations = observe(options, genl, selection);
	const std::vector<Listener> plain = find_plain_listeners(genl, selection);

	if (options.json) {
		nlohmann::ordered_json json;
		json["listeners"] = nlohmann::ordered_json::array();
		for (const Observation &o : observations)
			json["listeners"].push_back(json_of(o));
		json["plain"] = nlohmann::ordered_json::array();
		for (const Listener &l : plain)
			json["plain"].push_back(to_json(l));
		return json_text(json);
	}
	const Terminal terminal = stdout_terminal();
	std::string out;
	for (const Observation &o : observations)
		out += (out.empty() ? "" : "\n") + text_of(o, options.numeric, terminal);
	return out + plain_text(plain, selection, options.numeric, terminal);
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
