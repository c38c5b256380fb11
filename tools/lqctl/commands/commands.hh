/* SPDX-License-Identifier: GPL-2.0 */
/* The commands: each takes its options and returns what goes to stdout; monitor writes it. */
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lqctl {

struct ListOptions {
	bool no_header = false;
	bool numeric = false;
	bool extended = false;
	bool processes = false;
	bool netstat = false;
	bool json = false;
	std::vector<std::string> filter; /* the words of a Selection; none: all */
};
[[nodiscard]] std::string list(const ListOptions &options);

struct ShowOptions {
	bool numeric = false;
	bool json = false;
	std::vector<std::string> filter;
};
[[nodiscard]] std::string show(const ShowOptions &options);

struct ExplainOptions {
	bool numeric = false;
	bool json = false;
	double interval = 1; /* seconds between two looks; 0: one look */
	std::vector<std::string> filter;
};
[[nodiscard]] std::string explain(const ExplainOptions &options);

struct RequestsOptions {
	bool no_header = false;
	bool numeric = false;
	bool json = false;
	std::vector<std::string> filter;
};
[[nodiscard]] std::string requests(const RequestsOptions &options);

struct StatsOptions {
	bool zeros = false;
	bool json = false;
	bool since = false;  /* the last call with it */
	double interval = 0; /* seconds; 0: once */
	unsigned count = 0;  /* of intervals; 0: without end */
};
/* Writes to stdout itself. */
void stats(const StatsOptions &options);

struct GetOptions {
	bool values = false; /* without the names */
	bool json = false;
	std::vector<std::string> names; /* empty: all */
};
[[nodiscard]] std::string get(const GetOptions &options);

struct SetOptions {
	bool json = false;
	std::string listener; /* FILTER, or "@" and an id; empty: the sysctls */
	std::vector<std::string> assignments;
};
[[nodiscard]] std::string set(const SetOptions &options);
[[nodiscard]] std::string set_listeners(const SetOptions &options);

struct ResetOptions {
	bool json = false;
	std::vector<std::string> filter;
};
/* Those settings that are listeners' own follow the sysctls again. */
[[nodiscard]] std::string reset(const ResetOptions &options);

struct ExportOptions {
	bool prometheus = false;
	std::string output; /* a file; empty: stdout */
	std::vector<std::string> filter;
};
[[nodiscard]] std::string export_(const ExportOptions &options);

struct TopOptions {
	bool numeric = false;
	bool batch = false;
	double interval = 1; /* seconds */
	unsigned count = 0;  /* of frames; 0: without end */
	std::vector<std::string> filter;
};
/* Writes to the terminal itself. */
void top(const TopOptions &options);

struct ProbeOptions {
	bool tcp = false; /* plain TCP, too */
	bool json = false;
	int timeout_ms = 500;
	int limit = 1000; /* connections for each probe */
	std::string backlogs = "0-14";
	std::vector<std::string> policies; /* none: those of UNP figure 4.10 */
};
[[nodiscard]] std::string probe(const ProbeOptions &options);

struct MonitorOptions {
	bool numeric = false;
	bool json = false; /* JSON lines */
	std::vector<std::string> filter;
	std::string warn; /* a part of the limits, as "80%"; empty: no warning */
	std::string exec; /* a command for sh -c; empty: none */
};
/* Writes to stdout itself, until a signal ends it or nobody reads any more. */
void monitor(const MonitorOptions &options);

struct RecordOptions {
	bool append = false;
	std::string output; /* "-": stdout */
	std::string interval = "1s";
	std::string duration;		    /* empty: until a signal */
	std::vector<std::string> listeners; /* FILTER, or "@" and an id; none: all */
};
void declare_record(CLI::App &app, RecordOptions &options);
/* Writes its file itself, until its time is over, a signal, or nobody reads any more. */
void record(const RecordOptions &options);

struct ReportOptions {
	std::string input;  /* "-": stdin */
	std::string output; /* "-": stdout */
	std::string title;
};
void declare_report(CLI::App &app, ReportOptions &options);
[[nodiscard]] std::string report(const ReportOptions &options);

} // namespace lqctl
