/* SPDX-License-Identifier: GPL-2.0 */
/* One half-open request as LISTENQ_CMD_REQUEST_GET describes it. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/terminal.hh"
#include "model/address.hh"
#include "wire/attr.hh"

namespace lqctl {

/* The members carry the names of LISTENQ_A_REQUEST_*. */
struct Request {
	std::uint64_t listener = 0;
	Address peer;
	Address local;	       /* with the ifindex */
	std::string state;     /* a name of LISTENQ_REQUEST_STATES */
	std::uint32_t age = 0; /* ms */
	std::uint32_t due = 0; /* ms */
	std::uint32_t retrans = 0;
	std::uint32_t timeouts = 0;
	std::uint32_t flags = 0; /* LISTENQ_REQUEST_F_* */
	std::uint32_t mss = 0;
	std::uint32_t snd_wscale = 0;
	std::uint32_t rcv_wscale = 0;
};

/* From the attributes of one message; attributes of a newer module are passed over. */
[[nodiscard]] Request parse_request(Bytes attributes);

struct RequestStyle {
	bool header = true;
	bool numeric = false;
	Terminal terminal = {};
};
/* The oldest first. */
[[nodiscard]] std::string requests_text(std::vector<Request> requests, const RequestStyle &style);

[[nodiscard]] nlohmann::ordered_json to_json(const Request &request);

} // namespace lqctl
