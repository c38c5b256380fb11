// SPDX-License-Identifier: GPL-2.0
/* Addresses: text to bytes and back. */
#include "model/address.hh"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.hh"

namespace lqctl {

bool Address::is_wildcard() const
{
	return std::all_of(bytes.begin(), bytes.begin() + size(),
			   [](std::uint8_t byte) { return byte == 0; });
}

std::string Address::host() const
{
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(family, bytes.data(), text, sizeof(text));
	return text;
}

std::string interface_name(std::uint32_t ifindex)
{
	char name[IF_NAMESIZE];
	if (if_indextoname(ifindex, name))
		return name;
	return fmt::format("if{}", ifindex);
}

const char *family_name(const Address &address)
{
	return address.family == AF_INET6 ? "inet6" : "inet";
}

nlohmann::ordered_json interface_json(const Address &address)
{
	if (!address.ifindex)
		return nullptr;
	return interface_name(address.ifindex);
}

std::string to_string(const Address &address, bool numeric)
{
	std::string host;
	if (address.family != AF_INET6)
		host = address.host();
	else if (address.is_wildcard() && !address.v6only)
		host = "*";
	else
		host = fmt::format("[{}]", address.host());
	if (address.ifindex)
		host += '%' + interface_name(address.ifindex);

	const servent *service = numeric ? nullptr : getservbyport(htons(address.port), "tcp");
	if (service)
		return fmt::format("{}:{}", host, service->s_name);
	return fmt::format("{}:{}", host, address.port);
}

void parse_address(Address &address, const Attr &attr)
{
	Bytes bytes = attr.payload();
	if (bytes.size() != 4 && bytes.size() != 16)
		throw Error(fmt::format("the kernel sent an address of {} bytes: "
					"use the lqctl that came with the module",
					bytes.size()));
	std::memcpy(address.bytes.data(), bytes.data(), bytes.size());
	address.family = bytes.size() == 16 ? AF_INET6 : AF_INET;
}

std::optional<std::uint16_t> parse_port(std::string_view text)
{
	std::uint16_t port = 0;
	auto [end, error] = std::from_chars(text.begin(), text.end(), port);
	if (error == std::errc{} && end == text.end())
		return port;
	if (const servent *service = getservbyname(std::string(text).c_str(), "tcp"))
		return ntohs(static_cast<std::uint16_t>(service->s_port));
	return std::nullopt;
}

namespace {

bool same_prefix(const std::uint8_t *a, const std::uint8_t *b, unsigned bits)
{
	for (; bits >= 8; bits -= 8) {
		if (*a++ != *b++)
			return false;
	}
	return bits == 0 || ((*a ^ *b) >> (8 - bits)) == 0;
}

} // namespace

bool serves(const Address &listener, const Address &wanted)
{
	constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (listener.port != wanted.port)
		return false;
	if (listener.family == wanted.family)
		return listener.is_wildcard() || listener.bytes == wanted.bytes;
	/* IPv4 reaches a socket of IPv6 that is not IPv6's alone. */
	if (listener.family != AF_INET6 || listener.v6only)
		return false;
	return listener.is_wildcard() || (std::equal(mapped, mapped + 12, listener.bytes.begin()) &&
					  std::equal(wanted.bytes.begin(), wanted.bytes.begin() + 4,
						     listener.bytes.begin() + 12));
}

Filter::Filter(std::string_view text)
{
	auto fail = [&](std::string_view why) {
		return Error(fmt::format("\"{}\" {}: filter by :PORT, ADDRESS, ADDRESS/BITS or "
					 "ADDRESS:PORT, an IPv6 address with a port as "
					 "[::1]:80, or as in \"sport = :80\", see lqctl(8)",
					 text, why));
	};
	std::string_view host = text, port;
	bool has_port = false;

	if (text.starts_with('[')) {
		auto close = text.find(']');
		if (close == text.npos)
			throw fail("lacks a ]");
		host = text.substr(1, close - 1);
		std::string_view rest = text.substr(close + 1);
		if (!rest.empty() && rest[0] != ':')
			throw fail("has something other than :PORT after the ]");
		has_port = !rest.empty();
		port = has_port ? rest.substr(1) : rest;
	} else if (std::count(text.begin(), text.end(), ':') == 1) {
		has_port = true;
		host = text.substr(0, text.find(':'));
		port = text.substr(text.find(':') + 1);
	} else if (!text.empty() && text.find_first_not_of("0123456789") == text.npos) {
		has_port = true;
		host = "";
		port = text;
	}

	if (has_port) {
		port_ = parse_port(port);
		if (!port_)
			throw fail("names no TCP port");
	} else if (host.empty()) {
		throw fail("is empty");
	}
	if (host.empty() || host == "*")
		return;

	Host parsed{AF_INET, {}, 32};
	if (host.find(':') != host.npos) {
		parsed.family = AF_INET6;
		parsed.bits = 128;
	}
	if (const auto slash = host.find('/'); slash != host.npos) {
		const std::string_view length = host.substr(slash + 1);
		unsigned bits = 0;
		const auto [end, error] =
			std::from_chars(length.data(), length.data() + length.size(), bits);
		if (error != std::errc{} || end != length.data() + length.size() ||
		    bits > parsed.bits)
			throw fail(fmt::format("has a prefix of other than 0 to {} bits",
					       parsed.bits));
		parsed.bits = bits;
		host = host.substr(0, slash);
	}
	if (inet_pton(parsed.family, std::string(host).c_str(), parsed.bytes.data()) != 1)
		throw fail("is no IP address");
	host_ = parsed;
}

bool Filter::matches(const Address &address) const
{
	if (port_ && *port_ != address.port)
		return false;
	return !host_ || (host_->family == address.family &&
			  same_prefix(host_->bytes.data(), address.bytes.data(), host_->bits));
}

std::optional<Endpoint> Filter::endpoint() const
{
	if (!port_)
		return std::nullopt;
	if (!host_)
		return Endpoint{*port_, std::nullopt};
	Address address;
	address.family = host_->family;
	address.bytes = host_->bytes;
	address.port = *port_;
	if (host_->bits != 8 * address.size())
		return std::nullopt;
	return Endpoint{*port_, address};
}

} // namespace lqctl
