/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One listener being diagnosed: what is known of it, and a rule for each finding. The order in
 * which all() asks matters: a rule may look at what was found before it.
 */
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "view/finding.hh"

namespace lqctl {

[[nodiscard]] std::uint64_t counted(const Counters &counters, unsigned number);

class Case final {
public:
	explicit Case(const Observation &o) : o_(o), l_(o.now) {}

	std::vector<Finding> all();

private:
	/* --- what is known --- */
	[[nodiscard]] std::uint64_t drops(unsigned number) const;
	[[nodiscard]] std::uint64_t events(unsigned number) const;
	/* How many of them since the look before. */
	[[nodiscard]] std::uint64_t lately(std::initializer_list<unsigned> reasons) const;
	/* " (3 of them in the last 1.0 s)" */
	[[nodiscard]] std::string of_late(std::initializer_list<unsigned> reasons) const;
	[[nodiscard]] std::string program() const;
	[[nodiscard]] std::string program_word() const;
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
	/* One was full, and never all of them: their peaks are added up. */
	bool uneven_shards() const;

	/* --- the accept queue: case_accept.cc --- */
	void accept_stalled();
	void stalled(const std::string &since);
	/* The command that gives the listener another backlog as it runs. */
	[[nodiscard]] std::string set_backlog(std::uint32_t backlog) const;
	void clients_gone();
	void overloaded();
	/* What to do for a larger accept queue. */
	void raise_backlog(std::string &text, std::vector<std::string> &commands,
			   std::uint32_t wanted) const;
	void accept_queue();
	void shards();
	void aborts();
	void truncated();
	void filter();
	void close_call();

	/* --- the SYN queue: case_syn.cc --- */
	void syn_queue();
	/* Cookies, and the SYN queue as a whole was never near its limit. */
	[[nodiscard]] bool cookies_of_a_bucket() const;
	void syn_bucket();
	void last_quarter();
	void both_queues();
	void acks_missing();
	void resets();

	/* --- what others refuse: case_kernel.cc --- */
	void no_memory();
	void no_route();
	void lsm();

	const Observation &o_;
	const Listener &l_;
	std::vector<Finding> found_;
};

/* A limit that is worth setting: a power of two, 128 at least. */
[[nodiscard]] std::uint32_t rounded_up(std::uint64_t n);

} // namespace lqctl
