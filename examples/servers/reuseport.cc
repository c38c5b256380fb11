// SPDX-License-Identifier: GPL-2.0
/*
 * A listener for each thread at the same port (SO_REUSEPORT): each has queues of its own, and the
 * kernel's hash says which one a client is given to, whether its thread is busy or not.
 */
#include <vector>

#include "common.hh"

int main(int argc, char **argv)
{
	const Options options = options_of(argc, argv);
	std::vector<std::thread> threads;

	for (unsigned i = 0; i < options.workers; i++) {
		const int listener = make_listener(options, 0, true);
		threads.emplace_back([listener] {
			for (;;)
				serve(next_connection(listener));
		});
	}
	for (std::thread &thread : threads)
		thread.join();
}
