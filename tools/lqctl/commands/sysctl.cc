// SPDX-License-Identifier: GPL-2.0
/* lqctl get and lqctl set: the settings of this network namespace. */
#include <fmt/core.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json.hh"
#include "commands/commands.hh"
#include "kernel/sysctl.hh"

namespace lqctl {

namespace {

nlohmann::ordered_json json_value(const std::string &text)
{
	std::int64_t number = 0;
	auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
	if (error == std::errc{} && end == text.data() + text.size())
		return number;
	return text;
}

std::string show(const SysctlDir &sysctls, const std::vector<std::string> &names, bool json,
		 bool values)
{
	auto object = nlohmann::ordered_json::object();
	std::string text;

	for (const std::string &name : names) {
		std::string value = sysctls.read(name);
		if (json)
			object["net.listenq." + name] = json_value(value);
		else if (values)
			text += value + '\n';
		else
			text += fmt::format("net.listenq.{} = {}\n", name, value);
	}
	return json ? json_text(object) : text;
}

} // namespace

std::string get(const GetOptions &options)
{
	SysctlDir sysctls;
	std::vector<std::string> names;

	for (const std::string &given : options.names)
		names.push_back(sysctls.resolve(given));
	return show(sysctls, names.empty() ? sysctls.names() : names, options.json, options.values);
}

std::string set(const SetOptions &options)
{
	std::vector<std::pair<std::string, std::string>> assignments;
	for (const std::string &text : options.assignments)
		assignments.push_back(parse_assignment(text));

	SysctlDir sysctls;
	for (auto &[name, value] : assignments)
		name = sysctls.resolve(name);

	/* Nothing is written until all is understood. */
	std::vector<std::string> names;
	for (const auto &[name, value] : assignments) {
		sysctls.write(name, value);
		names.push_back(name);
	}
	return show(sysctls, names, options.json, false);
}

} // namespace lqctl
