// SPDX-License-Identifier: GPL-2.0
// TCP options: parsed from good and bad lists, and written byte by byte.
#include "core/options.hh"

#include <initializer_list>
#include <memory>
#include <string>

#include "property.hh"
#include "support.hh"

namespace options = listenq::options;
using listenq::Request;
using namespace testing_core;

namespace {

constexpr lq_options_config kAll = {.mss_default = 536,
				    .user_mss = 0,
				    .allow = LQ_ALLOW_TSTAMP | LQ_ALLOW_WSCALE | LQ_ALLOW_SACK};

// On the heap and no larger than it is: one byte too far is seen.
lq_options parse(std::initializer_list<u8> list, const lq_options_config &c = kAll)
{
	const std::vector<u8> bytes(list);

	return options::parse_syn(std::span(bytes.data(), bytes.size()), c);
}

bool timestamp(std::initializer_list<u8> list, options::Timestamp &t)
{
	const std::vector<u8> bytes(list);

	return options::parse_timestamp(std::span(bytes.data(), bytes.size()), t);
}

std::string hex(const u8 *bytes, size_t length)
{
	std::string text;

	for (size_t i = 0; i < length; i++) {
		constexpr char digits[] = "0123456789abcdef";

		if (i && i % 4 == 0)
			text += ' ';
		text += digits[bytes[i] >> 4];
		text += digits[bytes[i] & 15];
	}
	return text;
}

lq_request_copy synack_request(u8 flags)
{
	lq_request_copy copy{};
	Request &r = copy.request;

	for (unsigned i = 0; i < 32; i++) // both addresses, and behind the struct IPv6's
		copy.bytes[offsetof(Request, addr) + i] = static_cast<u8>(0xb1 + 7 * i);
	r.flags = flags;
	r.snt_isn = 0x11223344;
	r.rcv_isn = 0xffffffff;
	r.rcv_wnd = 0xfaf0;
	r.ts_recent = 0xa1a2a3a4;
	r.ts_off = 0x01000000;
	r.wscale = 0x7e; // ours 7, the peer's 14
	const u8 port[] = {0xc0, 0x01};
	std::memcpy(&r.peer_port, port, 2);
	return copy;
}

// RFC 1071 as it is told: 16-bit words in network order, the carries added at the end.
u32 ones_sum(const u8 *bytes, size_t length, u32 sum = 0)
{
	for (size_t i = 0; i < length; i += 2)
		sum += static_cast<u32>(bytes[i] << 8 | bytes[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

u32 pseudo_header_sum(const lq_request_copy &copy, size_t length)
{
	const u8 last[] = {0, 6, static_cast<u8>(length >> 8), static_cast<u8>(length)};

	return ones_sum(copy.bytes + offsetof(Request, addr),
			listenq::request::has(copy.request, LQ_REQ_V6) ? 32 : 8, ones_sum(last, 4));
}

std::string synack(u8 flags, u16 mss = 1460)
{
	const u8 port[] = {0x1f, 0x90};
	u16 local_port;
	const auto out = std::make_unique<u8[]>(LQ_SYNACK_MAX);
	const lq_request_copy copy = synack_request(flags);

	std::memset(out.get(), 0xee, LQ_SYNACK_MAX);
	std::memcpy(&local_port, port, 2);
	const size_t length =
		options::write_synack(copy.request, local_port, mss, 0x00000b0b, false, out.get());
	EXPECT_EQ(ones_sum(out.get() + 16, 2), pseudo_header_sum(copy, length));
	EXPECT_EQ(length, options::write_synack(copy.request, local_port, mss, 0x00000b0b, true,
						out.get()));
	EXPECT_EQ(ones_sum(out.get(), length, pseudo_header_sum(copy, length)), 0xffffu);
	std::memset(out.get() + 16, 0, 2);
	return hex(out.get(), length);
}

} // namespace

TEST(options, parse_syn__linux_syn)
{
	const lq_options o =
		parse({2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 9, 1, 3, 3, 7});

	EXPECT_EQ(o.mss, 1460u);
	EXPECT_EQ(o.flags, LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK);
	EXPECT_EQ(o.tsval, 0x01020304u);
	EXPECT_EQ(o.tsecr, 9u);
	EXPECT_EQ(o.wscale, 7u);
}

TEST(options, parse_syn__none)
{
	lq_options_config c = kAll;

	c.mss_default = 1220;
	const lq_options o = parse({}, c);
	EXPECT_EQ(o.mss, 1220u);
	EXPECT_EQ(o.flags, 0u);
	EXPECT_EQ(o.tsval, 0u);
	EXPECT_EQ(o.wscale, 0u);
}

TEST(options, parse_syn__signatures_and_malformed_options)
{
	EXPECT_FALSE(parse({2, 4, 5, 0xb4, 4, 2}).is_suspect);
	EXPECT_TRUE(parse({2, 4, 5, 0xb4, 19, 18, 1,  2,  3,  4,  5,
			   6, 7, 8, 9,	  10, 11, 12, 13, 14, 15, 16})
			    .is_suspect);
	EXPECT_TRUE(parse({1, 1, 29, 4, 0, 0}).is_suspect);
	EXPECT_TRUE(parse({19, 18, 1, 2}).is_suspect); // cut off
	EXPECT_TRUE(parse({2, 4, 5, 0xb4, 4, 0}).is_suspect);
	EXPECT_FALSE(parse({2, 4, 5, 0xb4, 0, 19}).is_suspect); // behind the end
}

TEST(options, parse_syn__what_is_not_allowed_is_not_seen)
{
	lq_options_config c = kAll;

	for (const u8 off : {LQ_ALLOW_TSTAMP, LQ_ALLOW_WSCALE, LQ_ALLOW_SACK}) {
		c.allow = static_cast<u8>(kAll.allow & ~off);
		const lq_options o =
			parse({2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 9, 1, 3, 3, 7}, c);

		EXPECT_EQ(o.flags & LQ_REQ_TSTAMP, off == LQ_ALLOW_TSTAMP ? 0 : LQ_REQ_TSTAMP);
		EXPECT_EQ(o.flags & LQ_REQ_WSCALE, off == LQ_ALLOW_WSCALE ? 0 : LQ_REQ_WSCALE);
		EXPECT_EQ(o.flags & LQ_REQ_SACK, off == LQ_ALLOW_SACK ? 0 : LQ_REQ_SACK);
		EXPECT_EQ(o.mss, 1460u);
	}
}

TEST(options, parse_syn__user_mss_only_lowers)
{
	lq_options_config c = kAll;

	c.user_mss = 1000;
	EXPECT_EQ(parse({2, 4, 5, 0xb4}, c).mss, 1000u);
	EXPECT_EQ(parse({2, 4, 1, 0}, c).mss, 256u);
	EXPECT_EQ(parse({}, c).mss, 536u); // tcp_parse_options() leaves the default alone
}

TEST(options, parse_syn__mss_0_is_ignored)
{
	EXPECT_EQ(parse({2, 4, 0, 0}).mss, 536u);
}

TEST(options, parse_syn__the_last_of_two_wins)
{
	EXPECT_EQ(parse({2, 4, 5, 0xb4, 2, 4, 2, 0}).mss, 512u);
	EXPECT_EQ(parse({3, 3, 7, 3, 3, 2, 0, 0}).wscale, 2u);
}

TEST(options, parse_syn__wscale_is_at_most_14)
{
	EXPECT_EQ(parse({3, 3, 14}).wscale, 14u);
	EXPECT_EQ(parse({3, 3, 15}).wscale, 14u);
	EXPECT_EQ(parse({3, 3, 255}).wscale, 14u);
	EXPECT_EQ(parse({3, 3, 0}).flags, LQ_REQ_WSCALE);
}

TEST(options, parse_syn__end_of_list)
{
	EXPECT_EQ(parse({0, 2, 4, 5, 0xb4}).mss, 536u);
	EXPECT_EQ(parse({1, 1, 1, 0, 2, 4, 5, 0xb4}).mss, 536u);
}

TEST(options, parse_syn__only_nops)
{
	EXPECT_EQ(parse({1, 1, 1, 1, 1, 1, 1, 1}).flags, 0u);
}

TEST(options, parse_syn__unknown_options_are_skipped)
{
	EXPECT_EQ(parse({254, 4, 0xf9, 0x89, 2, 4, 5, 0xb4}).mss, 1460u);
	EXPECT_EQ(parse({99, 2, 2, 4, 5, 0xb4}).mss, 1460u);
	EXPECT_EQ(parse({34, 2, 2, 4, 5, 0xb4}).mss, 1460u); // TCP Fast Open
}

TEST(options, parse_syn__a_wrong_length_is_skipped)
{
	EXPECT_EQ(parse({2, 3, 5, 2, 4, 5, 0xb4}).mss, 1460u);
	EXPECT_EQ(parse({2, 6, 5, 5, 5, 5}).mss, 536u);
	EXPECT_EQ(parse({3, 4, 7, 7}).flags, 0u);
	EXPECT_EQ(parse({4, 3, 0}).flags, 0u);
	EXPECT_EQ(parse({8, 9, 0, 0, 0, 0, 0, 0, 0, 4, 2}).flags, LQ_REQ_SACK);
}

TEST(options, parse_syn__a_length_below_2_ends_the_list)
{
	EXPECT_EQ(parse({99, 0, 2, 4, 5, 0xb4}).mss, 536u);
	EXPECT_EQ(parse({99, 1, 2, 4, 5, 0xb4}).mss, 536u);
	EXPECT_EQ(parse({2, 4, 5, 0xb4, 3, 0, 7}).mss, 1460u);
}

TEST(options, parse_syn__truncated_lists)
{
	EXPECT_EQ(parse({2}).mss, 536u);
	EXPECT_EQ(parse({2, 4}).mss, 536u);
	EXPECT_EQ(parse({2, 4, 5}).mss, 536u);
	EXPECT_EQ(parse({8, 10, 1, 2, 3, 4, 5, 6, 7}).flags, 0u);
	EXPECT_EQ(parse({3, 3}).flags, 0u);
	EXPECT_EQ(parse({4}).flags, 0u);
	EXPECT_EQ(parse({2, 4, 5, 0xb4, 99, 40}).mss, 1460u);
}

// tcp_parse_options() of net/ipv4/tcp_input.c, as far as a SYN goes, as it stands there.
static lq_options kernel_parse(const std::vector<u8> &bytes, const lq_options_config &c)
{
	lq_options o{};
	const u8 *ptr = bytes.data();
	int length = static_cast<int>(bytes.size());

	o.mss = c.mss_default;
	while (length > 0) {
		const int opcode = *ptr++;
		int opsize;

		switch (opcode) {
		case 0:
			return o;
		case 1:
			length--;
			continue;
		default:
			if (length < 2)
				return o;
			opsize = *ptr++;
			if (opsize < 2)
				return o;
			if (opsize > length)
				return o;
			switch (opcode) {
			case 2:
				if (opsize == 4) {
					u16 in_mss = static_cast<u16>(ptr[0] << 8 | ptr[1]);

					if (in_mss) {
						if (c.user_mss && c.user_mss < in_mss)
							in_mss = c.user_mss;
						o.mss = in_mss;
					}
				}
				break;
			case 3:
				if (opsize == 3 && (c.allow & LQ_ALLOW_WSCALE)) {
					o.flags |= LQ_REQ_WSCALE;
					o.wscale = *ptr > 14 ? u8{14} : *ptr;
				}
				break;
			case 8:
				if (opsize == 10 && (c.allow & LQ_ALLOW_TSTAMP)) {
					o.flags |= LQ_REQ_TSTAMP;
					o.tsval = static_cast<u32>(ptr[0]) << 24 | ptr[1] << 16 |
						  ptr[2] << 8 | ptr[3];
					o.tsecr = static_cast<u32>(ptr[4]) << 24 | ptr[5] << 16 |
						  ptr[6] << 8 | ptr[7];
				}
				break;
			case 4:
				if (opsize == 2 && (c.allow & LQ_ALLOW_SACK))
					o.flags |= LQ_REQ_SACK;
				break;
			}
			ptr += opsize - 2;
			length -= opsize;
		}
	}
	return o;
}

TEST(options, parse_syn__property_is_the_kernels)
{
	// Bytes that are often kinds and lengths, so that lists are often half right.
	const auto byte = rc::gen::oneOf(
		rc::gen::elementOf(std::vector<u8>{0, 1, 1, 2, 2, 3, 3, 4, 4, 8, 10, 34}),
		rc::gen::arbitrary<u8>());

	property("as tcp_parse_options()", [&] {
		auto bytes = *rc::gen::container<std::vector<u8>>(byte);
		lq_options_config c = kAll;

		bytes.resize(std::min<size_t>(bytes.size(), 40));
		c.allow = *rc::gen::inRange<u8>(0, 8);
		c.user_mss = *rc::gen::elementOf(std::vector<u16>{0, 1, 536, 2000});
		const lq_options o = options::parse_syn({bytes.data(), bytes.size()}, c);
		const lq_options want = kernel_parse(bytes, c);

		RC_ASSERT(o.mss == want.mss);
		RC_ASSERT(o.flags == want.flags);
		RC_ASSERT(o.wscale == want.wscale);
		RC_ASSERT(o.tsval == want.tsval);
		RC_ASSERT(o.tsecr == want.tsecr);
	});
}

TEST(options, parse_timestamp__found)
{
	options::Timestamp t{};

	EXPECT_TRUE(timestamp({1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, t));
	EXPECT_EQ(t.tsval, 0x01020304u);
	EXPECT_EQ(t.tsecr, 0x05060708u);
	EXPECT_TRUE(timestamp({5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 9, 0, 0, 0, 0, 0, 0, 0}, t));
	EXPECT_EQ(t.tsval, 0x09000000u);
}

TEST(options, parse_timestamp__not_there)
{
	options::Timestamp t{};

	EXPECT_FALSE(timestamp({}, t));
	EXPECT_FALSE(timestamp({0, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, t));
	EXPECT_FALSE(timestamp({8, 10, 1, 2, 3, 4, 5, 6, 7}, t));
	EXPECT_FALSE(timestamp({8, 9, 1, 2, 3, 4, 5, 6, 7}, t));
	EXPECT_FALSE(timestamp({8}, t));
}

// Port 8080 to port 49153, ISN 0x11223344, acknowledging 0xffffffff + 1.
TEST(options, write_synack__mss_only)
{
	EXPECT_EQ(synack(0), "1f90c001 11223344 00000000 6012faf0 00000000 020405b4");
}

TEST(options, write_synack__all)
{
	EXPECT_EQ(synack(LQ_REQ_TSTAMP | LQ_REQ_SACK | LQ_REQ_WSCALE | LQ_REQ_ECN),
		  "1f90c001 11223344 00000000 a052faf0 00000000 020405b4 "
		  "0402080a 01000b0b a1a2a3a4 01030307");
}

TEST(options, write_synack__timestamp_without_sack)
{
	EXPECT_EQ(synack(LQ_REQ_TSTAMP | LQ_REQ_WSCALE),
		  "1f90c001 11223344 00000000 a012faf0 00000000 020405b4 "
		  "0101080a 01000b0b a1a2a3a4 01030307");
}

TEST(options, write_synack__sack_without_timestamp)
{
	EXPECT_EQ(synack(LQ_REQ_SACK | LQ_REQ_WSCALE),
		  "1f90c001 11223344 00000000 8012faf0 00000000 020405b4 01010402 01030307");
	EXPECT_EQ(synack(LQ_REQ_SACK),
		  "1f90c001 11223344 00000000 7012faf0 00000000 020405b4 01010402");
}

TEST(options, write_synack__wscale_alone)
{
	EXPECT_EQ(synack(LQ_REQ_WSCALE, 536),
		  "1f90c001 11223344 00000000 7012faf0 00000000 02040218 01030307");
}

TEST(options, write_synack__never_more_than_60_bytes)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		const std::string bytes = synack(static_cast<u8>(flags));

		EXPECT_LE((bytes.size() + 1) / 9 * 4, size_t{LQ_SYNACK_MAX});
	}
}

// What the peer expects next, exactly, and what it sent.
TEST(options, write_reset__both_families)
{
	for (const u8 flags : {0, LQ_REQ_V6, LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_ECN}) {
		const auto out = std::make_unique<u8[]>(LQ_RESET_LENGTH);
		const lq_request_copy copy = synack_request(static_cast<u8>(flags));

		ASSERT_EQ(options::write_reset(copy.request, 0x901f, false, out.get()),
			  size_t{LQ_RESET_LENGTH});
		EXPECT_EQ(ones_sum(out.get() + 16, 2), pseudo_header_sum(copy, LQ_RESET_LENGTH));
		ASSERT_EQ(options::write_reset(copy.request, 0x901f, true, out.get()),
			  size_t{LQ_RESET_LENGTH});
		EXPECT_EQ(ones_sum(out.get(), LQ_RESET_LENGTH,
				   pseudo_header_sum(copy, LQ_RESET_LENGTH)),
			  0xffffu);
		std::memset(out.get() + 16, 0, 2);
		EXPECT_EQ(hex(out.get(), LQ_RESET_LENGTH),
			  "1f90c001 11223345 00000000 50140000 00000000");
	}
}

TEST(options, property__a_synack_is_read_as_it_was_written)
{
	property("write, then parse", [](u8 bits, u16 mss) {
		RC_PRE(mss != 0);
		const u8 flags = bits & (LQ_REQ_TSTAMP | LQ_REQ_SACK | LQ_REQ_WSCALE);
		u8 out[LQ_SYNACK_MAX];
		const lq_request_copy copy = synack_request(flags);
		const size_t length = options::write_synack(copy.request, 0, mss, 77, true, out);
		const lq_options o = options::parse_syn({out + 20, length - 20}, kAll);

		RC_ASSERT(length % 4 == 0);
		RC_ASSERT(out[12] >> 4 == static_cast<int>(length / 4));
		RC_ASSERT(o.flags == flags);
		RC_ASSERT(o.mss == mss);
		if (flags & LQ_REQ_WSCALE)
			RC_ASSERT(o.wscale == 7);
		if (flags & LQ_REQ_TSTAMP)
			RC_ASSERT(o.tsval == 77 + 0x01000000u);
	});
}
