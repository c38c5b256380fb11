/* SPDX-License-Identifier: GPL-2.0 */
/* Two looks at the listeners of network namespaces, and at who holds them: what a diagnosis needs.
 */
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernel/genl.hh"
#include "model/crowd.hh"
#include "model/dropped.hh"
#include "model/holder.hh"
#include "model/listener.hh"
#include "model/request.hh"

namespace lqctl {

/* What is there of one listener at the end, beside what the module says. */
struct Sight {
	Listener listener; /* with its processes */
	std::vector<Holder> holders, holders_before;
	/* Its half-open requests; none, and @requests_seen false, where there are more than 16384.
	 */
	std::vector<Request> requests;
	bool requests_seen = false;
	Crowd waiting;
	Dropped dropped;
};

class Observer final {
public:
	/* The namespace that we are in. @again: there will be a second look. */
	Observer(Genl &genl, bool again);

	/* As they were at first, by id; empty without a second look. */
	[[nodiscard]] const std::map<std::uint64_t, Listener> &before() const { return before_; }
	[[nodiscard]] std::vector<Sight> look(Genl &genl) const;

private:
	std::map<std::uint64_t, Listener> before_;
	std::map<std::uint64_t, std::vector<Holder>> holders_;
};

/* net.ipv4.tcp_*: what net.listenq has, too, and timestamps; without "tcp_". */
[[nodiscard]] std::map<std::string, std::uint32_t> read_tcp_settings();

} // namespace lqctl
