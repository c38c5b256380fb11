/* SPDX-License-Identifier: GPL-2.0 */
/* The messages of one netlink datagram, one after the other. */
#pragma once

#include "wire/attr.hh"

namespace lqctl {

/*
 * Calls visit(const nlmsghdr &header, Bytes payload) for each until it returns false. cut_short()
 * throws: what is left is no whole message.
 */
template <typename Visit, typename CutShort>
void for_each_message(Bytes datagram, Visit visit, CutShort cut_short)
{
	while (!datagram.empty()) {
		nlmsghdr header;
		if (datagram.size() < sizeof(header))
			cut_short();
		std::memcpy(&header, datagram.data(), sizeof(header));
		if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size())
			cut_short();
		if (!visit(header, datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)))
			return;
		/* The last message may come without its padding. */
		const std::size_t next = NLMSG_ALIGN(header.nlmsg_len);
		datagram = next < datagram.size() ? datagram.subspan(next) : Bytes{};
	}
}

} // namespace lqctl
