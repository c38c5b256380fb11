// SPDX-License-Identifier: GPL-2.0
// SynCookie: what a cookie remembers, for how long, and that nothing else passes for one;
// then the listener that sends and takes them.
#include "core/syn_cookie.hh"

#include <set>

#include "core/listener.hh"
#include "property.hh"
#include "support.hh"

using listenq::Listener;
using listenq::Micros;
using listenq::Request;
using listenq::Seq;
using listenq::SynCookie;
using namespace testing_core;
namespace cookie_timestamp = listenq::cookie_timestamp;

namespace {

constexpr u16 kPort = 80;
constexpr u32 kNow = 64 * 1000;
const SynCookie kCookie(kKeys);

SynCookie::Tuple tuple(const lq_key &key, u32 isn = 1000)
{
	return {.key = key, .local_port = kPort, .client_isn = Seq{isn}};
}

} // namespace

// --- make() and check() ---

TEST(syn_cookie, make__remembers_the_largest_mss_that_fits)
{
	const struct {
		u32 peer;
		u16 offered, remembered;
	} cases[] = {
		{0, 1, 1},	 {0, 216, 216},	  {0, 535, 216},   {0, 536, 536},
		{0, 1459, 1440}, {0, 1460, 1460}, {0, 8960, 8960}, {0, 65535, 8960},
		{1, 1220, 1220}, {1, 1279, 1220}, {1, 1440, 1440}, {1, 65535, 8940},
	};

	for (const auto &c : cases) {
		const lq_key key = peer(c.peer);
		const auto sent = kCookie.make(tuple(key), c.offered, kNow);

		EXPECT_EQ(sent.mss, c.remembered) << c.offered;
		// Beyond the table's smallest entry the ACK cannot know better.
		if (c.offered >= 216) {
			EXPECT_EQ(kCookie.check(tuple(key), sent.isn, kNow), c.remembered);
		}
	}
}

TEST(syn_cookie, check__lives_two_periods_after_its_own)
{
	const lq_key key = peer(0);
	const Seq isn = kCookie.make(tuple(key), 1460, kNow).isn;

	for (u32 age = 0; age < 3 * SynCookie::kPeriodSeconds; age++)
		ASSERT_EQ(kCookie.check(tuple(key), isn, kNow + age), 1460u) << age;
	for (u32 age = 3 * SynCookie::kPeriodSeconds; age < 40 * SynCookie::kPeriodSeconds; age++)
		ASSERT_EQ(kCookie.check(tuple(key), isn, kNow + age), 0u) << age;
}

TEST(syn_cookie, check__none_from_the_future_or_before_the_clock_began)
{
	const lq_key key = peer(0);
	const Seq isn = kCookie.make(tuple(key), 1460, kNow).isn;

	for (u32 early = 1; early <= 5; early++)
		EXPECT_EQ(kCookie.check(tuple(key), isn, kNow - early * 64), 0u);
	const Seq first = kCookie.make(tuple(key), 1460, 0).isn;
	EXPECT_EQ(kCookie.check(tuple(key), first, 0), 1460u);
	EXPECT_EQ(kCookie.check(tuple(key), first, 64), 1460u);
}

TEST(syn_cookie, check__any_other_bit_fails)
{
	const lq_key key = peer(2);
	const Seq isn = kCookie.make(tuple(key), 1460, kNow).isn;

	for (unsigned bit = 0; bit < 32; bit++)
		EXPECT_EQ(kCookie.check(tuple(key), Seq{isn.value ^ (1u << bit)}, kNow), 0u) << bit;
}

TEST(syn_cookie, check__bound_to_tuple_and_keys)
{
	const lq_key key = peer(0);
	const Seq isn = kCookie.make(tuple(key), 1460, kNow).isn;
	lq_keys keys = kKeys;

	EXPECT_EQ(kCookie.check(tuple(key, 1001), isn, kNow), 0u);
	EXPECT_EQ(kCookie.check(tuple(peer(2)), isn, kNow), 0u);
	EXPECT_EQ(kCookie.check({.key = key, .local_port = 81, .client_isn = Seq{1000}}, isn, kNow),
		  0u);
	for (u64 *word : {&keys.cookie[0], &keys.cookie[1]}) {
		*word ^= 1;
		EXPECT_EQ(SynCookie(keys).check(tuple(key), isn, kNow), 0u);
	}
}

