/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prometheus' text format, version 0.0.4, as node_exporter's textfile collector reads it.
 *
 * A listener is known by its address, port and interface, which stay when its program starts anew.
 * Sockets that share them (SO_REUSEPORT) are added up, a peak is the highest of theirs.
 *
 * Whoever may listen could make as many series as there are ports, so there is a limit.
 */
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "model/listener.hh"
#include "model/owner.hh"
#include "model/stats.hh"

namespace lqctl {

/* Who says it all. */
struct BuildInfo {
	std::string module = {}; /* its release; empty: not known */
	std::string kernel = {}; /* uname -r */
};

class Metrics final {
public:
	static constexpr std::size_t most_groups = 500;

	explicit Metrics(BuildInfo build, std::size_t limit = most_groups)
	    : build_(std::move(build)), limit_(limit)
	{
	}

	/*
	 * What there is in the network namespace that we are in. @netns: its name, as a label of
	 * all its samples; none: it is the only one. @owners: of listeners, by inode.
	 */
	void add(const std::optional<std::string> &netns, const Stats &stats,
		 const std::vector<Listener> &listeners,
		 const std::map<std::uint64_t, Owner> &owners = {});
	[[nodiscard]] std::string text() const;
	/* Where there is no module to ask. */
	[[nodiscard]] static std::string text_without_module(const BuildInfo &build);

private:
	struct Group {
		std::vector<Listener> members;
		Owner owner;
	};
	/* The labels of the namespace, port, address, interface. */
	using Key = std::tuple<std::string, std::uint16_t, std::string, std::string>;
	using Groups = std::map<Key, Group>;
	class Writer;

	static std::string labels_of(const Key &key);
	static void write_build(Writer &w, const BuildInfo &build, bool up);
	/* The first of all, which are those of the lowest ports. */
	[[nodiscard]] Groups limited() const;
	static void write_info(Writer &w, const Groups &groups);
	static Counters added_up(const Group &group, Counters Listener::*which,
				 Counters Listener::*former);
	template <typename Of>
	static void write_gauge(Writer &w, const Groups &groups, std::string_view metric,
				std::string_view help, Of of);
	static void write_gauges(Writer &w, const Groups &groups);
	struct Times;
	static void write_times(Writer &w, const Groups &groups, const Times &what);

	BuildInfo build_;
	std::size_t limit_;
	std::map<std::string, Stats> stats_; /* by the labels of the namespace */
	Groups groups_;
};

} // namespace lqctl
