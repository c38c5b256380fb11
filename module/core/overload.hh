// SPDX-License-Identifier: GPL-2.0
// Overload: who is next on an accept queue that is served too slowly, who is given up, and how many
// more are let in. Numbers in, verdicts out; docs/overload.md says what each is good for.
//
// Invariants (check()): Codel's count is at least 1 while it drops; AcceptRate knows an interval if
// it was ever busy.
// Locking: the shard's lock.
#pragma once

#include <optional>
#include <string_view>

#include "types.hh"

namespace listenq {

using OverloadConfig = lq_overload;

// Controlled Delay, RFC 8289 5, asked for one connection after the other as it would leave.
class Codel final {
public:
	// The oldest of @qlen connections has waited for @waited_us: is it to be dropped?
	[[nodiscard]] bool drops(const OverloadConfig &config, Micros now, u32 waited_us, u32 qlen);

	[[nodiscard]] const char *check() const;

private:
	[[nodiscard]] bool may_drop(const OverloadConfig &config, Micros now, u32 waited_us,
				    u32 qlen);

	Micros above_since_{0}; // while above_: since when no wait was below the target
	Micros drop_next_{0};	// while dropping_
	u32 count_ = 0;		// drops since dropping_ began
	u32 last_count_ = 0;	// where that began
	bool above_ = false;
	bool dropping_ = false;
	bool dropped_ = false; // the last that was asked for, while dropping_
};

// How long accept() takes from one connection to the next, while there is one.
class AcceptRate final {
public:
	// One was taken that had waited for @waited_us; @more: others are left.
	void accepted(Micros now, u32 waited_us, bool more);
	// Nobody is left, and none was taken.
	void emptied() { busy_ = false; }

	// Microseconds; 0: not known.
	[[nodiscard]] u32 interval_us() const { return interval8_ / 8; }
	// How many may wait so that the last of them waits no longer than @wait_ms; at least 1.
	[[nodiscard]] u32 places(u32 wait_ms, u32 limit) const;

private:
	// A sample is cut to this: eight of them are no more than 32 bits hold.
	static constexpr u32 kLongest = 1u << 28;

	u32 interval8_ = 0; // eight times the average, as TCP's srtt (RFC 6298 2.3); 0: not known
	Micros last_{0};    // with busy_: when one was taken
	bool busy_ = false; // and others were left
};

class Overload final {
public:
	// Of a new config: lq_core_manages().
	[[nodiscard]] static bool manages(const OverloadConfig &config)
	{
		return config.accept_max_wait_ms || config.codel_target_ms ||
		       config.syn_admission_ms || config.accept_order != LISTENQ_ORDER_FIFO ||
		       config.steal_us || config.stalled_ms;
	}
	// Whether accept() does not have it.
	[[nodiscard]] static listenq_drop drops(const OverloadConfig &config, lq_peer peer);
	[[nodiscard]] static bool expires(const OverloadConfig &config, u32 waited_us)
	{
		return config.accept_max_wait_ms && waited_us >= config.accept_max_wait_ms * 1000;
	}
	// Whether the newest is next, and not the oldest, which has waited for @oldest_us.
	[[nodiscard]] static bool newest_first(const OverloadConfig &config, u32 oldest_us);

	Codel codel;
	AcceptRate rate;
};

namespace overload {

[[nodiscard]] std::optional<listenq_dead> find_dead(std::string_view name);
[[nodiscard]] const char *dead_name(u32 dead);
[[nodiscard]] std::optional<listenq_order> find_order(std::string_view name);
[[nodiscard]] const char *order_name(u32 order);

} // namespace overload
} // namespace listenq
