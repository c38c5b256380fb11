/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What lqctl stats saw at its last call, so that it can say what came since, as nstat(8) does. The
 * file is this user's and this network namespace's. Of a namespace that was made anew, or a module
 * that was loaded anew, nothing is compared.
 */
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/stats.hh"

namespace lqctl {

struct History {
	double time = 0; /* CLOCK_BOOTTIME, seconds */
	Stats stats;
};

/* Counters that grew since, by how much. One that fell was counted anew: it stays as it is. */
[[nodiscard]] Stats difference(const Stats &now, const Stats &before);

[[nodiscard]] std::string to_text(const History &history);
/* None when it is no such text. */
[[nodiscard]] std::optional<History> parse_history(const std::string &text);

class HistoryFile final {
public:
	/* In @directory, which is made if it is not there: mine, and nobody else's. Throws. */
	HistoryFile(std::filesystem::path directory, const std::string &name);

	/* In $LQCTL_HISTORY, $XDG_RUNTIME_DIR/lqctl or /tmp/lqctl-UID. */
	[[nodiscard]] static HistoryFile standard();

	[[nodiscard]] std::optional<History> read() const;
	/* At once as a whole: a reader meets the old or the new one. */
	void write(const History &history) const;

	[[nodiscard]] const std::filesystem::path &path() const { return path_; }

private:
	std::filesystem::path path_;
};

} // namespace lqctl
