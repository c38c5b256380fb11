// SPDX-License-Identifier: GPL-2.0
// RequestInfo: what a reader may know of a half-open request.
#pragma once

#include "request.hh"

namespace listenq::request_info {

// @hz: ticks per second.
[[nodiscard]] lq_request_info of(const Request &r, Ticks now, Micros now_us, u32 hz);

} // namespace listenq::request_info
