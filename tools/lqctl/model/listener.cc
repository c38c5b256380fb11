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
		case LISTENQ_A_LISTENER_ACCEPT_FILTER:
			l.accept_filter = attr.string();
			break;
		case LISTENQ_A_LISTENER_OWN:
			l.own = u32();
			break;
		case LISTENQ_A_LISTENER_FOLLOWING:
			l.following = u32();
			break;
		case LISTENQ_A_LISTENER_BACKLOG_GIVEN:
			l.backlog_given = attr.number<std::int32_t>();
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
			/* Without the finer ones there is none in these either, or it is older. */
			if (!l.accept_wait.fine())
				l.accept_wait = Histogram(attr);
			break;
		case LISTENQ_A_LISTENER_ACCEPT_WAIT_FINE:
			l.accept_wait = Histogram(attr, Histogram::Scale::fine);
			break;
		case LISTENQ_A_LISTENER_HANDSHAKE:
			l.handshake = Histogram(attr, Histogram::Scale::fine);
			break;
		case LISTENQ_A_LISTENER_HANDSHAKE_US:
			l.handshake_us = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_LISTENER_FORMER_DROPS:
			l.former_drops = parse_counters(CounterKind::drop, attr);
			break;
		case LISTENQ_A_LISTENER_FORMER_EVENTS:
			l.former_events = parse_counters(CounterKind::event, attr);
			break;
		case LISTENQ_A_LISTENER_FORMER_WAIT:
			if (!l.former_wait.fine())
				l.former_wait = Histogram(attr);
			break;
		case LISTENQ_A_LISTENER_FORMER_WAIT_FINE:
			l.former_wait = Histogram(attr, Histogram::Scale::fine);
			break;
		case LISTENQ_A_LISTENER_FORMER_HANDSHAKE:
			l.former_handshake = Histogram(attr, Histogram::Scale::fine);
			break;
		case LISTENQ_A_LISTENER_FORMER_HANDSHAKE_US:
			l.former_handshake_us = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_LISTENER_ACCEPT_WAIT_US:
			l.accept_wait_us = attr.number<std::uint64_t>();
			break;
		case LISTENQ_A_LISTENER_FORMER_WAIT_US:
			l.former_wait_us = attr.number<std::uint64_t>();
			break;
#define NUMBER(number, NAME, name, place, metric, text)                                            \
	case number:                                                                               \
		l.name = u32();                                                                    \
		break;
			LISTENQ_NUMBERS(NUMBER)
#undef NUMBER
		default:
			break;
		}
	});
	/* What the kernel leaves out is empty. */
	if (l.handshake_us && l.handshake.empty())
		l.handshake = Histogram(std::vector<std::uint64_t>(), Histogram::Scale::fine);
	if (l.handshake_us && l.accept_wait.empty())
		l.accept_wait = Histogram(std::vector<std::uint64_t>(), Histogram::Scale::fine);
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
		{LISTENQ_OWN_ACCEPT_MAX_WAIT_MS, "accept_max_wait_ms"},
		{LISTENQ_OWN_ACCEPT_DEAD, "accept_dead"},
		{LISTENQ_OWN_ACCEPT_ORDER, "accept_order"},
		{LISTENQ_OWN_CODEL_TARGET_MS, "codel_target_ms"},
		{LISTENQ_OWN_CODEL_INTERVAL_MS, "codel_interval_ms"},
		{LISTENQ_OWN_SYN_ADMISSION_MS, "syn_admission_ms"},
		{LISTENQ_OWN_GRACE_MS, "grace_ms"},
		{LISTENQ_OWN_STEAL_US, "steal_us"},
		{LISTENQ_OWN_STALLED_MS, "stalled_ms"},
	};
	std::vector<std::string> names;
	for (const auto &one : all) {
		if (own & one.flag)
			names.emplace_back(one.name);
	}
	return names;
}

std::string source_of(const Listener &l, std::uint32_t flag)
{
	const std::vector<std::string> name = own_names(flag);

	if (!l.own || name.empty())
		return "";
	if (*l.own & flag)
		return "set for this listener";
	return fmt::format("net.{}{}", l.following.value_or(0) & flag ? "ipv4.tcp_" : "listenq.",
			   name.front());
}

