// SPDX-License-Identifier: GPL-2.0
// TCP options: read those of a SYN, find a timestamp, write those of a SYN-ACK.
#include "options.hh"

#include <bit>

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
	kMd5 = 19, // RFC 2385
	kAo = 29,  // RFC 5925
};
enum : u8 {
	kMssLength = 4,
	kWscaleLength = 3,
	kSackLength = 2,
	kTimestampLength = 10,
};
constexpr u8 kMaxWscale = 14; // RFC 7323 2.3

// To and from network byte order, anywhere in memory.
static_assert(std::endian::native == std::endian::little ||
	      std::endian::native == std::endian::big);
static u16 order(u16 v)
{
	return std::endian::native == std::endian::big ? v : __builtin_bswap16(v);
}
static u32 order(u32 v)
{
	return std::endian::native == std::endian::big ? v : __builtin_bswap32(v);
}
static u16 load16(const u8 *p)
{
	u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return order(v);
}
static u32 load32(const u8 *p)
{
	u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return order(v);
}
static void store16(u8 *p, u16 v)
{
	v = order(v);
	__builtin_memcpy(p, &v, sizeof(v));
}
static void store32(u8 *p, u32 v)
{
	v = order(v);
	__builtin_memcpy(p, &v, sizeof(v));
}

// Call @visit(kind, body, length of the whole option) for each option, in order, until the
// end, a malformed one, which makes the result false, or visit returns false (tcp_parse_options()
// stops likewise).
template <typename Visit>
static bool for_each(std::span<const u8> bytes, Visit visit)
{
	size_t i = 0;

	while (i < bytes.size()) {
		const u8 kind = bytes[i];

		if (kind == kEnd)
			return true;
		if (kind == kNop) {
			i++;
			continue;
		}
		if (bytes.size() - i < 2)
			return false;
		const u8 length = bytes[i + 1];
		if (length < 2 || length > bytes.size() - i)
			return false;
		if (!visit(kind, bytes.data() + i + 2, length))
			return true;
		i += length;
	}
	return true;
}

static u16 limited_mss(u16 mss, const lq_options_config &config)
{
	return config.user_mss && config.user_mss < mss ? config.user_mss : mss;
}

// What Linux's own clients send: MSS, SACK permitted, timestamps, window scale, in 20 bytes.
// The same as the loop below would find, in a sixth of its instructions.
static bool parse_linux_syn(std::span<const u8> bytes, const lq_options_config &config,
			    lq_options &found)
{
	constexpr u8 kAll = LQ_ALLOW_TSTAMP | LQ_ALLOW_WSCALE | LQ_ALLOW_SACK;
	constexpr u32 kSackTimestamp =
		kSack << 24 | kSackLength << 16 | kTimestamp << 8 | kTimestampLength;
	const u8 *p = bytes.data();

	if (bytes.size() != 20 || config.allow != kAll)
		return false;
	const u32 first = load32(p), last = load32(p + 16);
	const u16 mss = static_cast<u16>(first);

	if (first >> 16 != (kMss << 8 | kMssLength) || mss == 0 ||
	    load32(p + 4) != kSackTimestamp ||
	    last >> 8 != (kNop << 16 | kWscale << 8 | kWscaleLength))
		return false;
	found.tsval = load32(p + 8);
	found.tsecr = load32(p + 12);
	found.mss = limited_mss(mss, config);
	found.flags = LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK;
	found.wscale = min(static_cast<u8>(last), kMaxWscale);
	return true;
}

lq_options parse_syn(std::span<const u8> bytes, const lq_options_config &config)
{
	lq_options found{.tsval = 0,
			 .tsecr = 0,
			 .mss = config.mss_default,
			 .flags = 0,
			 .wscale = 0,
			 .is_suspect = false};

	if (parse_linux_syn(bytes, config, found))
		return found;
	const bool whole = for_each(bytes, [&](u8 kind, const u8 *body, u8 length) {
		switch (kind) {
		case kMss:
			if (length == kMssLength && load16(body) != 0)
				found.mss = limited_mss(load16(body), config);
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
		case kMd5:
		case kAo:
			found.is_suspect = true;
			break;
		default:
			break;
		}
		return true;
	});
	if (!whole)
		found.is_suspect = true;
	return found;
}

bool parse_timestamp(std::span<const u8> bytes, Timestamp &timestamp)
{
	bool found = false;

	// RFC 7323 appendix A: how nearly every segment has it, and nothing else.
	constexpr u32 kAligned = kNop << 24 | kNop << 16 | kTimestamp << 8 | kTimestampLength;
	if (bytes.size() == 12 && load32(bytes.data()) == kAligned) {
		timestamp = {.tsval = load32(bytes.data() + 4), .tsecr = load32(bytes.data() + 8)};
		return true;
	}

	for_each(bytes, [&](u8 kind, const u8 *body, u8 length) {
		if (kind != kTimestamp || length != kTimestampLength)
			return true;
		timestamp = {.tsval = load32(body), .tsecr = load32(body + 4)};
		found = true;
		return false;
	});
	return found;
}

