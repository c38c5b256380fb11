/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lqctl monitor --exec: a command for each event. Those of one subject run one after the other, in
 * order; those of different ones side by side. The program waits for none.
 */
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lqctl {

class Runner final {
public:
	using Environment = std::vector<std::pair<std::string, std::string>>;

	/* @at_once: commands that run; @waiting: more that may wait for their turn. */
	explicit Runner(std::string command, std::size_t at_once = 16, std::size_t waiting = 1024)
	    : command_(std::move(command)), at_once_(at_once), most_waiting_(waiting)
	{
	}

	/* Soon. False: too many wait already, it never runs. */
	[[nodiscard]] bool start(std::uint64_t subject, const Environment &environment);
	/* After SIGCHLD: collects those that ended, and starts those that waited. */
	void reap();

	[[nodiscard]] std::size_t running() const { return running_.size(); }

private:
	struct Call {
		std::uint64_t subject;
		Environment environment;
	};

	[[nodiscard]] pid_t spawn(const Environment &environment) const;
	void go_on();

	std::string command_;
	std::size_t at_once_, most_waiting_;
	std::map<pid_t, std::uint64_t> running_; /* their subjects */
	std::deque<Call> waiting_;
};

} // namespace lqctl
