/* SPDX-License-Identifier: GPL-2.0 */
/* The settings of a network namespace, as lqctl get and lqctl set print them. */
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lqctl {

/*
 * @sysctls: names, ours without net.listenq., and values; @following: those of ours that are TCP's.
 * @values: these alone.
 */
[[nodiscard]] std::string
sysctls_text(const std::vector<std::pair<std::string, std::string>> &sysctls,
	     const std::vector<std::string> &following, bool json, bool values);

} // namespace lqctl
