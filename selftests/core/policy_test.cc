// SPDX-License-Identifier: GPL-2.0
// Policy: what a backlog means.
#include "core/policy.hh"

#include <algorithm>
#include <bit>

#include "property.hh"
#include "support.hh"

namespace policy = listenq::policy;
using listenq::Limits;
using policy::AckAction;
using policy::Snapshot;
using policy::SynAction;
using namespace testing_core;

namespace {

constexpr u8 kAll[] = {
#define LQ_X(NAME) LQ_POLICY_##NAME,
	LQ_POLICIES(LQ_X)
#undef LQ_X
};

lq_config config_of(u8 policy, s32 backlog = 8, u32 max_syn_backlog = 128)
{
	lq_config c = config(backlog, max_syn_backlog);

	c.policy = policy;
	return c;
}

bool is_freebsd(u8 p)
{
	return p == LQ_POLICY_FREEBSD || p == LQ_POLICY_FREEBSD_4;
}

bool is_solaris(u8 p)
{
	return p == LQ_POLICY_SOLARIS || p == LQ_POLICY_ILLUMOS;
}

// A full SYN queue drops an old request.
bool evicts(u8 p)
{
	return is_freebsd(p) || is_solaris(p);
}

// Half-open requests count as connections.
bool is_sum(u8 p)
{
	return p == LQ_POLICY_BSD || p == LQ_POLICY_BERKELEY || p == LQ_POLICY_AIX ||
	       p == LQ_POLICY_HPUX || p == LQ_POLICY_XNU;
}

// LISTENQ_DROP_NONE, or why a SYN is dropped.
listenq_drop syn(const lq_config &c, const Limits &limits, const Snapshot &now)
{
	const policy::SynVerdict verdict = policy::decide(c, limits, now, {});

	EXPECT_EQ(verdict.action == SynAction::Admit, verdict.reason == LISTENQ_DROP_NONE);
	EXPECT_TRUE(verdict.action == SynAction::Admit || verdict.action == SynAction::Drop);
	return verdict.reason;
}

} // namespace

TEST(policy, find__by_name)
{
	EXPECT_EQ(policy::find("linux"), LQ_POLICY_LINUX);
	EXPECT_EQ(policy::find("linux-classic"), LQ_POLICY_LINUX_CLASSIC);
	EXPECT_EQ(policy::find(""), std::nullopt);
	EXPECT_EQ(policy::find("linu"), std::nullopt);
	EXPECT_EQ(policy::find("linux "), std::nullopt);
	EXPECT_EQ(policy::find("Linux"), std::nullopt);
}

TEST(policy, name__and_back)
{
	for (u8 i = 0; i < LQ_POLICY_COUNT; i++) {
		EXPECT_EQ(policy::find(policy::name(i)), i);
		EXPECT_LT(std::strlen(policy::name(i)), size_t{LISTENQ_POLICY_NAMSIZ});
	}
	EXPECT_STREQ(policy::name(LQ_POLICY_COUNT), "?");
	EXPECT_STREQ(policy::name(255), "?");
}

TEST(policy, limits__examples_of_the_classic_formula)
{
	// somaxconn 128, max_syn_backlog 8192.
	const Limits five = policy::limits(config(5, 8192));
	EXPECT_EQ(five.syn_buckets, 16u);
	EXPECT_EQ(five.syn_limit, 16u);
	EXPECT_EQ(five.accept_limit, 6u);

	lq_config c = config(128, 8192);
	c.backlog_asked = 512;
	const Limits clamped = policy::limits(c);
	EXPECT_EQ(clamped.backlog, 128u);
	EXPECT_EQ(clamped.syn_buckets, 256u);
	EXPECT_EQ(clamped.accept_limit, 129u);
}

TEST(policy, limits__table_of_the_classic_formula)
{
	const struct {
		s32 backlog;
		u32 max_syn_backlog, buckets;
	} table[] = {
		{0, 128, 16},	       {1, 128, 16},
		{7, 128, 16},	       {8, 128, 16},
		{15, 128, 16},	       {16, 128, 32},
		{127, 128, 128},       {128, 128, 256},
		{4096, 128, 256},      {4096, 1, 16},
		{4096, 8, 16},	       {4096, 4096, 8192},
		{65535, 65535, 65536}, {0x7fffffff, 1048576, 2097152},
	};

	for (const auto &t : table) {
		const Limits limits = policy::limits(
			config_of(LQ_POLICY_LINUX_CLASSIC, t.backlog, t.max_syn_backlog));

		EXPECT_EQ(limits.syn_buckets, t.buckets) << t.backlog << ' ' << t.max_syn_backlog;
		EXPECT_EQ(limits.syn_limit, t.buckets);
		EXPECT_EQ(limits.backlog, static_cast<u32>(t.backlog));
		EXPECT_EQ(limits.accept_limit,
			  std::min(static_cast<u32>(t.backlog) + 1, 0x7fffffffu));
	}
}

