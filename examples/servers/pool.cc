// SPDX-License-Identifier: GPL-2.0
/* Threads that all wait in accept() of one listener: the kernel wakes one of them for each
 * connection. */
#include <vector>

#include "common.hh"

int main(int argc, char **argv)
{
	const Options options = options_of(argc, argv);
	const int listener = make_listener(options);
	std::vector<std::thread> pool;

	for (unsigned i = 0; i < options.workers; i++)
		pool.emplace_back([listener] {
			for (;;)
				serve(next_connection(listener));
		});
	for (std::thread &thread : pool)
		thread.join();
}
