// SPDX-License-Identifier: GPL-2.0
/* Settings of a live listener: from words to netlink attributes. */
#include "kernel/setting.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <charconv>
#include <optional>

#include "base/error.hh"
#include "kernel/sysctl.hh"

namespace lqctl {

namespace {

constexpr std::string_view kFilters = "dataready, httpready, dnsready, tlsready";
/* In the order of their enums. */
constexpr std::string_view kDead = "skip, keep, skip-fin";
constexpr std::string_view kOrders = "fifo, lifo, adaptive";

struct Known {
	std::string_view name;
	std::uint16_t attribute;
	std::uint32_t low, high; /* both 0: a name */
	std::string_view names;
	bool follows = true;	 /* "default" is a value */
	bool enumerated = false; /* the kernel wants the number of the name */
};

constexpr Known known[] = {
	{"policy", LISTENQ_A_LISTENER_POLICY, 0, 0, kPolicies},
	{"backlog", LISTENQ_A_LISTENER_BACKLOG, 0, 2147483647, "", false},
	{"max_syn_backlog", LISTENQ_A_LISTENER_MAX_SYN_BACKLOG, 1, 1048576, ""},
	{"abort_on_overflow", LISTENQ_A_LISTENER_ABORT_ON_OVERFLOW, 0, 1, ""},
	{"synack_retries", LISTENQ_A_LISTENER_SYNACK_RETRIES, 0, 255, ""},
	{"syncookies", LISTENQ_A_LISTENER_SYNCOOKIES, 0, 2, ""},
	{"accept_filter", LISTENQ_A_LISTENER_ACCEPT_FILTER, 0, 0, kFilters},
	{"accept_max_wait_ms", LISTENQ_A_LISTENER_ACCEPT_MAX_WAIT_MS, 0, 3600000, ""},
	{"accept_dead", LISTENQ_A_LISTENER_ACCEPT_DEAD, 0, 0, kDead, true, true},
	{"accept_order", LISTENQ_A_LISTENER_ACCEPT_ORDER, 0, 0, kOrders, true, true},
	{"codel_target_ms", LISTENQ_A_LISTENER_CODEL_TARGET_MS, 0, 60000, ""},
	{"codel_interval_ms", LISTENQ_A_LISTENER_CODEL_INTERVAL_MS, 1, 60000, ""},
	{"syn_admission_ms", LISTENQ_A_LISTENER_SYN_ADMISSION_MS, 0, 3600000, ""},
	{"grace_ms", LISTENQ_A_LISTENER_GRACE_MS, 0, 600000, ""},
	{"steal_us", LISTENQ_A_LISTENER_STEAL_US, 0, 60000000, ""},
	{"stalled_ms", LISTENQ_A_LISTENER_STALLED_MS, 0, 3600000, ""},
};

/* Which of the @names, which ", " separates, @name is. */
std::optional<std::uint32_t> number_of(std::string_view name, std::string_view names)
{
	for (std::uint32_t number = 0; !names.empty(); number++) {
		const std::size_t end = names.find(", ");

		if (names.substr(0, end) == name)
			return number;
		names.remove_prefix(end == names.npos ? names.size() : end + 2);
	}
	return std::nullopt;
}

Setting name_setting(const Known &k, std::string_view value)
{
	const std::optional<std::uint32_t> number = number_of(value, k.names);

	if (k.enumerated && (number || value == "default"))
		return {k.attribute, number.value_or(LISTENQ_FOLLOW)};
	if (value == "default" ||
	    (k.attribute == LISTENQ_A_LISTENER_ACCEPT_FILTER && value == "none"))
		return {k.attribute, ""};
	if (!number)
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