// reqsk_queue_alloc() of Linux 2.6.32, as it stands there.
static u32 reqsk_queue_alloc(u32 nr_table_entries, u32 sysctl_max_syn_backlog)
{
	nr_table_entries = std::min(nr_table_entries, sysctl_max_syn_backlog);
	nr_table_entries = std::max(nr_table_entries, 8u);
	nr_table_entries = std::bit_ceil(nr_table_entries + 1); // roundup_pow_of_two()
	u32 log = 3;
	while ((1u << log) < nr_table_entries)
		log++;
	return 1u << log;
}

TEST(policy, limits__property_is_the_kernels)
{
	property("as reqsk_queue_alloc()", [] {
		const auto backlog = *rc::gen::inRange<s32>(0, 1 << 22);
		const auto max_syn = *rc::gen::inRange<u32>(1, 1048577);
		const Limits classic =
			policy::limits(config_of(LQ_POLICY_LINUX_CLASSIC, backlog, max_syn));

		RC_ASSERT(classic.syn_buckets ==
			  reqsk_queue_alloc(static_cast<u32>(backlog), max_syn));
		RC_ASSERT(classic.syn_limit == classic.syn_buckets);
		RC_ASSERT(std::has_single_bit(classic.syn_buckets));
		RC_ASSERT(classic.accept_limit >= 1u);
		// And never less than TCP of today holds.
		const Limits linux_ = policy::limits(config(backlog, max_syn));
		RC_ASSERT(linux_.syn_limit ==
			  std::max(classic.syn_limit, static_cast<u32>(backlog) + 1));
		RC_ASSERT(linux_.accept_limit == classic.accept_limit);
		RC_ASSERT(linux_.syn_buckets >= std::min(linux_.syn_limit, 2097152u));
	});
}

TEST(policy, limits__linux_holds_what_tcp_does)
{
	const struct {
		s32 backlog;
		u32 max_syn_backlog, syn_limit, buckets;
	} table[] = {
		{0, 1, 16, 16},		  {5, 8192, 16, 16},	   {128, 8192, 256, 256},
		{128, 128, 256, 256},	  {255, 128, 256, 256},	   {256, 128, 257, 512},
		{512, 1, 513, 1024},	  {4096, 128, 4097, 8192}, {4096, 4095, 4097, 8192},
		{4096, 8192, 8192, 8192},
	};

	for (const auto &t : table) {
		const Limits limits = policy::limits(config(t.backlog, t.max_syn_backlog));

		EXPECT_EQ(limits.syn_limit, t.syn_limit) << t.backlog << ' ' << t.max_syn_backlog;
		EXPECT_EQ(limits.syn_buckets, t.buckets) << t.backlog << ' ' << t.max_syn_backlog;
	}
}

// What tcp_conn_request() of Linux 6.12 makes of a SYN.
enum class Tcp { Drop, Cookie, Request };
static Tcp tcp_conn_request(const lq_config &c, const Snapshot &now, bool proven)
{
	const u32 backlog = static_cast<u32>(c.backlog);
	bool want_cookie = false;

	if (c.syncookies == 2 || now.syn_qlen > backlog) { // inet_csk_reqsk_queue_is_full()
		want_cookie = c.syncookies;		   // tcp_syn_flood_action()
		if (!want_cookie)
			return Tcp::Drop;
	}
	if (now.accept_qlen > backlog) // sk_acceptq_is_full()
		return Tcp::Drop;
	if (want_cookie)
		return Tcp::Cookie;
	const int max_syn_backlog = static_cast<int>(c.max_syn_backlog);
	if (!c.syncookies &&
	    max_syn_backlog - static_cast<int>(now.syn_qlen) < max_syn_backlog >> 2 && !proven)
		return Tcp::Drop;
	return Tcp::Request;
}

