// SPDX-License-Identifier: GPL-2.0
/* Wrong: verdicts, and the numbers behind them. */
#include "report/wrong.hh"

#include <linux/listenq.h>

#include <algorithm>
#include <tuple>

namespace lqctl {

namespace {

constexpr unsigned nearly_full = 90; /* percent */

bool is_harmless(const std::string &name)
{
#define HARMLESS(number, NAME, word, text)                                                         \
	if (name == #word)                                                                         \
		return (LISTENQ_DROPS_HARMLESS >> (number)) & 1;
	LISTENQ_DROPS(HARMLESS)
#undef HARMLESS
	return false;
}

std::uint64_t harmful(const Timeline &timeline, const NamedCounters &drops)
{
	std::uint64_t all = 0;

	for (const auto &[name, count] : drops) {
		if (!is_harmless((*timeline.names)[name]))
			all += count;
	}
	return all;
}

void add(std::vector<RecordedFinding> &findings, const RecordedFinding &more)
{
	const auto same =
		std::find_if(findings.begin(), findings.end(),
			     [&](const RecordedFinding &f) { return f.code == more.code; });

	if (same == findings.end())
		findings.push_back(more);
	else if (same->severity != "problem" || more.severity == "problem")
		*same = more; /* the later, with its numbers */
}

} // namespace

Wrong judge(const Recording &recording, const Timeline &timeline, std::size_t index)
{
	const Series &s = timeline.listeners[index];
	Wrong wrong;

	wrong.index = index;
	for (const Segment &segment : recording.segments) {
		for (const RecordedVerdict &v : segment.verdicts) {
			if (v.id != s.id || v.local != s.local)
				continue;
			if (!v.program.empty())
				wrong.program = v.program;
			if (!v.unit.empty())
				wrong.unit = v.unit;
			wrong.goes_on = false;
			for (const RecordedFinding &f : v.findings) {
				if (f.severity != "problem" && f.severity != "warning")
					continue;
				add(wrong.findings, f);
				wrong.goes_on = true;
			}
		}
	}
	std::stable_sort(wrong.findings.begin(), wrong.findings.end(),
			 [](const RecordedFinding &a, const RecordedFinding &b) {
				 return (a.severity == "problem") > (b.severity == "problem");
			 });
	wrong.drops = harmful(timeline, s.drops);
	wrong.wait_us = percentile_us(s.accept_wait, 99);
	if (s.last.accept_limit)
		wrong.filled = static_cast<unsigned>(
			std::min<std::uint64_t>(100 * s.accept_max / s.last.accept_limit, 100));
	wrong.is_problem =
		wrong.drops || !s.overflows.empty() ||
		(!wrong.findings.empty() && wrong.findings.front().severity == "problem");
	return wrong;
}

bool is_worse(const Wrong &a, const Wrong &b)
{
	const auto order = [](const Wrong &w) {
		return std::tuple(w.is_problem, w.is_problem && w.goes_on, w.drops, w.filled,
				  w.wait_us);
	};

	return order(a) > order(b);
}

std::vector<Wrong> find_wrong(const Recording &recording, const Timeline &timeline)
{
	std::vector<Wrong> all;

	for (std::size_t i = 0; i < timeline.listeners.size(); i++) {
		Wrong wrong = judge(recording, timeline, i);
		if (wrong.is_problem || !wrong.findings.empty() || wrong.filled >= nearly_full)
			all.push_back(std::move(wrong));
	}
	std::stable_sort(all.begin(), all.end(), is_worse);
	return all;
}

} // namespace lqctl
