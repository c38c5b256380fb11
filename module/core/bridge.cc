// SPDX-License-Identifier: GPL-2.0
// The core's side of the bridge: C calls onto Listener and the pure functions.
#include <new>

#include "accept_filter.hh"
#include "bridge.hh"
#include "handshake.hh"
#include "options.hh"
#include "shards.hh"

using listenq::Listener;
using listenq::Micros;
using listenq::bridge::listener;

LQ_BRIDGE void lq_core_limits(const lq_config *config, lq_limits *limits)
{
	*limits = listenq::policy::limits(*config);
}

LQ_BRIDGE int lq_core_policy_find(const char *name, size_t length)
{
	const auto found = listenq::policy::find({name, length});

	return found ? *found : -1;
}

LQ_BRIDGE int lq_core_filter_find(const char *name, size_t length)
{
	const auto found = listenq::accept_filter::find({name, length});

	return found ? *found : -1;
}

LQ_BRIDGE const char *lq_core_filter_name(u8 filter)
{
	return listenq::accept_filter::name(filter);
}

LQ_BRIDGE lq_filter_verdict lq_core_filter_feed(lq_filter_state *state, const u8 *bytes,
						size_t length)
{
	return listenq::accept_filter::feed(*state, {bytes, length});
}

LQ_BRIDGE const char *lq_core_policy_name(u8 policy)
{
	return listenq::policy::name(policy);
}

LQ_BRIDGE size_t lq_core_size(void)
{
	return sizeof(Listener);
}

LQ_BRIDGE lq_core *lq_core_init(void *memory, const lq_keys *keys)
{
	static_assert(alignof(Listener) <= 8);
	return reinterpret_cast<lq_core *>(new (memory) Listener(*keys));
}

LQ_BRIDGE void lq_core_configure(lq_core *core, const lq_config *config, const lq_limits *limits)
{
	listener(core).configure(*config, *limits);
}

LQ_BRIDGE u32 lq_core_table_first(const lq_core *core)
{
	return listener(core).table_first();
}

LQ_BRIDGE void lq_core_open(lq_core *core, lq_request **buckets, u32 count)
{
	listener(core).open(buckets, count);
}

LQ_BRIDGE u32 lq_core_table_wanted(const lq_core *core)
{
	return listener(core).table_wanted();
}

LQ_BRIDGE bool lq_core_resize(lq_core *core, lq_request **buckets, u32 count)
{
	return listener(core).resize(buckets, count);
}

LQ_BRIDGE void *lq_core_rehash(lq_core *core, u32 steps)
{
	return listener(core).rehash(steps);
}

LQ_BRIDGE bool lq_core_close(lq_core *core, u32 steps, lq_drained *drained)
{
	return listener(core).close(steps, *drained);
}

LQ_BRIDGE void lq_core_drain(lq_core *core, bool on)
{
	listener(core).drain(on);
}

LQ_BRIDGE void lq_core_leave(lq_core *core)
{
	listener(core).leave();
}

LQ_BRIDGE bool lq_core_leave_requests(lq_core *core, u32 steps, u32 room, lq_request **requests)
{
	return listener(core).leave_requests(steps, room, *requests);
}

LQ_BRIDGE void lq_core_moved(lq_core *core, u32 count)
{
	listener(core).moved(count);
}

LQ_BRIDGE lq_inherited lq_core_inherit_request(lq_core *core, const lq_key *key,
					       lq_request *request)
{
	return listener(core).inherit_request(*key, *request);
}

LQ_BRIDGE lq_inherited lq_core_inherit(lq_core *core, lq_request *entry, void *child, u8 passed,
				       u32 since_us, u32 now_us)
{
	return listener(core).inherit(*entry, child, passed, Micros{since_us}, Micros{now_us});
}

LQ_BRIDGE void lq_core_park(lq_core *core, const lq_config *config, const lq_limits *limits)
{
	listener(core).park(*config, *limits);
}

