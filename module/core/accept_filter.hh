// SPDX-License-Identifier: GPL-2.0
// AcceptFilter: what a connection's first bytes must hold before accept() may have it, after
// FreeBSD's accept_filter(9), accf_data(9), accf_http(9), accf_dns(9) and accf_tls(9).
//
// Each parser reads a byte once and keeps what it knows in eight bytes of the connection's own
// entry, so that a request which comes byte by byte costs no more than one that comes at once.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "types.hh"

namespace listenq::accept_filter {

// Those that have a name: all but NONE and BPF.
[[nodiscard]] std::optional<lq_filter> find(std::string_view name);
[[nodiscard]] const char *name(u8 filter);

[[nodiscard]] lq_filter_verdict feed(lq_filter_state &state, std::span<const u8> bytes);

} // namespace listenq::accept_filter
