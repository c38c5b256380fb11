// SPDX-License-Identifier: GPL-2.0
// Listener: the queues, limits and counters of one shard of a listening socket, and the verdicts on
// everything that arrives for it.
//
// Invariants (check()): those of the queues; no more requests are marked promoting than slots of
// the accept queue are held: an orphan's, a cookie's and that of a connection that a filter let go
// belong to none; a closed listener has no episode under way, and queues
// nothing but requests that close() has not come to yet; none is due before due(), unless the
// clock hand is on its round.
// Locking: the caller holds the shard's lock throughout; see bridge/core.h.
#pragma once

#include <span>

#include "accept_queue.hh"
#include "backoff.hh"
#include "counters.hh"
#include "episode.hh"
#include "filter_queue.hh"
#include "overload.hh"
#include "policy.hh"
#include "prefix_sketch.hh"
#include "syn_cookie.hh"
#include "syn_queue.hh"

namespace listenq {

class Listener final {
public:
	explicit Listener(const lq_keys &keys) : syn_queue_(keys), prefix_hash_(keys), cookie_(keys)
	{
	}

	void configure(const Config &config, const Limits &limits);
	void open(Request **buckets, u32 count);
	[[nodiscard]] u32 table_first() const { return min(limits_.syn_buckets, kFirstBuckets); }
	[[nodiscard]] u32 table_wanted() const;
	[[nodiscard]] bool resize(Request **buckets, u32 count);
	[[nodiscard]] Request **rehash(u32 steps) { return syn_queue_.rehash(steps); }
	[[nodiscard]] bool close(u32 steps, lq_drained &drained);
	[[nodiscard]] bool is_drained(u32 now_s) const;

	void drain(bool on);
	void leave();
	[[nodiscard]] bool leave_requests(u32 steps, u32 room, Request *&requests);
	void moved(u32 count);
	[[nodiscard]] lq_inherited inherit_request(const lq_key &key, Request &r);
	[[nodiscard]] lq_inherited inherit(Request &r, void *child, u8 passed, Micros since,
					   Micros now);

	void park(const Config &config, const Limits &limits);
	[[nodiscard]] lq_parked_verdict parked_ack(lq_ack &ack, Request *&freed);

	[[nodiscard]] bool has_request(const lq_key &key) const
	{
		return syn_queue_.find(key, syn_queue_.hash(key));
	}

	[[nodiscard]] lq_syn_verdict syn(lq_syn &syn, lq_request_copy &copy, Request *&freed);
	[[nodiscard]] lq_commit syn_commit(const lq_syn &syn, Request &r, bool proven);
	void syn_abort(listenq_drop reason);
	void synack_unsent(listenq_event as);

	[[nodiscard]] lq_ack_verdict ack(lq_ack &ack, lq_request_copy &copy,
					 lq_promotion &promotion, Request *&freed);
	[[nodiscard]] lq_unreachable unreachable(const lq_key &key, Seq seq, bool fatal,
						 Request *&freed);
	[[nodiscard]] lq_ack_verdict ack_cookie(lq_ack &ack, lq_promotion &promotion);
	[[nodiscard]] bool keep(const lq_ack &ack, const lq_promotion &promotion, Request &r,
				Request *&evicted);
	[[nodiscard]] lq_commit promote_commit(const lq_promotion &promotion, void *child,
					       Micros now, Request *&evicted);
	[[nodiscard]] bool promote_abort(const lq_promotion &promotion, listenq_drop &reason);

	void filter_set(u8 filter) { filter_ = filter; }
	[[nodiscard]] lq_passed filter_pass(Request &r, Micros now);
	[[nodiscard]] bool filter_gone(Request &r);
	[[nodiscard]] bool filter_refuse(Request &r);
	[[nodiscard]] bool filter_put_back(Request &r);
	[[nodiscard]] Request *filter_refused() { return filter_queue_.pop_refused(); }
	[[nodiscard]] bool filter_release(u32 count);
	[[nodiscard]] bool filter_expire(Micros now, u32 count);
	[[nodiscard]] u32 filter_due_us(Micros now) const;
	[[nodiscard]] u32 filter_ready() const { return filter_queue_.ready(); }
	[[nodiscard]] bool filter_room() const
	{
		return filter_queue_.ready() && accept_has_room();
	}
	[[nodiscard]] Request *filter_take();
	[[nodiscard]] bool filter_admit(Request &r, Micros now);

