// SPDX-License-Identifier: GPL-2.0
/* Prefixes that drops hit: from attributes, to words and JSON. */
#include "model/dropped.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

namespace lqctl {

namespace {

DroppedPrefix parse_prefix(const Attr &nest)
{
	DroppedPrefix p;

	for_each_attr(nest.payload(), [&](const Attr &attr) {
		switch (attr.type()) {
		case LISTENQ_A_PREFIX_ADDR: /* its length says the family */
			parse_address(p.address, attr);
			break;
		case LISTENQ_A_PREFIX_LENGTH:
			p.length = attr.number<std::uint32_t>();
			break;
		case LISTENQ_A_PREFIX_COUNT:
			p.count = attr.number<std::uint32_t>();
			break;
		case LISTENQ_A_PREFIX_EXCESS:
			p.excess = attr.number<std::uint32_t>();
			break;
		default:
			break;
		}
	});
	return p;
}

std::string name_of(const DroppedPrefix &p)
{
	return fmt::format("{}/{}", p.address.host(), p.length);
}

std::uint32_t at_least(const DroppedPrefix &p)
{
	return p.count - std::min(p.excess, p.count);
}

} // namespace

Dropped parse_dropped(Bytes attributes)
{
	Dropped dropped;

	for_each_attr(attributes, [&](const Attr &attr) {
		if (attr.type() == LISTENQ_A_DROPPED_TOTAL)
			dropped.total = attr.number<std::uint32_t>();
		else if (attr.type() == LISTENQ_A_DROPPED_PREFIX)
			dropped.prefixes.push_back(parse_prefix(attr));
	});
	return dropped;
}

std::string to_string(const Dropped &dropped)
{
	constexpr std::uint32_t few = 4;
	std::vector<DroppedPrefix> sure = dropped.prefixes;
	std::string out;

	if (dropped.total < few)
		return out;
	std::stable_sort(sure.begin(), sure.end(),
			 [](const DroppedPrefix &a, const DroppedPrefix &b) {
				 return at_least(a) > at_least(b);
			 });
	for (const DroppedPrefix &p : sure) {
		const double part = static_cast<double>(at_least(p)) / dropped.total;

		if (part < 0.1)
			break;
		out += fmt::format("{}{} {:.0f} %", out.empty() ? "" : ", ", name_of(p),
				   part * 100);
	}
	return out;
}

nlohmann::ordered_json to_json(const Dropped &dropped)
{
	nlohmann::ordered_json json;

	json["total"] = dropped.total;
	json["prefixes"] = nlohmann::ordered_json::array();
	for (const DroppedPrefix &p : dropped.prefixes)
		json["prefixes"].push_back(
			{{"prefix", name_of(p)}, {"at_least", at_least(p)}, {"at_most", p.count}});
	return json;
}

} // namespace lqctl
