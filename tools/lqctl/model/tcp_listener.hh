/* SPDX-License-Identifier: GPL-2.0 */
/* One listening socket as TCP sees it, ours among them: what sock_diag(7) says. */
#pragma once

#include <cstdint>
#include <string>

#include "model/listener.hh"
#include "wire/attr.hh"

namespace lqctl {

struct TcpListener {
	Listener listener;	  /* plain; of a socket that is ours what our module says */
	std::uint64_t cookie = 0; /* SO_COOKIE: of no other socket, ever */
	/* These two are told to those with CAP_NET_ADMIN only. */
	std::string ulp;  /* the upper layer's name; empty: none */
	bool md5 = false; /* TCP-MD5 keys are set */
};

/* An inet_diag_msg and its attributes. */
[[nodiscard]] TcpListener parse_tcp_listener(Bytes message);

} // namespace lqctl
