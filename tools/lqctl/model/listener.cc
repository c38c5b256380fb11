// SPDX-License-Identifier: GPL-2.0
/* Listeners: from attributes, to JSON. */
#include "model/listener.hh"

#include <fmt/core.h>
#include <linux/listenq.h>

#include <algorithm>

#include "base/error.hh"

namespace lqctl {

Listener parse_listener(Bytes attributes)
{
	Listener l;
	bool has_id = false, has_address = false, has_port = false;

	for_each_attr(attributes, [&](const Attr &attr) {
		auto u32 = [&] { return attr.number<std::uint32_t>(); };

		switch (attr.type()) {
		case LISTENQ_A_LISTENER_ID:
			l.id = attr.number<std::uint64_t>();
			has_id = true;
			break;
		case LISTENQ_A_LISTENER_ADDR: /* its length says the family */
			parse_address(l.address, attr);
			has_address = true;
			break;
		case LISTENQ_A_LISTENER_PORT:
			l.address.port = attr.number<std::uint16_t>();
			has_port = true;
			break;
		case LISTENQ_A_LISTENER_IFINDEX:
			l.address.ifindex = u32();
			break;
		case LISTENQ_A_LISTENER_V6ONLY:
			l.address.v6only = attr.number<std::uint8_t>() != 0;
			break;
		case LISTENQ_A_LISTENER_INODE:
			l.inode = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_LISTENER_UID:
			l.uid = u32();
			break;
		case LISTENQ_A_LISTENER_POLICY:
			l.policy = attr.string();
			break;
		case LISTENQ_A_LISTENER_FLAGS:
			l.flags = u32();
			break;
		case LISTENQ_A_LISTENER_BACKLOG_ASKED:
			l.backlog_asked = attr.number<std::int32_t>();
			break;
		case LISTENQ_A_LISTENER_BACKLOG:
			l.backlog = u32();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_QLEN:
			l.accept_qlen = u32();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_LIMIT:
			l.accept_limit = u32();
			break;
		case LISTENQ_A_LISTENER_SYN_QLEN:
			l.syn_qlen = u32();
			break;
		case LISTENQ_A_LISTENER_SYN_YOUNG:
			l.syn_young = u32();
			break;
		case LISTENQ_A_LISTENER_SYN_LIMIT:
			l.syn_limit = u32();
			break;
		case LISTENQ_A_LISTENER_SYN_BUCKETS:
			l.syn_buckets = u32();
			break;
		case LISTENQ_A_LISTENER_MAX_SYN_BACKLOG:
			l.max_syn_backlog = u32();
			break;
		case LISTENQ_A_LISTENER_SYNACK_RETRIES:
			l.synack_retries = u32();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_QLEN_PEAK:
			l.accept_qlen_peak = u32();
			break;
		case LISTENQ_A_LISTENER_SYN_QLEN_PEAK:
			l.syn_qlen_peak = u32();
			break;
		case LISTENQ_A_LISTENER_SYNCOOKIES:
			l.syncookies = u32();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_FILTER:
			l.accept_filter = attr.string();
			break;
		case LISTENQ_A_LISTENER_FILTER_QLEN:
			l.filter_qlen = u32();
			break;
		case LISTENQ_A_LISTENER_FILTER_LIMIT:
			l.filter_limit = u32();
			break;
		case LISTENQ_A_LISTENER_OWN:
			l.own = u32();
			break;
		case LISTENQ_A_LISTENER_BACKLOG_GIVEN:
			l.backlog_given = attr.number<std::int32_t>();
			break;
		case LISTENQ_A_LISTENER_SHARDS:
			l.shards = u32();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_OLDEST:
			l.accept_oldest = u32();
			break;
		case LISTENQ_A_LISTENER_DROPS:
			l.drops = parse_counters(CounterKind::drop, attr);
			break;
		case LISTENQ_A_LISTENER_EVENTS:
			l.events = parse_counters(CounterKind::event, attr);
			break;
		case LISTENQ_A_LISTENER_ACCEPT_WAIT:
			l.accept_wait = Histogram(attr);
			break;
		default:
			break;
		}
	});
	if (!has_id || !has_address || !has_port)
		throw Error("the kernel described a listener without its id, address or port: "
			    "use the lqctl that came with the module");
	return l;
}

std::vector<std::string> own_names(std::uint32_t own)
{
	constexpr struct {
		std::uint32_t flag;
		const char *name;
	} all[] = {
		{LISTENQ_OWN_POLICY, "policy"},
		{LISTENQ_OWN_MAX_SYN_BACKLOG, "max_syn_backlog"},
		{LISTENQ_OWN_ABORT_ON_OVERFLOW, "abort_on_overflow"},
		{LISTENQ_OWN_SYNACK_RETRIES, "synack_retries"},
		{LISTENQ_OWN_SYNCOOKIES, "syncookies"},
		{LISTENQ_OWN_SHARDS, "shards"},
	};
	std::vector<std::string> names;
	for (const auto &one : all) {
		if (own & one.flag)
			names.emplace_back(one.name);
	}
	return names;
}

namespace {

nlohmann::ordered_json own_json(std::optional<std::uint32_t> own)
{
	if (!own)
		return nullptr;
	auto json = nlohmann::ordered_json::array();
	for (const std::string &name : own_names(*own))
		json.push_back(name);
	return json;
}

} // namespace

nlohmann::ordered_json to_json(const Listener &l)
{
	nlohmann::ordered_json json;

	json["id"] = l.id;
	json["family"] = l.address.family == AF_INET6 ? "inet6" : "inet";
	json["address"] = l.address.host();
	json["port"] = l.address.port;
	if (l.address.ifindex)
		json["interface"] = interface_name(l.address.ifindex);
	else
		json["interface"] = nullptr;
	json["v6only"] = l.address.v6only;
	json["inode"] = l.inode;
	json["uid"] = l.uid;
	json["policy"] = l.policy;
	json["backlog_asked"] = l.backlog_asked;
	json["backlog"] = l.backlog;
	json["backlog_truncated"] = (l.flags & LISTENQ_F_BACKLOG_TRUNCATED) != 0;
	json["abort_on_overflow"] = (l.flags & LISTENQ_F_ABORT_ON_OVERFLOW) != 0;
	json["max_syn_backlog"] = l.max_syn_backlog;
	json["synack_retries"] = l.synack_retries;
	json["syncookies"] = l.syncookies;
	json["accept_qlen"] = l.accept_qlen;
	json["accept_limit"] = l.accept_limit;
	json["accept_qlen_peak"] = l.accept_qlen_peak;
	json["syn_qlen"] = l.syn_qlen;
	json["syn_young"] = l.syn_young;
	json["syn_limit"] = l.syn_limit;
	json["syn_qlen_peak"] = l.syn_qlen_peak;
	json["syn_buckets"] = l.syn_buckets;
	if (l.accept_filter.empty())
		json["accept_filter"] = nullptr;
	else
		json["accept_filter"] = l.accept_filter;
	json["filter_qlen"] = l.filter_qlen;
	json["filter_limit"] = l.filter_limit;
	json["backlog_given"] = l.backlog_given ? nlohmann::ordered_json(*l.backlog_given)
						: nlohmann::ordered_json();
	json["shards"] = l.shards ? nlohmann::ordered_json(*l.shards) : nlohmann::ordered_json();
	json["accept_oldest_us"] = l.accept_oldest;
	json["own"] = own_json(l.own);
	json["drops_total"] = total(l.drops);
	json["drops"] = to_json(l.drops);
	json["events"] = to_json(l.events);
	json["accept_wait"] = l.accept_wait.to_json();
	if (l.has_processes) {
		json["processes"] = nlohmann::ordered_json::array();
		for (const Process &p : l.processes)
			json["processes"].push_back(
				{{"name", p.name}, {"pid", p.pid}, {"fd", p.fd}});
	}
	return json;
}

} // namespace lqctl