LQ_BRIDGE lq_parked_verdict lq_core_parked_ack(lq_core *core, lq_ack *ack, lq_request **freed)
{
	return listener(core).parked_ack(*ack, *freed);
}

LQ_BRIDGE bool lq_core_is_drained(const lq_core *core, u32 now_s)
{
	return listener(core).is_drained(now_s);
}

LQ_BRIDGE bool lq_core_has_request(const lq_core *core, const lq_key *key)
{
	return listener(core).has_request(*key);
}

LQ_BRIDGE lq_syn_verdict lq_core_syn(lq_core *core, lq_syn *syn, lq_request_copy *copy,
				     lq_request **freed)
{
	return listener(core).syn(*syn, *copy, *freed);
}

LQ_BRIDGE lq_commit lq_core_syn_commit(lq_core *core, const lq_syn *syn, lq_request *request,
				       bool proven)
{
	return listener(core).syn_commit(*syn, *request, proven);
}

LQ_BRIDGE void lq_core_syn_abort(lq_core *core, u8 reason)
{
	listener(core).syn_abort(static_cast<listenq_drop>(reason));
}

LQ_BRIDGE lq_unreachable lq_core_unreachable(lq_core *core, const lq_key *key, u32 seq, bool fatal,
					     lq_request **freed)
{
	return listener(core).unreachable(*key, listenq::Seq{seq}, fatal, *freed);
}

LQ_BRIDGE void lq_core_synack_unsent(lq_core *core, u8 as)
{
	listener(core).synack_unsent(static_cast<listenq_event>(as));
}

LQ_BRIDGE lq_ack_verdict lq_core_ack(lq_core *core, lq_ack *ack, lq_request_copy *copy,
				     lq_promotion *promotion, lq_request **freed)
{
	return listener(core).ack(*ack, *copy, *promotion, *freed);
}

LQ_BRIDGE lq_ack_verdict lq_core_ack_cookie(lq_core *core, lq_ack *ack, lq_promotion *promotion)
{
	return listener(core).ack_cookie(*ack, *promotion);
}

LQ_BRIDGE bool lq_core_keep(lq_core *core, const lq_ack *ack, const lq_promotion *promotion,
			    lq_request *request, lq_request **evicted)
{
	return listener(core).keep(*ack, *promotion, *request, *evicted);
}

LQ_BRIDGE lq_commit lq_core_promote_commit(lq_core *core, const lq_promotion *promotion,
					   void *child, u32 now_us, lq_request **evicted)
{
	return listener(core).promote_commit(*promotion, child, Micros{now_us}, *evicted);
}

LQ_BRIDGE u32 lq_core_promoting(const lq_core *core)
{
	return listener(core).promoting();
}

LQ_BRIDGE bool lq_core_promote_abort(lq_core *core, const lq_promotion *promotion, u8 *reason)
{
	auto why = static_cast<listenq_drop>(*reason);
	const bool free = listener(core).promote_abort(*promotion, why);

	*reason = why;
	return free;
}

LQ_BRIDGE void lq_core_filter_set(lq_core *core, u8 filter)
{
	listener(core).filter_set(filter);
}

LQ_BRIDGE bool lq_core_filter_put_back(lq_core *core, lq_request *entry)
{
	return listener(core).filter_put_back(*entry);
}

LQ_BRIDGE lq_passed lq_core_filter_pass(lq_core *core, lq_request *entry, u32 now_us)
{
	return listener(core).filter_pass(*entry, Micros{now_us});
}

LQ_BRIDGE bool lq_core_filter_gone(lq_core *core, lq_request *entry)
{
	return listener(core).filter_gone(*entry);
}

LQ_BRIDGE bool lq_core_filter_refuse(lq_core *core, lq_request *entry)
{
	return listener(core).filter_refuse(*entry);
}

LQ_BRIDGE lq_request *lq_core_filter_refused(lq_core *core)
{
	return listener(core).filter_refused();
}

