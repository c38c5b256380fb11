// SPDX-License-Identifier: GPL-2.0
/* Histograms: buckets, their labels and bars. */
#include "model/histogram.hh"

#include <fmt/core.h>

#include <linux/listenq.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.hh"
#include "base/timespan.hh"

namespace lqctl {

namespace {

/* A power of two of microseconds, in units of 1024 as bpftrace's hist() has them. */
std::string duration(std::uint64_t us)
{
	if (us < 1024)
		return fmt::format("{}us", us);
	if (us < 1024 * 1024)
		return fmt::format("{}ms", us / 1024);
	return fmt::format("{}s", us / (1024 * 1024));
}

} // namespace

Histogram::Histogram(const Attr &attr, Scale scale) : scale_(scale)
{
	Bytes bytes = attr.payload();
	const std::size_t most = scale == Scale::fine ? LISTENQ_WAIT_BUCKETS : 64;
	if (bytes.size() % sizeof(std::uint64_t) != 0 ||
	    bytes.size() > most * sizeof(std::uint64_t))
		throw Error(fmt::format("the kernel sent a histogram of {} bytes: "
					"use the lqctl that came with the module",
					bytes.size()));
	buckets_.resize(bytes.size() / sizeof(std::uint64_t));
	if (!bytes.empty())
		std::memcpy(buckets_.data(), bytes.data(), bytes.size());
}

bool Histogram::empty() const
{
	return std::all_of(buckets_.begin(), buckets_.end(), [](auto count) { return count == 0; });
}

/* No bucket lies in two powers of two. */
Histogram Histogram::octaves() const
{
	if (!fine())
		return *this;
	Histogram all(std::vector<std::uint64_t>(LISTENQ_HIST_BUCKETS));
	for (std::size_t i = 0; i < buckets_.size(); i++) {
		const auto octave = static_cast<std::size_t>(std::bit_width(range(i).from_us));
		all.buckets_[std::min<std::size_t>(octave, LISTENQ_HIST_BUCKETS - 1)] +=
			buckets_[i];
	}
	return all;
}

/* A connection that nobody took in the end is counted back: no bucket is below 0 for that. */
Histogram Histogram::since(const Histogram &before) const
{
	if (fine() && !before.fine() && !before.empty())
		return octaves().since(before);
	if (!fine() && before.fine())
		return since(before.octaves());
	Histogram difference = *this;

	for (std::size_t i = 0; i < std::min(buckets_.size(), before.buckets_.size()); i++)
		difference.buckets_[i] -= std::min(buckets_[i], before.buckets_[i]);
	return difference;
}

void Histogram::add(const Histogram &more)
{
	if (more.buckets_.empty())
		return;
	if (buckets_.empty())
		scale_ = more.scale_;
	else if (fine() && !more.fine())
		*this = octaves();
	else if (!fine() && more.fine())
		return add(more.octaves());
	buckets_.resize(std::max(buckets_.size(), more.buckets_.size()));
	for (std::size_t i = 0; i < more.buckets_.size(); i++)
		buckets_[i] += more.buckets_[i];
}

/*
 * Of powers of two, bucket 0: less than 1 us; bucket n: 2^(n-1) to 2^n - 1 us; the last has no
 * upper end.
 */
Histogram::Range Histogram::range(std::size_t bucket) const
{
	if (fine())
		return {LISTENQ_WAIT_FROM(bucket), LISTENQ_WAIT_FROM(bucket + 1)};
	Range range{bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1), std::nullopt};
	if (bucket + 1 < buckets_.size())
		range.to_us = std::uint64_t{1} << bucket;
	return range;
}

std::vector<Histogram::Bucket> Histogram::cumulative() const
{
	if (fine())
		return octaves().cumulative();
	std::vector<Bucket> all;
	std::uint64_t sum = 0;

	for (std::size_t i = 0; i < buckets_.size(); i++) {
		sum += buckets_[i];
		all.push_back({range(i).to_us, sum});
	}
	return all;
}

