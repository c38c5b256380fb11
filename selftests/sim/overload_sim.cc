// SPDX-License-Identifier: GPL-2.0
// overload_sim [--check FILE | --write FILE]: what each setting against overload is good for, as a
// table: alone to standard output; or between the marks of FILE, compared with what is there, or
// written. --check also asserts what FILE says of it. TAP.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "server.hh"

namespace {

using sim::Load;
using sim::Result;

struct Row {
	const char *words;
	lq_overload settings;
};

constexpr lq_overload kOff = {
#define LQ_X(NAME, name, low, high, initial) .name = (initial),
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
};

constexpr lq_overload with(u32 lq_overload::*one, u32 value, lq_overload o = kOff)
{
	o.*one = value;
	return o;
}

constexpr auto kDead = &lq_overload::accept_dead, kOrder = &lq_overload::accept_order,
	       kMaxWait = &lq_overload::accept_max_wait_ms, kTarget = &lq_overload::codel_target_ms,
	       kInterval = &lq_overload::codel_interval_ms,
	       kAdmission = &lq_overload::syn_admission_ms;

enum { kTcp, kDefault, kFirstOther, kRecommended = 9 };

const Row kRows[] = {
	{"`accept_dead=keep`: as TCP", with(kDead, LISTENQ_DEAD_KEEP)},
	{"the default: `accept_dead=skip`", kOff},
	{"`accept_max_wait_ms=300`", with(kMaxWait, 300)},
	{"`syn_admission_ms=200`", with(kAdmission, 200)},
	{"`codel_target_ms=20`", with(kTarget, 20)},
	{"`codel_target_ms=20 codel_interval_ms=500`", with(kInterval, 500, with(kTarget, 20))},
	{"`accept_order=lifo`", with(kOrder, LISTENQ_ORDER_LIFO)},
	{"`accept_order=adaptive`", with(kOrder, LISTENQ_ORDER_ADAPTIVE)},
	{"`accept_order=adaptive codel_target_ms=20`",
	 with(kOrder, LISTENQ_ORDER_ADAPTIVE, with(kTarget, 20))},
	{"`syn_admission_ms=200 accept_max_wait_ms=500`",
	 with(kAdmission, 200, with(kMaxWait, 500))},
};
constexpr Load kLoads[] = {{80}, {120}, {200}, {500}};
constexpr size_t kDouble = 2; // of kLoads

struct Table {
	std::string text;
	Result results[std::size(kRows)][std::size(kLoads)];
};

std::string cell(const Result &r)
{
	char text[64];

	std::snprintf(text, sizeof(text), "%.2f, %u, %u", r.goodput, r.p50_ms, r.p99_ms);
	return text;
}

Table make()
{
	Table t;

	t.text = "| settings |";
	for (const Load &load : kLoads)
		t.text += " " + std::to_string(load.percent / 100) + "." +
			  std::to_string(load.percent / 10 % 10) + " × |";
	t.text += "\n|---|";
	for (size_t i = 0; i < std::size(kLoads); i++)
		t.text += "---|";
	t.text += "\n";
	for (size_t row = 0; row < std::size(kRows); row++) {
		t.text += std::string("| ") + kRows[row].words + " |";
		for (size_t i = 0; i < std::size(kLoads); i++) {
			t.results[row][i] = sim::Server(kRows[row].settings, kLoads[i]).run();
			t.text += " " + cell(t.results[row][i]) + " |";
		}
		t.text += "\n";
	}
	return t;
}

constexpr char kBegin[] = "<!-- selftests/sim: begin -->\n",
	       kEnd[] = "<!-- selftests/sim: end -->\n";

// Where the table is in @text, or npos.
std::pair<size_t, size_t> place(const std::string &text)
{
	const size_t begin = text.find(kBegin), end = text.find(kEnd);

	if (begin == text.npos || end == text.npos || end < begin)
		return {text.npos, text.npos};
	return {begin + std::strlen(kBegin), end};
}

int number, failed;

void expect(bool holds, const std::string &what)
{
	std::printf("%sok %d - %s\n", holds ? "" : "not ", ++number, what.c_str());
	failed += !holds;
}

void check(const Table &t, const std::string &there)
{
	std::printf("TAP version 13\n1..5\n");
	expect(there == t.text, "the table is what the simulator says");
	if (there != t.text)
		std::printf("# make -C selftests/sim doc writes this:\n%s", t.text.c_str());
	expect(t.results[kTcp][kDouble].goodput < 0.05, "as TCP: near nothing at 2 x");
	expect(t.results[kRecommended][kDouble].goodput >= 0.95 &&
		       t.results[kRecommended][kDouble].p50_ms <= 300,
	       "the recommended settings: 0.95 of capacity at 2 x, half of it within 300 ms");
	bool all = true, harmless = true;
	for (size_t row = kFirstOther; row < std::size(kRows); row++) {
		all &= t.results[row][kDouble].goodput > t.results[kTcp][kDouble].goodput;
		harmless &= t.results[row][0].goodput >= t.results[kTcp][0].goodput - 0.01;
	}
	expect(all, "each is better than nothing at 2 x");
	expect(harmless, "and does no harm without overload");
}

} // namespace

#ifdef LQ_DEBUG
void lq_core_broken(const char *) {}
#endif

int main(int argc, char **argv)
{
	const bool checks = argc == 3 && !std::strcmp(argv[1], "--check");
	const bool writes = argc == 3 && !std::strcmp(argv[1], "--write");

	if (argc != 1 && !checks && !writes) {
		std::fprintf(stderr, "usage: overload_sim [--check FILE | --write FILE]\n");
		return 2;
	}
	const Table t = make();
	if (argc == 1) {
		std::fputs(t.text.c_str(), stdout);
		return 0;
	}
	std::ifstream in(argv[2]);
	std::string text{std::istreambuf_iterator<char>(in), {}};
	const auto [begin, end] = place(text);
	if (begin == text.npos) {
		std::fprintf(stderr, "overload_sim: %s has no place for the table\n", argv[2]);
		return 2;
	}
	if (checks) {
		check(t, text.substr(begin, end - begin));
		return failed ? 1 : 0;
	}
	std::ofstream(argv[2]) << text.replace(begin, end - begin, t.text);
	return 0;
}
