// SPDX-License-Identifier: GPL-2.0
/* Crowds: counted by address, and by the prefix that one site has. */
#include "model/crowd.hh"

#include <fmt/core.h>

#include <algorithm>

namespace lqctl {

namespace {

/* An IPv4 client of a dual-stack listener is one of IPv4: ::ffff:192.0.2.1. */
Address unmapped(const Address &peer)
{
	constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	Address v4;

	if (peer.family != AF_INET6 ||
	    !std::equal(mapped.begin(), mapped.end(), peer.bytes.begin()))
		return peer;
	std::copy_n(peer.bytes.begin() + 12, 4, v4.bytes.begin());
	return v4;
}

std::string prefix_of(Address peer)
{
	const std::size_t kept = peer.family == AF_INET6 ? 8 : 3;

	std::fill(peer.bytes.begin() + static_cast<std::ptrdiff_t>(kept), peer.bytes.end(),
		  std::uint8_t{0});
	return fmt::format("{}/{}", peer.host(), kept * 8);
}

} // namespace

void Crowd::add(const Address &peer)
{
	const Address address = unmapped(peer);

	count_++;
	peers_[address.host()]++;
	prefixes_[prefix_of(address)]++;
}

std::vector<Crowd::Share> Crowd::top(const std::map<std::string, std::uint64_t> &counts,
				     std::size_t most) const
{
	std::vector<Share> all;

	for (const auto &[who, count] : counts)
		all.push_back(
			{who, count, static_cast<double>(count) / static_cast<double>(count_)});
	std::stable_sort(all.begin(), all.end(),
			 [](const Share &a, const Share &b) { return a.count > b.count; });
	if (all.size() > most)
		all.resize(most);
	return all;
}

std::vector<Crowd::Share> Crowd::peers(std::size_t most) const
{
	return top(peers_, most);
}

std::vector<Crowd::Share> Crowd::prefixes(std::size_t most) const
{
	return top(prefixes_, most);
}

std::string Crowd::text() const
{
	std::string out;
	const auto say = [&](const Share &share) {
		out += fmt::format("{}{} {} ({:.0f} %)", out.empty() ? "" : ", ", share.who,
				   share.count, share.part * 100);
	};
	std::uint64_t named = 0;

	for (const Share &share : peers(3)) {
		if (share.part < 0.1)
			break;
		say(share);
		named += share.count;
	}
	for (const Share &share : prefixes(1)) {
		if (share.part >= 0.1 && share.count > named)
			say(share);
	}
	return out;
}

nlohmann::ordered_json Crowd::to_json() const
{
	nlohmann::ordered_json json;
	const auto list = [](const std::vector<Share> &shares) {
		auto all = nlohmann::ordered_json::array();
		for (const Share &share : shares)
			all.push_back({{"peer", share.who}, {"count", share.count}});
		return all;
	};

	json["count"] = count_;
	json["peers"] = list(peers(10));
	json["prefixes"] = list(prefixes(10));
	return json;
}

} // namespace lqctl
