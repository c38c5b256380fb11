/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that start others, and what becomes of the library on the way. */
#pragma once

#include <string>
#include <vector>

namespace lqrun {

/* Why what this program starts would not be lqrun's, and the remedy; "": it is no such program.
 * Known by name, with its arguments: what a script executes cannot be seen. */
[[nodiscard]] std::string loses_library(const std::string &file,
					const std::vector<std::string> &arguments);

} // namespace lqrun
