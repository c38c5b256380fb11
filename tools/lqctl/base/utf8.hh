/* SPDX-License-Identifier: GPL-2.0 */
/* Text of others, for readers that refuse all of it for one wrong byte. */
#pragma once

#include <string>
#include <string_view>

namespace lqctl {

/* @text, each byte that is not of a whole UTF-8 character replaced by U+FFFD. */
[[nodiscard]] std::string valid_utf8(std::string_view text);

} // namespace lqctl
