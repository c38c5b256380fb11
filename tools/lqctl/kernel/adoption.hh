/* SPDX-License-Identifier: GPL-2.0 */
/* Listening sockets of TCP's become ours, and TCP's again. */
#pragma once

#include <optional>
#include <vector>

#include "kernel/setting.hh"
#include "model/outcome.hh"
#include "model/tcp_listener.hh"

namespace lqctl {

/* What is set on those that are taken. */
struct Wishes {
	std::vector<Setting> settings;
	std::optional<int> backlog; /* for another listen() */
};

/* @fd: a descriptor of our own for it. Nothing is changed when @dry. */
[[nodiscard]] Outcome adopt_socket(int fd, const TcpListener &tcp, const Wishes &wishes, bool dry);

/* Begins the release, and says how far it is. */
[[nodiscard]] Outcome release_socket(int fd, const Listener &listener, bool dry);

/* How far a release is that has begun. */
[[nodiscard]] Outcome release_state(int fd, const Listener &listener);

/* Whether it is a socket of ours, listening or not. */
[[nodiscard]] bool is_ours(int fd);

} // namespace lqctl
