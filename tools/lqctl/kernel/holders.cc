// SPDX-License-Identifier: GPL-2.0
/* Holders: files of /proc/PID (proc(5)), and of cgroups of version 2 (cgroup-v2 in the kernel's
 * docs). */
#include "kernel/holders.hh"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

namespace lqctl {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t most_holders = 64;

std::string content(const fs::path &file)
{
	std::ifstream in(file);
	return {std::istreambuf_iterator<char>(in), {}};
}

/* The rest of the line that begins with @key; nothing where there is none. */
std::optional<std::string> line_of(const std::string &text, std::string_view key)
{
	std::istringstream lines(text);

	for (std::string line; std::getline(lines, line);) {
		if (line.starts_with(key))
			return line.substr(key.size());
	}
	return std::nullopt;
}

template <typename T>
T number(std::string_view text)
{
	T value{};
	const auto begin = text.find_first_not_of(" \t");
	if (begin != text.npos)
		std::from_chars(text.data() + begin, text.data() + text.size(), value);
	return value;
}

template <typename T>
T number_of(const std::string &text, std::string_view key)
{
	const auto rest = line_of(text, key);
	return rest ? number<T>(*rest) : T{};
}

std::uint64_t entries_of(const fs::path &directory)
{
	std::error_code error;
	std::uint64_t count = 0;

	for (fs::directory_iterator it(directory, error), end; !error && it != end;
	     it.increment(error))
		count++;
	return error ? 0 : count;
}

/* Whether a program has written over its command line, "nginx: master process nginx -g ...". */
bool is_title(const std::string &word)
{
	return word.ends_with(':') || word.find(": ") != std::string::npos;
}

/*
 * What nginx was started by is in its title, if not where a word begins and ends: so where one may
 * have had a space it is the program alone, as of all others.
 */
std::string command_of_title(const fs::path &process, const std::string &title)
{
	constexpr std::string_view started_by = ": master process ";
	const std::size_t at = title.find(started_by);
	std::error_code error;

	if (at != std::string::npos && title.find_first_of(";({'\"") == std::string::npos) {
		std::istringstream words(title.substr(at + started_by.size()));
		std::string out;
		for (std::string word; words >> word;)
			out += (out.empty() ? "" : " ") + shell_quoted(word);
		return out;
	}
	const fs::path program = fs::read_symlink(process / "exe", error);
	return error ? "" : shell_quoted(program.string());
}

/* Arguments end in NUL. */
std::string command_of(const fs::path &process)
{
	std::string out, word;

	for (const char c : content(process / "cmdline")) {
		if (c != '\0') {
			word += c;
			continue;
		}
		if (out.empty() && is_title(word))
			return command_of_title(process, word);
		out += (out.empty() ? "" : " ") + shell_quoted(word);
		word.clear();
	}
	return out;
}

/* A process may be in the root of our cgroup namespace, and its cgroup may be out of our sight. */
void read_cgroup(Holder &h, const fs::path &process, const fs::path &cgroups)
{
	const auto path = line_of(content(process / "cgroup"), "0::");
	if (!path || path->starts_with("/.."))
		return;
	h.cgroup = *path;
	const fs::path directory = cgroups / path->substr(path->starts_with('/') ? 1 : 0);
	h.frozen = number_of<unsigned>(content(directory / "cgroup.events"), "frozen ") != 0;
	h.throttled_us =
		number_of<std::uint64_t>(content(directory / "cpu.stat"), "throttled_usec ");
	h.memory_high = number_of<std::uint64_t>(content(directory / "memory.events"), "high ");
	/* some avg10=0.00 avg60=... */
	h.memory_stall = number_of<double>(content(directory / "memory.pressure"), "some avg10=");
}

std::optional<Holder> read_holder(const Process &p, const fs::path &proc, const fs::path &cgroups)
{
	const fs::path process = proc / std::to_string(p.pid);
	const std::string status = content(process / "status");
	Holder h;

	if (status.empty())
		return std::nullopt;
	h.pid = p.pid;
	h.name = p.name;
	const auto state = line_of(status, "State:\t");
	h.state = state && !state->empty() ? state->front() : p.state;
	h.tracer = number_of<int>(status, "TracerPid:");
	std::getline(std::ifstream(process / "wchan"), h.wchan);
	if (h.wchan == "0")
		h.wchan.clear();
	h.descriptors = entries_of(process / "fd");
	/* Max open files            1024                 524288               files */
	h.descriptor_limit =
		number_of<std::uint64_t>(content(process / "limits"), "Max open files");
	h.command = command_of(process);
	read_cgroup(h, process, cgroups);
	return h;
}

} // namespace

std::vector<Holder> read_holders(const std::vector<Process> &processes, const fs::path &proc,
				 const fs::path &cgroups)
{
	std::vector<Holder> holders;
	std::set<int> seen;

	for (const Process &p : processes) {
		if (holders.size() == most_holders)
			break;
		if (!seen.insert(p.pid).second)
			continue;
		if (auto holder = read_holder(p, proc, cgroups))
			holders.push_back(std::move(*holder));
	}
	return holders;
}

} // namespace lqctl
