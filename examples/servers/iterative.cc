// SPDX-License-Identifier: GPL-2.0
/* One thread: who comes next waits on the accept queue until this one is served. */
#include "common.hh"

int main(int argc, char **argv)
{
	const int listener = make_listener(options_of(argc, argv));

	for (;;)
		serve(next_connection(listener));
}
