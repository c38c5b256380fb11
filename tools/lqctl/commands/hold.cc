// SPDX-License-Identifier: GPL-2.0
/* lqctl hold: what listeners have as they end is kept for the next ones, and that is waited for. */
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/error.hh"
#include "base/json.hh"
#include "base/output.hh"
#include "base/plural.hh"
#include "base/timespan.hh"
#include "commands/change.hh"
#include "commands/commands.hh"
#include "commands/progress.hh"
#include "commands/words.hh"
#include "kernel/lookup.hh"

namespace lqctl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Options {
	std::string filter;
	std::string time = "30s"; /* how long it is kept */
	bool no_wait = false;
	bool json = false;
};

/* One listener, whose end is waited for, and who has its place then. */
struct Held {
	Listener listener;
	std::optional<Clock::time_point> gone;
	std::optional<std::uint64_t> next; /* the id of who listens there now */
	double seconds = 0;		   /* between the two, as far as was seen */
	bool lost = false;		   /* nobody came in time */
};

/* At the same place, by the same owner: what the kernel takes over by. */
bool follows(const Listener &next, const Listener &l)
{
	return next.id != l.id && next.uid == l.uid &&
	       to_string(next.address, true) == to_string(l.address, true);
}

class Hold final {
public:
	explicit Hold(const Options &options)
	    : options_(options), selection_(options.filter),
	      grace_(parse_timespan(options.time, "time", 1ms))
	{
		if (grace_ > 600s)
			throw Error("the time is 10 minutes at most");
	}

	void run()
	{
		const auto ms =
			std::chrono::duration_cast<std::chrono::milliseconds>(grace_).count();
		const std::vector<Listener> before = look();
		std::set<std::uint64_t> ids = change_some(
			genl_, selection_,
			{{LISTENQ_A_LISTENER_GRACE_MS, static_cast<std::uint32_t>(ms)}});
		/* Who began meanwhile is not among the first, who has ended already not among the
		 * last. */
		for (const std::vector<Listener> &some : {before, look()}) {
			for (const Listener &l : some) {
				if (ids.erase(l.id))
					held_.push_back({.listener = l, .gone = {}, .next = {}});
			}
		}
		if (!options_.no_wait)
			wait();
		if (write_stdout(options_.json ? json_text(json()) : text()))
			conclude();
	}

private:
	[[nodiscard]] std::vector<Listener> look()
	{
		std::vector<Listener> listeners;
		bool incomplete = true;

		/* One that an inconsistent dump left out has not ended. */
		while (incomplete)
			listeners = poll_listeners(genl_, incomplete);
		return listeners;
	}

	[[nodiscard]] static bool is_over(const Held &h) { return h.next || h.lost; }

	void update(Held &h, const std::vector<Listener> &listeners) const
	{
		const auto now = Clock::now();
		const auto is = [&](const Listener &l) { return l.id == h.listener.id; };

		if (is_over(h) || std::any_of(listeners.begin(), listeners.end(), is))
			return;
		if (!h.gone)
			h.gone = now;
		h.seconds = std::chrono::duration<double>(now - *h.gone).count();
		for (const Listener &l : listeners) {
			if (follows(l, h.listener) && (!h.next || l.id > *h.next))
				h.next = l.id;
		}
		h.lost = !h.next && now - *h.gone > grace_;
	}

	[[nodiscard]] std::string waiting() const
	{
		const auto there = std::count_if(held_.begin(), held_.end(),
						 [](const Held &h) { return !h.gone; });
		const auto kept = std::count_if(held_.begin(), held_.end(), [](const Held &h) {
			return h.gone && !is_over(h);
		});

		if (!kept)
			return fmt::format("waiting for {} to end",
					   many(static_cast<std::uint64_t>(there), "listener"));
		return fmt::format("{} ended, what it had is kept: waiting for the next",
				   many(static_cast<std::uint64_t>(kept), "listener"));
	}

	void wait()
	{
		Wait wait("Ctrl-C leaves it held", 50ms);

		while (!std::all_of(held_.begin(), held_.end(), is_over)) {
			interrupted_ = !wait.goes_on(waiting());
			if (interrupted_)
				return;
			const std::vector<Listener> now = look();
			for (Held &h : held_)
				update(h, now);
		}
	}

	[[nodiscard]] std::string text() const
	{
		std::string all;

		for (const Held &h : held_) {
			const std::string name = fmt::format("@{} {}", h.listener.id,
							     to_string(h.listener.address, true));
			if (h.next)
				all += fmt::format(
					"{}: @{} listens there since {:.1f} s after it\n", name,
					*h.next, h.seconds);
			else if (h.lost)
				all += fmt::format("{}: ended, and nobody listens there\n", name);
			else if (h.gone)
				all += fmt::format("{}: ended, and what it had is kept\n", name);
			else
				all += fmt::format("{}: what it has is kept for {} as it ends\n",
						   name, options_.time);
		}
		return all;
	}

	[[nodiscard]] nlohmann::ordered_json json() const
	{
		nlohmann::ordered_json rows = nlohmann::ordered_json::array();

		for (const Held &h : held_) {
			rows.push_back({{"id", h.listener.id},
					{"local", to_string(h.listener.address, true)},
					{"state", h.next   ? "taken_over"
						  : h.lost ? "lost"
						  : h.gone ? "kept"
							   : "listens"},
					{"next_id", h.next ? nlohmann::ordered_json(*h.next)
							   : nlohmann::ordered_json()}});
		}
		return {{"listeners", rows}};
	}

	void conclude() const
	{
		if (interrupted_)
			throw Error("interrupted: it stays set, and \"lqctl reset\" ends it");
		if (std::any_of(held_.begin(), held_.end(), [](const Held &h) { return h.lost; }))
			throw Error(fmt::format(
				"nobody listened there within {}: what was kept is reset",
				options_.time));
	}

	const Options &options_;
	Selection selection_;
	Microseconds grace_;
	Genl genl_;
	std::vector<Held> held_;
	bool interrupted_ = false;
};

} // namespace

Command hold(CLI::App &app)
{
	const auto o = std::make_shared<Options>();
	auto *command = app.add_subcommand(
		"hold", "Keep what listeners have as they end, until others listen there");
	command->add_option("-t,--time", o->time,
			    "Keep it for so many seconds, or as in 500ms or 2m (30s)");
	command->add_flag("-w,--no-wait", o->no_wait, "Set it, and do not wait for the restart");
	command->add_flag("-j,--json", o->json, "JSON");
	command->add_option("FILTER", o->filter, filter_help)->required();
	return {command, [o] {
			Hold(*o).run();
			return std::string();
		}};
}

} // namespace lqctl
