/* SPDX-License-Identifier: GPL-2.0 */
/* Where those come from that a listener dropped of late, as LISTENQ_CMD_DROPPED_GET has it. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/address.hh"
#include "wire/attr.hh"

namespace lqctl {

struct DroppedPrefix {
	Address address = {}; /* all but the prefix is zeros */
	unsigned length = 0;
	std::uint32_t count = 0,
		      excess = 0; /* it has had as many, or fewer by the excess at most */
};

struct Dropped {
	std::uint32_t total = 0; /* of all, halved again and again: no count of drops */
	std::vector<DroppedPrefix> prefixes = {};
};

[[nodiscard]] Dropped parse_dropped(Bytes attributes);
/*
 * Who has a tenth of them at least, for certain: "192.0.2.0/24 62 %, 2001:db8::/64 20 %". Empty:
 * nobody has, or there are too few to tell.
 */
[[nodiscard]] std::string to_string(const Dropped &dropped);
[[nodiscard]] nlohmann::ordered_json to_json(const Dropped &dropped);

} // namespace lqctl
