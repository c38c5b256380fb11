/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libmicrohttpd, loaded by the one command that needs it: with the TLS library that it brings, and
 * we do not use, it is more to load than all the rest, and each other command would begin by that.
 */
#pragma once

#include <microhttpd.h>

namespace lqctl {

#define LQCTL_MICROHTTPD(X)                                                                        \
	X(start_daemon)                                                                            \
	X(stop_daemon)                                                                             \
	X(run)                                                                                     \
	X(get_timeout)                                                                             \
	X(get_daemon_info)                                                                         \
	X(get_connection_info)                                                                     \
	X(create_response_from_buffer)                                                             \
	X(add_response_header)                                                                     \
	X(queue_response)                                                                          \
	X(destroy_response)

/* Its functions, which stay until the program ends. */
struct MicroHttpd {
	MicroHttpd(); /* throws Error where it is not installed */

#define LQCTL_X(name) decltype(&MHD_##name) name;
	LQCTL_MICROHTTPD(LQCTL_X)
#undef LQCTL_X
};

} // namespace lqctl
