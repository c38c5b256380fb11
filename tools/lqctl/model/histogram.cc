// SPDX-License-Identifier: GPL-2.0
/* Histograms: buckets, their labels and bars. */
#include "model/histogram.hh"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/error.hh"

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

Histogram::Histogram(const Attr &attr)
{
	Bytes bytes = attr.payload();
	if (bytes.size() % sizeof(std::uint64_t) != 0 || bytes.size() > 64 * sizeof(std::uint64_t))
		throw Error(fmt::format("the kernel sent an accept-wait histogram of {} bytes: "
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

/* A connection that nobody took in the end is counted back: no bucket is below 0 for that. */
Histogram Histogram::since(const Histogram &before) const
{
	Histogram difference = *this;

	for (std::size_t i = 0; i < std::min(buckets_.size(), before.buckets_.size()); i++)
		difference.buckets_[i] -= std::min(buckets_[i], before.buckets_[i]);
	return difference;
}

void Histogram::add(const Histogram &more)
{
	buckets_.resize(std::max(buckets_.size(), more.buckets_.size()));
	for (std::size_t i = 0; i < more.buckets_.size(); i++)
		buckets_[i] += more.buckets_[i];
}

/* Bucket 0: less than 1 us; bucket n: 2^(n-1) to 2^n - 1 us; the last has no upper end. */
Histogram::Range Histogram::range(std::size_t bucket) const
{
	Range range{bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1), std::nullopt};
	if (bucket + 1 < buckets_.size())
		range.to_us = std::uint64_t{1} << bucket;
	return range;
}

std::vector<Histogram::Bucket> Histogram::cumulative() const
{
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
		if (static_cast<long double>(sum) * 100 >= static_cast<long double>(all) * percent)
			return range(i).to_us;
	}
	return std::nullopt;
}

std::string Histogram::draw(const Glyphs &glyphs, const std::string &indent,
			    std::size_t width) const
{
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

} // namespace lqctl