std::uint64_t Histogram::count() const
{
	return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

std::optional<std::uint64_t> Histogram::percentile_us(unsigned percent) const
{
	const std::uint64_t all = count();
	std::uint64_t sum = 0;

	for (std::size_t i = 0; all && i < buckets_.size(); i++) {
		sum += buckets_[i];
		if (static_cast<long double>(sum) * 100 < static_cast<long double>(all) * percent)
			continue;
		const Range r = range(i);
		if (!fine())
			return r.to_us;
		/* The harmonic middle is as far from one end as from the other, in parts of either.
		 */
		const auto low = static_cast<double>(r.from_us),
			   high = static_cast<double>(*r.to_us - 1);
		return high == 0 ? 0
				 : static_cast<std::uint64_t>(
					   std::round(2 * low * high / (low + high)));
	}
	return std::nullopt;
}

std::string Histogram::percentile_text(unsigned percent) const
{
	const auto us = percentile_us(percent);
	if (!us)
		return "very long";
	return (fine() ? "no longer than " : "less than ") + duration_text(*us);
}

std::string Histogram::percentiles_text() const
{
	std::string out;
	for (const unsigned percent : {50u, 90u, 99u})
		out += fmt::format("{}p{} {}", out.empty() ? "" : ", ", percent,
				   duration_text(percentile_us(percent).value_or(0)));
	return out;
}

std::string Histogram::draw(const Glyphs &glyphs, const std::string &indent,
			    std::size_t width) const
{
	if (fine())
		return octaves().draw(glyphs, indent, width);
	auto counted = [](auto count) { return count != 0; };
	auto first = std::find_if(buckets_.begin(), buckets_.end(), counted);
	auto end = std::find_if(buckets_.rbegin(), buckets_.rend(), counted).base();
	std::string out;

	if (first == buckets_.end())
		return out;
	std::uint64_t largest = *std::max_element(first, end);
	std::size_t digits = fmt::formatted_size("{}", largest);
	/* Two labels of 7 and 8, and spaces. */
	const std::size_t taken = indent.size() + 7 + 1 + 8 + 1 + digits + 1;
	const std::uint64_t bar_cells =
		std::min<std::uint64_t>(36, width > taken + 5 ? width - taken - 1 : 4);
	for (auto it = first; it != end; ++it) {
		Range r = range(static_cast<std::size_t>(it - buckets_.begin()));
		out += fmt::format(
			"{}{:>7} {:<8} {:>{}} ", indent, r.to_us ? duration(r.from_us) : ">=",
			r.to_us ? "- " + duration(*r.to_us) : duration(r.from_us), *it, digits);
		/* Rounded up: what counted something is seen. */
		auto cells = static_cast<std::uint64_t>(static_cast<long double>(*it) * bar_cells /
							static_cast<long double>(largest));
		if (*it != 0)
			cells = std::max<std::uint64_t>(cells, 1);
		for (std::uint64_t i = 0; i < cells; i++)
			out += glyphs.bar;
		if (cells == 0)
			out.pop_back();
		out += '\n';
	}
	return out;
}

nlohmann::ordered_json Histogram::to_json() const
{
	if (fine())
		return octaves().to_json();
	auto json = nlohmann::ordered_json::array();
	for (std::size_t i = 0; i < buckets_.size(); i++) {
		Range r = range(i);
		nlohmann::ordered_json bucket;
		bucket["from_us"] = r.from_us;
		if (r.to_us)
			bucket["to_us"] = *r.to_us;
		else
			bucket["to_us"] = nullptr;
		bucket["count"] = buckets_[i];
		json.push_back(bucket);
	}
	return json;
}

nlohmann::ordered_json Histogram::fine_json() const
{
	if (!fine())
		return nullptr;
	auto json = nlohmann::ordered_json::array();
	for (std::size_t i = 0; i < buckets_.size(); i++) {
		if (buckets_[i])
			json.push_back({{"from_us", range(i).from_us},
					{"to_us", *range(i).to_us},
					{"count", buckets_[i]}});
	}
	return json;
}

Histogram Histogram::from_fine_json(const nlohmann::json &json)
{
	Histogram all(std::vector<std::uint64_t>(LISTENQ_WAIT_BUCKETS), Scale::fine);

	for (const auto &one : json) {
		const auto from = one.at("from_us").get<std::uint64_t>();
		std::size_t i = 0;
		while (i < LISTENQ_WAIT_BUCKETS && LISTENQ_WAIT_FROM(i) != from)
			i++;
		if (i == LISTENQ_WAIT_BUCKETS)
			throw Error(fmt::format("no bucket begins at {} us", from));
		all.buckets_[i] = one.at("count").get<std::uint64_t>();
	}
	return all;
}

nlohmann::ordered_json Histogram::percentiles_json() const
{
	if (!fine() || empty())
		return nullptr;
	nlohmann::ordered_json json;
	for (const unsigned percent : {50u, 90u, 99u})
		json[fmt::format("p{}_us", percent)] = *percentile_us(percent);
	return json;
}

std::vector<std::uint64_t> Histogram::counts() const
{
	std::vector<std::uint64_t> all = buckets_;
	while (!all.empty() && all.back() == 0)
		all.pop_back();
	return all;
}

} // namespace lqctl
