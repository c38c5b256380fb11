// SPDX-License-Identifier: GPL-2.0
// The C bridge: any sequence of events against a model, and what a C caller relies on.
#include "bridge/segment.h"

#include <memory>
#include <ostream>

#include "model.hh"
#include "property.hh"

using namespace testing_core;

namespace testing_core {

static std::ostream &operator<<(std::ostream &out, const Event &e)
{
	return out << '{' << unsigned{e.kind} << ',' << unsigned{e.a} << ',' << unsigned{e.b} << ','
		   << unsigned{e.c} << ',' << unsigned{e.d} << '}';
}

} // namespace testing_core

namespace {

// "" or what went wrong.
std::string run(const std::vector<Event> &events)
{
	Session session;

	try {
		for (const Event &e : events)
			session.apply(e);
		session.finish();
	} catch (const Violation &v) {
		return v.what();
	}
	return "";
}

rc::Gen<Event> event_of(const rc::Gen<u8> &kind)
{
	return rc::gen::construct<Event>(kind, rc::gen::arbitrary<u8>(), rc::gen::arbitrary<u8>(),
					 rc::gen::arbitrary<u8>(), rc::gen::arbitrary<u8>());
}

void check_sequences(const char *words, const rc::Gen<u8> &kind, int longest)
{
	property(words, [&] {
		auto events = *rc::gen::resize(
			longest, rc::gen::container<std::vector<Event>>(event_of(kind)));
		// It listens at first.
		const auto backlog = *rc::gen::inRange<u8>(0, 12);
		const auto policy = *rc::gen::elementOf(std::vector<u8>{0, 128});

		events.insert(events.begin(),
			      Event{12, backlog, static_cast<u8>(policy | 63), 5, 1});
		const std::string wrong = run(events);
		if (!wrong.empty())
			RC_LOG() << wrong << std::endl;
		RC_ASSERT(wrong.empty());
	});
}

rc::Gen<u8> kinds(std::vector<u8> of)
{
	return rc::gen::elementOf(std::move(of));
}

} // namespace

TEST(bridge, property__any_sequence_of_events)
{
	check_sequences("a listener is what the model says", rc::gen::arbitrary<u8>(), 200);
}

TEST(bridge, property__full_queues)
{
	// Never accepted, never closed.
	check_sequences("full queues", kinds({0, 1, 2, 3, 4, 5, 6, 7}), 300);
}

TEST(bridge, property__timeouts)
{
	check_sequences("mostly time", kinds({0, 1, 4, 10, 10, 11, 11, 12, 14}), 150);
}

TEST(bridge, property__close_and_listen_again_under_promotions)
{
	check_sequences("close and listen", kinds({0, 4, 4, 7, 3, 12, 15, 15, 15}), 200);
}

TEST(bridge, property__accepting)
{
	check_sequences("accepting", kinds({0, 1, 2, 4, 5, 6, 8, 9, 10, 13}), 300);
}

TEST(bridge, lq_core_size__holds_a_listener)
{
	// Two histograms, with counts of 40 bits.
	EXPECT_GT(lq_core_size(), 2 * LISTENQ_WAIT_BUCKETS * 5u);
	EXPECT_LT(lq_core_size(), 2560u); // less than a page with the shims' part and the listener
}

TEST(bridge, lq_core_init__of_any_content)
{
	const auto memory = std::make_unique<u64[]>((lq_core_size() + 7) / 8);
	listenq_info info{};

	std::memset(memory.get(), 0xa5, lq_core_size());
	const lq_core *core = lq_core_init(memory.get(), &kKeys);
	lq_core_info(core, &info);
	EXPECT_EQ(info.syn_qlen, 0u);
	EXPECT_EQ(info.accept_limit, 0u);
	EXPECT_EQ(info.syn_limit, 0u);
	EXPECT_EQ(info.syn_buckets, 0u);
	EXPECT_EQ(info.drops, 0u);
	EXPECT_EQ(info.flags, 0u);
	EXPECT_EQ(lq_core_check(core, ~0u), nullptr);
}

TEST(bridge, lq_core_policy_find__needs_no_nul)
{
	EXPECT_EQ(lq_core_policy_find("linuxish", 5), LQ_POLICY_LINUX);
	EXPECT_EQ(lq_core_policy_find("linuxish", 8), -1);
	EXPECT_EQ(lq_core_policy_find("", 0), -1);
	EXPECT_EQ(lq_core_policy_find("linux\0", 6), -1);
	EXPECT_STREQ(lq_core_policy_name(LQ_POLICY_LINUX), "linux");
}

TEST(bridge, lq_core_limits__as_the_policy)
{
	const lq_config c = config(5, 8192);
	lq_limits limits{};

	lq_core_limits(&c, &limits);
	EXPECT_EQ(limits.syn_buckets, 16u);
	EXPECT_EQ(limits.accept_limit, 6u);
}

TEST(bridge, lq_core_timestamp__writes_both)
{
	const u8 bytes[] = {8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
	u32 tsval = 99, tsecr = 99;

	EXPECT_TRUE(lq_core_timestamp(bytes, sizeof(bytes), &tsval, &tsecr));
	EXPECT_EQ(tsval, 1u);
	EXPECT_EQ(tsecr, 2u);
	EXPECT_FALSE(lq_core_timestamp(bytes, 9, &tsval, &tsecr));
	EXPECT_FALSE(lq_core_timestamp(nullptr, 0, &tsval, &tsecr));
}

TEST(bridge, lq_core_syn_options__no_bytes)
{
	const lq_options_config c{.mss_default = 536, .user_mss = 0, .allow = 7};
	lq_options o;

	std::memset(&o, 0xee, sizeof(o));
	lq_core_syn_options(nullptr, 0, &c, &o);
	EXPECT_EQ(o.mss, 536u);
	EXPECT_EQ(o.flags, 0u);
}

// Every value of the list, once, in order: the list is uapi.
TEST(bridge, listenq_drop__numbers_are_dense_and_stable)
{
	unsigned want = 1;

#define CHECK_NUMBER(number, NAME, name, text)                                                     \
	EXPECT_EQ(number, static_cast<int>(want++));                                               \
	EXPECT_EQ(LISTENQ_DROP_##NAME, number);
	LISTENQ_DROPS(CHECK_NUMBER)
	EXPECT_EQ(want, unsigned{__LISTENQ_DROP_MAX});
	want = 1;
#undef CHECK_NUMBER
#define CHECK_NUMBER(number, NAME, name, text)                                                     \
	EXPECT_EQ(number, static_cast<int>(want++));                                               \
	EXPECT_EQ(LISTENQ_EVENT_##NAME, number);
	LISTENQ_EVENTS(CHECK_NUMBER)
	EXPECT_EQ(want, unsigned{__LISTENQ_EVENT_MAX});
#undef CHECK_NUMBER
	EXPECT_EQ(LISTENQ_DROP_SYN_QUEUE_FULL, 1);
	EXPECT_EQ(LISTENQ_DROP_LISTENER_CLOSED, 18);
	EXPECT_EQ(LISTENQ_DROP_REQUEST_EVICTED, 19);
}