LQ_BRIDGE bool lq_core_filter_release(lq_core *core, u32 count)
{
	return listener(core).filter_release(count);
}

LQ_BRIDGE bool lq_core_filter_expire(lq_core *core, u32 now_us, u32 count)
{
	return listener(core).filter_expire(Micros{now_us}, count);
}

LQ_BRIDGE u32 lq_core_filter_due_us(const lq_core *core, u32 now_us)
{
	return listener(core).filter_due_us(Micros{now_us});
}

LQ_BRIDGE u32 lq_core_filter_ready(const lq_core *core)
{
	return listener(core).filter_ready();
}

LQ_BRIDGE bool lq_core_filter_room(const lq_core *core)
{
	return listener(core).filter_room();
}

LQ_BRIDGE lq_request *lq_core_filter_take(lq_core *core)
{
	return listener(core).filter_take();
}

LQ_BRIDGE bool lq_core_filter_admit(lq_core *core, lq_request *entry, u32 now_us)
{
	return listener(core).filter_admit(*entry, Micros{now_us});
}

LQ_BRIDGE lq_request *lq_core_accept(lq_core *core, u32 now_us)
{
	return listener(core).accept(Micros{now_us});
}

LQ_BRIDGE lq_request *lq_core_accept_at_once(lq_core *core, u32 now_us)
{
	return listener(core).accept_at_once(Micros{now_us});
}

LQ_BRIDGE void lq_core_accept_done(lq_core *core, u32 count)
{
	listener(core).accept_done(count);
}

LQ_BRIDGE u32 lq_core_accept_qlen(const lq_core *core)
{
	return listener(core).accept_qlen();
}

LQ_BRIDGE u32 lq_core_syn_qlen(const lq_core *core)
{
	return listener(core).syn_qlen();
}

LQ_BRIDGE void lq_core_count_drop(lq_core *core, u8 reason)
{
	listener(core).count_drop(reason);
}

LQ_BRIDGE void lq_core_tick(lq_core *core, lq_tick *tick)
{
	listener(core).tick(*tick);
}

LQ_BRIDGE u32 lq_core_due(const lq_core *core)
{
	return listener(core).due().value;
}

LQ_BRIDGE bool lq_core_event_pending(const lq_core *core)
{
	return listener(core).event_pending();
}

LQ_BRIDGE bool lq_core_event(lq_core *core, lq_event *event)
{
	return listener(core).take_event(*event);
}

LQ_BRIDGE void lq_core_info(const lq_core *core, listenq_info *info)
{
	listener(core).info(*info);
}

LQ_BRIDGE u32 lq_core_accept_oldest_us(const lq_core *core, u32 now_us)
{
	return listener(core).accept_oldest_us(Micros{now_us});
}

LQ_BRIDGE u32 lq_core_overflow_ago_s(const lq_core *core, u32 now_s)
{
	return listener(core).overflow_ago_s(now_s);
}

LQ_BRIDGE u32 lq_core_requests(const lq_core *core, lq_request_cursor *cursor, u32 now, u32 now_us,
			       lq_request_info *out, u32 room)
{
	return listener(core).requests(*cursor, {now}, {now_us}, {out, room});
}

LQ_BRIDGE void lq_core_counters(const lq_core *core, lq_counters *sum)
{
	listener(core).counters().add_to(*sum);
}

LQ_BRIDGE void lq_core_wait_octaves(const u64 *waits, u64 *octaves)
{
	listenq::wait_octaves(waits, octaves);
}

LQ_BRIDGE void lq_core_dropped_from(const lq_core *core, u32 now, lq_prefixes *out)
{
	listener(core).dropped_from(*out, {now});
}

LQ_BRIDGE void lq_core_prefixes_add(lq_prefixes *sum, const lq_prefixes *more)
{
	listenq::prefixes::add(*sum, *more);
}

