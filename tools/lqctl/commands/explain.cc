// SPDX-License-Identifier: GPL-2.0
/* lqctl explain: what holds listeners back, in words. */
#include <fmt/core.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <thread>

#include "base/error.hh"
#include "base/json.hh"
#include "base/plural.hh"
#include "base/terminal.hh"
#include "commands/absent.hh"
#include "commands/commands.hh"
#include "commands/observe.hh"
#include "commands/words.hh"
#include "kernel/find_some.hh"
#include "kernel/genl.hh"
#include "kernel/netns.hh"
#include "kernel/observer.hh"
#include "kernel/tcp_listeners.hh"
#include "model/baseline.hh"
#include "view/diagnosis.hh"

namespace lqctl {

namespace {

struct Options {
	bool numeric = false;
	bool json = false;
	bool check = false;
	bool all_netns = false;
	double interval = 1; /* seconds between two looks; 0: one look */
	std::string netns;
	std::string since; /* a file */
	std::vector<std::string> filter;
};

/* One network namespace, and what is seen there. */
struct Place {
	std::string name; /* empty: only this one was asked for */
	std::unique_ptr<Genl> genl;
	std::optional<Observer> observer;
	std::vector<Observation> observations;
	std::vector<Listener> plain; /* TCP's */
};

/* What a file says of the time before, instead of a first look. */
struct Baseline {
	std::map<std::uint64_t, Listener> listeners;
	double seconds = 0; /* ago */
};

Baseline read_baseline(const std::string &file)
{
	std::ifstream in(file);
	struct stat st {};
	struct timespec now {};

	if (!in || stat(file.c_str(), &st) != 0)
		throw Error(fmt::format("{} cannot be read: give a file that \"lqctl list --json\" "
					"wrote",
					file));
	const std::string text{std::istreambuf_iterator<char>(in), {}};
	clock_gettime(CLOCK_REALTIME, &now);
	const double ago = static_cast<double>(now.tv_sec - st.st_mtim.tv_sec) +
			   static_cast<double>(now.tv_nsec - st.st_mtim.tv_nsec) / 1e9;
	return {parse_baseline(text, file), std::max(ago, 0.001)};
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

std::string name_of(const Listener &l, bool numeric)
{
	return to_string(l.address, numeric) +
	       (l.processes.empty() ? fmt::format(" (@{})", l.id)
				    : fmt::format(" ({}, @{})", l.processes.front().name, l.id));
}

std::string text_of(const Finding &f, const Terminal &terminal, std::size_t width)
{
	std::string out = '\n' +
			  paint(fmt::format("  {}: {}", to_string(f.severity), f.code),
				tone_of(f.severity), terminal.colour) +
			  '\n' + wrapped(f.text, "    ", width);
	/* Whole, however long: they are to be copied. */
	for (const std::string &command : f.commands)
		out += fmt::format("      $ {}\n", command);
	return out;
}

std::string text_of(const Observation &o, bool numeric, const Terminal &terminal)
{
	const std::size_t width = terminal.columns ? terminal.columns : 80;
	const std::vector<Finding> findings = diagnose(o);
	const std::string crowds = crowds_text(o);
	std::string out;

	out += paint(name_of(o.now, numeric), Tone::title, terminal.colour) + ":\n" +
	       wrapped(verdict(o, findings), "  ", width);
	if (!crowds.empty())
		out += wrapped(crowds, "  ", width);
	for (const Finding &f : findings)
		out += text_of(f, terminal, width);
	return out;
}

nlohmann::ordered_json json_of(const Place &place, const Observation &o)
{
	const std::vector<Finding> findings = diagnose(o);
	nlohmann::ordered_json json;

	json["id"] = o.now.id;
	json["netns"] =
		place.name.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(place.name);
	json["family"] = family_name(o.now.address);
	json["address"] = o.now.address.host();
	json["port"] = o.now.address.port;
	json["watched_seconds"] = o.seconds;
	json["verdict"] = verdict(o, findings);
	json["findings"] = nlohmann::ordered_json::array();
	for (const Finding &f : findings)
		json["findings"].push_back(to_json(f));
	json["half_open"] = o.half_open ? o.half_open->peers.to_json() : nlohmann::ordered_json();
	json["waiting"] = o.waiting.to_json();
	json["dropped_from"] = to_json(o.dropped);
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

std::vector<Place> places_of(const Options &options)
{
	std::vector<Place> places;

	if (!options.all_netns) {
		places.emplace_back();
		places.back().genl = std::make_unique<Genl>();
		return places;
	}
	for (const Netns &ns : all_netns()) {
		Place place;
		bool incomplete;
		enter_netns(ns.file);
		place.name = ns.name;
		place.genl = std::make_unique<Genl>();
		if (!place.genl->listeners(incomplete).empty())
			places.push_back(std::move(place));
	}
	if (places.empty())
		throw Error("no listener in any network namespace is listenq's");
	return places;
}

/* Who asks for all namespaces means those that can be entered by the names that they have. */
std::vector<Place> watch(const Options &options, const Selection &selection)
{
	const std::optional<Baseline> baseline =
		options.since.empty() ? std::nullopt : std::optional(read_baseline(options.since));
	const double interval = baseline ? 0 : options.interval;
	std::vector<Place> places = places_of(options);

	if (!options.all_netns)
		(void)find_some(*places.front().genl, selection); /* or says why there is none */
	for (Place &place : places)
		place.observer.emplace(*place.genl, interval > 0);
	const auto start = std::chrono::steady_clock::now();
	std::this_thread::sleep_for(std::chrono::duration<double>(interval));
	for (Place &place : places) {
		const double seconds =
			std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
				.count();
		place.observations =
			observe(*place.genl, *place.observer,
				baseline ? baseline->listeners : place.observer->before(),
				baseline ? baseline->seconds : seconds);
		std::erase_if(place.observations,
			      [&](const Observation &o) { return !selection.matches(o.now); });
		if (!options.all_netns)
			place.plain = find_plain_listeners(*place.genl, selection);
	}
	return places;
}

/* Nobody of ours is there. */
Answer explain_absence(const Absence &absence, bool json)
{
	const std::vector<Finding> findings = diagnose(absence);

	if (json)
		return json_text(absence_json(absence, findings));
	const Terminal terminal = stdout_terminal();
	std::string out =
		paint(name_of(absence.wanted, absence.numeric), Tone::title, terminal.colour) +
		":\n";
	for (const Finding &f : findings)
		out += text_of(f, terminal, terminal.columns ? terminal.columns : 80);
	return out;
}

/* As Nagios and its kin have it: one line, 0 all is well, 1 a warning, 2 a problem, 3 not known. */
Answer check(const std::vector<Place> &places, bool numeric)
{
	constexpr const char *words[] = {"OK", "WARNING", "CRITICAL"};
	std::size_t count = 0;
	std::string text;
	int status = 0;

	for (const Place &place : places) {
		for (const Observation &o : place.observations) {
			count++;
			for (const Finding &f : diagnose(o)) {
				if (f.severity == Severity::note)
					continue;
				status = std::max(status, f.severity == Severity::problem ? 2 : 1);
				text += fmt::format("{}{}: {}", text.empty() ? "" : "; ",
						    name_of(o.now, numeric), f.code);
			}
		}
	}
	if (text.empty())
		text = fmt::format("nothing holds {} back", many(count, "listener"));
	return {fmt::format("LISTENQ {} - {}\n", words[status], text), status};
}

Answer explain_all(const Options &options)
{
	const Selection selection(options.filter);
	if (!options.netns.empty())
		enter_netns(options.netns);
	if (!options.check && !options.all_netns) {
		if (const auto absence = find_absence(options.filter, options.numeric))
			return explain_absence(*absence, options.json);
	}
	const std::vector<Place> places = watch(options, selection);

	if (options.check)
		return check(places, true);
	if (options.json) {
		nlohmann::ordered_json json;
		json["listeners"] = nlohmann::ordered_json::array();
		json["plain"] = nlohmann::ordered_json::array();
		for (const Place &place : places) {
			for (const Observation &o : place.observations)
				json["listeners"].push_back(json_of(place, o));
			for (const Listener &l : place.plain)
				json["plain"].push_back(to_json(l));
		}
		return json_text(json);
	}
	const Terminal terminal = stdout_terminal();
	std::string out;
	for (const Place &place : places) {
		if (!place.name.empty())
			out += fmt::format("{}{}\n", out.empty() ? "" : "\n",
					   paint("network namespace: " + place.name, Tone::title,
						 terminal.colour));
		for (const Observation &o : place.observations)
			out += (out.empty() ? "" : "\n") + text_of(o, options.numeric, terminal);
		out += plain_text(place.plain, selection, options.numeric, terminal);
	}
	return out;
}

Answer run(const Options &options)
{
	if (!options.check)
		return explain_all(options);
	try {
		return explain_all(options);
	} catch (const Error &error) {
		return {fmt::format("LISTENQ UNKNOWN - {}\n", error.what()), 3};
	}
}

} // namespace

Command explain(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"explain", "What holds listeners back, in words, and what to change");
	command->add_flag("-n,--numeric", o->numeric, numeric_help);
	auto *json = command->add_flag("-j,--json", o->json, "JSON");
	command->add_flag("--check", o->check,
			  "One line for Nagios and its kin; exit status 0, 1, 2, or 3: not known")
		->excludes(json);
	auto *interval =
		command->add_option("-i,--interval", o->interval,
				    "Seconds to watch, 1 unless given; 0: what was counted is all")
			->check(CLI::Range(0.0, 3600.0));
	command->add_option("--since", o->since,
			    "Judge what was counted since \"lqctl list --json\" wrote this file")
		->excludes(interval);
	auto *netns = command->add_option("-N,--netns", o->netns,
					  "In this network namespace: a name, a file, or a pid");
	command->add_flag("--all-netns", o->all_netns, all_netns_help)->excludes(netns);
	command->add_option("FILTER", o->filter, filter_help);
	return {command, [o] { return run(*o); }};
}

} // namespace lqctl