TEST(policy, decide__property_linux_is_never_worse_than_tcp)
{
	property("as tcp_conn_request(), or better", [] {
		const auto backlog = *rc::gen::element(0, 1, 5, 127, 128, 600, 4096);
		lq_config c = config(backlog, *rc::gen::element(1u, 16u, 128u, 512u, 8192u));
		const auto around = [&](u32 to) { // the numbers at which something changes
			return static_cast<u32>(std::max<s64>(
				0, static_cast<s64>(*rc::gen::element(0u, to / 2, to,
								      c.max_syn_backlog * 3 / 4)) +
					   *rc::gen::inRange(-2, 3)));
		};
		const Limits limits = policy::limits(c);
		Snapshot now{around(limits.accept_limit), around(limits.syn_limit), 0};
		const bool proven = *rc::gen::arbitrary<bool>();

		c.syncookies = *rc::gen::inRange<u8>(0, 3);
		now.young = *rc::gen::inRange<u32>(0, now.syn_qlen + 1);
		const Tcp tcp = tcp_conn_request(c, now, proven);
		SynAction ours = policy::decide(c, limits, now, {}).action;
		now.syn_qlen++; // the request's own reservation
		if (ours == SynAction::Admit &&
		    policy::syn_commit(c, now, proven) != LISTENQ_DROP_NONE)
			ours = SynAction::Drop;
		if (tcp == Tcp::Request)
			RC_ASSERT(ours == SynAction::Admit);
		if (tcp == Tcp::Cookie)
			RC_ASSERT(ours == SynAction::Cookie || ours == SynAction::Admit);
		// Nor does it take what no place waits for.
		if (now.accept_qlen >= limits.accept_limit)
			RC_ASSERT(ours == SynAction::Drop);
	});
}

TEST(policy, decide__full_at_the_number_of_buckets)
{
	const lq_config c = config(5, 8192);
	const Limits limits = policy::limits(c);

	EXPECT_EQ(syn(c, limits, {.accept_qlen = 0, .syn_qlen = 15, .young = 15}),
		  LISTENQ_DROP_NONE);
	EXPECT_EQ(syn(c, limits, {.accept_qlen = 0, .syn_qlen = 16, .young = 0}),
		  LISTENQ_DROP_SYN_QUEUE_FULL);
	EXPECT_EQ(syn(c, limits, {.accept_qlen = 0, .syn_qlen = 17, .young = 0}),
		  LISTENQ_DROP_SYN_QUEUE_FULL);
}

