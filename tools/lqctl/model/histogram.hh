/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms of times, such as how long connections waited for accept(): percentiles, and bars. */
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
	/*
	 * Powers of two of microseconds, LISTENQ_A_LISTENER_ACCEPT_WAIT, all that an older module
	 * has; or the buckets of LISTENQ_WAIT_FROM().
	 */
	enum class Scale { octaves, fine };

	Histogram() = default;
	/* u64 for each bucket. */
	explicit Histogram(const Attr &attr, Scale scale = Scale::octaves);

	explicit Histogram(std::vector<std::uint64_t> buckets, Scale scale = Scale::octaves)
	    : buckets_(std::move(buckets)), scale_(scale)
	{
	}

	[[nodiscard]] bool empty() const; /* nothing was counted */
	[[nodiscard]] bool fine() const { return scale_ == Scale::fine; }
	/* The same in powers of two. */
	[[nodiscard]] Histogram octaves() const;

	/* What was counted since @before, the same histogram a while ago; of both the coarser
	 * scale. */
	[[nodiscard]] Histogram since(const Histogram &before) const;

	/* Both together, modulo 2^64; of both the coarser scale. */
	void add(const Histogram &more);

	/* One line for each power of two from the first to the last that counted something. */
	[[nodiscard]] std::string draw(const Glyphs &glyphs, const std::string &indent,
				       std::size_t width = 80) const;

	struct Bucket {
		std::optional<std::uint64_t> below_us; /* none: no upper end */
		std::uint64_t count;
	};
	/* How many waited less than each power of two. */
	[[nodiscard]] std::vector<Bucket> cumulative() const;

	[[nodiscard]] std::uint64_t count() const;
	/*
	 * Of so many of 100 the longest: within 10 %, if it is fine; else the end of its power of
	 * two, which with the last bucket is none. Nothing was counted: none.
	 */
	[[nodiscard]] std::optional<std::uint64_t> percentile_us(unsigned percent) const;
	/* The same after "waited": "no longer than 1.3 ms", "less than 2.0 ms" or "very long". */
	[[nodiscard]] std::string percentile_text(unsigned percent) const;
	/* "p50 1.3 ms, p90 2.1 ms, p99 9.8 ms"; it is fine, and counted something. */
	[[nodiscard]] std::string percentiles_text() const;

	/* By powers of two, all of them. */
	[[nodiscard]] nlohmann::ordered_json to_json() const;
	/* What is fine: its buckets that counted something; else null. */
	[[nodiscard]] nlohmann::ordered_json fine_json() const;
	/* And back: throws what nlohmann::json does, and Error for a bucket that is none. */
	[[nodiscard]] static Histogram from_fine_json(const nlohmann::json &json);
	/* p50_us, p90_us, p99_us; null, unless it is fine and counted something. */
	[[nodiscard]] nlohmann::ordered_json percentiles_json() const;

	/* As they are, those at 0 at the end left out. */
	[[nodiscard]] std::vector<std::uint64_t> counts() const;

private:
	struct Range {
		std::uint64_t from_us;
		std::optional<std::uint64_t> to_us; /* exclusive; none: no upper end */
	};
	[[nodiscard]] Range range(std::size_t bucket) const;

	std::vector<std::uint64_t> buckets_;
	Scale scale_ = Scale::octaves;
};

} // namespace lqctl
