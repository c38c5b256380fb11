/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What lqctl record writes and lqctl report reads: JSON lines, described in lqctl(8), RECORDINGS.
 *
 * Each line stands by itself: a header, then samples and events as they came, then an end. A file
 * may be cut anywhere, and recordings may follow one another in one file. Nothing in it depends on
 * the machine: times are UTC, numbers decimal.
 */
#pragma once

#include <linux/listenq.h>

#include <cstdint>
#include <istream>
#include <string>
#include <utility>
#include <vector>

#include "base/timespan.hh"
#include "model/event.hh"
#include "model/listener.hh"

namespace lqctl {

inline constexpr unsigned recording_version = 1;

/* --- writing: each returns one line with its newline --- */

/* @host: the machine's name; empty: not known. */
[[nodiscard]] std::string header_line(std::uint64_t time_ns, Microseconds interval,
				      const std::vector<std::string> &filters,
				      const std::string &host = "");
/* @elapsed: since the header, by a clock that is never set. @complete: none may be missing. */
[[nodiscard]] std::string sample_line(Microseconds elapsed, bool complete,
				      const std::vector<Listener> &listeners);
[[nodiscard]] std::string event_line(Microseconds elapsed, const Event &event);
struct RecordedVerdict;
/* Those of @verdicts, each of a listener. */
[[nodiscard]] std::string verdict_line(Microseconds elapsed,
				       const std::vector<RecordedVerdict> &verdicts);
[[nodiscard]] std::string end_line(Microseconds elapsed, const std::string &reason);

/* --- reading --- */

/* Counters by name: index into Recording::names, and value; ascending, without those at 0. */
using NamedCounters = std::vector<std::pair<std::uint16_t, std::uint64_t>>;

/* A listener as one sample has it. The members carry the names of lqctl list --json. */
struct RecordedListener {
	std::uint64_t id = 0;
	std::string local; /* address and port as lqctl list -n prints them */
	std::string policy;
	std::string accept_filter; /* empty: none */
	std::int64_t backlog_asked = 0;
/* Those of the list; a recording has the ones with a metric, the others stay 0. */
#define MEMBER(number, NAME, name, place, metric, text) std::uint64_t name = 0;
	LISTENQ_NUMBERS(MEMBER)
#undef MEMBER
	NamedCounters drops, events;
	/* By powers of two, as older ones have it; and in finer buckets: Histogram::Scale. Those at
	   0 at the end are left out. */
	std::vector<std::uint64_t> accept_wait, accept_wait_fine, handshake;
};

struct Sample {
	Microseconds elapsed{};
	bool complete = true;
	std::vector<RecordedListener> listeners;
};

struct RecordedEvent {
	Microseconds elapsed{};
	std::string type;     /* "overflow_began" and so on */
	std::uint64_t id = 0; /* 0: of none */
	std::string local;
	std::string reason; /* empty: none */
	std::int64_t backlog_asked = 0;
	std::uint64_t backlog = 0;
	std::uint64_t count = 0; /* 0: none */
};

/* What explain found. */
struct RecordedFinding {
	std::string code;
	std::string severity; /* "note", "warning", "problem" */
	std::string text;
	std::vector<std::string> commands = {}; /* to run; none: there are none, or an older lqctl
						 * recorded */

	bool operator==(const RecordedFinding &) const = default;
};

/* Whose a listener is, and what holds it back, from then until it has another verdict. */
struct RecordedVerdict {
	Microseconds elapsed{};
	std::uint64_t id = 0;
	std::string local;
	std::string program, unit; /* empty: not known */
	std::vector<RecordedFinding> findings;
};

/* From one header to the next. */
struct Segment {
	std::int64_t time_ns = 0; /* CLOCK_REALTIME of the header */
	Microseconds interval{};
	std::string lqctl; /* version of who recorded */
	std::vector<Sample> samples;
	std::vector<RecordedEvent> events;
	std::string end;       /* the reason; empty: it was cut off */
	std::string host = {}; /* empty: an older lqctl recorded */
	std::vector<RecordedVerdict> verdicts = {};
};

struct Recording {
	std::vector<std::string> names; /* of counters: see NamedCounters */
	std::vector<Segment> segments;
	unsigned damaged = 0; /* lines that could not be read, but for a last one that was cut */
	[[nodiscard]] std::size_t samples() const;
};

/* Throws, with @name in the message, when it is no recording, or one of another version. */
[[nodiscard]] Recording read_recording(std::istream &in, const std::string &name);

} // namespace lqctl
