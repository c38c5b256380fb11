/* SPDX-License-Identifier: GPL-2.0 */
/* The accept-wait histogram: how long connections waited for accept(), drawn as bars. */
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/glyphs.hh"
#include "wire/attr.hh"

namespace lqctl {

class Histogram final {
public:
	Histogram() = default;
	/* LISTENQ_A_LISTENER_ACCEPT_WAIT: u64 per power of two of microseconds. */
	explicit Histogram(const Attr &attr);

	explicit Histogram(std::vector<std::uint64_t> buckets) : buckets_(std::move(buckets)) {}

	[[nodiscard]] bool empty() const; /* nothing was counted */

	/* What was counted since @before, the same histogram a while ago. */
	[[nodiscard]] Histogram since(const Histogram &before) const;

	/* Both together, modulo 2^64. */
	void add(const Histogram &more);

	/* One line for each bucket from the first to the last that counted something. */
	[[nodiscard]] std::string draw(const Glyphs &glyphs, const std::string &indent,
				       std::size_t width = 80) const;

	struct Bucket {
		std::optional<std::uint64_t> below_us; /* none: no upper end */
		std::uint64_t count;
	};
	/* How many waited less than each upper end. */
	[[nodiscard]] std::vector<Bucket> cumulative() const;

	[[nodiscard]] std::uint64_t count() const;
	/* That so many of 100 waited less than; with the last bucket, or without any: none. */
	[[nodiscard]] std::optional<std::uint64_t> percentile_us(unsigned percent) const;

	[[nodiscard]] nlohmann::ordered_json to_json() const;

private:
	struct Range {
		std::uint64_t from_us;
		std::optional<std::uint64_t> to_us; /* exclusive; none: no upper end */
	};
	[[nodiscard]] Range range(std::size_t bucket) const;

	std::vector<std::uint64_t> buckets_;
};

} // namespace lqctl
