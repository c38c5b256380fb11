// SPDX-License-Identifier: GPL-2.0
// TCP options: read those of a SYN, find a timestamp, write those of a SYN-ACK.
#pragma once

#include <span>

#include "request.hh"

namespace listenq::options {

[[nodiscard]] lq_options parse_syn(std::span<const u8> bytes, const lq_options_config &config);

struct Timestamp {
	u32 tsval;
	u32 tsecr;
};
// Returns whether @bytes hold a timestamp option.
[[nodiscard]] bool parse_timestamp(std::span<const u8> bytes, Timestamp &timestamp);

// See lq_core_synack(). @out has room for LQ_SYNACK_MAX bytes.
[[nodiscard]] size_t write_synack(const Request &request, u16 local_port, u16 mss, u32 tsval,
				  bool checksum, u8 *out);

// See lq_core_reset(). @out has room for LQ_RESET_LENGTH bytes.
size_t write_reset(const Request &request, u16 local_port, bool checksum, u8 *out);

} // namespace listenq::options