namespace {

/* Places in LISTENQ_NUMBERS at which other members stand between the numbers. */
constexpr unsigned backlog_group = 10, settings_group = 20, filter_group = 50, shards_group = 60;

void put_numbers(nlohmann::ordered_json &json, const Listener &l, unsigned from, unsigned below)
{
	for (const Number &n : numbers) {
		if (n.place < from || n.place >= below)
			continue;
		if (n.member == &Listener::accept_dead)
			json[n.name] = dead_name(l.accept_dead);
		else if (n.member == &Listener::accept_order)
			json[n.name] = order_name(l.accept_order);
		else
			json[n.name] = l.*n.member;
	}
}

nlohmann::ordered_json own_json(std::optional<std::uint32_t> own)
{
	if (!own)
		return nullptr;
	auto json = nlohmann::ordered_json::array();
	for (const std::string &name : own_names(*own))
		json.push_back(name);
	return json;
}

/* What there is of a socket of TCP's, too. */
nlohmann::ordered_json common_json(const Listener &l)
{
	nlohmann::ordered_json json;

	json["id"] = l.plain ? nlohmann::ordered_json() : nlohmann::ordered_json(l.id);
	json["stack"] = l.plain ? "tcp" : "listenq";
	put_address(json, l.address);
	json["v6only"] = l.address.v6only;
	json["inode"] = l.inode;
	json["uid"] = l.uid;
	json["policy"] = l.plain ? nlohmann::ordered_json() : nlohmann::ordered_json(l.policy);
	return json;
}

nlohmann::ordered_json plain_json(const Listener &l)
{
	nlohmann::ordered_json json = common_json(l);

	json["backlog"] = l.backlog;
	json["accept_qlen"] = l.accept_qlen;
	json["accept_limit"] = l.accept_limit;
	if (l.has_processes)
		json["processes"] = processes_json(l.processes);
	return json;
}

} // namespace

const char *dead_name(std::uint32_t dead)
{
	constexpr const char *names[] = {"skip", "keep", "skip-fin"};

	static_assert(std::size(names) == __LISTENQ_DEAD_MAX);
	return dead < std::size(names) ? names[dead] : "?";
}

const char *order_name(std::uint32_t order)
{
	constexpr const char *names[] = {"fifo", "lifo", "adaptive"};

	static_assert(std::size(names) == __LISTENQ_ORDER_MAX);
	return order < std::size(names) ? names[order] : "?";
}

nlohmann::ordered_json processes_json(const std::vector<Process> &processes)
{
	auto json = nlohmann::ordered_json::array();
	for (const Process &p : processes)
		json.push_back({{"name", p.name}, {"pid", p.pid}, {"fd", p.fd}});
	return json;
}

void put_address(nlohmann::ordered_json &json, const Address &address)
{
	json["family"] = family_name(address);
	json["address"] = address.host();
	json["port"] = address.port;
	json["interface"] = interface_json(address);
}

nlohmann::ordered_json to_json(const Listener &l)
{
	if (l.plain)
		return plain_json(l);

	nlohmann::ordered_json json = common_json(l);
	json["backlog_asked"] = l.backlog_asked;
	put_numbers(json, l, backlog_group, settings_group);
	json["backlog_truncated"] = (l.flags & LISTENQ_F_BACKLOG_TRUNCATED) != 0;
	json["abort_on_overflow"] = (l.flags & LISTENQ_F_ABORT_ON_OVERFLOW) != 0;
	put_numbers(json, l, settings_group, filter_group);
	if (l.accept_filter.empty())
		json["accept_filter"] = nullptr;
	else
		json["accept_filter"] = l.accept_filter;
	put_numbers(json, l, filter_group, shards_group);
	json["backlog_given"] = l.backlog_given ? nlohmann::ordered_json(*l.backlog_given)
						: nlohmann::ordered_json();
	json["shards"] = l.shards ? nlohmann::ordered_json(l.shards) : nlohmann::ordered_json();
	put_numbers(json, l, shards_group + 1, ~0U);
	json["accept_oldest_us"] = l.accept_oldest;
	json["own"] = own_json(l.own);
	json["following"] = own_json(l.following);
	json["drops_total"] = total_drops(l.drops);
	json["drops"] = to_json(l.drops);
	json["events"] = to_json(l.events);
	json["accept_wait"] = l.accept_wait.to_json();
	json["accept_wait_fine"] = l.accept_wait.fine_json();
	json["handshake"] = l.handshake.fine_json();
	json["percentiles"]["accept_wait"] = l.accept_wait.percentiles_json();
	json["percentiles"]["handshake"] = l.handshake.percentiles_json();
	if (l.has_processes)
		json["processes"] = processes_json(l.processes);
	return json;
}

} // namespace lqctl
