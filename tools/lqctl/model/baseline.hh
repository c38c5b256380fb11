/* SPDX-License-Identifier: GPL-2.0 */
/* What "lqctl list --json" said a while ago, to be compared with what is now. */
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/listener.hh"

namespace lqctl {

/* By id: inode, counters and waits, nothing else. Throws; @file names it in messages. */
[[nodiscard]] std::map<std::uint64_t, Listener> parse_baseline(const std::string &text,
							       const std::string &file);

/*
 * Whether it is the same listener's past: ids begin anew with the machine, and in another network
 * namespace.
 */
[[nodiscard]] bool is_past_of(const Listener &before, const Listener &now);

} // namespace lqctl
