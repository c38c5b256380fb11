// SPDX-License-Identifier: GPL-2.0
// The model of a listener: listen() and close(), what is told, and what holds after each event.
#include "model.hh"

namespace testing_core {

void Session::choose_config(const Event &e)
{
	constexpr u32 kRates[] = {500, 0, 100, 3000, 15000};
	constexpr u32 kFilterTimeouts[] = {60000, 0, 1000, 3600000};

	config_ = config(e.a % 12, e.b % 64 + 1);
	// Half of the time it is the default policy.
	config_.policy = e.b & 128 ? e.a % LQ_POLICY_COUNT : u8{LQ_POLICY_LINUX};
	config_.somaxconn = e.c % 3 ? 4096 : 11; // Windows: 200 or less
	config_.synack_timeout_ms = e.c % 4 ? 1000 : 10 + e.d * 40u;
	config_.oow_ratelimit_ms = kRates[e.d % 5];
	config_.filter_timeout_ms = kFilterTimeouts[e.a % 4];
	for (auto &[n, h] : half_)
		h.rate_changed = true;
	config_.abort_on_overflow = e.d % 3;
	config_.synack_retries = static_cast<u8>(e.c % 7);
	config_.own_timing = e.b & 2;
	config_.defer_accept = static_cast<u8>(e.c % 5 ? 0 : e.d % 7);
	choose_overload(e);
	lq_core_limits(&config_, &limits_);
	MODEL_CHECK(limits_.admit_limit == limits_.accept_limit);
	if (!listenq::Overload::manages(config_.overload))
		overload_ = {};
	MODEL_CHECK(limits_.accept_limit >= 1 && std::has_single_bit(limits_.syn_buckets));
	MODEL_CHECK(limits_.bucket_limit <= 64);
	if (config_.policy == LQ_POLICY_LINUX || config_.policy == LQ_POLICY_LINUX_CLASSIC) {
		const u32 backlog = e.a % 12, entries = std::min(backlog, e.b % 64u + 1);

		// Too short a backlog for the two to differ here, but in what a SYN finds.
		MODEL_CHECK(limits_.accept_limit == backlog + 1);
		MODEL_CHECK(limits_.syn_buckets == std::bit_ceil(std::max(8u, entries) + 1));
	}
	// A share of it, as one of many shards has: systems that evict have room for thousands.
	if (e.b & 1)
		limits_.syn_limit = std::min(limits_.syn_limit, 6u);
}

// Half of the time there is nothing but the default.
void Session::choose_overload(const Event &e)
{
	constexpr u32 kWaits[] = {0, 0, 1, 300, 5000, 3600000};
	lq_overload &o = config_.overload;

	o = overload();
	o.accept_dead = e.c / 16 % __LISTENQ_DEAD_MAX;
	if (e.a & 128)
		return;
	o.accept_max_wait_ms = kWaits[e.d / 8 % 6];
	o.accept_order = e.b / 2 % __LISTENQ_ORDER_MAX;
	o.codel_target_ms = e.c & 1 ? 20 * (e.c / 2 % 4u) : 0;
	o.codel_interval_ms = 1 + 99 * (e.d % 3u);
	o.syn_admission_ms = kWaits[e.b / 8 % 6];
	o.steal_us = kWaits[e.a % 5] * 100;
	o.stalled_ms = kWaits[e.a / 5 % 6];
}

void Session::listen(const Event &e)
{
	choose_config(e);
	lq_core_configure(core_, &config_, &limits_);
	admit_limit();
	MODEL_CHECK(lq_core_manages(core_) == listenq::Overload::manages(config_.overload));
	MODEL_CHECK(lq_core_table_first(core_) == std::min(limits_.syn_buckets, 512u));
	if (!open_) {
		// Smaller tables than the shims' grow soon.
		buckets_ = e.kind & 16 ? 1u << e.d % 5 : lq_core_table_first(core_);
		lq_request **buckets = new_buckets(buckets_);
		lq_core_open(core_, buckets, buckets_);
		table_ = buckets;
	}
	lives_ += !open_;
	open_ = true;
	filter_ = static_cast<u8>(e.d % 3 ? LQ_FILTER_NONE : e.c % LQ_FILTER_COUNT);
	lq_core_filter_set(core_, filter_);
}

// The size that the table should have, 0: the one that it has.
u32 Session::wanted() const
{
	const u32 first = std::min(limits_.syn_buckets, 512u);
	const u32 qlen = static_cast<u32>(half_.size());

	if (!open_ || old_table_)
		return 0;
	if (qlen > buckets_ && buckets_ < limits_.syn_buckets)
		return std::min(2 * std::bit_ceil(qlen), limits_.syn_buckets);
	return buckets_ < first || (qlen == 0 && buckets_ > first) ? first : 0;
}

// The work that replaces the table comes at any time, and may have made one that is of no use.
void Session::resize(const Event &e)
{
	if (e.c % 2)
		return;
	const u32 count = e.c % 16 ? wanted() : 1u << e.d % 10;
	if (count == 0)
		return;
	lq_request **buckets = new_buckets(count);
	const bool taken = lq_core_resize(core_, buckets, count);

	MODEL_CHECK(taken == (count == wanted()));
	if (!taken) {
		std::free(buckets);
		return;
	}
	old_table_ = table_;
	old_buckets_ = buckets_;
	table_ = buckets;
	buckets_ = count;
}

// The old table is emptied in parts, with other events in between.
void Session::rehash(u32 steps)
{
	if (!old_table_)
		return;
	void *old = lq_core_rehash(core_, steps);

	MODEL_CHECK(old || steps < old_buckets_ + half_.size());
	if (!old)
		return;
	MODEL_CHECK(old == old_table_);
	std::free(old);
	old_table_ = nullptr;
	old_buckets_ = 0;
}

void Session::count(const Event &e)
{
	const u8 reason = e.a % __LISTENQ_DROP_MAX;

	lq_core_count_drop(core_, reason);
	drop(reason);
	counted_[reason] += reason != LISTENQ_DROP_NONE;
}

// What shim/event.c would send: all that there is, after each event.
void Session::episodes()
{
	u64 overflows = 0;
	lq_event event;

	for (const listenq_drop reason :
	     {LISTENQ_DROP_SYN_QUEUE_FULL, LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN,
	      LISTENQ_DROP_SYN_LAST_QUARTER, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK,
	      LISTENQ_DROP_ABORT_ON_OVERFLOW, LISTENQ_DROP_REQUEST_EVICTED})
		overflows += drops_[reason] - counted_[reason];
	const u64 quarter = drops_[LISTENQ_DROP_SYN_LAST_QUARTER];
	overflow_.count(overflows, elapsed_, quarter != last_quarter_);
	last_quarter_ = quarter;
	cookies_.count(events_[LISTENQ_EVENT_COOKIE_SENT], elapsed_, false);
	for (;;) {
		const bool pending = lq_core_event_pending(core_);

		std::memset(&event, 0xee, sizeof(event));
		MODEL_CHECK(lq_core_event(core_, &event) == pending);
		if (!pending)
			break;
		switch (event.type) {
		case LISTENQ_EVENT_TYPE_OVERFLOW_BEGAN:
		case LISTENQ_EVENT_TYPE_OVERFLOW_ENDED:
			arm(kHz / LQ_TICKS_PER_SECOND);
			MODEL_CHECK(drops_[event.reason] > counted_[event.reason]);
			overflow_.take_event(event.type == LISTENQ_EVENT_TYPE_OVERFLOW_ENDED, event,
					     elapsed_, open_);
			break;
		case LISTENQ_EVENT_TYPE_COOKIES_BEGAN:
		case LISTENQ_EVENT_TYPE_COOKIES_ENDED:
			arm(kHz / LQ_TICKS_PER_SECOND);
			MODEL_CHECK(event.reason == LISTENQ_DROP_NONE);
			cookies_.take_event(event.type == LISTENQ_EVENT_TYPE_COOKIES_ENDED, event,
					    elapsed_, open_);
			break;
		default:
			MODEL_CHECK(false);
		}
	}
	MODEL_CHECK(overflow_.began == (overflow_.base != overflow_.sum));
	MODEL_CHECK(cookies_.began == (cookies_.base != cookies_.sum));
	MODEL_CHECK(open_ || (!overflow_.began && !cookies_.began));
}

void Session::close()
{
	lq_drained drained{&poison_, &poison_, &poison_, &poison_};
	// The first call is all, or some steps are left to the next ones; all are, while a table
	// replaces another.
	const u32 part = half_.size() % 3 ? 1 + static_cast<u32>(half_.size()) / 4 : ~0u;
	bool more = lq_core_close(core_, part, &drained);

	MODEL_CHECK(!more || part != ~0u || old_table_);
	MODEL_CHECK(more || !old_table_);
	open_ = false;
	filter_ = LQ_FILTER_NONE;
	sweeping_ = false;
	unswept_.clear();
	for (size_t i = 0; i < half_.size() + queue_.size() + held_.size() + ready_.size(); i++)
		drop(LISTENQ_DROP_LISTENER_CLOSED);
	while (lq_request *r = drained.connections) {
		drained.connections = r->next;
		take(queue_, r);
	}
	while (lq_request *r = drained.held) {
		drained.held = r->next;
		MODEL_CHECK(!(r->flags & LQ_REQ_REFUSED) == refused_.empty());
		// Its child's callbacks may come until the caller has taken them away.
		MODEL_CHECK(lq_core_filter_pass(core_, r, now_us()) == LQ_PASSED_NOT);
		MODEL_CHECK(!lq_core_filter_gone(core_, r));
		MODEL_CHECK(!lq_core_filter_refuse(core_, r));
		take(!refused_.empty() ? refused_ : !ready_.empty() ? ready_ : held_, r);
	}
	MODEL_CHECK(queue_.empty() && held_.empty() && ready_.empty() && refused_.empty());
	MODEL_CHECK(!lq_core_filter_take(core_) && !lq_core_filter_room(core_));
	for (Promotion &p : promotions_) {
		if (!p.orphan)
			half_.erase(p.peer);
		p.orphan = true;
	}
	for (;;) {
		while (lq_request *r = drained.requests) {
			drained.requests = r->next;
			MODEL_CHECK(std::erase_if(half_, [&](auto &each) {
					    return each.second.memory == r;
				    }) == 1);
			release(r);
		}
		if (!more)
			break;
		MODEL_CHECK(!drained.table);
		rehash(3);
		more = lq_core_close(core_, part, &drained);
		MODEL_CHECK(!drained.connections && !drained.held);
	}
	MODEL_CHECK(half_.empty());
	MODEL_CHECK(drained.table == table_);
	std::free(drained.table);
	table_ = nullptr;
	buckets_ = 0;
}

void Session::invariants()
{
	listenq_info info;
	lq_counters counters{};
	u64 all_drops = 0;

	if (const char *broken = lq_core_check(core_, ~0u))
		throw Violation(broken);
	std::memset(&info, 0xee, sizeof(info));
	lq_core_info(core_, &info);
	MODEL_CHECK(info.syn_qlen == half_.size());
	MODEL_CHECK(info.syn_young == young());
	MODEL_CHECK(info.syn_buckets == buckets_);
	MODEL_CHECK(lq_core_table_wanted(core_) == wanted());
	MODEL_CHECK(info.accept_qlen == queue_.size());
	MODEL_CHECK(lq_core_accept_qlen(core_) == queue_.size());
	MODEL_CHECK(lq_core_promoting(core_) == promotions_.size() + taken_.size());
	MODEL_CHECK(lq_core_syn_qlen(core_) == half_.size());
	MODEL_CHECK(info.accept_qlen_peak == accept_peak_);
	MODEL_CHECK(info.syn_qlen_peak == syn_peak_);
	MODEL_CHECK(info.accept_limit == limits_.accept_limit);
	MODEL_CHECK(info.syn_limit == limits_.syn_limit);
	MODEL_CHECK(info.filter_qlen == held_.size() + ready_.size() + refused_.size());
	MODEL_CHECK(lq_core_filter_ready(core_) == ready_.size());
	MODEL_CHECK(lq_core_filter_room(core_) == (!ready_.empty() && accept_has_room()));
	MODEL_CHECK(lq_core_filter_due_us(core_, now_us()) == filter_due_us());
	MODEL_CHECK(info.filter_limit == (filter_ ? limits_.filter_limit : 0));
	MODEL_CHECK(std::string(info.accept_filter) == lq_core_filter_name(filter_));
	MODEL_CHECK(info.pad == 0);
#define LQ_X(NAME, name, low, high, initial) MODEL_CHECK(info.name == config_.overload.name);
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	MODEL_CHECK(info.accept_gone == 0);
	MODEL_CHECK(info.accept_interval_us == overload_.rate.interval_us());
	MODEL_CHECK(lq_core_accept_due_us(core_, now_us()) == accept_due_us());
	MODEL_CHECK(lq_core_steals(core_) == (config_.overload.steal_us != 0));
	MODEL_CHECK(lq_core_steal_due_us(core_, now_us()) == steal_due_us());
	const lq_request *waiting = nullptr;
	for (const Waiting &w : queue_) {
		waiting = lq_core_accept_after(core_, waiting);
		MODEL_CHECK(waiting == w.memory);
	}
	MODEL_CHECK(queue_.empty() ? !lq_core_accept_after(core_, nullptr)
				   : !lq_core_accept_after(core_, waiting));
	lq_core_counters(core_, &counters);
	for (unsigned i = 0; i < __LISTENQ_DROP_MAX; i++) {
		MODEL_CHECK(counters.drops[i] == drops_[i]);
		if (!(LISTENQ_DROPS_HARMLESS >> i & 1))
			all_drops += drops_[i];
	}
	for (unsigned i = 0; i < __LISTENQ_EVENT_MAX; i++)
		MODEL_CHECK(counters.events[i] == events_[i]);
	for (unsigned i = 0; i < LISTENQ_WAIT_BUCKETS; i++) {
		MODEL_CHECK(counters.accept_wait[i] == waits_[i]);
		MODEL_CHECK(counters.handshake[i] == handshakes_[i]);
	}
	MODEL_CHECK(counters.accept_wait_us == waits_us_);
	MODEL_CHECK(counters.handshake_us == handshakes_us_);
	MODEL_CHECK(info.drops == all_drops);
	MODEL_CHECK(info.accepted == events_[LISTENQ_EVENT_ACCEPTED]);
	MODEL_CHECK(info.established == events_[LISTENQ_EVENT_ESTABLISHED]);
	MODEL_CHECK(info.established + events_[LISTENQ_EVENT_STOLEN] >=
		    info.accepted + info.accept_qlen + events_[LISTENQ_EVENT_LENT]);
	for (const auto &[n, h] : half_) {
		const lq_request *r = h.memory;

		MODEL_CHECK(r->num_timeout == h.timeouts);
		MODEL_CHECK(r->num_retrans == h.retransmits);
		MODEL_CHECK(!(r->flags & LQ_REQ_ACKED) == !h.acked);
		MODEL_CHECK(!(r->flags & LQ_REQ_PROMOTING) == !h.promoting);
	}
	// Each request is in exactly one place.
	MODEL_CHECK(live_.size() == half_.size() + queue_.size() + held_.size() + ready_.size() +
					    refused_.size() + taken_.size() + stolen_.size() +
					    static_cast<size_t>(std::count_if(
						    promotions_.begin(), promotions_.end(),
						    [](const Promotion &p) { return p.orphan; })));
}

} // namespace testing_core
