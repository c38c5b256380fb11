/* SPDX-License-Identifier: GPL-2.0 */
/* JSON as lqctl writes it: what is no UTF-8 is replaced. */
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lqctl {

/* Indented JSON and a newline. */
template <typename Json>
std::string json_text(const Json &json)
{
	return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

/* JSON in one line. */
template <typename Json>
std::string json_line(const Json &json)
{
	return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

} // namespace lqctl
