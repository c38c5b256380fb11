// SPDX-License-Identifier: GPL-2.0
// What the core calls when something is wrong: the test dies there, with a stack.
#include <cstdio>
#include <cstdlib>

#include "bridge/core.h"

void lq_core_broken(const char *what)
{
	std::fprintf(stderr, "%s\n", what);
	std::abort();
}