TEST(policy, decide__full_accept_queue_lets_young_be_2)
{
	const lq_config c = config_of(LQ_POLICY_LINUX_CLASSIC, 5);
	const Limits limits = policy::limits(c);

	for (const u32 accept_qlen : {6u, 7u}) {
		for (const u32 young : {0u, 1u})
			EXPECT_EQ(syn(c, limits,
				      {.accept_qlen = accept_qlen, .syn_qlen = 3, .young = young}),
				  LISTENQ_DROP_NONE);
		EXPECT_EQ(syn(c, limits, {.accept_qlen = accept_qlen, .syn_qlen = 3, .young = 2}),
			  LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	}
	EXPECT_EQ(syn(c, limits, {.accept_qlen = 5, .syn_qlen = 3, .young = 3}), LISTENQ_DROP_NONE);
}

TEST(policy, decide__the_syn_queue_is_asked_first)
{
	const lq_config c = config(5);

	EXPECT_EQ(syn(c, policy::limits(c), {.accept_qlen = 6, .syn_qlen = 16, .young = 16}),
		  LISTENQ_DROP_SYN_QUEUE_FULL);
}

TEST(policy, syn_commit__the_last_quarter_is_for_the_proven)
{
	// 3.0: max_syn_backlog - qlen < max_syn_backlog >> 2, before the request is in.
	const lq_config c = config(4096, 128);

	for (u32 qlen = 0; qlen < 300; qlen++) {
		const Snapshot now{.accept_qlen = 0, .syn_qlen = qlen + 1, .young = 0};

		EXPECT_EQ(policy::syn_commit(c, now, false),
			  qlen > 96 ? LISTENQ_DROP_SYN_LAST_QUARTER : LISTENQ_DROP_NONE)
			<< qlen;
		EXPECT_EQ(policy::syn_commit(c, now, true), LISTENQ_DROP_NONE);
	}
}

TEST(policy, syn_commit__small_max_syn_backlog)
{
	const lq_config c = config(4096, 1);

	// 1 >> 2 is 0, and 1 - 1 is not less: one half-open request, and one more.
	EXPECT_EQ(policy::syn_commit(c, {.accept_qlen = 0, .syn_qlen = 1, .young = 0}, false),
		  LISTENQ_DROP_NONE);
	EXPECT_EQ(policy::syn_commit(c, {.accept_qlen = 0, .syn_qlen = 2, .young = 0}, false),
		  LISTENQ_DROP_NONE);
	EXPECT_EQ(policy::syn_commit(c, {.accept_qlen = 0, .syn_qlen = 3, .young = 0}, false),
		  LISTENQ_DROP_SYN_LAST_QUARTER);
}

TEST(policy, syn_commit__only_linux_has_a_last_quarter)
{
	for (const u8 p : kAll) {
		const bool has = p == LQ_POLICY_LINUX || p == LQ_POLICY_LINUX_CLASSIC ||
				 p == LQ_POLICY_LINUX_MODERN || p == LQ_POLICY_LINUX_2_4;

		EXPECT_EQ(policy::syn_commit(config_of(p), {0, 128, 0}, false),
			  has ? LISTENQ_DROP_SYN_LAST_QUARTER : LISTENQ_DROP_NONE);
	}
}

TEST(policy, ack__backlog_plus_1_fit)
{
	for (s32 backlog = 0; backlog < 15; backlog++) {
		const lq_config c = config(backlog);
		const Limits limits = policy::limits(c);
		u32 held = 0;

		while (policy::ack(c, limits, {.accept_qlen = held, .syn_qlen = 1, .young = 0}) ==
		       AckAction::Admit)
			held++;
		EXPECT_EQ(held, static_cast<u32>(backlog) + 1);
	}
}

TEST(policy, ack__full_keeps_or_resets)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const Snapshot full{limits.accept_limit, 0, 0};
		const bool resets = p == LQ_POLICY_FREEBSD || p == LQ_POLICY_FREEBSD_4 ||
				    p == LQ_POLICY_WINDOWS;

		EXPECT_EQ(policy::ack(c, limits, full), resets ? AckAction::Reset : AckAction::Keep)
			<< policy::name(p);
		c.abort_on_overflow = 1;
		EXPECT_EQ(policy::ack(c, limits, full), AckAction::Reset);
		EXPECT_EQ(policy::ack(c, limits, {limits.accept_limit - 1, 500, 0}),
			  AckAction::Admit);
	}
}

// --- the other systems; FACTS: UNP figure 4.10, FreeBSD 14, illumos, XNU, Windows ---

TEST(policy, limits__the_accept_queue_of_each_system)
{
	const struct {
		u8 policy;
		s32 backlog;
		u32 limit;
	} table[] = {
		{LQ_POLICY_LINUX_MODERN, 5, 6}, {LQ_POLICY_LINUX_2_4, 5, 6},
		{LQ_POLICY_LINUX, 5, 6},	{LQ_POLICY_LINUX_CLASSIC, 5, 6},
		{LQ_POLICY_BSD, 5, 5},		{LQ_POLICY_BSD, 50, 5}, // listen() clamps to 5
		{LQ_POLICY_BSD, 0, 1},		{LQ_POLICY_BERKELEY, 5, 8},
		{LQ_POLICY_BERKELEY, 128, 8},	{LQ_POLICY_BERKELEY, 0, 1},
		{LQ_POLICY_FREEBSD, 128, 193},	{LQ_POLICY_FREEBSD, 5, 8},
		{LQ_POLICY_FREEBSD, 4000, 193}, // soacceptqueue
		{LQ_POLICY_FREEBSD_4, 14, 15},	{LQ_POLICY_AIX, 14, 22},
		{LQ_POLICY_HPUX, 1, 1},		{LQ_POLICY_HPUX, 14, 21},
		{LQ_POLICY_SOLARIS, 3, 5},	{LQ_POLICY_SOLARIS, 4, 6},
		{LQ_POLICY_SOLARIS, 5, 8},	{LQ_POLICY_XNU, 128, 128},
		{LQ_POLICY_XNU, 0, 1},		{LQ_POLICY_WINDOWS, 5, 200},
		{LQ_POLICY_WINDOWS, 300, 300},	{LQ_POLICY_ILLUMOS, 4, 7},
		{LQ_POLICY_ILLUMOS, 5, 8},	{LQ_POLICY_BSDOS_3_0, 0, 1},
		{LQ_POLICY_BSDOS_3_0, 5, 5},	{LQ_POLICY_BSDOS_3_0, 100, 100},
	};

	for (const auto &t : table)
		EXPECT_EQ(policy::limits(config_of(t.policy, t.backlog)).accept_limit, t.limit)
			<< policy::name(t.policy) << ' ' << t.backlog;
}

