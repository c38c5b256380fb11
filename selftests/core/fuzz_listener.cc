// SPDX-License-Identifier: GPL-2.0
// libFuzzer: any sequence of events keeps a listener's invariants. Five bytes an event, see
// model.hh.
#include <cstdio>

#include "model.hh"

using namespace testing_core;

extern "C" int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	Session session;

	try {
		for (; size >= 5; data += 5, size -= 5)
			session.apply({data[0], data[1], data[2], data[3], data[4]});
		session.finish();
	} catch (const Violation &v) {
		std::fprintf(stderr, "%s\n", v.what());
		std::abort();
	}
	return 0;
}
