// SPDX-License-Identifier: GPL-2.0
/* Sysctls: as sysctl(8) writes them, or as JSON. */
#include "view/sysctls.hh"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json.hh"
#include "model/kernel_setting.hh"

namespace lqctl {

namespace {

/* A list stays text, however many numbers it has. */
nlohmann::ordered_json json_value(const std::string &name, const std::string &text)
{
	std::int64_t number = 0;
	if (name == "adopt_cgroups")
		return text;
	auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
	if (error == std::errc{} && end == text.data() + text.size())
		return number;
	return text;
}

} // namespace

std::string sysctls_text(const std::vector<std::pair<std::string, std::string>> &sysctls,
			 const std::vector<std::string> &following, bool json, bool values)
{
	auto object = nlohmann::ordered_json::object();
	std::string text;

	for (const auto &[name, value] : sysctls) {
		const KernelSetting *kernels = find_kernel_setting(name);
		if (json)
			object[kernels ? name : "net.listenq." + name] = json_value(name, value);
		else if (values)
			text += value + '\n';
		else if (kernels)
			text += fmt::format("{} = {} ({})\n", name, value,
					    followers(*kernels, following));
		else if (std::find(following.begin(), following.end(), name) != following.end())
			text += fmt::format("net.listenq.{0} = {1} (follows net.ipv4.tcp_{0})\n",
					    name, value);
		else
			text += fmt::format("net.listenq.{} = {}\n", name, value);
	}
	return json ? json_text(object) : text;
}

} // namespace lqctl
