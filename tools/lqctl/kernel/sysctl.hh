/* SPDX-License-Identifier: GPL-2.0 */
/* The settings of a network namespace: the files of /proc/sys/net/listenq, and a few of the
 * kernel's. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hh"

namespace lqctl {

/* The policies of module/core/policy.cc, for messages. */
inline constexpr std::string_view kPolicies = "linux, linux-classic, linux-modern, linux-2.4, bsd, "
					      "berkeley, freebsd, freebsd-4, aix, hpux, solaris, "
					      "xnu, windows, linux-2.0, bsdos-3.0, illumos";

class SysctlDir final {
public:
	explicit SysctlDir(std::filesystem::path root = "/proc/sys/net/listenq");

	/* What the loaded module has, sorted. */
	[[nodiscard]] const std::vector<std::string> &names() const { return names_; }

	/*
	 * "policy", "net.listenq.policy" or "net/listenq/policy" to "policy"; of the kernel's that
	 * listeners depend on (model/kernel_setting.hh) the whole name. An Error lists the known
	 * names.
	 */
	[[nodiscard]] std::string resolve(std::string_view given) const;

	[[nodiscard]] std::string read(const std::string &name) const;
	/* Names and values. */
	[[nodiscard]] std::vector<std::pair<std::string, std::string>>
	read(const std::vector<std::string> &names) const;
	/* The names of those that nobody wrote and that are as TCP's. */
	[[nodiscard]] std::vector<std::string> following() const;
	void write(const std::string &name, const std::string &value) const;

private:
	[[nodiscard]] std::filesystem::path file_of(const std::string &name) const;

	std::filesystem::path root_;
	std::vector<std::string> names_;
};

/* net.core.somaxconn, or 0 where it cannot be read. */
[[nodiscard]] std::uint32_t read_somaxconn();

/* What an errno of a write means, in words. */
[[nodiscard]] Error write_error(const std::string &name, const std::string &value, int code);

/* "NAME=VALUE" to its parts. */
[[nodiscard]] std::pair<std::string, std::string> parse_assignment(std::string_view text);

} // namespace lqctl
