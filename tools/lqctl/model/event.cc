// SPDX-License-Identifier: GPL-2.0
/* Events: the words come from the lists in linux/listenq.h. */
#include "model/event.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/clock.hh"
#include "base/error.hh"
#include "model/counters.hh"

namespace lqctl {

namespace {

std::string type_name(std::uint32_t type)
{
	switch (type) {
#define NAME(number, NAME, name, text)                                                             \
	case number:                                                                               \
		return #name;
		LISTENQ_EVENT_TYPES(NAME)
#undef NAME
	default:
		return fmt::format("event_type_{}", type);
	}
}

std::string drop_name(std::uint32_t reason)
{
	for (const Counter &counter : zero_counters(CounterKind::drop)) {
		if (counter.number == reason)
			return counter.name;
	}
	return fmt::format("drop_{}", reason);
}

} // namespace

Event parse_event(Bytes attributes)
{
	Event e;
	bool has_type = false, has_listener = false;

	for_each_attr(attributes, [&](const Attr &attr) {
		auto u32 = [&] { return attr.number<std::uint32_t>(); };
		switch (attr.type()) {
		case LISTENQ_A_EVENT_TIME:
			e.time = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_EVENT_TYPE:
			e.type = type_name(u32());
			has_type = true;
			break;
		case LISTENQ_A_EVENT_LISTENER:
			e.listener = attr.number<std::uint64_t>();
			has_listener = true;
			break;
		case LISTENQ_A_EVENT_FAMILY:
			e.address.family = attr.number<std::uint16_t>();
			break;
		case LISTENQ_A_EVENT_ADDR:
			if (attr.payload().size() > e.address.bytes.size())
				throw_malformed_attributes();
			std::memcpy(e.address.bytes.data(), attr.payload().data(),
				    attr.payload().size());
			break;
		case LISTENQ_A_EVENT_PORT:
			e.address.port = attr.number<std::uint16_t>();
			break;
		case LISTENQ_A_EVENT_IFINDEX:
			e.address.ifindex = u32();
			break;
		case LISTENQ_A_EVENT_V6ONLY:
			e.address.v6only = attr.number<std::uint8_t>() != 0;
			break;
		case LISTENQ_A_EVENT_POLICY:
			e.policy = attr.string();
			break;
		case LISTENQ_A_EVENT_BACKLOG_ASKED:
			e.backlog_asked = attr.number<std::int32_t>();
			break;
		case LISTENQ_A_EVENT_BACKLOG:
			e.backlog = u32();
			break;
		case LISTENQ_A_EVENT_ACCEPT_QLEN:
			e.accept_qlen = u32();
			break;
		case LISTENQ_A_EVENT_ACCEPT_LIMIT:
			e.accept_limit = u32();
			break;
		case LISTENQ_A_EVENT_SYN_QLEN:
			e.syn_qlen = u32();
			break;
		case LISTENQ_A_EVENT_SYN_LIMIT:
			e.syn_limit = u32();
			break;
		case LISTENQ_A_EVENT_REASON:
			e.reason = drop_name(u32());
			break;
		case LISTENQ_A_EVENT_COUNT:
			e.count = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_EVENT_UNTOLD:
			e.untold = u32();
			break;
		default:
			break;
		}
	});
	if (!has_type || !has_listener)
		throw Error("the kernel sent an event without its type or listener: "
			    "use the lqctl that came with the module");
	return e;
}

namespace {

/* What both a listener and its events say. */
template <typename From, typename To>
void copy_state(const From &from, To &to)
{
	to.address = from.address;
	to.policy = from.policy;
	to.backlog_asked = from.backlog_asked;
	to.backlog = from.backlog;
	to.accept_qlen = from.accept_qlen;
	to.accept_limit = from.accept_limit;
	to.syn_qlen = from.syn_qlen;
	to.syn_limit = from.syn_limit;
}

} // namespace

Listener as_listener(const Event &e)
{
	Listener l;

	l.id = e.listener;
	copy_state(e, l);
	return l;
}

Event as_event(const Listener &l, std::uint64_t time)
{
	Event e;

	e.time = time;
	e.listener = l.id;
	copy_state(l, e);
	return e;
}

Event events_lost(std::uint64_t time)
{
	Event e;

	e.time = time;
	e.type = "events_lost";
	return e;
}

std::string event_text(const Event &e, bool numeric, const Glyphs &glyphs)
{
	std::string out = utc_text(e.time, 3) + ' ' + e.type;

	if (!e.listener)
		return out + '\n';
	out += fmt::format(" {} @{} {}", to_string(e.address, numeric), e.listener, e.policy);
	if (static_cast<std::int64_t>(e.backlog) == e.backlog_asked)
		out += fmt::format(" backlog {}", e.backlog);
	else
		out += fmt::format(" backlog {}{}{}", e.backlog_asked, glyphs.arrow, e.backlog);
	out += fmt::format(" accept {}/{} syn {}/{}", e.accept_qlen, e.accept_limit, e.syn_qlen,
			   e.syn_limit);
	if (!e.reason.empty())
		out += fmt::format(" reason {}", e.reason);
	if (e.count)
		out += fmt::format(" count {}", *e.count);
	if (e.untold)
		out += fmt::format(" untold {}", *e.untold);
	return out + '\n';
}

nlohmann::ordered_json to_json(const Event &e)
{
	nlohmann::ordered_json json;

	json["event"] = e.type;
	json["time"] = utc_text(e.time, 9);
	json["time_ns"] = e.time;
	if (e.seq)
		json["seq"] = e.seq;
	if (!e.listener)
		return json;
	json["id"] = e.listener;
	json["family"] = family_name(e.address);
	json["address"] = e.address.host();
	json["port"] = e.address.port;
	json["interface"] = interface_json(e.address);
	json["policy"] = e.policy;
	json["backlog_asked"] = e.backlog_asked;
	json["backlog"] = e.backlog;
	json["accept_qlen"] = e.accept_qlen;
	json["accept_limit"] = e.accept_limit;
	json["syn_qlen"] = e.syn_qlen;
	json["syn_limit"] = e.syn_limit;
	if (!e.reason.empty())
		json["reason"] = e.reason;
	if (e.count)
		json["count"] = *e.count;
	if (e.untold)
		json["untold"] = *e.untold;
	return json;
}

std::vector<std::pair<std::string, std::string>> event_environment(const Event &event)
{
	const nlohmann::ordered_json json = to_json(event);
	std::vector<std::pair<std::string, std::string>> variables;

	for (const auto &[name, value] : json.items()) {
		std::string variable = "LISTENQ_" + name;
		for (char &c : variable)
			c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
		variables.emplace_back(variable, value.is_null()     ? ""
						 : value.is_string() ? value.get<std::string>()
								     : value.dump());
	}
	return variables;
}

unsigned event_priority(const Event &event)
{
	static constexpr std::string_view warnings[] = {"overflow_began",  "overflow_goes_on",
							"cookies_began",   "accept_queue_above",
							"syn_queue_above", "events_lost"};
	static constexpr std::string_view notices[] = {"backlog_truncated", "overflow_ended",
						       "cookies_ended", "accept_queue_below",
						       "syn_queue_below"};

	if (std::ranges::find(warnings, event.type) != std::end(warnings))
		return 4;
	return std::ranges::find(notices, event.type) != std::end(notices) ? 5 : 6;
}

} // namespace lqctl
