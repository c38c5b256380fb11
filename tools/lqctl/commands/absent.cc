// SPDX-License-Identifier: GPL-2.0
/* An address and port that nobody of ours listens at, and all that is to be known of it. */
#include "commands/absent.hh"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/error.hh"
#include "kernel/elsewhere.hh"
#include "kernel/observer.hh"
#include "kernel/sysctl.hh"
#include "kernel/tcp_listeners.hh"
#include "view/diagnosis.hh"

namespace lqctl {

namespace {

std::optional<Endpoint> endpoint_of(const std::vector<std::string> &filter)
{
	if (filter.size() != 1)
		return std::nullopt;
	try {
		return Filter(filter.front()).endpoint();
	} catch (const Error &) {
		return std::nullopt; /* other conditions */
	}
}

std::uint32_t read_grace()
{
	const SysctlDir sysctls;
	const auto &names = sysctls.names();
	std::uint32_t value = 0;

	if (std::find(names.begin(), names.end(), "grace_ms") == names.end())
		return 0;
	const std::string text = sysctls.read("grace_ms");
	std::from_chars(text.data(), text.data() + text.size(), value);
	return value;
}

} // namespace

std::optional<Absence> find_absence(const std::vector<std::string> &filter, bool numeric)
{
	const std::optional<Endpoint> wanted = endpoint_of(filter);
	const Selection selection(filter);
	Genl genl;
	bool incomplete;

	if (!wanted)
		return std::nullopt;
	for (const Listener &l : genl.listeners(incomplete)) {
		if (selection.matches(l))
			return std::nullopt;
	}

	Absence absence;
	absence.wanted = *wanted;
	absence.numeric = numeric;
	for (TcpListener &t :
	     find_tcp_listeners(genl, Selection(fmt::format(":{}", wanted->port)), true))
		absence.here.push_back(std::move(t.listener));
	for (Elsewhere &there : find_elsewhere(wanted->port, absence.all_seen)) {
		for (Listener &l : there.listeners)
			absence.elsewhere.push_back({there.netns, there.name, std::move(l)});
	}
	absence.address_is_here = !wanted->address || is_address_here(*wanted->address);
	absence.grace_ms = read_grace();
	const auto tcp = read_tcp_settings();
	const auto aborts = tcp.find("abort_on_overflow");
	absence.tcp_aborts = aborts != tcp.end() && aborts->second != 0;
	return absence;
}

nlohmann::ordered_json absence_json(const Absence &absence, const std::vector<Finding> &findings)
{
	const std::optional<Address> &address = absence.wanted.address;
	nlohmann::ordered_json json, absent;

	absent["address"] =
		address ? nlohmann::ordered_json(address->host()) : nlohmann::ordered_json();
	absent["port"] = absence.wanted.port;
	absent["findings"] = nlohmann::ordered_json::array();
	for (const Finding &f : findings)
		absent["findings"].push_back(to_json(f));
	json["listeners"] = nlohmann::ordered_json::array();
	json["plain"] = nlohmann::ordered_json::array();
	for (const Listener &l : absence.here) {
		if (l.plain)
			json["plain"].push_back(to_json(l));
	}
	json["absent"] = std::move(absent);
	return json;
}

} // namespace lqctl
