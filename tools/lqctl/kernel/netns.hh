/* SPDX-License-Identifier: GPL-2.0 */
/* Network namespaces: entered by name, file or process. */
#pragma once

#include <string>

namespace lqctl {

/* A name below /run/netns, a file, or a pid. Throws. */
void enter_netns(const std::string &where);

/* Whether the process is in the namespace that we are in; true where that cannot be seen. */
[[nodiscard]] bool in_our_netns(int pid);

} // namespace lqctl
