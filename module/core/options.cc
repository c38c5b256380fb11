// SPDX-License-Identifier: GPL-2.0
// TCP options: read those of a SYN, find a timestamp, write those of a SYN-ACK.
#include "options.hh"

#include "handshake.hh"

namespace listenq::options {

// Kinds and lengths: RFC 9293 3.1, RFC 7323 2 and 3, RFC 2018 2.
enum : u8 {
	kEnd = 0,
	kNop = 1,
	kMss = 2,
	kWscale = 3,
	kSack = 4,
	kTimestamp = 8,
};
enum : u8 {
	kMssLength = 4,
	kWscaleLength = 3,
	kSackLength = 2,
	kTimestampLength = 10,
};
constexpr u8 kMaxWscale = 14; // RFC 7323 2.3

static u16 load16(const u8 *p)
{
	return static_cast<u16>(p[0] << 8 | p[1]);
}
static u32 load32(const u8 *p)
{
	return static_cast<u32>(p[0]) << 24 | static_cast<u32>(p[1]) << 16 |
	       static_cast<u32>(p[2]) << 8 | p[3];
}
static void store16(u8 *p, u16 v)
{
	p[0] = static_cast<u8>(v >> 8);
	p[1] = static_cast<u8>(v);
}
static void store32(u8 *p, u32 v)
{
	store16(p, static_cast<u16>(v >> 16));
	store16(p + 2, static_cast<u16>(v));
}

// Call @visit(kind, body, length of the whole option) for each option, in order, until the
// end, a malformed one, or visit returns false (tcp_parse_options() stops likewise).
template <typename Visit>
static void for_each(std::span<const u8> bytes, Visit visit)
{
	size_t i = 0;

	while (i < bytes.size()) {
		const u8 kind = bytes[i];

		if (kind == kEnd)
			return;
		if (kind == kNop) {
			i++;
			continue;
		}
		if (bytes.size() - i < 2)
			return;
		const u8 length = bytes[i + 1];
		if (length < 2 || length > bytes.size() - i)
			return;
		if (!visit(kind, bytes.data() + i + 2, length))
			return;
		i += length;
	}
}

lq_options parse_syn(std::span<const u8> bytes, const lq_options_config &config)
{
	lq_options found{
		.tsval = 0, .tsecr = 0, .mss = config.mss_default, .flags = 0, .wscale = 0};

	for_each(bytes, [&](u8 kind, const u8 *body, u8 length) {
		switch (kind) {
		case kMss:
			if (length == kMssLength) {
				const u16 mss = load16(body);

				if (mss != 0)
					found.mss = config.user_mss && config.user_mss < mss
							    ? config.user_mss
							    : mss;
			}
			break;
		case kWscale:
			if (length == kWscaleLength && (config.allow & LQ_ALLOW_WSCALE)) {
				found.flags |= LQ_REQ_WSCALE;
				found.wscale = min(body[0], kMaxWscale);
			}
			break;
		case kTimestamp:
			if (length == kTimestampLength && (config.allow & LQ_ALLOW_TSTAMP)) {
				found.flags |= LQ_REQ_TSTAMP;
				found.tsval = load32(body);
				found.tsecr = load32(body + 4);
			}
			break;
		case kSack:
			if (length == kSackLength && (config.allow & LQ_ALLOW_SACK))
				found.flags |= LQ_REQ_SACK;
			break;
		default:
			break;
		}
		return true;
	});
	return found;
}

bool parse_timestamp(std::span<const u8> bytes, Timestamp &timestamp)
{
	bool found = false;

	for_each(bytes, [&](u8 kind, const u8 *body, u8 length) {
		if (kind != kTimestamp || length != kTimestampLength)
			return true;
		timestamp = {.tsval = load32(body), .tsecr = load32(body + 4)};
		found = true;
		return false;
	});
	return found;
}

size_t write_synack(const Request &r, u16 local_port, u16 mss, u32 tsval, u8 *out)
{
	constexpr u8 kSyn = 0x02, kAck = 0x10, kEce = 0x40;
	const u8 *ports = reinterpret_cast<const u8 *>(&local_port);
	const u8 *peer = reinterpret_cast<const u8 *>(&r.peer_port);
	u8 *option = out + 20;

	// Both ports are in network order already.
	out[0] = ports[0];
	out[1] = ports[1];
	out[2] = peer[0];
	out[3] = peer[1];
	store32(out + 4, r.snt_isn);
	store32(out + 8, r.rcv_isn + 1);
	out[13] = static_cast<u8>(kSyn | kAck | (request::has(r, LQ_REQ_ECN) ? kEce : 0));
	store16(out + 14, handshake::synack_window(r));
	store32(out + 16, 0); // checksum, urgent pointer

	// The layout of tcp_options_write(): every option on a 4-byte boundary, SACK
	// permitted in the padding of the timestamp.
	option[0] = kMss;
	option[1] = kMssLength;
	store16(option + 2, mss);
	option += 4;
	if (request::has(r, LQ_REQ_TSTAMP)) {
		const bool sack = request::has(r, LQ_REQ_SACK);

		option[0] = sack ? u8{kSack} : u8{kNop};
		option[1] = sack ? u8{kSackLength} : u8{kNop};
		option[2] = kTimestamp;
		option[3] = kTimestampLength;
		store32(option + 4, tsval + r.ts_off);
		store32(option + 8, r.ts_recent);
		option += 12;
	} else if (request::has(r, LQ_REQ_SACK)) {
		option[0] = kNop;
		option[1] = kNop;
		option[2] = kSack;
		option[3] = kSackLength;
		option += 4;
	}
	if (request::has(r, LQ_REQ_WSCALE)) {
		option[0] = kNop;
		option[1] = kWscale;
		option[2] = kWscaleLength;
		option[3] = r.wscale >> 4;
		option += 4;
	}
	const size_t length = static_cast<size_t>(option - out);
	out[12] = static_cast<u8>(length / 4 << 4);
	return length;
}

} // namespace listenq::options
