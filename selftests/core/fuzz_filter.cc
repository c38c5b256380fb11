// SPDX-License-Identifier: GPL-2.0
// Accept filters on any bytes in any pieces: the verdict is that of the bytes one by one.
#include <algorithm>
#include <cstdlib>

#include "core/accept_filter.hh"

namespace accept_filter = listenq::accept_filter;

extern "C" int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	lq_filter_state whole{}, single{};
	bool passed = false;

	if (size < 2)
		return 0;
	const u8 kind = static_cast<u8>(LQ_FILTER_DATAREADY +
					data[0] % (LQ_FILTER_BPF - LQ_FILTER_DATAREADY));
	const size_t piece = data[1] + 1u;

	whole.kind = single.kind = kind;
	for (size_t at = 2; at < size && !passed;) {
		const size_t length = std::min(piece, size - at);
		const bool pass = accept_filter::feed(whole, {data + at, length}) == LQ_FILTER_PASS;

		for (const size_t end = at + length; at < end; at++)
			passed = passed ||
				 accept_filter::feed(single, {data + at, 1}) == LQ_FILTER_PASS;
		if (pass != passed)
			std::abort();
	}
	return 0;
}
