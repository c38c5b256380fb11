// SPDX-License-Identifier: GPL-2.0
/* Diagnoses: what was found, in a word and as JSON. */
#include "view/diagnosis.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include "base/plural.hh"
#include "base/timespan.hh"
#include "view/case.hh"

namespace lqctl {

std::vector<Finding> diagnose(const Observation &observation)
{
	return Case(observation).all();
}

std::string verdict(const Observation &o, const std::vector<Finding> &findings)
{
	const Listener &l = o.now;
	std::size_t problems = 0, warnings = 0;

	for (const Finding &f : findings) {
		problems += f.severity == Severity::problem;
		warnings += f.severity == Severity::warning;
	}
	if (problems && warnings)
		return many(problems, "problem") + ", " + many(warnings, "warning");
	if (problems || warnings)
		return problems ? many(problems, "problem") : many(warnings, "warning");

	std::string text =
		fmt::format("nothing holds it back: its accept queue never held more than {} of {}",
			    l.accept_qlen_peak, l.accept_limit);
	if (const auto half = l.accept_wait.percentile_us(50))
		text += fmt::format(", and half of all waited less than {}", duration_text(*half));
	const std::uint64_t accepted = counted(l.events, LISTENQ_EVENT_ACCEPTED);
	if (accepted)
		text += fmt::format("; {} accepted", accepted);
	return text;
}

const char *to_string(Severity severity)
{
	switch (severity) {
	case Severity::note:
		return "note";
	case Severity::warning:
		return "warning";
	case Severity::problem:
		return "problem";
	}
	return "";
}

nlohmann::ordered_json to_json(const Finding &f)
{
	nlohmann::ordered_json json;
	json["code"] = f.code;
	json["severity"] = to_string(f.severity);
	json["text"] = f.text;
	json["commands"] = f.commands;
	return json;
}

} // namespace lqctl
