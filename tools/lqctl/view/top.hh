/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lqctl top without its terminal: what was seen, how it is sorted, and the lines that show it.
 * Nothing here looks at a clock, a key or a screen.
 */
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/glyphs.hh"
#include "base/table.hh"
#include "model/listener.hh"
#include "model/selection.hh"

namespace lqctl {

enum class TopSort { load, drops, syns, accepts, port };
[[nodiscard]] const char *to_string(TopSort sort);
[[nodiscard]] TopSort next(TopSort sort);

/* What a next call begins with. */
struct TopSettings {
	TopSort sort = TopSort::load;
	bool reversed = false;
	bool numeric = false;

	bool operator==(const TopSettings &) const = default;
	/* Lines "NAME VALUE"; of what is not understood nothing is taken, as a later lqctl may have
	 * written it. */
	[[nodiscard]] std::string text() const;
	[[nodiscard]] static TopSettings of(const std::string &text);
};

struct TopStyle {
	unsigned columns = 80, rows = 24;
	Glyphs glyphs = ascii_glyphs;
	bool numeric = false;
};

class Top final {
public:
	/* @time: seconds of any clock that does not go back. */
	void update(std::vector<Listener> listeners, double time);

	/* Which of those that are shown drops most just now; nullptr: none drops. */
	[[nodiscard]] const Listener *worst() const;
	/* Whom that one drops; empty: nobody is to be named. Until the next update(). */
	void name_dropped(const std::string &who);

	/* As a Selection takes it; empty: all. Throws when malformed, and leaves the last one. */
	void set_filter(const std::string &text);
	[[nodiscard]] const std::string &filter() const { return selection_.text(); }

	TopSort sort = TopSort::load;
	bool reversed = false;
	std::size_t first = 0; /* row at the top, of those that are shown */

	/* Header, titles and rows: at most style.rows lines of at most style.columns. */
	[[nodiscard]] std::vector<Table::Line> frame(const TopStyle &style,
						     const std::string &clock) const;
	/* By what the title at this cell of the frame sorts; nullopt: there is none. */
	[[nodiscard]] std::optional<TopSort> sort_at(const TopStyle &style, unsigned column,
						     unsigned row) const;
	/* How many rows the filter leaves. */
	[[nodiscard]] std::size_t size() const;

private:
	struct Rates {
		double syns = 0, accepts = 0, drops = 0; /* per second */
	};
	struct Row {
		const Listener *listener;
		Rates rates;
	};
	/* How full it was in each 5 s of the last minute, at most; -1: nobody looked. */
	struct Minute {
		static constexpr double slot_seconds = 5;

		std::array<double, 12> most;
		std::int64_t slot = 0; /* of the newest, which is the last */

		explicit Minute(std::int64_t now) : slot(now) { most.fill(-1); }
		void add(std::int64_t now, double load);
		[[nodiscard]] std::string draw(const Glyphs &glyphs) const;
	};
	[[nodiscard]] std::vector<Row> rows() const;
	[[nodiscard]] Rates rates_of(const Listener &now) const;
	[[nodiscard]] Table table(const std::vector<Row> &all, std::size_t room,
				  const TopStyle &style) const;
	[[nodiscard]] std::size_t above() const { return dropped_.empty() ? 2 : 3; }
	[[nodiscard]] Table::Line title(const TopStyle &style, const std::string &clock,
					std::size_t shown, const Rates &sum) const;

	Selection selection_;
	std::vector<Listener> listeners_;
	std::map<std::uint64_t, Listener> before_; /* by id */
	std::map<std::uint64_t, Minute> minutes_;  /* by id */
	std::string dropped_;
	double time_ = 0, seconds_ = 0; /* seconds_ since before_; 0: there is none */
};

} // namespace lqctl
