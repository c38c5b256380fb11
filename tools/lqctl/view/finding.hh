/* SPDX-License-Identifier: GPL-2.0 */
/* What a diagnosis looks at, and what it finds. */
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/crowd.hh"
#include "model/dropped.hh"
#include "model/holder.hh"
#include "model/listener.hh"
#include "model/request.hh"

namespace lqctl {

/* What the requests of a SYN queue say. */
struct HalfOpen {
	std::uint64_t acked = 0; /* their ACK came */
	std::uint64_t silent =
		0;		/* it did not, and two timeouts came: that is 3 s, not a long way */
	std::uint64_t late = 0; /* it did not, and the SYN-ACK is a second old */
	Crowd peers = {};	/* of those whose ACK did not come */
};

[[nodiscard]] HalfOpen half_open_of(const std::vector<Request> &requests);

/* The sockets that share an address and port (SO_REUSEPORT), and what they did meanwhile. */
struct Group {
	std::size_t members = 1;
	std::uint64_t accepted = 0; /* by all of them */
	std::vector<std::uint64_t>
		stalled; /* ids of those that take nothing while connections wait */
};

struct Observation {
	Listener now;
	std::optional<Listener> before; /* the same listener, a while ago */
	double seconds = 0;		/* ago */
	std::uint32_t somaxconn = 0;	/* net.core.somaxconn now; 0: not known */
	std::uint32_t host_somaxconn =
		0; /* that of the namespace of process 1; 0: it is this, or not known */
	std::vector<Holder> holders, holders_before;
	std::optional<HalfOpen> half_open; /* none: nobody looked, or there are too many */
	Crowd waiting;			   /* for accept(), at its port */
	Dropped dropped;
	Group group;
	/* net.ipv4.tcp_* by the names that net.listenq has for them, and tcp_timestamps. */
	std::map<std::string, std::uint32_t> tcp;
};

/*
 * Connections wait, and accept() takes none: in the time that was watched, or, if none was, ever.
 * In a time of less than a second nobody is stalled who does not keep the oldest waiting for as
 * long.
 */
[[nodiscard]] bool is_stalled(const Observation &observation);

/* Fills in what each one's group is. All of the namespace's listeners, selected or not. */
void find_groups(std::vector<Observation> &observations);

enum class Severity {
	note,	 /* good to know */
	warning, /* nothing is lost yet, or not here */
	problem, /* connections are refused, reset or kept waiting */
};

struct Finding {
	std::string code; /* a stable name: lqctl(8) has them all */
	Severity severity;
	std::string text;
	std::vector<std::string> commands; /* to run, the most useful first */
};

} // namespace lqctl