TEST(syn_cookie, check__property_guesses_fail)
{
	unsigned passed = 0, tried = 0;

	property("a guessed number is no cookie", [&](u32 guess, u32 client_isn, u16 n) {
		const lq_key key = peer(n);

		tried++;
		passed += kCookie.check(tuple(key, client_isn), Seq{guess}, kNow) != 0;
	});
	EXPECT_GE(tried, 500u);
	// One in 2^27 · 4/3 would: in the same 500 guesses, none.
	EXPECT_EQ(passed, 0u);
}

TEST(syn_cookie, ts_off__comes_back_and_looks_unrelated)
{
	std::set<u32> offsets;

	for (u32 n = 0; n < 1000; n++) {
		const lq_key key = peer(n);
		const auto sent = kCookie.make(tuple(key), 1460, kNow);
		u32 back = 0;

		ASSERT_EQ(kCookie.check(tuple(key), sent.isn, kNow + 70, back), sent.mss);
		ASSERT_EQ(back, sent.ts_off);
		// It must not tell what the number hides.
		ASSERT_NE(back, sent.isn.value);
		offsets.insert(back);
	}
	EXPECT_EQ(offsets.size(), 1000u);
}

TEST(syn_cookie, make__numbers_look_unrelated)
{
	std::set<u32> isns, tops;

	for (u32 n = 0; n < 2000; n++) {
		const lq_key key = peer(n);
		const u32 isn = kCookie.make(tuple(key), 1460, kNow).isn.value;

		isns.insert(isn);
		tops.insert(isn >> 27);
	}
	EXPECT_EQ(isns.size(), 2000u);
	EXPECT_EQ(tops.size(), 32u) << "the five bits of index and period show";
}

// --- answer() ---

static Request *asked(const lq_key &key, u8 options)
{
	Request *r = new_request(key);

	r->mss = 1459;
	r->wscale = 0x57;
	r->flags |= options;
	r->snt_isn = r->ts_off = 0;
	return r;
}

TEST(syn_cookie, answer__without_timestamps_only_the_mss_survives)
{
	for (const u32 n : {0u, 1u}) {
		const lq_key key = peer(n);
		Request *r = asked(key, LQ_REQ_WSCALE | LQ_REQ_SACK | LQ_REQ_ECN);
		const SynCookie::Sent sent = kCookie.make(tuple(key), 1459, kNow);

		EXPECT_EQ(kCookie.answer(key, kPort, kNow, 777, *r), 777u);
		EXPECT_EQ(r->flags, n ? LQ_REQ_V6 : 0);
		EXPECT_EQ(r->wscale, 0u);
		EXPECT_EQ(r->mss, 1440u);
		EXPECT_EQ(r->snt_isn, sent.isn.value);
		EXPECT_EQ(r->ts_off, sent.ts_off);
		EXPECT_EQ(kCookie.check(tuple(key), Seq{r->snt_isn}, kNow), r->mss);
		free_request(r);
	}
}

TEST(syn_cookie, answer__with_timestamps_all_of_them_do)
{
	const u8 all = LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK | LQ_REQ_ECN;
	const lq_key key = peer(0);
	Request *r = asked(key, all);
	const u32 tsval = kCookie.answer(key, kPort, kNow, 100000, *r);
	lq_options options{};
	bool ecn = false;

	EXPECT_EQ(r->flags, all);
	EXPECT_EQ(r->wscale, 0x57u);
	EXPECT_EQ(tsval, cookie_timestamp::encode(100000, *r));
	ASSERT_TRUE(cookie_timestamp::decode(
		tsval, LQ_ALLOW_TSTAMP | LQ_ALLOW_SACK | LQ_ALLOW_WSCALE, options, ecn));
	EXPECT_EQ(options.flags, all & ~LQ_REQ_ECN);
	EXPECT_EQ(options.wscale, 7u);
	EXPECT_TRUE(ecn);
	free_request(r);
}

// --- cookie_timestamp ---

