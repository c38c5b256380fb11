// SPDX-License-Identifier: GPL-2.0
// Which memory of the core each event touches, for valgrind --tool=lackey --trace-mem=yes, whose
// trace selftests/bench/lines.py reads. Prints where the core lies and where a mark is written
// before and after each event, then the events' names in their order:
//
//	core ADDRESS
//	mark ADDRESS
//	NAME ...
#include <cstdio>
#include <string>

#include "tables.hh"

namespace {

using namespace bench;

volatile u64 mark;
std::string names;

template <typename Event>
void touch(const char *name, Event event)
{
	names += name;
	names += '\n';
	mark = 1;
	event();
	mark = 0;
}

} // namespace

int main()
{
	constexpr u32 kBacklog = 4;
	CoreTable table(16);
	CoreTable full(16, kBacklog);

	// What is done for the first time only is not looked at.
	for (u32 n = 0; n < 4; n++)
		table.insert(n);
	for (u32 n = 0; n < 2; n++)
		table.promote(n);
	table.accept();
	std::printf("core %p\nmark %p\n", table.memory(), const_cast<u64 *>(&mark));
	touch("SYN", [&] { table.insert(4); });
	touch("duplicate SYN", [&] { table.duplicate(4); });
	touch("final ACK", [&] { table.promote(2); });
	touch("accept()", [&] { table.accept(); });
	touch("timer", [&] { must(table.tick() == 0, "a request was due"); });
	table.later();
	touch("timer (due)", [&] { must(table.tick() != 0, "no request was due"); });

	for (u32 n = 0; n < kBacklog + 1; n++) {
		full.insert(n);
		full.promote(n);
	}
	full.refused(12); // the overflow has begun
	std::printf("core %p\n", full.memory());
	touch("SYN dropped", [&] { full.refused(13); });
	std::fputs(names.c_str(), stdout);
	return 0;
}
