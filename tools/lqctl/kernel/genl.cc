// SPDX-License-Identifier: GPL-2.0
/* Generic netlink: requests over libmnl. */
#include "kernel/genl.hh"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/listenq.h>

#include <cerrno>

#include "base/error.hh"

namespace lqctl {

namespace {

/* A namespace whose listeners change faster than 10 dumps can follow gets the last of them. */
constexpr int dump_attempts = 10;

void no_attributes(nlmsghdr *) {}

/* The number of the group @name in CTRL_ATTR_MCAST_GROUPS, or 0. */
std::uint32_t find_group(const Attr &groups, std::string_view name)
{
	std::uint32_t found = 0;
	for_each_attr(groups.payload(), [&](const Attr &group) {
		std::string its_name;
		std::uint32_t number = 0;
		for_each_attr(group.payload(), [&](const Attr &attr) {
			if (attr.type() == CTRL_ATTR_MCAST_GRP_NAME)
				its_name = attr.string();
			else if (attr.type() == CTRL_ATTR_MCAST_GRP_ID)
				number = attr.number<std::uint32_t>();
		});
		if (its_name == name)
			found = number;
	});
	return found;
}

} // namespace

Family parse_family(Bytes attributes)
{
	Family family;
	for_each_attr(attributes, [&](const Attr &attr) {
		if (attr.type() == CTRL_ATTR_FAMILY_ID)
			family.id = attr.number<std::uint16_t>();
		else if (attr.type() == CTRL_ATTR_VERSION)
			family.version = attr.number<std::uint32_t>();
		else if (attr.type() == CTRL_ATTR_MCAST_GROUPS)
			family.events_group = find_group(attr, LISTENQ_GENL_MCGRP_EVENTS);
	});
	return family;
}

void check_version(const Family &family)
{
	if (family.version != LISTENQ_GENL_VERSION)
		throw Error(
			fmt::format("the loaded listenq module speaks version {} of its netlink "
				    "interface, this lqctl version {}: install module and lqctl "
				    "of the same release",
				    family.version, LISTENQ_GENL_VERSION),
			Exit::no_module);
}

Genl::Genl() : netlink_(NETLINK_GENERIC, "generic netlink")
{
	try {
		(void)request(
			GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_ACK,
			[](nlmsghdr *header) {
				mnl_attr_put_strz(header, CTRL_ATTR_FAMILY_NAME, LISTENQ_GENL_NAME);
			},
			[&](Bytes attributes) { family_ = parse_family(attributes); });
	} catch (const NetlinkError &error) {
		if (error.code() == ENOENT)
			throw module_not_loaded();
		throw;
	}
	check_version(family_);
}

bool Genl::request(std::uint16_t type, std::uint8_t command, std::uint8_t version,
		   std::uint16_t flags, const Fill &fill, const Reply::Visit &visit)
{
	alignas(nlmsghdr) char out[256];
	nlmsghdr *header = mnl_nlmsg_put_header(out);
	header->nlmsg_type = type;
	header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
	auto *genl = static_cast<genlmsghdr *>(mnl_nlmsg_put_extra_header(header, GENL_HDRLEN));
	genl->cmd = command;
	genl->version = version;
	fill(header);
	return netlink_.request(header, visit, GENL_HDRLEN);
}

std::vector<Listener> Genl::listeners(bool &incomplete)
{
	std::vector<Listener> listeners;

	incomplete = true;
	for (int attempt = 0; incomplete && attempt < dump_attempts; attempt++) {
		listeners.clear();
		incomplete = !request(family_.id, LISTENQ_CMD_LISTENER_GET, LISTENQ_GENL_VERSION,
				      NLM_F_DUMP, no_attributes, [&](Bytes attributes) {
					      listeners.push_back(parse_listener(attributes));
				      });
	}
	return listeners;
}

std::vector<Request> Genl::requests(std::uint64_t listener, bool &incomplete)
{
	std::vector<Request> requests;
	const auto fill = [&](nlmsghdr *header) {
		mnl_attr_put_u64(header, LISTENQ_A_REQUEST_LISTENER, listener);
	};

	incomplete = true;
	try {
		for (int attempt = 0; incomplete && attempt < dump_attempts; attempt++) {
			requests.clear();
			incomplete =
				!request(family_.id, LISTENQ_CMD_REQUEST_GET, LISTENQ_GENL_VERSION,
					 NLM_F_DUMP, fill, [&](Bytes attributes) {
						 requests.push_back(parse_request(attributes));
					 });
		}
	} catch (const NetlinkError &error) {
		if (error.code() == EOPNOTSUPP)
			throw Error("the loaded listenq module cannot list requests: it is older "
				    "than this lqctl; install module and lqctl of the same release",
				    Exit::no_module);
		if (error.code() != ENOENT)
			throw;
		incomplete = false;
	}
	return requests;
}

Dropped Genl::dropped(std::uint64_t listener)
{
	Dropped dropped;
	const auto fill = [&](nlmsghdr *header) {
		mnl_attr_put_u64(header, LISTENQ_A_DROPPED_LISTENER, listener);
	};

	try {
		(void)request(family_.id, LISTENQ_CMD_DROPPED_GET, LISTENQ_GENL_VERSION, NLM_F_ACK,
			      fill, [&](Bytes attributes) { dropped = parse_dropped(attributes); });
	} catch (const NetlinkError &error) {
		if (error.code() != ENOENT && error.code() != EOPNOTSUPP)
			throw;
	}
	return dropped;
}

Stats Genl::stats()
{
	Stats stats;
	(void)request(family_.id, LISTENQ_CMD_STATS_GET, LISTENQ_GENL_VERSION, NLM_F_ACK,
		      no_attributes, [&](Bytes attributes) { stats = parse_stats(attributes); });
	return stats;
}

void Genl::set(std::uint64_t listener, const std::vector<Setting> &settings)
{
	const auto fill = [&](nlmsghdr *header) {
		mnl_attr_put_u64(header, LISTENQ_A_LISTENER_ID, listener);
		for (const Setting &s : settings) {
			if (const auto *name = std::get_if<std::string>(&s.value))
				mnl_attr_put_strz(header, s.attribute, name->c_str());
			else
				mnl_attr_put_u32(header, s.attribute,
						 std::get<std::uint32_t>(s.value));
		}
	};

	(void)request(family_.id, LISTENQ_CMD_LISTENER_SET, LISTENQ_GENL_VERSION, NLM_F_ACK, fill,
		      [](Bytes) {});
}

} // namespace lqctl
