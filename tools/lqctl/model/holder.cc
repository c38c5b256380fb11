// SPDX-License-Identifier: GPL-2.0
/* Holders: units, command lines. */
#include "model/holder.hh"

#include <algorithm>
#include <string_view>

namespace lqctl {

std::string unit_of(const Holder &holder)
{
	std::string_view path = holder.cgroup;

	/* The innermost: a service may have cgroups of its own below its unit's. */
	while (!path.empty()) {
		const auto slash = path.rfind('/');
		const std::string_view name = path.substr(slash == path.npos ? 0 : slash + 1);
		if (name.ends_with(".service"))
			return std::string(name);
		path = slash == path.npos ? "" : path.substr(0, slash);
	}
	return "";
}

std::string shell_quoted(const std::string &word)
{
	constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_-+=:,./@%";
	std::string out = "'";

	if (!word.empty() && word.find_first_not_of(plain) == word.npos)
		return word;
	for (const char c : word) {
		/* A command line may hold anything, and a terminal obeys some of it. */
		if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
			out += '?';
		else if (c == '\'')
			out += "'\\''";
		else
			out += c;
	}
	return out + '\'';
}

} // namespace lqctl
