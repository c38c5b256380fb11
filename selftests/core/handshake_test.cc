// SPDX-License-Identifier: GPL-2.0
// Handshake: sequence numbers, ECN, windows, and what a segment is held to.
#include "core/handshake.hh"

#include <set>

#include "property.hh"
#include "support.hh"

namespace handshake = listenq::handshake;
using listenq::Request;
using listenq::Seq;
using namespace testing_core;

// --- isn() ---

TEST(handshake, isn__steps_with_time_every_64_ns)
{
	// In steps of LQ_ISN_TAGS: the bits below say whose the number is.
	const auto number = [](u64 ns) { return handshake::isn(kKeys, peer(0), 80, ns, 0).isn; };
	constexpr u64 kStep = 64 * LQ_ISN_TAGS;
	const u32 start = number(0);

	for (u64 turn = 1; turn < 1000; turn++)
		EXPECT_EQ(number(turn * kStep), start + static_cast<u32>(turn * LQ_ISN_TAGS));
	u32 steps = 0;
	for (u64 ns = 64; ns <= kStep; ns += 64)
		steps += number(ns) != number(ns - 64);
	EXPECT_EQ(steps, 1u);
}

TEST(handshake, isn__property_monotonic_in_time)
{
	property("later is larger, modulo 2^32 (RFC 6528 3)", [](u64 now, u32 later) {
		const u32 first = handshake::isn(kKeys, peer(1), 80, now, 0).isn;
		// Less than half a turn: 2^31 steps of 64 ns.
		const u32 second = handshake::isn(kKeys, peer(1), 80, now + later, 0).isn;

		RC_ASSERT(!Seq{second}.before(Seq{first}));
	});
}

TEST(handshake, isn__another_tuple_another_space)
{
	std::set<u32> isns, offsets;

	for (u32 n = 0; n < 500; n++) {
		const lq_isn v = handshake::isn(kKeys, peer(n), 80, 12345, 0);

		isns.insert(v.isn);
		offsets.insert(v.ts_off);
	}
	EXPECT_EQ(isns.size(), 500u);
	EXPECT_EQ(offsets.size(), 500u);
	EXPECT_NE(handshake::isn(kKeys, peer(0), 80, 0, 0).isn,
		  handshake::isn(kKeys, peer(0), 81, 0, 0).isn);
}

TEST(handshake, isn_tag__says_whose_it_is)
{
	property("of any connection, at any time", [](u32 n, u64 now, u16 tag, u32 least) {
		tag %= LQ_ISN_TAGS;
		const u32 number = handshake::isn(kKeys, peer(n), 80, now, tag).isn;
		const u32 later = handshake::isn_from(number, least);

		RC_ASSERT(handshake::isn_tag(kKeys, peer(n), 80, number) == tag);
		RC_ASSERT(handshake::isn_tag(kKeys, peer(n), 80, later) == tag);
		RC_ASSERT(!Seq{later}.before(Seq{least}));
		RC_ASSERT(later - least < LQ_ISN_TAGS);
	});
}

TEST(handshake, isn_tag__is_no_secret_s_plain_text)
{
	std::set<u32> low;

	// The same listener's numbers carry it masked by the connection.
	for (u32 n = 0; n < 500; n++)
		low.insert(handshake::isn(kKeys, peer(n), 80, 0, 7).isn % LQ_ISN_TAGS);
	EXPECT_GT(low.size(), 300u);
}

TEST(handshake, isn__the_secret_matters_and_the_table_key_does_not)
{
	lq_keys keys = kKeys;

	keys.table[0]++;
	EXPECT_EQ(handshake::isn(keys, peer(0), 80, 0, 0).isn,
		  handshake::isn(kKeys, peer(0), 80, 0, 0).isn);
	keys.isn[1]++;
	EXPECT_NE(handshake::isn(keys, peer(0), 80, 0, 0).isn,
		  handshake::isn(kKeys, peer(0), 80, 0, 0).isn);
}

TEST(handshake, isn__the_timestamp_offset_does_not_move_with_time)
{
	EXPECT_EQ(handshake::isn(kKeys, peer(0), 80, 0, 0).ts_off,
		  handshake::isn(kKeys, peer(0), 80, 1ULL << 40, 0).ts_off);
}

// --- ecn() ---

TEST(handshake, ecn__table)
{
	for (unsigned bits = 0; bits < 32; bits++) {
		const lq_ecn e{.ece_cwr = (bits & 1) != 0,
			       .reserved_bits = (bits & 2) != 0,
			       .ect = (bits & 4) != 0,
			       .enabled = (bits & 8) != 0,
			       .needed = (bits & 16) != 0};
		bool want = false;

		// tcp_ecn_create_request() of net/ipv4/tcp_input.c
		if (e.ece_cwr) {
			if (e.needed)
				want = true;
			else if (e.enabled && (!e.ect || e.reserved_bits))
				want = true;
		}
		EXPECT_EQ(handshake::ecn(e), want) << bits;
	}
}

