/* SPDX-License-Identifier: GPL-2.0 */
/* Sockets of other processes: a descriptor of our own for them, by pidfd_getfd(2). */
#pragma once

#include "base/fd.hh"
#include "model/outcome.hh"
#include "model/tcp_listener.hh"

namespace lqctl {

/* A descriptor, or why there is none. */
struct Taken {
	Fd fd;
	Refusal reason; /* when fd is none */
};

/* Descriptor @fd of process @pid, whatever it is. */
[[nodiscard]] Taken take_descriptor(int pid, int fd);

/* This very socket, from one of the processes that have it. */
[[nodiscard]] Taken take_socket(const TcpListener &tcp);

} // namespace lqctl
