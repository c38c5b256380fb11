/* SPDX-License-Identifier: GPL-2.0 */
/* What keeps the module from being unloaded. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lqctl {

/* The module's use count; 0 when it is not loaded, or built in. */
[[nodiscard]] std::uint64_t module_users();

/*
 * A sentence for each socket of ours that a process has, in any network namespace, with the command
 * that releases it.
 */
[[nodiscard]] std::vector<std::string> sockets_in_use();

} // namespace lqctl
