/* SPDX-License-Identifier: GPL-2.0 */
/* Files that appear as a whole or not at all. */
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace lqctl {

/* By a new file beside it, and rename(2); over nothing but a regular file. Throws. */
void write_whole(const std::filesystem::path &path, const std::string &text, mode_t mode);

} // namespace lqctl