TEST(cookie_timestamp, encode__never_ahead_of_the_clock_and_comes_back)
{
	for (u32 tsval : {0u, 63u, 64u, 100000u, 0x7fffffffu, 0xffffffffu}) {
		for (u8 flags = 0; flags < 8; flags++) {
			for (u8 wscale = 0; wscale <= 14; wscale++) {
				Request r{};
				lq_options options{};
				bool ecn = false;

				r.flags = LQ_REQ_TSTAMP;
				r.flags |= flags & 1 ? LQ_REQ_SACK : 0;
				r.flags |= flags & 2 ? LQ_REQ_ECN : 0;
				r.flags |= flags & 4 ? LQ_REQ_WSCALE : 0;
				r.wscale = static_cast<u8>(wscale | 7 << 4);
				const u32 encoded = cookie_timestamp::encode(tsval, r);
				ASSERT_GE(static_cast<s32>(tsval - encoded), 0);
				ASSERT_LT(tsval - encoded, 64u);
				ASSERT_TRUE(cookie_timestamp::decode(
					encoded, LQ_ALLOW_TSTAMP | LQ_ALLOW_SACK | LQ_ALLOW_WSCALE,
					options, ecn));
				EXPECT_EQ(options.flags | (ecn ? LQ_REQ_ECN : 0), r.flags);
				if (flags & 4) {
					EXPECT_EQ(options.wscale, wscale);
				}
			}
		}
	}
}

TEST(cookie_timestamp, decode__refuses_what_is_not_allowed_any_more)
{
	Request r{};
	lq_options options{};
	bool ecn;

	r.flags = LQ_REQ_TSTAMP | LQ_REQ_SACK | LQ_REQ_WSCALE;
	const u32 echo = cookie_timestamp::encode(1000, r);

	EXPECT_FALSE(cookie_timestamp::decode(echo, LQ_ALLOW_SACK | LQ_ALLOW_WSCALE, options, ecn));
	EXPECT_FALSE(
		cookie_timestamp::decode(echo, LQ_ALLOW_TSTAMP | LQ_ALLOW_WSCALE, options, ecn));
	EXPECT_FALSE(cookie_timestamp::decode(echo, LQ_ALLOW_TSTAMP | LQ_ALLOW_SACK, options, ecn));
}

// --- the listener ---

namespace {

class cookie_listener : public testing::Test {
protected:
	void listen(u8 syncookies, bool pause = false, s32 backlog = 8)
	{
		lq_config c = config(backlog, 8192);
		lq_limits limits;

		c.syncookies = syncookies;
		c.syncookie_pause = pause;
		lq_core_limits(&c, &limits);
		core.configure(c, limits);
		if (!is_open)
			core.open(new_buckets(core.table_first()), core.table_first());
		is_open = true;
	}
	void TearDown() override
	{
		lq_drained drained;

		EXPECT_EQ(core.check(), nullptr);
		EXPECT_FALSE(core.close(~0u, drained));
		std::free(drained.table);
		free_list(drained.requests);
		free_list(drained.connections);
		free_list(drained.held);
	}
	lq_syn_verdict send_syn(u32 n)
	{
		lq_request *freed = nullptr;
		lq_request_copy copy;

		syn = {};
		syn.key = peer(n);
		syn.seq = 1000;
		syn.now_s = now_s;
		const lq_syn_verdict verdict = core.syn(syn, copy, freed);
		if (freed)
			free_request(freed);
		return verdict;
	}
	void fill_syn_queue()
	{
		for (u32 n = 1000; send_syn(n) == LQ_SYN_NEW; n++) {
			Request *r = new_request(peer(n));
			if (core.syn_commit(syn, *r, true) != LQ_COMMIT_OK)
				free_request(r);
		}
	}
	// An ACK that answers the cookie sent to @n, or a wrong one.
	lq_ack_verdict send_ack(u32 n, u32 wrong = 0)
	{
		lq_request_copy copy;
		lq_request *freed = nullptr;
		lq_request r{};

		r.rcv_isn = 1000;
		r.mss = 1460;
		const lq_key key = peer(n);
		lq_core_cookie(&kKeys, &key, kPort, now_s, 0, &r);
		ack = {};
		ack.key = key;
		ack.local_port = kPort;
		ack.seq = ack.end_seq = 1001;
		ack.ack_seq = r.snt_isn + 1 + wrong;
		ack.ack = ack.vetted = true;
		ack.now_s = now_s;
		const lq_ack_verdict verdict = core.ack(ack, copy, promotion, freed);
		EXPECT_EQ(freed, nullptr);
		return verdict == LQ_ACK_MAYBE_COOKIE ? core.ack_cookie(ack, promotion) : verdict;
	}
	bool establish(u32 n)
	{
		if (send_ack(n) != LQ_ACK_COOKIE)
			return false;
		promotion.request = new_request(peer(n));
		return core.promote_commit(promotion, this, Micros{0}, evicted) == LQ_COMMIT_OK;
	}
	// What the shim does after LQ_ACK_KEEP.
	bool keep(u32 n)
	{
		Request *r = new_request(peer(n));

		r->rcv_isn = ack.seq - 1;
		r->snt_isn = ack.ack_seq - 1;
		if (core.keep(ack, promotion, *r, evicted))
			return true;
		free_request(r);
		return false;
	}
	bool fill_accept_queue_and_send_ack(u32 n)
	{
		listen(2, false, 0);
		return send_syn(0) == LQ_SYN_COOKIE && send_syn(n) == LQ_SYN_COOKIE &&
		       establish(0) && send_ack(n) == LQ_ACK_KEEP;
	}
	void accept_one()
	{
		Request *r = core.accept(Micros{0});

		ASSERT_NE(r, nullptr);
		free_request(r);
		core.accept_done(1);
	}
	listenq_info info() const
	{
		listenq_info i{};

		core.info(i);
		return i;
	}
	u64 events(listenq_event event) const { return core.counters().events(event); }