// --- window() ---

namespace {

struct Kernel {
	u32 rcv_wnd, window_clamp;
	u8 rcv_wscale;
};

// tcp_select_initial_window() of Linux 6.1 and 6.12, net/ipv4/tcp_output.c; window_max is where
// they differ.
Kernel kernel_window(const lq_window &in)
{
	u32 window_clamp = in.clamp, space = in.space, rcv_wnd;
	int scale = 0;

	if (window_clamp == 0)
		window_clamp = 65535u << 14;
	space = std::min(window_clamp, space);
	if (space > in.mss)
		space = space / in.mss * in.mss;
	rcv_wnd = std::min(space, in.window_max);
	if (in.init_segments)
		rcv_wnd = std::min(rcv_wnd, in.init_segments * in.mss);
	if (in.wscale_ok) {
		space = std::max(space, in.space_max);
		space = std::min(space, window_clamp);
		while (scale < 14 && (space >> (scale + 16)))
			scale++;
	}
	return {rcv_wnd, std::min(65535u << scale, window_clamp), static_cast<u8>(scale)};
}

lq_window window_in(u32 space = 65536, u32 mss = 1460)
{
	lq_window w{};

	w.space = space;
	w.mss = mss;
	w.space_max = 6291456;
	w.window_max = 0xffffffff;
	w.wscale_ok = true;
	return w;
}

} // namespace

TEST(handshake, window__the_usual_one)
{
	lq_window w = window_in();

	handshake::window(w);
	EXPECT_EQ(w.window, 44u * 1460);
	EXPECT_EQ(w.wscale, 7u);
	EXPECT_EQ(w.clamp, 65535u << 7);
}

TEST(handshake, window__without_scaling)
{
	lq_window w = window_in();

	w.wscale_ok = false;
	handshake::window(w);
	EXPECT_EQ(w.wscale, 0u);
	EXPECT_EQ(w.clamp, 65535u);
	EXPECT_EQ(w.window, 44u * 1460);
}

TEST(handshake, window__borders_of_the_scale)
{
	for (u8 scale = 0; scale <= 14; scale++) {
		lq_window w = window_in(1000);

		w.space_max = (65536u << scale) - 1;
		handshake::window(w);
		EXPECT_EQ(w.wscale, scale) << w.space_max;
		if (scale == 14)
			break;
		w = window_in(1000);
		w.space_max = 65536u << scale;
		handshake::window(w);
		EXPECT_EQ(w.wscale, scale + 1) << w.space_max;
	}
	lq_window w = window_in(1000);
	w.space_max = 0xffffffff;
	handshake::window(w);
	EXPECT_EQ(w.wscale, 14u);
	EXPECT_EQ(w.clamp, 65535u << 14);
}

TEST(handshake, window__a_clamp_limits_both)
{
	lq_window w = window_in(100000);

	w.clamp = 3000;
	handshake::window(w);
	EXPECT_EQ(w.window, 2920u);
	EXPECT_EQ(w.wscale, 0u);
	EXPECT_EQ(w.clamp, 3000u);
}

TEST(handshake, window__less_than_a_segment_is_not_rounded)
{
	lq_window w = window_in(1000);

	handshake::window(w);
	EXPECT_EQ(w.window, 1000u);
}

TEST(handshake, window__initrwnd)
{
	lq_window w = window_in();

	w.init_segments = 10;
	handshake::window(w);
	EXPECT_EQ(w.window, 14600u);
	w = window_in();
	w.init_segments = 0xffffffff; // no overflow
	handshake::window(w);
	EXPECT_EQ(w.window, 44u * 1460);
}

TEST(handshake, window__no_larger_than_allowed)
{
	lq_window w = window_in();

	w.window_max = 32767; // MAX_TCP_WINDOW, for tcp_workaround_signed_windows
	handshake::window(w);
	EXPECT_EQ(w.window, 32767u);
}

TEST(handshake, window__nothing_free)
{
	lq_window w = window_in(0);

	handshake::window(w);
	EXPECT_EQ(w.window, 0u);
	EXPECT_EQ(w.wscale, 7u);
}

TEST(handshake, window__no_mss)
{
	lq_window w = window_in(1000, 0);

	handshake::window(w);
	EXPECT_EQ(w.window, 1000u);
}

