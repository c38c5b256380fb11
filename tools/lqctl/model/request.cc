// SPDX-License-Identifier: GPL-2.0
/* Half-open requests: from attributes, to text and JSON. */
#include "model/request.hh"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/error.hh"
#include "base/table.hh"

namespace lqctl {

namespace {

std::string state_name(std::uint32_t state)
{
	switch (state) {
#define NAME(number, NAME, name, text)                                                             \
	case number:                                                                               \
		return #name;
		LISTENQ_REQUEST_STATES(NAME)
#undef NAME
	default:
		return fmt::format("request_state_{}", state);
	}
}

/* 7.3s, and seconds alone from a hundred on. */
std::string seconds(std::uint32_t ms)
{
	return ms < 100'000 ? fmt::format("{}.{}s", ms / 1000, ms % 1000 / 100)
			    : fmt::format("{}s", ms / 1000);
}

/* As ss -i writes them: wscale:7,9 is the peer's shift and ours. */
std::string options_text(const Request &r)
{
	std::vector<std::string> options;

	if (r.flags & LISTENQ_REQUEST_F_TSTAMP)
		options.emplace_back("ts");
	if (r.flags & LISTENQ_REQUEST_F_SACK)
		options.emplace_back("sack");
	if (r.flags & LISTENQ_REQUEST_F_ECN)
		options.emplace_back("ecn");
	if (r.flags & LISTENQ_REQUEST_F_WSCALE)
		options.push_back(fmt::format("wscale:{},{}", r.snd_wscale, r.rcv_wscale));
	options.push_back(fmt::format("mss:{}", r.mss));
	return fmt::format("{}", fmt::join(options, " "));
}

} // namespace

Request parse_request(Bytes attributes)
{
	Request r;
	bool has_peer = false;

	for_each_attr(attributes, [&](const Attr &attr) {
		const auto u32 = [&] { return attr.number<std::uint32_t>(); };

		switch (attr.type()) {
		case LISTENQ_A_REQUEST_LISTENER:
			r.listener = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_REQUEST_PEER:
			parse_address(r.peer, attr);
			has_peer = true;
			break;
		case LISTENQ_A_REQUEST_PEER_PORT:
			r.peer.port = attr.number<std::uint16_t>();
			break;
		case LISTENQ_A_REQUEST_LOCAL:
			parse_address(r.local, attr);
			break;
		case LISTENQ_A_REQUEST_LOCAL_PORT:
			r.local.port = attr.number<std::uint16_t>();
			break;
		case LISTENQ_A_REQUEST_IFINDEX:
			r.local.ifindex = u32();
			break;
		case LISTENQ_A_REQUEST_STATE:
			r.state = state_name(u32());
			break;
		case LISTENQ_A_REQUEST_AGE:
			r.age = u32();
			break;
		case LISTENQ_A_REQUEST_DUE:
			r.due = u32();
			break;
		case LISTENQ_A_REQUEST_RETRANS:
			r.retrans = u32();
			break;
		case LISTENQ_A_REQUEST_TIMEOUTS:
			r.timeouts = u32();
			break;
		case LISTENQ_A_REQUEST_FLAGS:
			r.flags = u32();
			break;
		case LISTENQ_A_REQUEST_MSS:
			r.mss = u32();
			break;
		case LISTENQ_A_REQUEST_SND_WSCALE:
			r.snd_wscale = u32();
			break;
		case LISTENQ_A_REQUEST_RCV_WSCALE:
			r.rcv_wscale = u32();
			break;
		default:
			break;
		}
	});
	if (!has_peer)
		throw Error("the kernel described a request without its peer: "
			    "use the lqctl that came with the module");
	return r;
}

std::string requests_text(std::vector<Request> requests, const RequestStyle &style)
{
	using enum Table::Align;
	Table table({{"State", left, 4},
		     {"Age", right},
		     {"Retrans", right},
		     {"Timeouts", right, 2},
		     {"Due", right, 3},
		     {"Peer Address:Port", left},
		     {"Local Address:Port", left, 5},
		     {"Options", left, 1}});

	std::stable_sort(requests.begin(), requests.end(),
			 [](const Request &a, const Request &b) { return a.age > b.age; });
	for (const Request &r : requests)
		table.add({r.state,
			   seconds(r.age),
			   {fmt::format("{}", r.retrans), r.retrans ? Tone::warn : Tone::plain},
			   fmt::format("{}", r.timeouts),
			   seconds(r.due),
			   to_string(r.peer, true),
			   to_string(r.local, style.numeric),
			   options_text(r)});
	return table.render(style.header, style.terminal);
}

nlohmann::ordered_json to_json(const Request &r)
{
	nlohmann::ordered_json json;

	json["listener"] = r.listener;
	json["family"] = family_name(r.peer);
	json["peer_address"] = r.peer.host();
	json["peer_port"] = r.peer.port;
	json["local_address"] = r.local.host();
	json["local_port"] = r.local.port;
	json["interface"] = interface_json(r.local);
	json["state"] = r.state;
	json["age_ms"] = r.age;
	json["due_ms"] = r.due;
	json["retransmits"] = r.retrans;
	json["timeouts"] = r.timeouts;
	json["mss"] = r.mss;
	json["timestamps"] = (r.flags & LISTENQ_REQUEST_F_TSTAMP) != 0;
	json["sack"] = (r.flags & LISTENQ_REQUEST_F_SACK) != 0;
	json["ecn"] = (r.flags & LISTENQ_REQUEST_F_ECN) != 0;
	if (r.flags & LISTENQ_REQUEST_F_WSCALE)
		json["window_scale"] = {{"peer", r.snd_wscale}, {"local", r.rcv_wscale}};
	else
		json["window_scale"] = nullptr;
	return json;
}

} // namespace lqctl
