// SPDX-License-Identifier: GPL-2.0
// What the core's operations cost, with 1000, 64000 and 1000000 entries queued, beside a table
// that anybody would write: tables.hh.
//
//	core_bench [Google Benchmark's options]		nanoseconds
//	valgrind --tool=callgrind --instr-atstart=no core_bench --count
//		instructions: one profile for each operation, whose trigger is "op/table/entries";
//		standard output has "op/table/entries TAB operations"
//
// The operations:
//
//	insert	a SYN whose request is queued, beside N half-open ones
//	find	a segment that finds its request among N and changes nothing
//	promote	the final ACK of one of N: from the SYN queue to the accept queue
//	accept	one of N connections
//	age	the timer looks at each of N requests, none of which is due
//	resend	the same, and all are: SYN-ACKs to be sent again
#include <chrono>
#include <cstring>
#include <string>

#include <benchmark/benchmark.h>
#include <valgrind/callgrind.h>

#include "tables.hh"

namespace {

using namespace bench;

constexpr u32 kSizes[] = {1000, 64000, 1000000};
constexpr u32 kBatch = 500; // operations between two looks at the clock

// Each gives its table N entries, and is then run as often as one likes: prepare(), run() and
// restore() in turn. run() returns how many operations it was.

template <typename Table>
struct HalfOpen {
	explicit HalfOpen(u32 n, bool patient = false) : table(n + kBatch), size(n)
	{
		table.patient(patient);
		for (u32 i = 0; i < n; i++)
			table.insert(i);
	}
	// The next of them all, in no order.
	u32 any() { return next = (next + 611953) % size; }

	Table table;
	u32 size, next = 0;
};

template <typename Table>
struct Insert : HalfOpen<Table> {
	using HalfOpen<Table>::HalfOpen;
	void prepare() {}
	u32 run()
	{
		for (u32 i = 0; i < kBatch; i++)
			this->table.insert(first + i);
		return kBatch;
	}
	void restore()
	{
		for (u32 i = 0; i < kBatch; i++)
			this->table.remove(first + i);
		first += kBatch;
	}
	u32 first = this->size; // never the same peers twice
};

template <typename Table>
struct Find : HalfOpen<Table> {
	using HalfOpen<Table>::HalfOpen;
	void prepare() {}
	u32 run()
	{
		for (u32 i = 0; i < kBatch; i++)
			this->table.find(this->any());
		return kBatch;
	}
	void restore() {}
};

template <typename Table>
struct Promote : HalfOpen<Table> {
	using HalfOpen<Table>::HalfOpen;
	void prepare() { first = this->next; }
	u32 run()
	{
		for (u32 i = 0; i < kBatch; i++)
			this->table.promote(this->any());
		return kBatch;
	}
	void restore()
	{
		this->next = first;
		for (u32 i = 0; i < kBatch; i++) {
			this->table.accept();
			this->table.insert(this->any());
		}
	}
	u32 first = 0;
};

template <typename Table>
struct Accept {
	explicit Accept(u32 n) : table(n + kBatch)
	{
		for (u32 i = 0; i < n; i++)
			queue(i);
	}
	void queue(u32 i)
	{
		table.insert(i);
		table.promote(i);
	}
	void prepare() {}
	u32 run()
	{
		for (u32 i = 0; i < kBatch; i++)
			table.accept();
		return kBatch;
	}
	void restore()
	{
		for (u32 i = 0; i < kBatch; i++)
			queue(i);
	}

	Table table;
};

template <typename Table>
struct Age : HalfOpen<Table> {
	explicit Age(u32 n) : HalfOpen<Table>(n, true) { this->table.patient(false); }
	// One is due: the timer looks at all.
	void prepare()
	{
		this->table.insert(this->size);
		this->table.later();
	}
	u32 run()
	{
		must(this->table.tick() == 1, "a request was due, or none");
		return this->size;
	}
	void restore()
	{
		this->table.remove(this->size);
		this->table.earlier();
	}
};

template <typename Table>
struct Resend : HalfOpen<Table> {
	using HalfOpen<Table>::HalfOpen;
	void prepare() { this->table.later(); }
	u32 run()
	{
		must(this->table.tick() == this->size, "a request was not due");
		return this->size;
	}
	// Young again.
	void restore()
	{
		for (u32 i = 0; i < this->size; i++) {
			this->table.remove(i);
			this->table.insert(i);
		}
	}
};

// --- instructions ---

template <typename Operation>
void count(const std::string &name, u32 n)
{
	Operation operation(n);

	// The first time, caches of the compiler's own making and the map's are filled.
	operation.prepare();
	operation.run();
	operation.restore();
	operation.prepare();
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_ZERO_STATS;
	const u32 operations = operation.run();
	CALLGRIND_DUMP_STATS_AT(name.c_str());
	CALLGRIND_STOP_INSTRUMENTATION;
	operation.restore();
	const char *broken = operation.table.check();
	must(!broken, broken);
	std::printf("%s\t%u\n", name.c_str(), operations);
}

// --- nanoseconds ---

template <typename Operation>
void measure(benchmark::State &state, u32 n)
{
	using Clock = std::chrono::steady_clock;
	Operation operation(n);
	u64 operations = 0;

	for (auto _ : state) {
		operation.prepare();
		const auto begin = Clock::now();
		operations += operation.run();
		const std::chrono::duration<double> taken = Clock::now() - begin;
		state.SetIterationTime(taken.count());
		operation.restore();
	}
	state.counters["each"] =
		benchmark::Counter(static_cast<double>(operations),
				   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <template <typename> typename Operation, typename Table>
void one(const char *name, bool counting, bool whole)
{
	for (const u32 n : kSizes) {
		const std::string full = std::string(name) + '/' + std::to_string(n);

		if (counting) {
			count<Operation<Table>>(full, n);
			continue;
		}
		// About half a million operations, whatever an iteration is.
		benchmark::RegisterBenchmark(full.c_str(), measure<Operation<Table>>, n)
			->UseManualTime()
			->Iterations(whole ? 1 + 500000 / n : 1000)
			->Repetitions(3);
	}
}

template <template <typename> typename Operation>
void both(const char *name, bool counting, bool whole)
{
	one<Operation, CoreTable>((std::string(name) + "/core").c_str(), counting, whole);
	one<Operation, MapTable>((std::string(name) + "/map").c_str(), counting, whole);
}

} // namespace

int main(int argc, char **argv)
{
	const bool counting = argc == 2 && std::strcmp(argv[1], "--count") == 0;

	both<Insert>("insert", counting, false);
	both<Find>("find", counting, false);
	both<Promote>("promote", counting, false);
	both<Accept>("accept", counting, false);
	both<Age>("age", counting, true);
	both<Resend>("resend", counting, true);
	if (counting)
		return 0;
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks();
	return 0;
}