	[[nodiscard]] Request *accept(Micros now);
	[[nodiscard]] Request *accept_at_once(Micros now);
	void accept_done(u32 count) { accept_queue_.left(count); }
	void accept_undo(Request &r, Micros now, bool at_once);

	[[nodiscard]] bool manages() const { return Overload::manages(config_.overload); }
	[[nodiscard]] Request *accept_next(Micros now);
	[[nodiscard]] listenq_drop accept_judge(Request &r, lq_peer peer, Micros now, bool at_once);
	[[nodiscard]] Request *accept_expire(Micros now);
	[[nodiscard]] u32 accept_due_us(Micros now) const;
	[[nodiscard]] Request *sweep_next() { return accept_queue_.sweep(); }
	[[nodiscard]] listenq_drop sweep_judge(Request &r, lq_peer peer, Micros now);
	[[nodiscard]] const Request *accept_after(const Request *r) const
	{
		return r ? r->next : accept_queue_.oldest();
	}
	[[nodiscard]] bool skips(lq_peer peer) const
	{
		return Overload::drops(config_.overload, peer) != LISTENQ_DROP_NONE;
	}

	[[nodiscard]] bool steals() const { return config_.overload.steal_us != 0; }
	[[nodiscard]] u32 steal_due_us(Micros now);
	[[nodiscard]] bool steal(Micros now, lq_stolen &stolen);
	[[nodiscard]] bool take_stolen(const lq_stolen &stolen, Micros now);
	[[nodiscard]] lq_steal_end steal_end(const lq_stolen &stolen, bool taken);
	[[nodiscard]] bool is_stalled(const lq_key &key, Micros now) const;
	void redirected();

	void tick(lq_tick &tick);
	[[nodiscard]] Ticks due() const { return due_; }

	[[nodiscard]] bool event_pending() const
	{
		return overflow_.pending() || cookies_.pending();
	}
	[[nodiscard]] bool take_event(lq_event &event);

	void count_drop(u8 reason) { counters_.drop(reason); }
	[[nodiscard]] u32 accept_qlen() const { return accept_queue_.qlen(); }
	[[nodiscard]] u32 promoting() const { return accept_queue_.promoting(); }
	[[nodiscard]] u32 syn_qlen() const { return syn_queue_.qlen(); }
	[[nodiscard]] const Counters &counters() const { return counters_; }
	void dropped_from(lq_prefixes &out, Ticks now) const
	{
		dropped_.read(out, now, config_.hz);
	}
	void info(listenq_info &info) const;
	[[nodiscard]] u32 accept_oldest_us(Micros now) const;
	[[nodiscard]] u32 overflow_ago_s(u32 now_s) const { return overflow_.ago_s(now_s); }
	[[nodiscard]] u32 requests(lq_request_cursor &cursor, Ticks now, Micros now_us,
				   std::span<lq_request_info> out) const;
	// Of a queue that takes more than @steps nothing is looked at.
	[[nodiscard]] const char *check(u32 steps = ~0u) const;

private:
	// A page of pointers.
	static constexpr u32 kFirstBuckets = 512;
	// How long a released listener waits for its last cookie: a peer whose ACK was lost has
	// sent its first data at RTO, 1 s, and again after 2, 4 and 8 (RFC 6298).
	static constexpr u32 kLastCookieSeconds = 16;
	// When the timer forgets an oow_stamp, in its units: beyond any limit, and before they
	// wrap.
	static constexpr u32 kOowForget = 240;

	// What a verdict may look at to find a request that makes room: a page of buckets, and as
	// many.
	static constexpr u32 kEvictSteps = 1024;

