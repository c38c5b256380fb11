// SPDX-License-Identifier: GPL-2.0
/* The kernel's settings: found, and what follows them. */
#include "model/kernel_setting.hh"

#include <fmt/core.h>

#include <algorithm>

namespace lqctl {

const KernelSetting *find_kernel_setting(std::string_view name)
{
	for (const KernelSetting &setting : kernel_settings) {
		if (setting.name == name)
			return &setting;
	}
	return nullptr;
}

std::string followers(const KernelSetting &setting, const std::vector<std::string> &following)
{
	if (setting.ours.empty())
		return std::string(setting.says);
	if (std::find(following.begin(), following.end(), setting.ours) != following.end())
		return fmt::format("net.listenq.{} follows it", setting.ours);
	return fmt::format("net.listenq.{0} does not follow it: until \"lqctl set {0}=-1\"",
			   setting.ours);
}

} // namespace lqctl
