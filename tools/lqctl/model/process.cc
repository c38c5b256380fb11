// SPDX-License-Identifier: GPL-2.0
/* Processes: written as ss(8) writes them. */
#include "model/process.hh"

#include <fmt/core.h>

#include <set>

namespace lqctl {

std::string holder_text(const std::vector<Process> &processes)
{
	std::set<int> others;

	if (processes.empty())
		return "-";
	const Process &first = processes.front();
	for (const Process &p : processes)
		others.insert(p.pid);
	others.erase(first.pid);
	std::string text = fmt::format("{} (pid {})", first.name, first.pid);
	if (!others.empty())
		text += fmt::format(" and {} more", others.size());
	return text;
}

std::string processes_text(const std::vector<Process> &processes)
{
	std::string text;
	for (const Process &p : processes)
		text += fmt::format("{}(\"{}\",pid={},fd={})", text.empty() ? "" : ",", p.name,
				    p.pid, p.fd);
	return text.empty() ? "" : fmt::format("users:({})", text);
}

} // namespace lqctl
