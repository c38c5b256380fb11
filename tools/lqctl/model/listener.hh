/* SPDX-License-Identifier: GPL-2.0 */
/* One listener as LISTENQ_CMD_LISTENER_GET describes it. */
#pragma once

#include <linux/listenq.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "model/address.hh"
#include "model/counters.hh"
#include "model/histogram.hh"
#include "model/process.hh"
#include "wire/attr.hh"

namespace lqctl {

/*
 * A socket that listens by plain TCP is one, too, where it stands beside ours: what TCP does not
 * know of itself is 0.
 *
 * The members carry the names of LISTENQ_A_LISTENER_*; what an older module leaves out stays 0.
 */
struct Listener {
	std::uint64_t id = 0;
	bool plain = false; /* TCP's, not ours: model/tcp_listener.hh */
	Address address;
	std::uint64_t inode = 0;
	std::uint32_t uid = 0;
	std::string policy;
	std::uint32_t flags = 0; /* LISTENQ_F_* */
	std::int32_t backlog_asked = 0;
/* Those of the list, the shards 0 of an older module. */
#define MEMBER(number, NAME, name, place, metric, text) std::uint32_t name = 0;
	LISTENQ_NUMBERS(MEMBER)
#undef MEMBER
	std::string accept_filter; /* empty: none */
	/* Of an older module there are none of these three. */
	std::optional<std::uint32_t> own;	/* LISTENQ_OWN_* */
	std::optional<std::uint32_t> following; /* the same; as net.ipv4.* */
	std::optional<std::int32_t> backlog_given;
	std::uint32_t accept_oldest = 0; /* us; 0: none waits */
	Counters drops = zero_counters(CounterKind::drop);
	Counters events = zero_counters(CounterKind::event);
	Histogram accept_wait;			     /* fine, but of an older module */
	std::optional<std::uint64_t> accept_wait_us; /* its sum; none: of an older module */
	/* From the first SYN-ACK to the ACK; and their sum, none: of an older module. */
	Histogram handshake;
	std::optional<std::uint64_t> handshake_us;
	/* Of ended ones at its address, to be added modulo 2^64; empty: there were none. */
	Counters former_drops, former_events;
	Histogram former_wait;
	std::uint64_t former_wait_us = 0;
	Histogram former_handshake;
	std::uint64_t former_handshake_us = 0;
	/* What lqctl found in /proc, when it looked. */
	bool has_processes = false;
	std::vector<Process> processes;
};

/* One of LISTENQ_NUMBERS. */
struct Number {
	unsigned place, attribute; /* as in the list */
	const char *name, *metric, *text;
	std::uint32_t Listener::*member;
};
/* All of them, by their places. */
inline constexpr auto numbers = [] {
	std::array all{
#define NUMBER(number, NAME, name, place, metric, text)                                            \
	Number{place, number, #name, metric, text, &Listener::name},
		LISTENQ_NUMBERS(NUMBER)
#undef NUMBER
	};
	std::sort(all.begin(), all.end(),
		  [](const Number &a, const Number &b) { return a.place < b.place; });
	return all;
}();

/* From the attributes of one message; attributes of a newer module are passed over. */
[[nodiscard]] Listener parse_listener(Bytes attributes);

/* Where a setting is from, such as net.ipv4.tcp_syncookies; @flag: its LISTENQ_OWN_*. */
[[nodiscard]] std::string source_of(const Listener &listener, std::uint32_t flag);

/* The settings of LISTENQ_OWN_*. */
[[nodiscard]] std::vector<std::string> own_names(std::uint32_t own);

/* enum listenq_dead, enum listenq_order: as the sysctls have them. */
[[nodiscard]] const char *dead_name(std::uint32_t dead);
[[nodiscard]] const char *order_name(std::uint32_t order);

/* family, address, port, interface */
void put_address(nlohmann::ordered_json &json, const Address &address);
[[nodiscard]] nlohmann::ordered_json processes_json(const std::vector<Process> &processes);
[[nodiscard]] nlohmann::ordered_json to_json(const Listener &listener);

} // namespace lqctl