	bool is_open = false;
	Listener core{kKeys};
	lq_syn syn{};
	lq_ack ack{};
	lq_promotion promotion{};
	Request *evicted = nullptr;
	u32 now_s = kNow;
};

} // namespace

TEST_F(cookie_listener, syn__0_drops_1_answers_when_full_2_always)
{
	listen(0);
	fill_syn_queue();
	EXPECT_EQ(send_syn(0), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_SYN_QUEUE_FULL);
	listen(1);
	EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
	EXPECT_TRUE(syn.cookies_on);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_SENT), 1u);
}

TEST_F(cookie_listener, syn__always_keeps_nothing)
{
	listenq_info info{};

	listen(2);
	EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
	EXPECT_TRUE(syn.cookies_on);
	core.info(info);
	EXPECT_EQ(info.syn_qlen, 0u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_SENT), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_SYNACK_SENT), 1u);
}

TEST_F(cookie_listener, syn__a_full_accept_queue_drops_even_with_cookies)
{
	listen(2, false, 0);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_TRUE(establish(0));
	EXPECT_EQ(send_syn(1), LQ_SYN_DROP);
	EXPECT_EQ(syn.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
}

TEST_F(cookie_listener, ack__good_one_reserves_and_commits)
{
	listen(2);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_ack(0), LQ_ACK_COOKIE);
	EXPECT_EQ(ack.cookie_mss, 1460u);
	const lq_key key = peer(0);
	EXPECT_EQ(ack.cookie_ts_off, kCookie.make(tuple(key), 1460, now_s).ts_off);
	promotion.request = new_request(peer(0));
	EXPECT_EQ(core.promote_commit(promotion, this, Micros{0}, evicted), LQ_COMMIT_OK);
	EXPECT_EQ(core.accept_qlen(), 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 1u);
	EXPECT_EQ(core.check(), nullptr);
}

// However often its ACK comes before there is room, and nobody has memory to keep it.
TEST_F(cookie_listener, ack__one_that_finds_no_room_is_counted_when_it_does)
{
	listen(2, false, 0); // a place for one
	for (u32 n = 0; n < 2; n++)
		ASSERT_EQ(send_syn(n), LQ_SYN_COOKIE);
	ASSERT_TRUE(establish(0));
	for (unsigned i = 0; i < 3; i++)
		ASSERT_EQ(send_ack(1), LQ_ACK_KEEP);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 1u);
	Request *r = core.accept(Micros{0});
	ASSERT_TRUE(r);
	free_request(r);
	core.accept_done(1);
	ASSERT_TRUE(establish(1));
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 2u);
}

TEST_F(cookie_listener, ack__bad_one_is_passed_on_and_counted)
{
	listen(2);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	EXPECT_EQ(send_ack(0, 1), LQ_ACK_UNKNOWN);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_FAILED), 1u);
}