	[[nodiscard]] const char *check_requests() const;
	[[nodiscard]] policy::Snapshot snapshot() const;
	[[nodiscard]] lq_syn_verdict syn_for_request(lq_syn &syn, Request &r, lq_request_copy &copy,
						     Request *&freed);
	[[nodiscard]] lq_ack_verdict ack_for_request(lq_ack &ack, Request &r, u32 hash,
						     lq_request_copy &copy, lq_promotion &promotion,
						     Request *&freed);
	[[nodiscard]] bool repeat(Request &r, Ticks now, lq_request_copy &copy);
	[[nodiscard]] bool rate_limited(Request &r, Ticks now);
	[[nodiscard]] u32 oow_unit() const { return max<u32>(config_.hz / 16, 1); }
	[[nodiscard]] u8 oow_stamp(Ticks now) const;
	[[nodiscard]] u32 oow_limit() const;
	void look_at(Ticks when)
	{
		if (!when.reached(due_))
			due_ = when;
	}
	// Due at its .expires.
	void queue(Request &r, u32 hash)
	{
		r.oow_stamp = 0; // no timer sees to it that it is forgotten in time
		if (syn_queue_.qlen() == 0)
			due_ = Ticks{r.expires};
		else
			look_at(Ticks{r.expires});
		syn_queue_.insert(r, hash);
		remember_peaks();
	}
	// One that no timer saw yet.
	void queue_new(Request &r, u32 hash, Ticks now)
	{
		r.num_timeout = 0;
		r.num_retrans = 0;
		r.expires = (now + backoff_.timeout(0)).value;
		queue(r, hash);
	}
	[[nodiscard]] u32 interval() const { return max<u32>(config_.hz / LQ_TICKS_PER_SECOND, 1); }
	[[nodiscard]] u32 sweep_length() const;
	[[nodiscard]] u32 wait(Ticks now) const;
	[[nodiscard]] bool begins_run(Ticks now);
	void sweep(lq_tick &tick);
	[[nodiscard]] lq_syn_verdict refuse(lq_syn &syn, listenq_drop reason,
					    lq_syn_verdict verdict);
	[[nodiscard]] u8 threshold(Ticks now);
	void remember_peaks();
	[[nodiscard]] Request *kill(Request &r, u32 hash);
	[[nodiscard]] bool is_held(const Request &r) const;
	[[nodiscard]] bool is_waiting(const Request &r) const;
	[[nodiscard]] bool accept_has_room() const;
	void filter_passed();
	void accepted(const Request &r, Micros now);
	void give_up(Request &r, listenq_drop reason);
	void admit();
	[[nodiscard]] bool wants_sweep() const;
	[[nodiscard]] Request *filter_overflow();
	[[nodiscard]] bool filters(u8 passed) const;
	void drop(u8 reason, const lq_key &peer, Ticks now);
	void drop(listenq_drop reason, const Request &r);
	void drop_for_room(const Request &r, Ticks now);
	[[nodiscard]] bool is_unserved(const Request &r) const;
	[[nodiscard]] bool overflows() const;
	[[nodiscard]] u32 patience(Ticks now) const;

	[[nodiscard]] bool pauses() const
	{
		return config_.syncookies == 1 && config_.syncookie_pause;
	}
	[[nodiscard]] bool is_paused(u32 now_s) const;
	void pause(u32 now_s);
	[[nodiscard]] lq_syn_verdict answer_by_cookie(lq_syn &syn);
	[[nodiscard]] lq_ack_verdict ack_unknown(const lq_ack &ack);

	SynQueue syn_queue_;
	AcceptQueue accept_queue_;
	FilterQueue filter_queue_;
	Counters counters_;
	PrefixSketch dropped_; // whom drops hit
	TableHash prefix_hash_;
	Episode overflow_; // drops because a queue was full
	Episode cookies_;  // SYN cookies sent
	Config config_{};
	Limits limits_{};
	Backoff backoff_;
	u32 accept_qlen_peak_ = 0;
	u32 syn_qlen_peak_ = 0;
	// The timer: nothing that is queued needs it before due_, but for what the clock hand's
	// round will meet, whose buckets are round_left_, and of this run sweep_left_.
	Ticks due_{0};
	u32 round_left_ = 0;
	u32 sweep_left_ = 0;
	u8 syn_limit_log_ = 0; // 2^syn_limit_log_ are limits_.syn_limit or more
	SynCookie cookie_;
	u32 cookie_sent_s_ = 0;	 // when the last one was sent; with cookies_sent_
	u32 pause_until_s_ = 0;	 // FreeBSD's pause: cookies only until then
	u32 pause_length_s_ = 0; // of the last pause, 0: there was none
	bool cookies_sent_ = false;
	u8 filter_ = LQ_FILTER_NONE; // enum lq_filter
	bool open_ = false;
	bool takes_ = false; // what is new: while open and not draining, until leave()
	bool draining_ = false;
	u32 leave_bucket_ = 0;	   // the next that leave_requests() visits
	u32 life_ = 0;		   // how often it was opened
	bool defending_ = false;   // Solaris's defence mode
	Ticks defending_since_{0}; // while defending_
	Overload overload_;	   // while it manages()
	bool codel_drops_ = false; // the one that accept_next() gave
	bool stole_ = false;	   // from another member, less than steal_us ago
	Micros stole_at_{0};	   // while stole_
};

} // namespace listenq