TEST(policy, limits__a_negative_backlog)
{
	lq_config c = config(-1);
	const auto backlog = [&](u8 p) {
		c.policy = p;
		return policy::limits(c).backlog;
	};

	// The kernel has made it somaxconn already; the sign is in backlog_asked.
	c.backlog = 4096;
	EXPECT_EQ(backlog(LQ_POLICY_LINUX), 4096u);
	EXPECT_EQ(backlog(LQ_POLICY_BSD), 0u);
	EXPECT_EQ(backlog(LQ_POLICY_BERKELEY), 0u);
	EXPECT_EQ(backlog(LQ_POLICY_FREEBSD), 128u);
	c.soacceptqueue = 1000000;
	EXPECT_EQ(backlog(LQ_POLICY_FREEBSD), 4096u);
	EXPECT_EQ(backlog(LQ_POLICY_WINDOWS), 4096u);
}

TEST(policy, limits__windows_stays_within_somaxconn)
{
	lq_config c = config_of(LQ_POLICY_WINDOWS, 5);

	c.somaxconn = 100;
	EXPECT_EQ(policy::limits(c).backlog, 100u);
}

TEST(policy, limits__the_syn_queue_of_each_system)
{
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX, 200, 64)).syn_limit, 201u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_CLASSIC, 200, 64)).syn_limit, 128u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_MODERN, 50)).syn_limit, 51u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_2_4, 5, 128)).syn_limit, 128u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_2_4, 5, 100)).syn_limit, 128u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_2_4, 5, 1)).syn_limit, 64u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_LINUX_2_4, 5, 4096)).syn_buckets, 4096u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_FREEBSD)).syn_limit, 15360u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_FREEBSD)).syn_buckets, 512u);
	EXPECT_EQ(policy::limits(config_of(LQ_POLICY_SOLARIS, 8)).syn_limit, 13u + 1024);
	for (const u8 p :
	     {LQ_POLICY_BSD, LQ_POLICY_BERKELEY, LQ_POLICY_AIX, LQ_POLICY_HPUX, LQ_POLICY_XNU}) {
		const Limits limits = policy::limits(config_of(p, 5));

		EXPECT_EQ(limits.syn_limit, limits.accept_limit);
	}
}

TEST(policy, limits__property_of_any_policy)
{
	property("limits are sane", [] {
		lq_config c = config_of(*rc::gen::inRange<u8>(0, LQ_POLICY_COUNT));

		c.backlog_asked = *rc::gen::arbitrary<s32>();
		c.somaxconn = *rc::gen::inRange<u32>(0, 0x7fffffff);
		c.backlog =
			static_cast<s32>(std::min(static_cast<u32>(c.backlog_asked), c.somaxconn));
		c.soacceptqueue = *rc::gen::arbitrary<u32>();
		c.max_syn_backlog = *rc::gen::inRange<u32>(1, 1048577);
		const Limits limits = policy::limits(c);

		RC_ASSERT(limits.accept_limit >= 1u);
		RC_ASSERT(limits.accept_limit <= 0x80000000u);
		RC_ASSERT(limits.backlog <= c.somaxconn || limits.backlog <= 5u);
		RC_ASSERT(limits.syn_limit >= 1u);
		RC_ASSERT(std::has_single_bit(limits.syn_buckets));
		RC_ASSERT(limits.syn_buckets <= 2097152u);
	});
}

TEST(policy, decide__what_each_system_does_when_the_accept_queue_is_full)
{
	for (const u8 p : kAll) {
		const lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const policy::SynVerdict young =
			policy::decide(c, limits, {limits.accept_limit, 0, 2}, {});
		const policy::SynVerdict warm =
			policy::decide(c, limits, {limits.accept_limit, 0, 1}, {});

		switch (p) {
		case LQ_POLICY_LINUX_CLASSIC:
		case LQ_POLICY_LINUX_2_4:
			EXPECT_EQ(young.action, SynAction::Drop);
			EXPECT_EQ(warm.action, SynAction::Admit);
			break;
		case LQ_POLICY_FREEBSD:
		case LQ_POLICY_BSDOS_3_0:
			EXPECT_EQ(young.action, SynAction::Admit);
			break;
		case LQ_POLICY_WINDOWS:
			EXPECT_EQ(young.action, SynAction::Reset);
			EXPECT_EQ(warm.action, SynAction::Reset);
			break;
		default:
			EXPECT_EQ(young.action, SynAction::Drop);
			EXPECT_EQ(warm.action, SynAction::Drop);
			break;
		}
	}
}