// RFC 1071, of whole 32-bit words as they lie in memory, two at a time: their ones' complement
// sum is the same whatever the width that it is formed in (section 2).
[[gnu::always_inline]] static inline u64 sum(const u8 *bytes, size_t length)
{
	u64 total = 0;
	u32 odd = 0;

	if (length & 4)
		__builtin_memcpy(&odd, bytes + length - 4, sizeof(odd));
	for (const u8 *end = bytes + (length & ~size_t{7}); bytes != end; bytes += 8) {
		u64 words;

		__builtin_memcpy(&words, bytes, sizeof(words));
		if (__builtin_add_overflow(total, words, &total))
			total++;
	}
	return (total & 0xffffffff) + (total >> 32) + odd;
}

static u16 fold(u64 total)
{
	total = (total & 0xffffffff) + (total >> 32);
	total = (total & 0xffffffff) + (total >> 32);
	u32 folded = static_cast<u32>(total & 0xffff) + static_cast<u32>(total >> 16);
	folded = (folded & 0xffff) + (folded >> 16);
	return static_cast<u16>(folded);
}

// The pseudo header of RFC 9293 3.1 and RFC 8200 8.1.
static u64 pseudo_sum(const Request &r, size_t length)
{
	constexpr u8 kTcp = 6;
	const u32 *words = request::words(r);
	u64 total = order(static_cast<u32>(kTcp << 16 | length));

	for (unsigned i = 0; i < (request::has(r, LQ_REQ_V6) ? 8u : 2u); i++)
		total += words[i];
	return total;
}

// The header's length and its checksum.
[[gnu::always_inline]] static inline void finish(const Request &r, size_t length, bool checksum,
						 u8 *out)
{
	out[12] = static_cast<u8>(length / 4 << 4);
	const u64 pseudo = pseudo_sum(r, length);
	const u16 field =
		checksum ? static_cast<u16>(~fold(pseudo + sum(out, length))) : fold(pseudo);
	__builtin_memcpy(out + 16, &field, sizeof(field));
}

size_t write_synack(const Request &r, u16 local_port, u16 mss, u32 tsval, bool checksum, u8 *out)
{
	constexpr u8 kSyn = 0x02, kAck = 0x10, kEce = 0x40;
	u8 *option = out + 20;

	// Both ports are in network order already.
	__builtin_memcpy(out, &local_port, 2);
	__builtin_memcpy(out + 2, &r.peer_port, 2);
	store32(out + 4, r.snt_isn);
	store32(out + 8, r.rcv_isn + 1);
	out[13] = static_cast<u8>(kSyn | kAck | (request::has(r, LQ_REQ_ECN) ? kEce : 0));
	store16(out + 14, handshake::synack_window(r));
	store32(out + 16, 0); // checksum, urgent pointer

	// The layout of tcp_options_write(): every option on a 4-byte boundary, SACK
	// permitted in the padding of the timestamp.
	store32(option, static_cast<u32>(kMss << 24 | kMssLength << 16 | mss));
	option += 4;
	if (request::has(r, LQ_REQ_TSTAMP)) {
		const bool sack = request::has(r, LQ_REQ_SACK);

		store32(option,
			kTimestamp << 8 | kTimestampLength |
				(sack ? kSack << 24 | kSackLength << 16 : kNop << 24 | kNop << 16));
		store32(option + 4, tsval + r.ts_off);
		store32(option + 8, r.ts_recent);
		option += 12;
	} else if (request::has(r, LQ_REQ_SACK)) {
		store32(option, kNop << 24 | kNop << 16 | kSack << 8 | kSackLength);
		option += 4;
	}
	if (request::has(r, LQ_REQ_WSCALE)) {
		store32(option, kNop << 24 | kWscale << 16 | kWscaleLength << 8 |
					static_cast<u32>(r.wscale >> 4));
		option += 4;
	}
	const size_t length = static_cast<size_t>(option - out);
	finish(r, length, checksum, out);
	return length;
}

size_t write_reset(const Request &r, u16 local_port, bool checksum, u8 *out)
{
	constexpr u8 kRst = 0x04, kAck = 0x10;
	constexpr size_t kLength = 20;

	__builtin_memcpy(out, &local_port, 2);
	__builtin_memcpy(out + 2, &r.peer_port, 2);
	// What the peer expects next, exactly: RFC 5961 3.2.
	store32(out + 4, r.snt_isn + 1);
	store32(out + 8, r.rcv_isn + 1);
	out[13] = kRst | kAck;
	store16(out + 14, 0);
	store32(out + 16, 0); // checksum, urgent pointer
	finish(r, kLength, checksum, out);
	return kLength;
}

} // namespace listenq::options