TEST_F(cookie_listener, ack__nothing_is_tried_unless_a_cookie_was_sent_lately)
{
	listen(2);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_FAILED), 0u);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	now_s += SynCookie::kLifeSeconds + 1;
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	// Weeks later, and after the clock wrapped: still nothing, then a new one.
	for (const u32 idle : {7u * 86400, 0x80000000u, 0xffffff00u}) {
		now_s = kNow + idle;
		EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
	}
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_FAILED), 0u);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	EXPECT_TRUE(establish(0));
}

TEST_F(cookie_listener, ack__not_after_cookies_are_switched_off)
{
	listen(2);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	listen(0);
	EXPECT_EQ(send_ack(0), LQ_ACK_UNKNOWN);
}

TEST_F(cookie_listener, ack__full_accept_queue_and_no_memory_to_keep_it)
{
	listen(2, false, 0);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_syn(1), LQ_SYN_COOKIE);
	ASSERT_TRUE(establish(0));
	EXPECT_EQ(send_ack(1), LQ_ACK_KEEP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	Request *r = core.accept(Micros{0});
	ASSERT_NE(r, nullptr);
	free_request(r);
	core.accept_done(1);
	EXPECT_TRUE(establish(1)) << "the peer's data tries again";
}

TEST_F(cookie_listener, keep__is_served_as_there_is_room)
{
	ASSERT_TRUE(fill_accept_queue_and_send_ack(1));
	ASSERT_TRUE(keep(1));
	EXPECT_EQ(evicted, nullptr);
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 2u);
	EXPECT_EQ(events(LISTENQ_EVENT_REQUEST_CREATED), 0u);
	// It is a request like others now: another ACK waits with it, and one is its own.
	EXPECT_EQ(send_ack(1), LQ_ACK_DROP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	accept_one();
	ASSERT_EQ(send_ack(1), LQ_ACK_PROMOTE);
	EXPECT_EQ(core.promote_commit(promotion, this, Micros{0}, evicted), LQ_COMMIT_OK);
	EXPECT_EQ(info().syn_qlen, 0u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 2u);
}

TEST_F(cookie_listener, keep__asks_again_and_then_tells)
{
	lq_tick tick{};
	unsigned resent = 0;

	ASSERT_TRUE(fill_accept_queue_and_send_ack(1));
	ASSERT_TRUE(keep(1));
	for (u32 now = 0; !tick.unserved && now < 200 * kHz; now += kHz / LQ_TICKS_PER_SECOND) {
		tick.now = now;
		core.tick(tick);
		for (u32 i = 0; i < tick.resend_count; i++)
			EXPECT_TRUE(listenq::request::matches(tick.resend[i].request, peer(1)));
		resent += tick.resend_count;
		EXPECT_EQ(tick.expired, nullptr);
	}
	ASSERT_NE(tick.unserved, nullptr);
	EXPECT_EQ(resent, 5u);
	EXPECT_EQ(free_list(tick.unserved), 1u);
	EXPECT_EQ(core.counters().drops(LISTENQ_DROP_REQUEST_UNSERVED), 1u);
}

TEST_F(cookie_listener, keep__only_once)
{
	ASSERT_TRUE(fill_accept_queue_and_send_ack(1));
	const lq_ack first = ack;
	const lq_promotion again = promotion;
	ASSERT_TRUE(keep(1));
	// On two CPUs at once: both were told to keep it.
	ack = first;
	promotion = again;
	EXPECT_FALSE(keep(1));
	EXPECT_EQ(info().syn_qlen, 1u);
	EXPECT_EQ(events(LISTENQ_EVENT_COOKIE_RECEIVED), 2u);
}

