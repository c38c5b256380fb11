/* SPDX-License-Identifier: GPL-2.0 */
/* Writing to stdout. */
#pragma once

#include <string>

namespace lqctl {

/* All of it, at once. False: nobody reads any more. Throws on another failure. */
[[nodiscard]] bool write_stdout(const std::string &text);

} // namespace lqctl
