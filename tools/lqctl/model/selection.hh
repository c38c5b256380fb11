/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which listeners a command is about: a filter in the manner of ss(8).
 *
 *	:80  127.0.0.1  [::1]:80  10.0.0.0/8  @7
 *	sport = :80 or ( policy = aix and not src 127.0.0.1 )
 *	name = nginx    drops > 0    recv-q >= 100
 */
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/listener.hh"

namespace lqctl {

class Condition; /* a node of the filter's tree */

/* "@7": a listener's id. Throws when it is none. */
[[nodiscard]] std::uint64_t parse_listener_id(const std::string &text);

class Selection final {
public:
	Selection(); /* all of them */
	/* The words of a command line, each of which may be several. Throws when malformed. */
	explicit Selection(const std::vector<std::string> &words);
	explicit Selection(const std::string &text);
	~Selection();
	Selection(Selection &&) noexcept;
	Selection &operator=(Selection &&) noexcept;

	[[nodiscard]] bool matches(const Listener &listener) const;

	/* As it was written, for messages; empty: all. */
	[[nodiscard]] const std::string &text() const { return text_; }
	/* Listener::processes must be known. */
	[[nodiscard]] bool wants_processes() const { return wants_processes_; }

private:
	std::string text_;
	bool wants_processes_ = false;
	std::unique_ptr<const Condition> root_;
};

} // namespace lqctl
