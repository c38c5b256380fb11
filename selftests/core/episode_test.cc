// SPDX-License-Identifier: GPL-2.0
// Episode: began and ended, each told once.
#include "core/episode.hh"

#include "property.hh"

using listenq::Episode;
using listenq::Ticks;
using What = Episode::What;

namespace {

constexpr u32 kQuiet = 100;

What told(Episode &e)
{
	return e.take_event().what;
}

TEST(episode, happened__the_first_begins)
{
	Episode e;

	EXPECT_FALSE(e.pending() || e.active());
	EXPECT_EQ(told(e), What::Nothing);
	e.happened(Ticks{5}, 7);
	EXPECT_TRUE(e.pending() && e.active());
	e.happened(Ticks{6}, 8);
	const Episode::Event event = e.take_event();
	EXPECT_EQ(event.what, What::Began);
	EXPECT_EQ(event.cause, 7);
	EXPECT_FALSE(e.pending());
	EXPECT_TRUE(e.active());
	e.happened(Ticks{7}, 9);
	EXPECT_EQ(told(e), What::Nothing);
}

TEST(episode, take_back__the_only_time_was_none)
{
	Episode e;

	e.take_back();
	EXPECT_FALSE(e.pending() || e.active());
	e.happened(Ticks{5}, 7);
	e.take_back();
	EXPECT_FALSE(e.pending() || e.active());
	// One of two, and one that was told.
	e.happened(Ticks{6}, 8);
	e.happened(Ticks{6}, 9);
	e.take_back();
	EXPECT_EQ(told(e), What::Began);
	e.happened(Ticks{7});
	e.take_back();
	e.take_back();
	EXPECT_TRUE(e.running());
	e.tick(Ticks{7 + kQuiet}, kQuiet, 0);
	EXPECT_EQ(e.take_event().count, 1u);
}

TEST(episode, tick__a_quiet_time_ends)
{
	Episode e;

	e.happened(Ticks{0}, 7);
	EXPECT_EQ(told(e), What::Began);
	e.happened(Ticks{50}, 8);
	e.tick(Ticks{50 + kQuiet - 1}, kQuiet, 0);
	EXPECT_FALSE(e.pending());
	e.tick(Ticks{50 + kQuiet}, kQuiet, 0);
	EXPECT_TRUE(e.pending() && e.active());
	const Episode::Event event = e.take_event();
	EXPECT_EQ(event.what, What::Ended);
	EXPECT_EQ(event.count, 2u);
	EXPECT_EQ(event.cause, 7);
	EXPECT_FALSE(e.pending() || e.active());
	// Another one counts anew.
	e.happened(Ticks{500}, 3);
	EXPECT_EQ(e.take_event().cause, 3);
	e.tick(Ticks{900}, kQuiet, 0);
	EXPECT_EQ(e.take_event().count, 1u);
}

TEST(episode, lasts__there_is_no_end_while_it_does)
{
	Episode e;

	e.happened(Ticks{0}, 7);
	EXPECT_EQ(told(e), What::Began);
	for (u32 now = 0; now < 10 * kQuiet; now += kQuiet / 2) {
		e.lasts(Ticks{now});
		e.tick(Ticks{now}, kQuiet, 0);
		EXPECT_FALSE(e.pending()) << now;
	}
	e.tick(Ticks{10 * kQuiet + kQuiet / 2}, kQuiet, 0);
	EXPECT_EQ(e.take_event().count, 1u);
}

TEST(episode, times__and_how_long_they_were)
{
	Episode e;

	EXPECT_EQ(e.times(), 0u);
	EXPECT_EQ(e.ago_s(50), 0u);
	EXPECT_EQ(e.shortest_ms(kQuiet) + e.longest_ms(kQuiet), 0u);
	e.happened(Ticks{0});
	e.take_back(); // it was none
	EXPECT_EQ(e.times(), 0u);
	for (const u32 length : {700u, 300u, 500u}) {
		const u32 begin = 10000 * length;

		e.happened(Ticks{begin});
		EXPECT_EQ(told(e), What::Began);
		EXPECT_EQ(e.ago_s(length), 0u) << "one goes on";
		e.happened(Ticks{begin + length});
		e.tick(Ticks{begin + length + kQuiet}, kQuiet, length);
		EXPECT_EQ(told(e), What::Ended);
		EXPECT_EQ(e.ago_s(length), 1u) << "1 at least";
	}
	EXPECT_EQ(e.times(), 3u);
	EXPECT_EQ(e.shortest_ms(kQuiet), 3000u);
	EXPECT_EQ(e.longest_ms(kQuiet), 7000u);
	EXPECT_EQ(e.ago_s(500 + 720), 720u);
}

TEST(episode, tick__across_the_end_of_the_clock)
{
	Episode e;

	e.happened(Ticks{0xfffffff0});
	EXPECT_EQ(told(e), What::Began);
	e.tick(Ticks{0xffffffff}, kQuiet, 0);
	EXPECT_FALSE(e.pending());
	e.tick(Ticks{0xfffffff0u + kQuiet}, kQuiet, 0);
	EXPECT_EQ(told(e), What::Ended);
}

TEST(episode, tick__a_beginning_is_told_first)
{
	Episode e;

	e.happened(Ticks{0});
	e.tick(Ticks{kQuiet}, kQuiet, 0);
	EXPECT_EQ(told(e), What::Began);
	e.tick(Ticks{kQuiet}, kQuiet, 0);
	EXPECT_EQ(told(e), What::Ended);
}

TEST(episode, happened__takes_an_untold_end_back)
{
	Episode e;

	e.happened(Ticks{0}, 7);
	EXPECT_EQ(told(e), What::Began);
	e.tick(Ticks{kQuiet}, kQuiet, 0);
	e.happened(Ticks{kQuiet}, 8);
	EXPECT_FALSE(e.pending());
	EXPECT_TRUE(e.running());
	e.tick(Ticks{2 * kQuiet}, kQuiet, 0);
	const Episode::Event event = e.take_event();
	EXPECT_EQ(event.what, What::Ended);
	EXPECT_EQ(event.count, 2u);
	EXPECT_EQ(event.cause, 7);
}

TEST(episode, close__ends_what_was_told)
{
	Episode e;

	e.close();
	EXPECT_FALSE(e.active());
	e.happened(Ticks{0});
	e.close(); // nobody heard of it
	EXPECT_FALSE(e.active());
	e.happened(Ticks{0});
	EXPECT_EQ(told(e), What::Began);
	e.close();
	EXPECT_FALSE(e.running());
	e.close();
	EXPECT_EQ(told(e), What::Ended);
	EXPECT_FALSE(e.active());
}

TEST(episode, happened__an_older_clock_does_not_end_it_early)
{
	Episode e;

	e.happened(Ticks{1000});
	EXPECT_EQ(told(e), What::Began);
	e.happened(Ticks{990});
	e.tick(Ticks{990 + kQuiet}, kQuiet, 0);
	EXPECT_FALSE(e.pending());
}

TEST(episode, property__begin_and_end_alternate)
{
	property("all is counted, and two of a kind are at least the quiet time apart", [] {
		Episode e;
		u32 now = *rc::gen::arbitrary<u32>(), began_at = 0, ended_at = 0;
		u64 count = 0;
		bool begun = false, ever_began = false, ever_ended = false;
		const auto steps =
			*rc::gen::container<std::vector<u8>>(300, rc::gen::arbitrary<u8>());

		for (const u8 step : steps) {
			now += step / 4;
			if (step % 4 == 0) {
				e.happened(Ticks{now});
				count++;
			}
			e.tick(Ticks{now}, kQuiet, 0);
			if (step % 8 == 1)
				continue; // nobody asks
			const Episode::Event event = e.take_event();
			if (event.what == What::Began) {
				RC_ASSERT(!begun);
				RC_ASSERT(!ever_began || now - began_at >= kQuiet);
				began_at = now;
				begun = ever_began = true;
			}
			if (event.what == What::Ended) {
				RC_ASSERT(begun);
				RC_ASSERT(!ever_ended || now - ended_at >= kQuiet);
				RC_ASSERT(event.count == count);
				ended_at = now;
				begun = false;
				ever_ended = true;
				count = 0;
			}
		}
	});
}

} // namespace
