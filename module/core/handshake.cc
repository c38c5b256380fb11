// SPDX-License-Identifier: GPL-2.0
// Handshake: the numbers that a SYN-ACK carries and the rules that a segment is held to.
#include "handshake.hh"

#include <bit>

#include "siphash.hh"

namespace listenq::handshake {

constexpr u32 kMaxScaledWindow = 0xffffu << 14; // U16_MAX << TCP_MAX_WSCALE
constexpr u32 kMaxWindow = 65535;

constexpr u32 kTagMask = LQ_ISN_TAGS - 1;

static u64 hash_of(const lq_keys &keys, const lq_key &key, u16 local_port)
{
	return hash_key(SipHash24(keys.isn[0], keys.isn[1]), key, local_port);
}

// Masked by bits that the rest of the number has nothing of.
static u32 tag_bits(u64 hash, u32 tag)
{
	return (tag ^ static_cast<u32>(hash >> 54)) & kTagMask;
}

lq_isn isn(const lq_keys &keys, const lq_key &key, u16 local_port, u64 now_ns, u16 tag)
{
	const u64 hash = hash_of(keys, key, local_port);

	// RFC 6528 3: ISN = M + F(tuple, secret). M steps every 64 ns, as
	// seq_scale() of net/core/secure_seq.c.
	const u32 number = static_cast<u32>(hash) + static_cast<u32>(now_ns >> 6);
	return {.isn = (number & ~kTagMask) | tag_bits(hash, tag),
		.ts_off = static_cast<u32>(hash >> 32)};
}

u32 isn_from(u32 isn, u32 least)
{
	const u32 number = (least & ~kTagMask) | (isn & kTagMask);

	return Seq{number}.before(Seq{least}) ? number + kTagMask + 1 : number;
}

u16 isn_tag(const lq_keys &keys, const lq_key &key, u16 local_port, u32 isn)
{
	return static_cast<u16>(tag_bits(hash_of(keys, key, local_port), isn));
}

bool ecn(const lq_ecn &e)
{
	if (!e.ece_cwr)
		return false;
	// An ECT SYN, or one with reserved bits, is a broken or a different
	// protocol's peer: tcp_ecn_create_request().
	return ((!e.ect || e.reserved_bits) && e.enabled) || e.needed;
}

void window(lq_window &w)
{
	const u32 clamp_in = w.clamp ? w.clamp : kMaxScaledWindow;
	u32 space = min(clamp_in, w.space);

	if (w.mss && space > w.mss)
		space -= space % w.mss;
	w.window = min(space, w.window_max);
	if (w.init_segments) {
		const u64 initial = static_cast<u64>(w.init_segments) * w.mss;

		w.window = static_cast<u32>(min<u64>(w.window, initial));
	}
	w.wscale = 0;
	if (w.wscale_ok) {
		space = min(max(space, w.space_max), clamp_in);
		if (space > kMaxWindow)
			w.wscale = static_cast<u8>(min<int>(std::bit_width(space) - 1 - 15, 14));
	}
	w.clamp = min(kMaxWindow << w.wscale, clamp_in);
}

u16 synack_window(const Request &r)
{
	return static_cast<u16>(min(r.rcv_wnd, kMaxWindow));
}

bool in_window(Seq seq, Seq end_seq, Seq from, Seq to)
{
	if (seq == from)
		return true;
	if (end_seq.after(from) && seq.before(to))
		return true;
	return seq == to && seq == end_seq;
}

bool paws_rejects(const Request &r, bool saw_tstamp, u32 tsval)
{
	if (!saw_tstamp || !request::has(r, LQ_REQ_TSTAMP))
		return false;
	// Some peers send TSval 0 in the SYN and a real one later: tcp_paws_check().
	if (r.ts_recent == 0)
		return false;
	return static_cast<s32>(r.ts_recent - tsval) > 0;
}

} // namespace listenq::handshake
