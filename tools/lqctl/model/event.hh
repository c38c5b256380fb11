/* SPDX-License-Identifier: GPL-2.0 */
/* What lqctl monitor shows: an event of LISTENQ_CMD_EVENT, or one that lqctl found itself. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/glyphs.hh"
#include "model/address.hh"
#include "model/listener.hh"
#include "wire/attr.hh"

namespace lqctl {

/* The members carry the names of LISTENQ_A_EVENT_*. */
struct Event {
	std::uint64_t time = 0;	    /* ns of CLOCK_REALTIME */
	std::string type;	    /* a name of LISTENQ_EVENT_TYPES, or one of lqctl's own */
	std::uint64_t listener = 0; /* 0: of none */
	Address address;
	std::string policy;
	std::int32_t backlog_asked = 0;
	std::uint32_t backlog = 0;
	std::uint32_t accept_qlen = 0;
	std::uint32_t accept_limit = 0;
	std::uint32_t syn_qlen = 0;
	std::uint32_t syn_limit = 0;
	std::string reason; /* a name of LISTENQ_DROPS, or empty */
	std::optional<std::uint64_t> count;
	std::uint64_t seq = 0; /* of those that this lqctl shows, from 1 on; 0: not counted */
	std::optional<std::uint32_t> untold; /* starts and truncations before it, not sent */
};

/* From the attributes of one message; attributes of a newer module are passed over. */
[[nodiscard]] Event parse_event(Bytes attributes);

/* What an event says of its listener, for a Selection. */
[[nodiscard]] Listener as_listener(const Event &event);
/* The other way, without a type. */
[[nodiscard]] Event as_event(const Listener &listener, std::uint64_t time);

/* The reader was too slow: some are missing. */
[[nodiscard]] Event events_lost(std::uint64_t time);

/* One line, with its newline. */
[[nodiscard]] std::string event_text(const Event &event, bool numeric, const Glyphs &glyphs);

/* One object; members that mean nothing to the event's type are left out. */
[[nodiscard]] nlohmann::ordered_json to_json(const Event &event);

/* For the command of --exec, and the journal's fields: LISTENQ_EVENT=... and so on, one for each
 * member of to_json(). */
[[nodiscard]] std::vector<std::pair<std::string, std::string>>
event_environment(const Event &event);

/* syslog(3): 4, a warning, if somebody should look; 5, a notice, as that ends; 6 otherwise. */
[[nodiscard]] unsigned event_priority(const Event &event);

} // namespace lqctl
