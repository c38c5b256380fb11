/* SPDX-License-Identifier: GPL-2.0 */
/* The journal of systemd, by its native protocol: systemd.io/JOURNAL_NATIVE_PROTOCOL. */
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/fd.hh"

namespace lqctl {

class Journal final {
public:
	/* Names are of A-Z, 0-9 and _, and begin with a letter; values may hold any byte. */
	using Fields = std::vector<std::pair<std::string, std::string>>;

	static constexpr const char *default_path = "/run/systemd/journal/socket";

	/* Throws Error: nobody is there. */
	explicit Journal(const std::string &path = default_path);

	/* One entry, of 200 KB at most. Waits for a second while the journal's socket is full.
	 * False, and errno: it was not taken (EAGAIN: in that second); the next one may be, as the
	 * journal comes back. */
	[[nodiscard]] bool send(const Fields &fields) const;

private:
	std::string path_;
	Fd socket_;
};

} // namespace lqctl
