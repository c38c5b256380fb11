/* SPDX-License-Identifier: GPL-2.0 */
/* The multicast group "events" of this network namespace, as it is read. */
#pragma once

#include <cstdint>
#include <functional>

#include "kernel/genl.hh"
#include "wire/attr.hh"

struct mnl_socket;

namespace lqctl {

/* What one datagram holds. */
enum class Contents {
	events,
	family_gone, /* the module was unloaded */
};

/*
 * Calls visit() with the attributes of each event. @family: its number. Messages of others, and
 * of commands that came later than this lqctl, are passed over.
 */
[[nodiscard]] Contents read_events(Bytes datagram, std::uint16_t family,
				   const std::function<void(Bytes attributes)> &visit);

class Subscription final {
public:
	/* Throws when the module has no such group. */
	explicit Subscription(const Family &family);
	~Subscription();
	Subscription(const Subscription &) = delete;
	Subscription &operator=(const Subscription &) = delete;

	[[nodiscard]] int fd() const;

	/* All that has come, without waiting. @lost: some did not. Throws when the module goes. */
	void read(const std::function<void(Bytes attributes)> &visit,
		  const std::function<void()> &lost);

private:
	mnl_socket *socket_;
	std::uint16_t family_;
};

} // namespace lqctl
