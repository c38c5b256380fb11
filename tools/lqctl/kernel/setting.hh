/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl set --listener changes: the settings of LISTENQ_CMD_LISTENER_SET. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace lqctl {

struct Setting {
	std::uint16_t attribute; /* LISTENQ_A_LISTENER_* */
	std::variant<std::string, std::uint32_t> value;
};

/*
 * From NAME=VALUE, whose value may be "default": as the namespace's sysctl; for accept_filter,
 * which has no sysctl, none. A backlog has no such value.
 */
[[nodiscard]] Setting parse_setting(std::string_view name, std::string_view value);

/* Its NAME. */
[[nodiscard]] std::string setting_name(const Setting &setting);

} // namespace lqctl
