/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink connection to the listenq family of this network namespace. */
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernel/netlink.hh"
#include "kernel/setting.hh"
#include "model/dropped.hh"
#include "model/listener.hh"
#include "model/request.hh"
#include "model/stats.hh"
#include "wire/attr.hh"

struct nlmsghdr;

namespace lqctl {

/* What CTRL_CMD_GETFAMILY says of a family. */
struct Family {
	std::uint16_t id = 0;
	std::uint32_t version = 0;
	std::uint32_t events_group = 0; /* number of the multicast group; 0: it has none */
};

[[nodiscard]] Family parse_family(Bytes attributes);

/* Throws unless this lqctl understands that version. */
void check_version(const Family &family);

class Genl final {
public:
	/* Opens the socket and finds the family; the kernel may load the module for it. */
	Genl();

	[[nodiscard]] const Family &family() const { return family_; }
	/* incomplete: the listeners kept changing while they were listed. */
	[[nodiscard]] std::vector<Listener> listeners(bool &incomplete);
	[[nodiscard]] Stats stats();
	/*
	 * The half-open requests of one listener; none if it has closed meanwhile. incomplete:
	 * some may be missing or there twice. Throws when the module is too old.
	 */
	[[nodiscard]] std::vector<Request> requests(std::uint64_t listener, bool &incomplete);
	/* Nothing of one that has closed meanwhile, or of an older module. */
	[[nodiscard]] Dropped dropped(std::uint64_t listener);
	/* All of them, or none; throws. */
	void set(std::uint64_t listener, const std::vector<Setting> &settings);

private:
	using Fill = std::function<void(nlmsghdr *header)>;
	/* false: the dump was interrupted. fill() appends the attributes. */
	[[nodiscard]] bool request(std::uint16_t type, std::uint8_t command, std::uint8_t version,
				   std::uint16_t flags, const Fill &fill,
				   const Reply::Visit &visit);

	Netlink netlink_;
	Family family_;
};

} // namespace lqctl
