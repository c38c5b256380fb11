/* SPDX-License-Identifier: GPL-2.0 */
/* Who listens at a port in the other network namespaces of this machine. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/address.hh"
#include "model/listener.hh"

namespace lqctl {

struct Elsewhere {
	std::string netns; /* as lqctl -N takes it: a name, or a pid */
	std::string name;  /* in words */
	std::vector<Listener> listeners;
};

/* Ours and plain TCP's, with their processes. @all_seen: there is no namespace that was not seen.
 */
[[nodiscard]] std::vector<Elsewhere> find_elsewhere(std::uint16_t port, bool &all_seen);

/* Whether an interface here has the address, or may be spoken for. */
[[nodiscard]] bool is_address_here(const Address &address);

} // namespace lqctl
