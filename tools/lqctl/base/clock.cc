// SPDX-License-Identifier: GPL-2.0
/* The time of day: read, and written. */
#include "base/clock.hh"

#include <fmt/chrono.h>

#include <chrono>
#include <ctime>

namespace lqctl {

namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

std::time_t seconds(std::uint64_t time_ns)
{
	return static_cast<std::time_t>(time_ns / ns_per_s);
}

} // namespace

std::uint64_t now_ns()
{
	const auto now = std::chrono::system_clock::now().time_since_epoch();
	return static_cast<std::uint64_t>(
		std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

std::string utc_text(std::uint64_t time_ns, unsigned digits)
{
	const std::string fraction = fmt::format("{:09}", time_ns % ns_per_s);
	return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{}Z", fmt::gmtime(seconds(time_ns)),
			   fraction.substr(0, digits));
}

std::string time_of_day(std::uint64_t time_ns)
{
	return fmt::format("{:%H:%M:%S}", fmt::localtime(seconds(time_ns)));
}

} // namespace lqctl
