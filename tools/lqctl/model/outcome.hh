/* SPDX-License-Identifier: GPL-2.0 */
/* What became of one listener that was to be adopted or released. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/listener.hh"

namespace lqctl {

/* Why not: a word that stays, and a sentence with the remedy. */
struct Refusal {
	std::string code;
	std::string text;
};

/* What our queues of a socket still hold. */
struct Drain {
	std::uint32_t half_open = 0, queued = 0, held = 0;

	[[nodiscard]] bool empty() const { return !half_open && !queued && !held; }
};

enum class Result {
	taken,
	would_take, /* --dry-run */
	not_taken,
	released,
	would_release,
	draining, /* its release goes on */
	not_released,
	already, /* ours, or TCP's, before */
};

struct Outcome {
	Listener listener; /* its address, and who has it */
	Result result = Result::not_taken;
	/* Of not_taken and not_released; of another, what went wrong afterwards. */
	std::optional<Refusal> reason;
	std::optional<Drain> drain; /* while it is released */

	/* As it was asked for. */
	[[nodiscard]] bool well() const
	{
		return !reason && result != Result::not_taken && result != Result::not_released;
	}
};

/* "not taken"; of JSON, "not_taken". */
[[nodiscard]] std::string to_string(Result result);
[[nodiscard]] std::string result_code(Result result);

/* "3 half-open, 1 queued": what is 0 is left out. With nothing else the last cookies are waited
 * for. */
[[nodiscard]] std::string to_string(const Drain &drain);

[[nodiscard]] nlohmann::ordered_json to_json(const Outcome &outcome);

} // namespace lqctl
