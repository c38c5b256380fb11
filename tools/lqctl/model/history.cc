// SPDX-License-Identifier: GPL-2.0
/* Histories: a file that only its owner can have made. */
#include "model/history.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "base/error.hh"
#include "base/file.hh"

namespace lqctl {

namespace fs = std::filesystem;

namespace {

Counters difference(Counters now, const Counters &before)
{
	for (Counter &c : now) {
		const auto old = std::find_if(before.begin(), before.end(),
					      [&](const Counter &b) { return b.name == c.name; });
		if (old != before.end() && old->value <= c.value)
			c.value -= old->value;
	}
	return now;
}

Counters parse_counters(const nlohmann::json &json)
{
	Counters counters;
	for (const auto &[name, value] : json.items())
		counters.push_back({0, name, "", value.get<std::uint64_t>()});
	return counters;
}

std::string reason()
{
	return std::generic_category().message(errno);
}

/* A directory of somebody else's, or one that others may write to, could lead anywhere. */
void make_private(const fs::path &directory)
{
	struct stat st {};

	if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
		throw Error(fmt::format("cannot make the directory {}: {}", directory.string(),
					reason()));
	if (lstat(directory.c_str(), &st) != 0)
		throw Error(fmt::format("cannot look at {}: {}", directory.string(), reason()));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		throw Error(fmt::format("{} is not a directory that is yours alone (mode 0700): "
					"remove it, or name another by LQCTL_HISTORY",
					directory.string()));
}

} // namespace

Stats difference(const Stats &now, const Stats &before)
{
	Stats d = now;
	d.drops = difference(now.drops, before.drops);
	d.events = difference(now.events, before.events);
	return d;
}

std::string to_text(const History &history)
{
	nlohmann::ordered_json json;
	json["time"] = history.time;
	json["stats"] = to_json(history.stats);
	return json.dump() + '\n';
}

std::optional<History> parse_history(const std::string &text)
{
	try {
		const auto json = nlohmann::json::parse(text);
		History history;
		history.time = json.at("time").get<double>();
		history.stats.listeners = json.at("stats").at("listeners").get<std::uint32_t>();
		history.stats.drops = parse_counters(json.at("stats").at("drops"));
		history.stats.events = parse_counters(json.at("stats").at("events"));
		return history;
	} catch (const nlohmann::json::exception &) {
		return std::nullopt;
	}
}

HistoryFile::HistoryFile(fs::path directory, const std::string &name)
{
	make_private(directory);
	path_ = directory / name;
}

HistoryFile HistoryFile::standard()
{
	const char *own = std::getenv("LQCTL_HISTORY"), *run = std::getenv("XDG_RUNTIME_DIR");
	struct stat ns {};
	std::string boot;

	if (stat("/proc/self/ns/net", &ns) != 0)
		throw Error(fmt::format("cannot tell this network namespace: {}", reason()));
	/* An inode number of a namespace comes again after a boot. */
	std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
	const std::string name = fmt::format("stats-{}-{}.json", ns.st_ino, boot);
	if (own && *own)
		return {own, name};
	if (run && *run)
		return {fs::path(run) / "lqctl", name};
	return {fmt::format("/tmp/lqctl-{}", geteuid()), name};
}

std::optional<History> HistoryFile::read() const
{
	std::ifstream in(path_);
	std::stringstream text;

	if (!in)
		return std::nullopt;
	text << in.rdbuf();
	return parse_history(text.str());
}

void HistoryFile::write(const History &history) const
{
	write_whole(path_, to_text(history), 0600);
}

} // namespace lqctl