TEST(handshake, window__property_is_the_kernels)
{
	property("as tcp_select_initial_window()", [] {
		lq_window w{};

		w.space = *rc::gen::inRange<u32>(0, 0x7fffffff);
		w.space >>= *rc::gen::inRange<u32>(0, 31);
		w.mss = *rc::gen::inRange<u32>(1, 65496);
		w.clamp = *rc::gen::inRange<u32>(0, 0x7fffffff) >> *rc::gen::inRange<u32>(0, 32);
		w.space_max =
			*rc::gen::inRange<u32>(0, 0x7fffffff) >> *rc::gen::inRange<u32>(0, 31);
		w.init_segments = *rc::gen::inRange<u32>(0, 40);
		w.wscale_ok = *rc::gen::arbitrary<bool>();
		w.window_max = *rc::gen::element<u32>(32767, 65535, 0xffffffff);
		const Kernel want = kernel_window(w);

		handshake::window(w);
		RC_ASSERT(w.window == want.rcv_wnd);
		RC_ASSERT(w.wscale == want.rcv_wscale);
		RC_ASSERT(w.clamp == want.window_clamp);
	});
}

// --- synack_window() ---

TEST(handshake, synack_window__says_at_most_65535)
{
	Request r{};

	for (const u32 window : {0u, 14600u, 65534u, 65535u}) {
		r.rcv_wnd = window;
		EXPECT_EQ(handshake::synack_window(r), window);
	}
	for (const u32 window : {65536u, 1u << 20, 0x3fffc000u}) {
		r.rcv_wnd = window;
		EXPECT_EQ(handshake::synack_window(r), 65535u);
	}
}

// --- in_window() ---

TEST(handshake, in_window__borders)
{
	// Around a window of 100 that starts at 1000, and the same across the wrap.
	for (const u32 base : {0u, 0xffffffffu - 1000, 0xffffffffu - 1050, 0x7fffffffu - 1000}) {
		const auto in = [&](u32 seq, u32 end) {
			return handshake::in_window(Seq{base + seq}, Seq{base + end},
						    Seq{base + 1000}, Seq{base + 1100});
		};

		EXPECT_TRUE(in(1000, 1000)); // a bare ACK where it should be
		EXPECT_TRUE(in(1000, 5000)); // starts right, too long: trimmed later
		EXPECT_FALSE(in(999, 999));  // a keepalive, or old
		EXPECT_FALSE(in(999, 1000)); // ends at the left edge
		EXPECT_TRUE(in(999, 1001));  // one byte is new
		EXPECT_TRUE(in(1001, 1001));
		EXPECT_TRUE(in(1099, 1099));
		EXPECT_TRUE(in(1099, 1200));
		EXPECT_TRUE(in(1100, 1100));  // empty, at the right edge
		EXPECT_FALSE(in(1100, 1101)); // not empty, at the right edge
		EXPECT_FALSE(in(1101, 1101));
		EXPECT_FALSE(in(0, 500));
	}
}

TEST(handshake, in_window__a_closed_window)
{
	const auto in = [&](u32 seq, u32 end) {
		return handshake::in_window(Seq{seq}, Seq{end}, Seq{1000}, Seq{1000});
	};

	EXPECT_TRUE(in(1000, 1000));
	EXPECT_TRUE(in(1000, 1001));
	EXPECT_FALSE(in(1001, 1001));
	EXPECT_FALSE(in(999, 1000));
}

// --- paws_rejects() ---

TEST(handshake, paws_rejects__older_than_seen)
{
	Request r{};

	r.flags = LQ_REQ_TSTAMP;
	r.ts_recent = 1000;
	EXPECT_TRUE(handshake::paws_rejects(r, true, 999));
	EXPECT_FALSE(handshake::paws_rejects(r, true, 1000));
	EXPECT_FALSE(handshake::paws_rejects(r, true, 1001));
	EXPECT_TRUE(handshake::paws_rejects(r, true, 1000 - 0x7fffffffu));
	EXPECT_FALSE(handshake::paws_rejects(r, true, 1000 + 0x7fffffffu));
	r.ts_recent = 5; // across the wrap
	EXPECT_TRUE(handshake::paws_rejects(r, true, 0xfffffff0));
	r.ts_recent = 0xfffffff0;
	EXPECT_FALSE(handshake::paws_rejects(r, true, 5));
}

TEST(handshake, paws_rejects__not_without_timestamps)
{
	Request r{};

	r.ts_recent = 1000;
	EXPECT_FALSE(handshake::paws_rejects(r, true, 1)); // not agreed on
	r.flags = LQ_REQ_TSTAMP;
	EXPECT_FALSE(handshake::paws_rejects(r, false, 1)); // not on this segment
	r.ts_recent = 0;
	EXPECT_FALSE(handshake::paws_rejects(r, true, 0xffffffff)); // the SYN's was 0
}
