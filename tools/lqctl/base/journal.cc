// SPDX-License-Identifier: GPL-2.0
#include "base/journal.hh"

#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/error.hh"

namespace lqctl {

namespace {

sockaddr_un address_of(const std::string &path)
{
	sockaddr_un address{};

	address.sun_family = AF_UNIX;
	if (path.size() >= sizeof(address.sun_path))
		throw Error(fmt::format("{}: too long for the name of a socket", path));
	std::memcpy(address.sun_path, path.data(), path.size());
	return address;
}

/* NAME=VALUE, or where the value has lines of its own: NAME, its length (8 bytes, little-endian),
 * it. */
std::string encode(const Journal::Fields &fields)
{
	std::string out;

	for (const auto &[name, value] : fields) {
		out += name;
		if (value.find('\n') == std::string::npos) {
			out += '=';
		} else {
			out += '\n';
			for (unsigned shift = 0; shift < 64; shift += 8)
				out += static_cast<char>(std::uint64_t{value.size()} >> shift);
		}
		out += value + '\n';
	}
	return out;
}

} // namespace

Journal::Journal(const std::string &path)
    : path_(path), socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
{
	const sockaddr_un address = address_of(path_);
	const Fd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	constexpr timeval patience{.tv_sec = 1, .tv_usec = 0};

	/* Of its own: the journal may be started anew, and a connected socket would not find it. */
	if (socket_.get() < 0 ||
	    connect(probe.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0)
		throw Error(fmt::format("no journal at {}: {}", path_, std::strerror(errno)));
	setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

bool Journal::send(const Fields &fields) const
{
	const sockaddr_un address = address_of(path_);
	const std::string entry = encode(fields);
	ssize_t sent;

	do {
		sent = sendto(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL,
			      reinterpret_cast<const sockaddr *>(&address), sizeof(address));
	} while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

} // namespace lqctl
