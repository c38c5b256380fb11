// SPDX-License-Identifier: GPL-2.0
/* Wrong: verdicts, and the numbers behind them. */
#include "report/wrong.hh"

#include <linux/listenq.h>

#include <algorithm>
#include <tuple>
#include <utility>

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

/* What was found at that time: what is not among it is over. */
void take(std::vector<WrongFinding> &all, const std::vector<RecordedFinding> &now,
	  std::int64_t time_us)
{
	for (WrongFinding &known : all) {
		if (!known.is_over)
			known.end_us = time_us;
		known.is_over = true;
	}
	for (const RecordedFinding &f : now) {
		if (f.severity != "problem" && f.severity != "warning")
			continue;
		auto known = std::find_if(all.begin(), all.end(),
					  [&](const WrongFinding &k) { return k.code == f.code; });
		if (known == all.end()) {
			known = all.emplace(all.end());
			known->code = f.code;
			known->begin_us = time_us;
		}
		known->is_problem |= f.severity == "problem";
		known->text = f.text;
		known->commands = f.commands;
		known->is_over = false;
	}
}

} // namespace

Wrong judge(const Recording &recording, const Timeline &timeline, std::size_t index)
{
	const Series &s = timeline.listeners[index];
	Wrong wrong;

	wrong.index = index;
	for (std::size_t i = 0; i < recording.segments.size(); i++) {
		const std::int64_t begin = timeline.segment_begins_us[i];
		for (const RecordedVerdict &v : recording.segments[i].verdicts) {
			if (v.id != s.id || v.local != s.local)
				continue;
			if (!v.program.empty())
				wrong.program = v.program;
			if (!v.unit.empty())
				wrong.unit = v.unit;
			take(wrong.findings, v.findings, begin + v.elapsed.count());
		}
	}
	if (s.went)
		take(wrong.findings, {}, s.end_us);
	std::stable_sort(wrong.findings.begin(), wrong.findings.end(),
			 [](const WrongFinding &a, const WrongFinding &b) {
				 return std::pair(!a.is_over, a.is_problem) >
					std::pair(!b.is_over, b.is_problem);
			 });
	wrong.goes_on = !wrong.findings.empty() && !wrong.findings.front().is_over;
	wrong.drops = harmful(timeline, s.drops);
	wrong.wait_us = percentile_us(s.accept_wait, 99);
	if (s.last.accept_limit)
		wrong.filled = static_cast<unsigned>(
			std::min<std::uint64_t>(100 * s.accept_max / s.last.accept_limit, 100));
	wrong.is_problem = wrong.drops || !s.overflows.empty() ||
			   std::any_of(wrong.findings.begin(), wrong.findings.end(),
				       [](const WrongFinding &f) { return f.is_problem; });
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