TEST(policy, decide__who_evicts)
{
	for (const u8 p : kAll) {
		const lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const SynAction action =
			policy::decide(c, limits, {0, limits.syn_limit, 0}, {}).action;

		EXPECT_EQ(action, evicts(p) ? SynAction::Evict : SynAction::Drop)
			<< policy::name(p);
	}
}

TEST(policy, decide__both_queues_full)
{
	const auto verdict = [](u8 p) {
		const lq_config c = config_of(p);
		const Limits limits = policy::limits(c);

		return policy::decide(c, limits, {limits.accept_limit, limits.syn_limit, 2}, {});
	};

	// Linux looks at its SYN queue first.
	EXPECT_EQ(verdict(LQ_POLICY_LINUX_MODERN).reason, LISTENQ_DROP_SYN_QUEUE_FULL);
	// Who evicts would have room there, and no room for the connection.
	EXPECT_EQ(verdict(LQ_POLICY_FREEBSD_4).action, SynAction::Drop);
	EXPECT_EQ(verdict(LQ_POLICY_FREEBSD_4).reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	EXPECT_EQ(verdict(LQ_POLICY_FREEBSD).action, SynAction::Evict);
}

TEST(policy, decide__a_cookie_is_never_young)
{
	for (const u8 p : {LQ_POLICY_LINUX_CLASSIC, LQ_POLICY_LINUX_2_4}) {
		lq_config c = config_of(p);
		const Limits limits = policy::limits(c);

		c.syncookies = 2;
		EXPECT_EQ(policy::decide(c, limits, {limits.accept_limit, 0, 0}, {}).action,
			  SynAction::Drop);
		EXPECT_EQ(policy::decide(c, limits, {0, limits.syn_limit, 9}, {}).action,
			  SynAction::Cookie);
	}
}

// Step 2 of "A SYN, in order": who is answered by a cookie, and whether a flood is the reason.
TEST(policy, decide__cookies)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const Snapshot empty{0, 0, 0}, full{0, limits.syn_limit, 0};
		const auto decide = [&](u8 syncookies, const Snapshot &now,
					const policy::NewSyn &syn = {}) {
			c.syncookies = syncookies;
			return policy::decide(c, limits, now, syn);
		};

		for (const u8 syncookies : {0, 1}) {
			EXPECT_EQ(decide(syncookies, empty).action, SynAction::Admit);
			EXPECT_FALSE(decide(syncookies, empty).cookies_on);
			EXPECT_EQ(decide(syncookies, empty, {.from_time_wait = true}).action,
				  SynAction::Admit);
		}
		EXPECT_FALSE(decide(0, full).cookies_on);
		EXPECT_NE(decide(0, full).action, SynAction::Cookie);
		for (const Snapshot &now : {empty, full}) {
			EXPECT_EQ(decide(0, now, {.paused = true}).action, decide(0, now).action);
			EXPECT_NE(decide(2, now, {.from_time_wait = true}).action,
				  SynAction::Cookie);
			EXPECT_FALSE(decide(2, now, {.from_time_wait = true}).cookies_on);
		}
		EXPECT_EQ(decide(2, empty).action, SynAction::Cookie);
		EXPECT_TRUE(decide(2, empty).cookies_on);
		// In a pause, and not because of a flood.
		EXPECT_EQ(decide(1, empty, {.paused = true}).action, SynAction::Cookie);
		EXPECT_FALSE(decide(1, empty, {.paused = true}).cookies_on);
		if (is_sum(p))
			continue; // its accept queue is full
		EXPECT_EQ(decide(1, full).action, SynAction::Cookie) << policy::name(p);
		EXPECT_TRUE(decide(1, full).cookies_on);
		EXPECT_TRUE(decide(1, full, {.paused = true}).cookies_on);
	}
}

