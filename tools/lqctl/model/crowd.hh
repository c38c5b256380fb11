/* SPDX-License-Identifier: GPL-2.0 */
/* Who fills a queue: its peers, counted by address and by prefix, the most frequent first. */
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/address.hh"

namespace lqctl {

class Crowd final {
public:
	struct Share {
		std::string who; /* an address, or "10.0.0.0/24" */
		std::uint64_t count = 0;
		double part = 0; /* of all, 0..1 */
	};

	void add(const Address &peer);
	[[nodiscard]] std::uint64_t count() const { return count_; }
	/* Addresses, @most of them. Equally frequent ones in their own order. */
	[[nodiscard]] std::vector<Share> peers(std::size_t most) const;
	/* The same by /24 of IPv4, /64 of IPv6: what one site has. */
	[[nodiscard]] std::vector<Share> prefixes(std::size_t most) const;
	/*
	 * Who stands out, in words: "10.0.0.1 12 (75 %)"; a prefix only where it says more than its
	 * addresses. Empty: nobody has a tenth of it.
	 */
	[[nodiscard]] std::string text() const;
	[[nodiscard]] nlohmann::ordered_json to_json() const;

private:
	[[nodiscard]] std::vector<Share> top(const std::map<std::string, std::uint64_t> &counts,
					     std::size_t most) const;

	std::uint64_t count_ = 0;
	std::map<std::string, std::uint64_t> peers_, prefixes_;
};

} // namespace lqctl
