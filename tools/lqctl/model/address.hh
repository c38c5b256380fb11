/* SPDX-License-Identifier: GPL-2.0 */
/* A listener's local address and port, written as ss(8) writes it, and the filter on it. */
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "wire/attr.hh"

namespace lqctl {

struct Address {
	sa_family_t family = AF_INET;
	std::array<std::uint8_t, 16> bytes{}; /* network order; AF_INET uses the first 4 */
	std::uint16_t port = 0;
	std::uint32_t ifindex = 0; /* SO_BINDTODEVICE; 0 none */
	bool v6only = false;

	[[nodiscard]] std::size_t size() const { return family == AF_INET6 ? 16 : 4; }
	[[nodiscard]] bool is_wildcard() const;
	[[nodiscard]] std::string host() const; /* inet_ntop(3) */
};

/* From an attribute of 4 or 16 bytes, which say the family. */
void parse_address(Address &address, const Attr &attr);

/* The interface's name, or "if<index>" where this namespace has no such interface. */
[[nodiscard]] std::string interface_name(std::uint32_t ifindex);

/* What JSON says of it: "inet" or "inet6"; the interface's name, or null. */
[[nodiscard]] const char *family_name(const Address &address);
[[nodiscard]] nlohmann::ordered_json interface_json(const Address &address);

/* 127.0.0.1:80, [::1]:80, *:80 for a dual-stack wildcard, *%eth0:80; :http unless numeric. */
[[nodiscard]] std::string to_string(const Address &address, bool numeric);

/* A number or the name of a TCP service. */
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text);

/* Whether a listener has what comes for this address and port, on whatever interface. */
[[nodiscard]] bool serves(const Address &listener, const Address &wanted);

/* What a client connects to: a port, of one address or of any. */
struct Endpoint {
	std::uint16_t port = 0;
	std::optional<Address> address;
};

/* A port, an address, or both: what a filter is made of. */
class Filter final {
public:
	/*
	 * ":8080", "8080", ":http", "192.0.2.1", "192.0.2.1:80", "192.0.2.0/24", "::1", "[::1]:80",
	 * "*:80".
	 */
	explicit Filter(std::string_view text);

	[[nodiscard]] bool matches(const Address &address) const;
	/* None: it has no port, or is of a whole network. */
	[[nodiscard]] std::optional<Endpoint> endpoint() const;

private:
	struct Host {
		sa_family_t family;
		std::array<std::uint8_t, 16> bytes;
		unsigned bits; /* that count */
	};

	std::optional<Host> host_;
	std::optional<std::uint16_t> port_;
};

} // namespace lqctl