// Step 3 comes for cookies, too, and does not say that there are none.
TEST(policy, decide__no_cookie_for_a_full_accept_queue)
{
	lq_config c = config_of(LQ_POLICY_LINUX_MODERN);
	const Limits limits = policy::limits(c);

	c.syncookies = 1;
	const policy::SynVerdict both =
		policy::decide(c, limits, {limits.accept_limit, limits.syn_limit, 0}, {});
	EXPECT_EQ(both.action, SynAction::Drop);
	EXPECT_EQ(both.reason, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN);
	EXPECT_TRUE(both.cookies_on);
}

TEST(policy, decide__a_time_wait_pair_skips_the_syn_queue)
{
	for (const u8 p : kAll) {
		const lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const auto decide = [&](const Snapshot &now, u32 bucket_length) {
			return policy::decide(
				c, limits, now,
				{.bucket_length = bucket_length, .from_time_wait = true});
		};
		const Snapshot full{0, limits.syn_limit, 0};
		const u32 last = limits.bucket_limit - 1;

		EXPECT_EQ(decide(full, last).action, is_sum(p) ? SynAction::Drop : SynAction::Admit)
			<< policy::name(p);
		// But not the limit of a bucket.
		EXPECT_EQ(decide({0, 0, 0}, last + 1).action,
			  evicts(p) ? SynAction::Evict : SynAction::Drop);
		EXPECT_EQ(decide({0, 0, 0}, last + 1).reason, LISTENQ_DROP_SYN_BUCKET_FULL);
		EXPECT_EQ(decide(full, last + 1).reason,
			  is_sum(p) ? LISTENQ_DROP_SYN_BUCKET_FULL : LISTENQ_DROP_SYN_QUEUE_FULL);
	}
}

TEST(policy, syn_queue_is_full__never_with_a_sum)
{
	for (const u8 p : kAll) {
		const lq_config c = config_of(p);
		const Limits limits = policy::limits(c);

		EXPECT_EQ(policy::syn_queue_is_full(c, limits, {0, limits.syn_limit, 0}),
			  !is_sum(p));
		EXPECT_FALSE(policy::syn_queue_is_full(c, limits, {0, limits.syn_limit - 1, 0}));
	}
}

// As many as FreeBSD has, or beyond what chance makes of a table with a bucket for each.
TEST(policy, limits__of_one_bucket)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p);

		c.max_syn_backlog = 1u << 20;
		const Limits limits = policy::limits(c);

		EXPECT_EQ(limits.bucket_limit, is_freebsd(p) ? 30u : 64u) << policy::name(p);
		if (!is_freebsd(p)) {
			EXPECT_GE(limits.syn_buckets, limits.syn_limit) << policy::name(p);
		}
	}
}

// A ceiling holds whatever the policy, and changes nothing that is below it.
TEST(policy, limits__under_a_ceiling)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p, 3000, 1u << 20);

		c.somaxconn = c.soacceptqueue = 1u << 20;
		const Limits free = policy::limits(c);
		c.syn_ceiling = 1u << 30;
		EXPECT_EQ(policy::limits(c).syn_limit, free.syn_limit) << policy::name(p);
		c.syn_ceiling = 1;
		const Limits held = policy::limits(c);
		EXPECT_EQ(held.syn_limit, 1u) << policy::name(p);
		EXPECT_EQ(held.accept_limit, free.accept_limit) << policy::name(p);
		EXPECT_LE(held.syn_buckets, 512u) << policy::name(p);
		EXPECT_FALSE(policy::syn_queue_is_full(c, held, {0, 0, 0}));
		EXPECT_TRUE(policy::syn_queue_is_full(c, held, {0, 1, 0})) << policy::name(p);
	}
}

TEST(policy, decide__a_bucket_without_room)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const auto decide = [&](u32 bucket_length) {
			return policy::decide(c, limits, {0, 0, 0},
					      {.bucket_length = bucket_length});
		};

		EXPECT_EQ(decide(limits.bucket_limit - 1).action, SynAction::Admit);
		EXPECT_EQ(decide(limits.bucket_limit).action,
			  evicts(p) ? SynAction::Evict : SynAction::Drop);
		EXPECT_EQ(decide(limits.bucket_limit).reason, LISTENQ_DROP_SYN_BUCKET_FULL);
		// A cookie is the answer where no old request makes room.
		c.syncookies = 1;
		EXPECT_EQ(decide(limits.bucket_limit).action,
			  evicts(p) ? SynAction::Evict : SynAction::Cookie);
		EXPECT_EQ(decide(limits.bucket_limit).cookies_on, !evicts(p)) << policy::name(p);
	}
	// Full is full, however long the bucket is.
	const lq_config c = config_of(LQ_POLICY_LINUX);
	const Limits limits = policy::limits(c);
	EXPECT_EQ(policy::decide(c, limits, {0, limits.syn_limit, 0},
				 {.bucket_length = limits.bucket_limit})
			  .reason,
		  LISTENQ_DROP_SYN_QUEUE_FULL);
}

