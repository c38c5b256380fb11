// SPDX-License-Identifier: GPL-2.0
/* Terminals: their width and colours. */
#include "base/terminal.hh"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lqctl {

Terminal stdout_terminal()
{
	winsize size{};
	if (!isatty(STDOUT_FILENO))
		return {};
	const char *no_color = std::getenv("NO_COLOR"), *term = std::getenv("TERM");
	Terminal terminal;
	terminal.colour = !(no_color && *no_color) && term && std::strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		terminal.columns = size.ws_col;
	return terminal;
}

std::string paint(std::string_view text, Tone tone, bool colour)
{
	const char *code = nullptr;

	switch (tone) {
	case Tone::plain:
		break;
	case Tone::title:
		code = "1";
		break;
	case Tone::dim:
		code = "2";
		break;
	case Tone::good:
		code = "32";
		break;
	case Tone::warn:
		code = "33";
		break;
	case Tone::bad:
		code = "31";
		break;
	}
	if (!colour || !code || text.empty())
		return std::string(text);
	return fmt::format("\033[{}m{}\033[0m", code, text);
}

namespace {

bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Of those that lqctl writes after a number. */
bool begins_with_unit(std::string_view text)
{
	const std::string_view word = text.substr(0, text.find_first_of(" ,.;:)"));

	for (const std::string_view unit : {"%", "us", "ms", "s", "min", "h", "d", "kB", "MB"}) {
		if (word == unit)
			return true;
	}
	return false;
}

} // namespace

std::string wrapped(std::string_view text, std::string_view indent, std::size_t width)
{
	std::string out, line(indent);

	while (!text.empty()) {
		std::size_t end = std::min(text.find(' '), text.size());
		if (end && end < text.size() && is_digit(text[end - 1]) &&
		    begins_with_unit(text.substr(end + 1)))
			end = std::min(text.find(' ', end + 1), text.size());
		const std::string_view word = text.substr(0, end);
		text.remove_prefix(std::min(end + 1, text.size()));
		if (line.size() > indent.size() && line.size() + 1 + word.size() > width) {
			out += line + '\n';
			line = indent;
		}
		if (line.size() > indent.size())
			line += ' ';
		line += word;
	}
	return out + line + '\n';
}

Tone level_tone(std::uint64_t part, std::uint64_t limit)
{
	if (limit == 0 || part * 5 < limit * 4)
		return Tone::plain;
	return part < limit ? Tone::warn : Tone::bad;
}

} // namespace lqctl
