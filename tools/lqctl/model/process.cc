// SPDX-License-Identifier: GPL-2.0
/* Processes: written as ss(8) writes them. */
#include "model/process.hh"

#include <fmt/core.h>

namespace lqctl {

std::string processes_text(const std::vector<Process> &processes)
{
	std::string text;
	for (const Process &p : processes)
		text += fmt::format("{}(\"{}\",pid={},fd={})", text.empty() ? "" : ",", p.name,
				    p.pid, p.fd);
	return text.empty() ? "" : fmt::format("users:({})", text);
}

} // namespace lqctl