TEST(policy, retries__freebsd_has_three_at_most)
{
	lq_config c = config_of(LQ_POLICY_FREEBSD);

	EXPECT_EQ(policy::retries(c), 3u);
	c.synack_retries = 1;
	EXPECT_EQ(policy::retries(c), 1u);
	c.policy = LQ_POLICY_LINUX;
	c.synack_retries = 255;
	EXPECT_EQ(policy::retries(c), 255u);
}

TEST(policy, defends__solaris_alone)
{
	for (const u8 p : kAll) {
		EXPECT_EQ(policy::defends(config_of(p), false, 500, 500, 0), is_solaris(p));
		EXPECT_EQ(policy::defends(config_of(p), true, 500, 500, 0), is_solaris(p));
	}
}

TEST(policy, defends__on_and_off)
{
	const lq_config c = config_of(LQ_POLICY_SOLARIS);

	EXPECT_FALSE(policy::defends(c, false, 256, 500, 0)); // more than a quarter of 1024
	EXPECT_TRUE(policy::defends(c, false, 257, 257, 0));
	EXPECT_TRUE(policy::defends(c, true, 0, 0, 600 * kHz - 1));
	EXPECT_FALSE(policy::defends(c, true, 32, 32, 600 * kHz));
	EXPECT_TRUE(policy::defends(c, true, 33, 33, 600 * kHz));
}

TEST(policy, limits__incomplete_only)
{
	lq_config c = config_of(LQ_POLICY_LINUX_2_0, 5);

	c.somaxconn = 300;
	for (const s32 backlog : {0, 1, 5, 200}) {
		c.backlog = backlog;
		EXPECT_EQ(policy::limits(c).syn_limit, std::max(1, backlog));
		EXPECT_EQ(policy::limits(c).accept_limit, 300u) << backlog;
	}
}

TEST(policy, limits__completed_only)
{
	const Limits few = policy::limits(config_of(LQ_POLICY_BSDOS_3_0, 5, 128));
	const Limits many = policy::limits(config_of(LQ_POLICY_BSDOS_3_0, 200, 128));

	EXPECT_EQ(few.syn_limit, 128u);
	EXPECT_EQ(many.syn_limit, 200u);
	// A full accept queue keeps no SYN out, and ends no request.
	const lq_config c = config_of(LQ_POLICY_BSDOS_3_0, 5, 128);
	EXPECT_EQ(syn(c, few, {few.accept_limit, 100, 50}), LISTENQ_DROP_NONE);
	EXPECT_EQ(policy::ack(c, few, {few.accept_limit, 1, 1}), AckAction::Keep);
}

TEST(policy, ack__abort_on_overflow_says_whatever_the_policy)
{
	for (const u8 p : kAll) {
		lq_config c = config_of(p);
		const Limits limits = policy::limits(c);
		const Snapshot full{limits.accept_limit, 1, 1};

		c.abort_on_overflow = LQ_ABORT_ALWAYS;
		EXPECT_EQ(policy::ack(c, limits, full), AckAction::Reset) << policy::name(p);
		c.abort_on_overflow = LQ_ABORT_NEVER;
		EXPECT_EQ(policy::ack(c, limits, full), AckAction::Keep) << policy::name(p);
	}
}

TEST(policy, is_berkeley__unless_a_setting_says)
{
	for (const u8 p : kAll) {
		const bool berkeley = p == LQ_POLICY_BSD || p == LQ_POLICY_BERKELEY ||
				      p == LQ_POLICY_BSDOS_3_0 || p == LQ_POLICY_AIX ||
				      p == LQ_POLICY_HPUX;
		lq_config c = config_of(p);

		EXPECT_EQ(policy::is_berkeley(c), berkeley) << policy::name(p);
		EXPECT_EQ(policy::retries(c) == 2, berkeley);
		c.own_timing = 1;
		EXPECT_FALSE(policy::is_berkeley(c));
	}
}