LQ_BRIDGE u32 lq_core_prefixes_top(const lq_prefixes *all, lq_prefix_share *out, u32 room)
{
	return listenq::prefixes::top(*all, out, room);
}

LQ_BRIDGE u32 lq_core_shards(const lq_limits *limits, u32 asked)
{
	return listenq::shards::count(*limits, asked);
}

LQ_BRIDGE void lq_core_share(lq_config *config, lq_limits *limits, u32 count, u32 index)
{
	listenq::shards::share(*config, *limits, count, index);
}

LQ_BRIDGE u32 lq_core_shard(const lq_keys *keys, const lq_key *key, u32 count)
{
	return listenq::shards::of(*keys, *key, count);
}

LQ_BRIDGE u32 lq_core_accept_first(u32 home, u32 turn, u32 count)
{
	return listenq::shards::first(home, turn, count);
}

LQ_BRIDGE void lq_core_info_add(listenq_info *sum, const listenq_info *more)
{
	listenq::shards::add(*sum, *more);
}

LQ_BRIDGE const char *lq_core_check(const lq_core *core, u32 steps)
{
	return listener(core).check(steps);
}

LQ_BRIDGE void lq_core_syn_options(const u8 *bytes, size_t length, const lq_options_config *config,
				   lq_options *options)
{
	*options = listenq::options::parse_syn({bytes, length}, *config);
}

LQ_BRIDGE bool lq_core_timestamp(const u8 *bytes, size_t length, u32 *tsval, u32 *tsecr)
{
	listenq::options::Timestamp timestamp{};
	const bool found = listenq::options::parse_timestamp({bytes, length}, timestamp);

	*tsval = timestamp.tsval;
	*tsecr = timestamp.tsecr;
	return found;
}

LQ_BRIDGE lq_isn lq_core_isn(const lq_keys *keys, const lq_key *key, u16 local_port, u64 now_ns,
			     u16 tag)
{
	return listenq::handshake::isn(*keys, *key, local_port, now_ns, tag);
}

LQ_BRIDGE u32 lq_core_isn_from(u32 isn, u32 least)
{
	return listenq::handshake::isn_from(isn, least);
}

LQ_BRIDGE u16 lq_core_isn_tag(const lq_keys *keys, const lq_key *key, u16 local_port, u32 isn)
{
	return listenq::handshake::isn_tag(*keys, *key, local_port, isn);
}

LQ_BRIDGE u32 lq_core_cookie(const lq_keys *keys, const lq_key *key, u16 local_port, u32 now_s,
			     u32 tsval, lq_request *request)
{
	return listenq::SynCookie(*keys).answer(*key, local_port, now_s, tsval, *request);
}

static_assert(LQ_COOKIE_LIFE_S == listenq::SynCookie::kLifeSeconds);

LQ_BRIDGE bool lq_core_cookie_options(u32 tsecr, u8 allow, lq_options *options, bool *ecn)
{
	return listenq::cookie_timestamp::decode(tsecr, allow, *options, *ecn);
}

LQ_BRIDGE bool lq_core_ecn(const lq_ecn *ecn)
{
	return listenq::handshake::ecn(*ecn);
}

LQ_BRIDGE void lq_core_window(lq_window *window)
{
	listenq::handshake::window(*window);
}

LQ_BRIDGE size_t lq_core_synack(const lq_request *request, u16 local_port, u16 mss, u32 tsval,
				bool checksum, u8 *out)
{
	return listenq::options::write_synack(*request, local_port, mss, tsval, checksum, out);
}

LQ_BRIDGE size_t lq_core_reset(const lq_request *request, u16 local_port, bool checksum, u8 *out)
{
	return listenq::options::write_reset(*request, local_port, checksum, out);
}

LQ_BRIDGE bool lq_core_owes_reset(const lq_request *request, bool told)
{
	return told && listenq::request::has(*request, LQ_REQ_ACKED);
}
