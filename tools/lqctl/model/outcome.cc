// SPDX-License-Identifier: GPL-2.0
/* Outcomes: in words, and to JSON. */
#include "model/outcome.hh"

#include <fmt/core.h>

#include <algorithm>

namespace lqctl {

std::string result_code(Result result)
{
	switch (result) {
	case Result::taken:
		return "taken";
	case Result::would_take:
		return "would_take";
	case Result::not_taken:
		return "not_taken";
	case Result::released:
		return "released";
	case Result::would_release:
		return "would_release";
	case Result::draining:
		return "draining";
	case Result::not_released:
		return "not_released";
	case Result::already:
		return "already";
	}
	return "";
}

std::string to_string(Result result)
{
	std::string text = result_code(result);

	std::replace(text.begin(), text.end(), '_', ' ');
	return text;
}

std::string to_string(const Drain &drain)
{
	const struct {
		std::uint32_t number;
		const char *what;
	} all[] = {{drain.half_open, "half-open"}, {drain.queued, "queued"}, {drain.held, "held"}};
	std::string text;

	for (const auto &one : all) {
		if (one.number)
			text += fmt::format("{}{} {}", text.empty() ? "" : ", ", one.number,
					    one.what);
	}
	return text.empty() ? "SYN cookies that may come back" : text;
}

nlohmann::ordered_json to_json(const Outcome &o)
{
	nlohmann::ordered_json json;

	put_address(json, o.listener.address);
	json["inode"] = o.listener.inode;
	json["processes"] = processes_json(o.listener.processes);
	json["result"] = result_code(o.result);
	json["reason"] =
		o.reason ? nlohmann::ordered_json(o.reason->code) : nlohmann::ordered_json();
	json["text"] = o.reason ? nlohmann::ordered_json(o.reason->text) : nlohmann::ordered_json();
	if (o.drain) {
		json["syn_qlen"] = o.drain->half_open;
		json["accept_qlen"] = o.drain->queued;
		json["filter_qlen"] = o.drain->held;
	}
	return json;
}

} // namespace lqctl
