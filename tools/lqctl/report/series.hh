/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording as series over time, one for each listener, on columns that all of them share.
 *
 * A column is the time between two samples, or between some more where there are many. Lengths are
 * the largest that a column saw; counts are what was added in it, exactly, so that the columns of a
 * listener add up to its totals.
 */
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/recording.hh"

namespace lqctl {

struct Column {
	std::int64_t begin_us = 0, end_us = 0; /* since the first header */
	/* No sample for more than twice and a half the interval, or no recording at all. */
	bool gap = false;
};

/* What a listener did in one column. */
struct Cell {
	std::int64_t covered_us =
		0;	      /* of the column; 0: it was not there, and the rest means nothing */
	bool sampled = false; /* a sample had it: the lengths are known */
	std::uint64_t accept_qlen = 0, accept_limit = 0;
	std::uint64_t syn_qlen = 0, syn_young = 0, syn_limit = 0;
	/* Where the kernel's own peak rose in the column: longer than any sample saw. */
	std::uint64_t accept_peak = 0, syn_peak = 0;
	NamedCounters drops, events;		/* added */
	std::vector<std::uint64_t> accept_wait; /* added, by bucket */
};

/* A time that has a beginning and an end: an overflow, a time of cookies. */
struct Episode {
	std::int64_t begin_us = 0, end_us = 0;
	bool open = false; /* it had no end when the recording ended */
	std::string reason;
	std::uint64_t count = 0; /* 0: not known */
};

struct Series {
	std::uint64_t id = 0;
	std::string local;
	RecordedListener first, last;	       /* as the first and the last sample had it */
	std::int64_t begin_us = 0, end_us = 0; /* of the samples that had it */
	bool came = false, went = false;       /* while it was recorded */
	unsigned resets = 0;	     /* counters that began anew: the module was reloaded */
	std::vector<Cell> cells;     /* one for each column */
	NamedCounters drops, events; /* totals of the cells */
	std::vector<std::uint64_t> accept_wait, accept_wait_fine, handshake;
	std::vector<Episode> overflows, cookies;
	std::uint64_t accept_max = 0, syn_max = 0; /* of the cells, peaks included */
};

struct Timeline {
	std::int64_t begin_ns = 0; /* CLOCK_REALTIME of 0 us */
	std::int64_t end_us = 0;
	std::vector<std::int64_t> segment_begins_us; /* of each segment of the recording */
	Microseconds interval{};		     /* of the first recording */
	unsigned samples_per_column = 1;
	std::vector<Column> columns;
	std::vector<Series> listeners; /* the busiest first */
	std::vector<std::pair<std::int64_t, const RecordedEvent *>> events;
	const std::vector<std::string> *names; /* of counters */

	[[nodiscard]] std::uint64_t count(const NamedCounters &counters, const char *name) const;
};

/* The timeline points into @recording. @max_columns: about so many at most. */
[[nodiscard]] Timeline make_timeline(const Recording &recording, std::size_t max_columns);

[[nodiscard]] std::uint64_t total(const NamedCounters &counters);

/* Counters that are smaller than they were began anew: the module was reloaded. */
[[nodiscard]] bool went_back(const RecordedListener &from, const RecordedListener &to);
/* What was added, when none went back. */
[[nodiscard]] NamedCounters added(const NamedCounters &from, const NamedCounters &to);
[[nodiscard]] std::vector<std::uint64_t> added(const std::vector<std::uint64_t> &from,
					       const std::vector<std::uint64_t> &to);

void add(NamedCounters &sum, const NamedCounters &more);
void add(std::vector<std::uint64_t> &sum, const std::vector<std::uint64_t> &more);

/*
 * Of so many of 100 the longest, as a reader is told: "1.3 ms" where all of @coarse is in @fine,
 * too; else, of an older recording or some of it, the end of its power of two: "< 2 ms"; "-": none.
 */
[[nodiscard]] std::string percentile_text(const std::vector<std::uint64_t> &coarse,
					  const std::vector<std::uint64_t> &fine, unsigned percent);
/* "< 4 ms", in units of 1024 as lqctl list has them; "-" for 0. */
[[nodiscard]] std::string below_text(std::uint64_t us);

/*
 * The upper end, in us, of the bucket that holds the @percent-th part of what a histogram counted;
 * 0: it counted nothing. UINT64_MAX: the last bucket, which has no end.
 */
[[nodiscard]] std::uint64_t percentile_us(const std::vector<std::uint64_t> &buckets,
					  unsigned percent);

} // namespace lqctl
