/* SPDX-License-Identifier: GPL-2.0 */
/* lqctl monitor --exec: a command for each event, none of which is waited for. */
#pragma once

#include <sys/types.h>

#include <deque>
#include <set>
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

	/* Soon, in the order of the calls. False: too many wait already, it never runs. */
	[[nodiscard]] bool start(const Environment &environment);
	/* After SIGCHLD: collects those that ended, and starts those that waited. */
	void reap();

	[[nodiscard]] std::size_t running() const { return running_.size(); }

private:
	void spawn(const Environment &environment);

	std::string command_;
	std::size_t at_once_, most_waiting_;
	std::set<pid_t> running_;
	std::deque<Environment> waiting_;
};

} // namespace lqctl
