// SPDX-License-Identifier: GPL-2.0
/* Processes: /proc/PID/fd, whose links name sockets by inode. */
#include "kernel/processes.hh"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <system_error>

namespace lqctl {

namespace fs = std::filesystem;

namespace {

template <typename T>
std::optional<T> number(const std::string &text)
{
	T value = 0;
	const char *last = text.data() + text.size();
	const auto [end, error] = std::from_chars(text.data(), last, value);
	if (error != std::errc{} || end != last)
		return std::nullopt;
	return value;
}

/* The numbers that are names in a directory, in order; a process may go meanwhile. */
std::vector<int> numbers_in(const fs::path &directory)
{
	std::vector<int> numbers;
	std::error_code error;
	for (fs::directory_iterator it(directory, error), end; !error && it != end;
	     it.increment(error)) {
		if (const auto n = number<int>(it->path().filename().string()))
			numbers.push_back(*n);
	}
	std::sort(numbers.begin(), numbers.end());
	return numbers;
}

/* socket:[12345] */
std::optional<std::uint64_t> socket_inode(const fs::path &link)
{
	constexpr std::string_view prefix = "socket:[";
	std::error_code error;
	const std::string target = fs::read_symlink(link, error).string();
	if (error || !target.starts_with(prefix) || !target.ends_with(']'))
		return std::nullopt;
	return number<std::uint64_t>(
		target.substr(prefix.size(), target.size() - prefix.size() - 1));
}

/* A process may call itself anything: what is no plain character would move the cursor. */
std::string comm_of(const fs::path &process)
{
	std::string name;
	std::getline(std::ifstream(process / "comm"), name);
	for (char &c : name) {
		if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
			c = '?';
	}
	return name;
}

/* PID (comm) S ...; comm may hold anything, so from its last parenthesis on. */
char state_of(const fs::path &process)
{
	std::string stat;
	std::getline(std::ifstream(process / "stat"), stat, '\0');
	const auto end = stat.rfind(')');
	return end == stat.npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

} // namespace

std::map<std::uint64_t, std::vector<Process>> find_processes(const fs::path &proc)
{
	std::map<std::uint64_t, std::vector<Process>> found;

	for (const int pid : numbers_in(proc)) {
		const fs::path process = proc / std::to_string(pid);
		std::optional<std::string> name;
		char state = '?';
		for (const int fd : numbers_in(process / "fd")) {
			const auto inode = socket_inode(process / "fd" / std::to_string(fd));
			if (!inode)
				continue;
			if (!name) {
				name = comm_of(process);
				state = state_of(process);
			}
			found[*inode].push_back({*name, pid, fd, state});
		}
	}
	return found;
}

} // namespace lqctl
