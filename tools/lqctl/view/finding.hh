/* SPDX-License-Identifier: GPL-2.0 */
/* What a diagnosis looks at, and what it finds. */
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/listener.hh"

namespace lqctl {

struct Observation {
	Listener now;
	std::optional<Listener> before; /* the same listener, a while ago */
	double seconds = 0;		/* ago */
	std::uint32_t somaxconn = 0;	/* net.core.somaxconn now; 0: not known */
};

enum class Severity {
	note,	 /* good to know */
	warning, /* nothing is lost yet, or not here */
	problem, /* connections are refused, reset or kept waiting */
};

struct Finding {
	std::string code; /* a stable name: lqctl(8) has them all */
	Severity severity;
	std::string text;
	std::vector<std::string> commands; /* to run, the most useful first */
};

} // namespace lqctl