// Nobody under way, and nobody whose ACK came.
TEST_F(cookie_listener, keep__in_place_of_who_did_not_answer)
{
	listen(1);
	fill_syn_queue();
	const u32 full = info().syn_qlen;
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	for (u32 n = 0; n < 9; n++)
		ASSERT_TRUE(establish(n));
	ASSERT_EQ(send_ack(9), LQ_ACK_KEEP);
	EXPECT_FALSE(keep(9)) << "all are young";
	EXPECT_EQ(evicted, nullptr);

	lq_tick tick{};
	tick.now = kHz;
	do
		core.tick(tick); // all of them time out
	while (tick.again);
	for (u32 n = 9; n < 9 + full; n++) {
		ASSERT_EQ(send_ack(n), LQ_ACK_KEEP) << n;
		ASSERT_TRUE(keep(n)) << n;
		ASSERT_NE(evicted, nullptr);
		EXPECT_FALSE(listenq::request::has(*evicted, LQ_REQ_ACKED));
		free_request(evicted);
		EXPECT_EQ(info().syn_qlen, full);
	}
	EXPECT_EQ(core.counters().drops(LISTENQ_DROP_REQUEST_EVICTED), full);
	ASSERT_EQ(send_ack(9 + full), LQ_ACK_KEEP);
	EXPECT_FALSE(keep(9 + full)) << "all are there";
	EXPECT_EQ(core.check(), nullptr);
}

TEST_F(cookie_listener, keep__closed_meanwhile)
{
	ASSERT_TRUE(fill_accept_queue_and_send_ack(1));
	core.leave();
	EXPECT_FALSE(keep(1));
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(cookie_listener, keep__of_another_life)
{
	ASSERT_TRUE(fill_accept_queue_and_send_ack(1));
	promotion.life--;
	EXPECT_FALSE(keep(1));
	EXPECT_EQ(info().syn_qlen, 0u);
}

TEST_F(cookie_listener, promote_abort__gives_the_slot_back)
{
	listen(2, false, 0);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_ack(0), LQ_ACK_COOKIE);
	EXPECT_TRUE(aborted(core, promotion));
	EXPECT_TRUE(establish(0));
}

TEST_F(cookie_listener, ack_cookie__abort_on_overflow_resets)
{
	listen(2, false, 0);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_syn(1), LQ_SYN_COOKIE);
	ASSERT_TRUE(establish(0));
	EXPECT_EQ(send_ack(1), LQ_ACK_KEEP);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
	lq_config c = config(0, 8192);
	lq_limits limits;
	c.syncookies = 2;
	c.abort_on_overflow = 1;
	lq_core_limits(&c, &limits);
	core.configure(c, limits);
	EXPECT_EQ(send_ack(1), LQ_ACK_REFUSE);
	EXPECT_EQ(ack.reason, LISTENQ_DROP_ABORT_ON_OVERFLOW);
}

TEST_F(cookie_listener, promote_commit__closed_meanwhile)
{
	lq_drained drained;

	listen(2);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_ack(0), LQ_ACK_COOKIE);
	EXPECT_FALSE(core.close(~0u, drained));
	std::free(drained.table);
	promotion.request = new_request(peer(0));
	EXPECT_EQ(core.promote_commit(promotion, this, Micros{0}, evicted), LQ_COMMIT_CLOSED);
	free_request(promotion.request);
	listen(2);
}

TEST_F(cookie_listener, promote_commit__of_another_life)
{
	listen(2);
	ASSERT_EQ(send_syn(0), LQ_SYN_COOKIE);
	ASSERT_EQ(send_ack(0), LQ_ACK_COOKIE);
	promotion.life--;
	promotion.request = new_request(peer(0));
	EXPECT_EQ(core.promote_commit(promotion, this, Micros{0}, evicted), LQ_COMMIT_CLOSED);
	free_request(promotion.request);
	EXPECT_EQ(core.accept_qlen(), 0u);
}

TEST_F(cookie_listener, pause__doubles_up_to_16_minutes)
{
	u32 length = 15;

	listen(1, true);
	fill_syn_queue(); // its last SYN began the first pause
	for (int round = 0; round < 9; round++) {
		const u32 start = now_s;

		EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
		// Only cookies while it lasts, even with room in the SYN queue.
		now_s = start + length - 1;
		EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
		// Attacked again right after its end: twice as long.
		now_s = start + length;
		EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE) << "the queue is still full";
		length = std::min(length * 2, 960u);
	}
	EXPECT_EQ(length, 960u);
	// A quiet time longer than the last pause: it starts small again.
	now_s += 960 + 961;
	const u32 start = now_s;
	EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
	listen(1, true, 100); // room, so that only a pause would send cookies
	now_s = start + 14;
	EXPECT_EQ(send_syn(0), LQ_SYN_COOKIE);
	now_s = start + 15;
	EXPECT_EQ(send_syn(0), LQ_SYN_NEW);
	core.syn_abort(LISTENQ_DROP_NO_ROUTE);
}
