// SPDX-License-Identifier: GPL-2.0
// Handshake: the numbers that a SYN-ACK carries and the rules that a segment is held to.
#pragma once

#include "request.hh"

namespace listenq::handshake {

[[nodiscard]] lq_isn isn(const lq_keys &keys, const lq_key &key, u16 local_port, u64 now_ns,
			 u16 tag);
[[nodiscard]] u32 isn_from(u32 isn, u32 least);
[[nodiscard]] u16 isn_tag(const lq_keys &keys, const lq_key &key, u16 local_port, u32 isn);

[[nodiscard]] bool ecn(const lq_ecn &ecn);

void window(lq_window &window);

// The window that a SYN-ACK says, never scaled (RFC 7323 2.2): tcp_synack_window().
[[nodiscard]] u16 synack_window(const Request &r);

// Is [seq, end_seq) acceptable to a receiver whose window is [from, to)? tcp_in_window()
// of net/ipv4/tcp_minisocks.c, RFC 9293 3.10.7.4.
[[nodiscard]] bool in_window(Seq seq, Seq end_seq, Seq from, Seq to);

// PAWS (RFC 7323 5): is @tsval older than what the request saw?
[[nodiscard]] bool paws_rejects(const Request &r, bool saw_tstamp, u32 tsval);

} // namespace listenq::handshake
