// SPDX-License-Identifier: GPL-2.0
// libFuzzer: TCP options of any bytes are read within their bounds, and never beyond their range.
#include <cstdlib>
#include <memory>

#include "bridge/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < 3)
		return 0;
	const lq_options_config config{.mss_default = 536,
				       .user_mss = static_cast<u16>(data[0] << 8 | data[1]),
				       .allow = static_cast<u8>(data[2] & 7)};
	const size_t length = size - 3 < 40 ? size - 3 : 40;
	const auto bytes = std::make_unique<u8[]>(length);
	lq_options options;
	u32 tsval = 0, tsecr = 0;

	for (size_t i = 0; i < length; i++)
		bytes[i] = data[3 + i];
	lq_core_syn_options(bytes.get(), length, &config, &options);
	const bool timestamp = lq_core_timestamp(bytes.get(), length, &tsval, &tsecr);
	if (options.mss == 0 || options.wscale > 14)
		std::abort();
	if (options.flags & ~(LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK))
		std::abort();
	if ((options.flags & LQ_REQ_TSTAMP) && !timestamp)
		std::abort();
	if (timestamp && (config.allow & LQ_ALLOW_TSTAMP) && !(options.flags & LQ_REQ_TSTAMP))
		std::abort();
	return 0;
}
