// SPDX-License-Identifier: GPL-2.0
/* Settings of a live listener: from words to netlink attributes. */
#include "kernel/setting.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <charconv>

#include "base/error.hh"
#include "kernel/sysctl.hh"

namespace lqctl {

namespace {

constexpr std::string_view kFilters = "dataready, httpready, dnsready, tlsready";

struct Known {
	std::string_view name;
	std::uint16_t attribute;
	std::uint32_t low, high; /* both 0: a name */
	std::string_view names;
	bool follows = true; /* "default" is a value */
};

constexpr Known known[] = {
	{"policy", LISTENQ_A_LISTENER_POLICY, 0, 0, kPolicies},
	{"backlog", LISTENQ_A_LISTENER_BACKLOG, 0, 2147483647, "", false},
	{"max_syn_backlog", LISTENQ_A_LISTENER_MAX_SYN_BACKLOG, 1, 1048576, ""},
	{"abort_on_overflow", LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW, 0, 1, ""},
	{"synack_retries", LISTENQ_A_LISTENER_SYNACK_RETRIES, 0, 255, ""},
	{"syncookies", LISTENQ_A_LISTENER_SYNCOOKIES, 0, 2, ""},
	{"accept_filter", LISTENQ_A_LISTENER_ACCEPT_FILTER, 0, 0, kFilters},
};

/* Whether @name is one of the @names, which ", " separates. */
bool is_one_of(std::string_view name, std::string_view names)
{
	while (!names.empty()) {
		const std::size_t end = names.find(", ");

		if (names.substr(0, end) == name)
			return true;
		names.remove_prefix(end == names.npos ? names.size() : end + 2);
	}
	return false;
}

Setting name_setting(const Known &k, std::string_view value)
{
	if (value == "default" ||
	    (k.attribute == LISTENQ_A_LISTENER_ACCEPT_FILTER && value == "none"))
		return {k.attribute, ""};
	if (!is_one_of(value, k.names))
		throw Error(fmt::format("{} does not take \"{}\": give default or one of {}",
					k.name, value, k.names));
	return {k.attribute, std::string(value)};
}

Setting number_setting(const Known &k, std::string_view value)
{
	std::uint32_t number = 0;

	if (k.follows && value == "default")
		return {k.attribute, LISTENQ_FOLLOW};
	const auto [end, error] =
		std::from_chars(value.data(), value.data() + value.size(), number);
	if (error != std::errc{} || end != value.data() + value.size() || number < k.low ||
	    number > k.high)
		throw Error(fmt::format("{} does not take \"{}\": give {}a number from {} to {}",
					k.name, value, k.follows ? "default or " : "", k.low,
					k.high));
	return {k.attribute, number};
}

} // namespace

Setting parse_setting(std::string_view name, std::string_view value)
{
	std::string names;

	for (const Known &k : known) {
		if (k.name == name)
			return k.names.empty() ? number_setting(k, value) : name_setting(k, value);
		names += fmt::format("{}{}", names.empty() ? "" : ", ", k.name);
	}
	throw Error(fmt::format("a listener has no setting \"{}\": it has {}", name, names));
}

std::string setting_name(const Setting &setting)
{
	for (const Known &k : known) {
		if (k.attribute == setting.attribute)
			return std::string(k.name);
	}
	return "";
}

} // namespace lqctl
