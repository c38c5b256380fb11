// SPDX-License-Identifier: GPL-2.0
/* A thread for each connection: accept() is never late, until there is no memory for a thread. */
#include <system_error>

#include "common.hh"

int main(int argc, char **argv)
{
	const int listener = make_listener(options_of(argc, argv));

	for (;;) {
		const int fd = next_connection(listener);
		try {
			std::thread(serve, fd).detach();
		} catch (const std::system_error &error) {
			std::fprintf(stderr, "thread: %s\n", error.what());
			close(fd);
		}
	}
}
