/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One listener being diagnosed: what is known of it, and a rule for each finding. The order in
 * which all() asks matters: a rule may look at what was found before it.
 *
 * The rules judge the time that was watched: what was counted in it, and what is so at its end.
 * Without a look before it is all the time since listen(). What is over is past()'s alone.
 */
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "view/finding.hh"

namespace lqctl {

class Case final {
public:
	explicit Case(const Observation &o);

	std::vector<Finding> all();

private:
	/* --- what is known --- */
	/* How many in the time that was watched. */
	[[nodiscard]] std::uint64_t drops(unsigned number) const;
	[[nodiscard]] std::uint64_t events(unsigned number) const;
	/* " in the last 1.0 s", " since it began to listen" */
	[[nodiscard]] std::string meanwhile() const;
	[[nodiscard]] std::string program() const;
	/* A command line that starts the program, for a shell. */
	[[nodiscard]] std::string program_words() const;
	/* " (net.ipv4.tcp_syncookies)": where a setting is from; empty: the module does not say. */
	[[nodiscard]] std::string from(std::uint32_t flag) const;
	/* A setting where it is from: the listener's own, or the namespace's. */
	[[nodiscard]] std::string set(std::uint32_t own, const std::string &assignment) const;
	void add(const char *code, Severity severity, std::string text,
		 std::vector<std::string> commands = {});
	[[nodiscard]] bool has(std::string_view code) const;
	[[nodiscard]] std::uint64_t accept_refused() const;
	[[nodiscard]] bool half_wait_long() const;
	[[nodiscard]] std::string half_waited() const;
	/* Of all shards together it is not full, and none is known to be. */
	[[nodiscard]] bool uneven_shards() const;
	/* A second's worth of something that was counted. */
	[[nodiscard]] double per_second(std::uint64_t count) const;

	/* --- the processes: case_process.cc --- */
	void descriptors();
	void throttled();
	void memory_pressure();
	/* Why those that are stopped do not run, and what makes them; empty: they do. */
	[[nodiscard]] std::string stopped(std::vector<std::string> &commands) const;

	/* --- the accept queue: case_accept.cc --- */
	void accept_stalled();
	/* The command that gives the listener another backlog as it runs. */
	[[nodiscard]] std::string set_backlog(std::uint32_t backlog) const;
	/* The command that lets the members of its group take what waits too long. */
	[[nodiscard]] std::string share() const;
	void clients_gone();
	void overloaded();
	/* What to do for a larger accept queue. */
	void raise_backlog(std::string &text, std::vector<std::string> &commands,
			   std::uint32_t wanted) const;
	void accept_queue();
	/* How large it would have had to be, and why. */
	[[nodiscard]] std::uint32_t wanted_backlog(std::string &text) const;
	void shards();
	void aborts();
	void filter();

	/* --- the backlog, the group, the namespace: case_place.cc --- */
	void truncated();
	void close_call();
	void group();
	void tcp_settings();
	void past();

	/* --- the SYN queue: case_syn.cc --- */
	void syn_queue();
	[[nodiscard]] bool is_flood() const;
	/* Cookies, and the SYN queue as a whole was never near its limit. */
	[[nodiscard]] bool cookies_of_a_bucket() const;
	void syn_bucket();
	void last_quarter();
	void both_queues();
	void reflection();
	void deferred();
	void unserved();
	void acks_missing();
	void resets();
	void cookie_options();

	/* --- what others refuse: case_kernel.cc --- */
	void no_memory();
	void no_route();
	void lsm();

	const Observation &o_;
	const Listener &l_;
	Histogram waits_; /* for accept(), of those that were taken meanwhile */
	bool stalled_;
	std::vector<Finding> found_;
};

/* A limit that is worth setting: two digits that count, 16 at least. */
[[nodiscard]] std::uint32_t rounded_up(std::uint64_t n);

} // namespace lqctl
