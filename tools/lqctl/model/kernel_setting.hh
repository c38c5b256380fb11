/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own settings that a listener's depend on: net.core.* and net.ipv4.*. */
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lqctl {

struct KernelSetting {
	std::string_view name;	/* net.ipv4.tcp_syncookies */
	std::string_view ours;	/* of net.listenq, which is as this until it is written; or empty */
	std::string_view takes; /* for who gave something else */
	std::string_view says;	/* what it is to listeners, where none of ours follows it */
};

inline constexpr KernelSetting kernel_settings[] = {
	{"net.core.somaxconn", "", "a number from 0 to 2147483647",
	 "clamps every backlog as listen() is called"},
	{"net.ipv4.tcp_abort_on_overflow", "abort_on_overflow", "0 or 1", ""},
	{"net.ipv4.tcp_max_syn_backlog", "max_syn_backlog", "a number from 1 to 2147483647", ""},
	{"net.ipv4.tcp_migrate_req", "", "0 or 1",
	 "within an SO_REUSEPORT group, where net.listenq.migrate is 0"},
	{"net.ipv4.tcp_synack_retries", "synack_retries", "a number from 0 to 255", ""},
	{"net.ipv4.tcp_syncookies", "syncookies", "0, 1 or 2", ""},
};

/* By its whole name; nullptr: it is none of them. */
[[nodiscard]] const KernelSetting *find_kernel_setting(std::string_view name);

/* What of ours follows it, or does not, in words; @following: those that nobody wrote. */
[[nodiscard]] std::string followers(const KernelSetting &setting,
				    const std::vector<std::string> &following);

} // namespace lqctl
