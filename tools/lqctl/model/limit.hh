/* SPDX-License-Identifier: GPL-2.0 */
/* Why a listener's limits are what they are: docs/semantics.md, read backwards. */
#pragma once

#include <string>
#include <vector>

#include "model/listener.hh"

namespace lqctl {

/* What a limit follows from. */
enum class Cause {
	asked,		 /* the backlog that the program asked for */
	somaxconn,	 /* net.core.somaxconn, at the time of listen() */
	soacceptqueue,	 /* net.listenq.soacceptqueue */
	max_syn_backlog, /* net.listenq.max_syn_backlog, or the listener's own */
	policy,		 /* a number of the policy's own */
};

[[nodiscard]] const char *to_string(Cause cause);

struct Reason {
	Cause cause;
	std::string text; /* one line, for people */
};

[[nodiscard]] Reason backlog_reason(const Listener &listener);
[[nodiscard]] Reason accept_limit_reason(const Listener &listener);
[[nodiscard]] Reason syn_limit_reason(const Listener &listener);

/* Where the synack_retries in force are from: source_of(), or the policy. */
[[nodiscard]] std::string retries_source(const Listener &listener);

[[nodiscard]] std::vector<std::string> policy_names();

/* Half-open requests take places among the connections: the policy's limit is for their sum. */
[[nodiscard]] bool counts_both_queues(const Listener &listener);

} // namespace lqctl
