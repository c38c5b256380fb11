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

	/* A look is judged by what it saw. */
	const Histogram waits =
		o.before ? l.accept_wait.since(o.before->accept_wait) : l.accept_wait;
	const std::uint64_t accepted =
		counted(l.events, LISTENQ_EVENT_ACCEPTED) -
		(o.before ? counted(o.before->events, LISTENQ_EVENT_ACCEPTED) : 0);
	std::string text = fmt::format("nothing holds it back: its accept queue holds {} of {}, "
				       "and never held more than {}",
				       l.accept_qlen, l.accept_limit, l.accept_qlen_peak);
	if (accepted)
		text += fmt::format("; {} accepted{}", accepted,
				    o.before ? fmt::format(" in {:.1f} s", o.seconds) : "");
	if (waits.percentile_us(50))
		text += fmt::format(", half of them after {}", waits.percentile_text(50));
	return text;
}

std::string crowds_text(const Observation &o)
{
	std::string out;
	/* A few tell nothing. */
	const auto say = [&](const char *where, const Crowd &crowd) {
		const std::string who = crowd.count() < 4 ? "" : crowd.text();
		if (!who.empty())
			out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", where, who);
	};

	if (2ULL * o.now.accept_qlen >= o.now.accept_limit)
		say("who waits for accept()", o.waiting);
	if (o.half_open && 2ULL * o.now.syn_qlen >= o.now.syn_limit)
		say("who is half open", o.half_open->peers);
	/* What is over is nobody's any more. */
	if (!o.before || total_drops(o.now.drops) > total_drops(o.before->drops)) {
		const std::string who = to_string(o.dropped);
		if (!who.empty())
			out += fmt::format("{}who is dropped: {}", out.empty() ? "" : "; ", who);
	}
	return out;
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
