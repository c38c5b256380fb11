/* SPDX-License-Identifier: GPL-2.0 */
/* Where no listener of ours is: what can be behind "connection refused" or "timed out". */
#pragma once

#include <string>
#include <vector>

#include "model/address.hh"
#include "model/listener.hh"
#include "view/finding.hh"

namespace lqctl {

struct Absence {
	struct Elsewhere {
		std::string netns; /* as lqctl -N takes it */
		std::string name;  /* in words */
		Listener listener;
	};

	Endpoint wanted;
	std::vector<Listener> here;	  /* at the port, in this network namespace */
	std::vector<Elsewhere> elsewhere; /* at the port, in others */
	bool all_seen = true;		  /* the others could be looked into */
	bool address_is_here = true;	  /* an interface has the address */
	std::uint32_t grace_ms = 0;	  /* net.listenq.grace_ms */
	bool tcp_aborts = false;	  /* net.ipv4.tcp_abort_on_overflow */
	bool numeric = false;		  /* as the names are to be written */
};

/* As diagnose() has it of a listener. */
[[nodiscard]] std::vector<Finding> diagnose(const Absence &absence);

/* "127.0.0.1:9", ":9" */
[[nodiscard]] std::string name_of(const Endpoint &wanted, bool numeric);

} // namespace lqctl
