// SPDX-License-Identifier: GPL-2.0
// Drives one listener through its C bridge with any sequence of events, beside a model of
// lists and maps that says what must come out. Only what a backlog means is asked of the core's
// own policy functions, which policy_test.cc holds to their tables.
//
// Each event is five bytes, so a property's generator and a fuzzer can both make them. Every
// verdict is predicted, lq_core_check() holds after every event, and every request and child is
// handed back exactly once.
#pragma once

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "core/overload.hh"
#include "core/policy.hh"
#include "support.hh"

namespace testing_core {

struct Event {
	u8 kind, a, b, c, d;
};

struct Violation : std::logic_error {
	using std::logic_error::logic_error;
};

#define MODEL_STRING2(x) #x
#define MODEL_STRING(x) MODEL_STRING2(x)
#define MODEL_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			throw Violation(__FILE__ ":" MODEL_STRING(__LINE__) ": " #condition);      \
	} while (0)

class Session {
public:
	static constexpr unsigned kPeers = 24;

	Session() : memory_(new u64[(lq_core_size() + 7) / 8])
	{
		std::memset(memory_, 0xee, lq_core_size());
		core_ = lq_core_init(memory_, &kKeys);
		invariants();
	}
	// After a violation there is something left.
	~Session()
	{
		for (const auto *waiting : {&queue_, &held_, &ready_, &refused_, &taken_}) {
			for (const Waiting &w : *waiting)
				delete w.child;
		}
		for (const Stolen &s : stolen_)
			delete s.waiting.child;
		for (lq_request *r : live_)
			free_request(r);
		std::free(table_);
		std::free(old_table_);
		delete[] memory_;
	}
	Session(const Session &) = delete;
	Session &operator=(const Session &) = delete;

	void apply(const Event &e)
	{
		switch (e.kind % 16) {
		case 0:
		case 1:
		case 2:
			syn(e);
			break;
		case 3:
			if (!reservations_.empty())
				end_reservation(e.a, e.b % 4 == 0, e.b % 2);
			break;
		case 4:
		case 5:
		case 6:
			ack(e);
			break;
		case 7:
			if (!promotions_.empty())
				end_promotion(e.a, e.b % 3 == 0);
			else if (e.b % 2)
				cookie_ack(e);
			break;
		case 8:
		case 9:
			if (e.a < 40)
				sweep(e);
			else if (e.a < 80)
				share(e);
			else
				accept(e);
			break;
		case 10:
		case 11:
			pass_time(e.a, e.b);
			break;
		case 12:
			listen(e);
			break;
		case 13:
			if (e.a % 4 == 0)
				count(e);
			else if (e.a % 4 == 1 && leaving_)
				leave();
			else
				filter(e);
			break;
		case 14:
			if (open_)
				listen(e);
			break;
		case 15:
			if (e.a < 32)
				close();
			break;
		}
		rehash(e.a % 8);
		resize(e);
		episodes();
		invariants();
	}

	// Everything comes to its end; nothing may be left.
	void finish()
	{
		close();
		episodes();
		invariants();
		while (!reservations_.empty())
			end_reservation(0, false, false);
		while (!promotions_.empty())
			end_promotion(0, promotions_.size() % 2 == 0);
		while (leaving_)
			leave();
		while (!stolen_.empty())
			end_steal(0, stolen_.size() % 2 == 0);
		while (!taken_.empty())
			admit();
		invariants();
		MODEL_CHECK(live_.empty());
		MODEL_CHECK(half_.empty() && queue_.empty() && held_.empty() && ready_.empty() &&
			    refused_.empty());
	}

private:
	// A half-open request as the model knows it.
	struct Half {
		// What the shim gives.
		Half(lq_request *r, u32 due, bool saw_tstamp, bool is_acked)
		    : memory(r), rcv_isn(r->rcv_isn), snt_isn(r->snt_isn), ts_recent(r->ts_recent),
		      expires(due), since_us(r->stamp_us), rcv_wnd(r->rcv_wnd), tstamp(saw_tstamp),
		      acked(is_acked)
		{
		}

		lq_request *memory;
		u32 rcv_isn, snt_isn, ts_recent, expires, since_us;
		u32 rcv_wnd;
		bool tstamp, acked, promoting = false;
		unsigned timeouts = 0, retransmits = 0;
		bool replied = false; // to a duplicate or out-of-window segment, at replied_at
		u64 replied_at = 0;
		bool rate_changed = false; // since then
	};
	// A SYN, and what its options say.
	struct Syn : lq_syn {
		bool saw_tstamp;
		u32 tsval;
	};
	struct Reservation {
		Syn syn;
		unsigned peer;
		u32 life; // lives_ then
	};
	struct Promotion {
		lq_promotion promotion;
		unsigned peer;
		bool orphan;
		lq_request *memory;
	};
	struct Waiting {
		lq_request *memory;
		int *child; // enum lq_peer
		u32 since_us;
	};
	// On its way to another member.
	struct Stolen {
		lq_stolen stolen;
		Waiting waiting;
		u32 life; // lives_ then
	};

	// --- the clock: ticks start a minute before they wrap ---

	u32 now() const { return static_cast<u32>(0xffffffffu - 60 * kHz + elapsed_); }
	// The last one that begins before it, or there.
	static u32 wait_bucket(u32 us)
	{
		u32 n = LISTENQ_WAIT_BUCKETS - 1;

		while (us < LISTENQ_WAIT_FROM(n))
			n--;
		return n;
	}
	u32 now_us() const { return static_cast<u32>(0xffff0000u + elapsed_ * (1000000 / kHz)); }
	bool reached(u32 deadline) const { return static_cast<s32>(now() - deadline) >= 0; }
	u64 wrap() const { return 60 * kHz; }

	u32 timeout(unsigned n) const
	{
		const u64 first = (u64{config_.synack_timeout_ms} * kHz + 999) / 1000;

		if (listenq::policy::is_berkeley(config_))
			return (n == 0 ? 6 : n == 1 ? 24 : 45) * kHz;
		return static_cast<u32>(std::min<u64>(first << std::min(n, 30u), 120 * kHz));
	}

	// --- what the queues hold ---

	unsigned young() const
	{
		return static_cast<unsigned>(
			std::count_if(half_.begin(), half_.end(),
				      [](auto &it) { return it.second.timeouts == 0; }));
	}
	// Of the accept queue.
	u32 places_taken() const
	{
		return static_cast<u32>(queue_.size() + promotions_.size() + taken_.size() +
					stolen_.size()) +
		       leaving_;
	}
	bool accept_has_room() const { return places_taken() < limits_.accept_limit; }
	listenq::policy::Snapshot snapshot() const
	{
		return {.accept_qlen = places_taken() + static_cast<u32>(ready_.size()),
			.syn_qlen = static_cast<u32>(half_.size() + reservations_.size()),
			.young = static_cast<u32>(young() + reservations_.size())};
	}

	void drop(unsigned reason)
	{
		if (reason)
			drops_[reason]++;
	}
	void event(unsigned event) { events_[event]++; }

	lq_request *allocate(const lq_key &key)
	{
		lq_request *r = new_request(key);

		MODEL_CHECK(live_.insert(r).second);
		return r;
	}
	void release(lq_request *r)
	{
		MODEL_CHECK(live_.erase(r) == 1);
		free_request(r);
	}

	// May a reply to a duplicate or out-of-window segment go out? Sure one way or the other,
	// but for the stamp's grain of about 1/16 s (6 of 100 ticks), and the moment when ticks
	// wrap.
	enum class Maybe { No, Yes, Either };
	Maybe limited(const Half &h) const
	{
		const u64 limit = u64{config_.oow_ratelimit_ms} * kHz / 1000, grain = kHz / 16 + 1;
		const u64 age = elapsed_ - h.replied_at;

		if (!h.replied || config_.oow_ratelimit_ms < 63)
			return Maybe::No;
		if (h.rate_changed || (h.replied_at <= wrap() && elapsed_ > wrap()))
			return Maybe::Either;
		if (age + 3 * grain < limit * 6 * 16 / kHz)
			return Maybe::Yes;
		return age > limit + grain ? Maybe::No : Maybe::Either;
	}
	// Check what was said against limited(), and remember it.
	void replied(Half &h, bool reply)
	{
		switch (limited(h)) {
		case Maybe::No:
			MODEL_CHECK(reply);
			break;
		case Maybe::Yes:
			MODEL_CHECK(!reply);
			break;
		case Maybe::Either:
			break;
		}
		if (reply) {
			h.replied = true;
			h.replied_at = elapsed_;
			h.rate_changed = false;
		}
	}

	static bool in_window(u32 seq, u32 end, u32 from, u32 width)
	{
		const s64 s = static_cast<s32>(seq - from), e = s + static_cast<s32>(end - seq);

		return s == 0 || (e > 0 && s < width) || (s == width && e == s);
	}
	static bool old_timestamp(const Half &h, bool saw, u32 tsval)
	{
		return saw && h.tstamp && h.ts_recent != 0 &&
		       static_cast<s32>(h.ts_recent - tsval) > 0;
	}

	void is_copy_of(const lq_request_copy &copy, const lq_request *r) const
	{
		const size_t skip = sizeof(r->next);
		const size_t size = r->flags & LQ_REQ_V6 ? LQ_REQUEST_SIZE_V6 : LQ_REQUEST_SIZE_V4;

		MODEL_CHECK(!copy.request.next);
		MODEL_CHECK(!std::memcmp(copy.bytes + skip, reinterpret_cast<const u8 *>(r) + skip,
					 size - skip));
	}

	// One of the two kinds, by what the counters say.
	struct Told {
		u64 base = 0;	 // the counters' sum before it began
		u64 sum = 0;	 // and after the last event
		u64 last_at = 0; // when that changed
		bool began = false;
		bool vague = false; // the last was of a SYN that came earlier

		bool quiet() const { return !began; }
		void count(u64 now_sum, u64 now, bool earlier)
		{
			if (now_sum != sum) {
				last_at = now;
				vague = earlier;
			}
			sum = now_sum;
		}
		void take_event(bool ended, const lq_event &event, u64 now, bool open)
		{
			MODEL_CHECK(ended == began);
			began = !ended;
			if (!ended) {
				MODEL_CHECK(event.count == 0 && open && last_at == now);
				return;
			}
			MODEL_CHECK(event.count == sum - base && event.count > 0);
			MODEL_CHECK(!open || vague || now - last_at >= kHz);
			base = sum;
		}
	};

	// --- a SYN, an ACK (model_handshake.cc) ---

	void syn(const Event &e);
	void syn_new(const Event &e, unsigned n, const Syn &syn, lq_syn_verdict verdict,
		     lq_request *freed);
	void evicted(lq_request *freed);
	void syn_again(std::map<unsigned, Half>::iterator found, const Syn &syn,
		       lq_syn_verdict verdict, const lq_request_copy &copy, lq_request *freed);
	void end_reservation(u8 which, bool abort, bool proven);
	void ack(const Event &e);
	bool ack_for_half(std::map<unsigned, Half>::iterator found, const lq_ack &ack,
			  lq_ack_verdict verdict, const lq_request_copy &copy,
			  const lq_promotion &promotion, lq_request *freed);
	void cookie_ack(const Event &e);
	void keep(unsigned n, const lq_ack &ack, const lq_promotion &promotion);
	void end_promotion(u8 which, bool abort);

	// --- the accept queue and the filter (model_accept.cc) ---

	void overflow(lq_request *evicted, bool put_back);
	void let_go(const Waiting &w);
	void make_ready(size_t which);
	void release_held(u32 count);
	void expire_held(u32 count);
	void take_ready();
	void admit();
	u32 filter_due_us() const;
	void pass(size_t which);
	void filter(const Event &e);
	void take(std::deque<Waiting> &queue, lq_request *r, size_t which = 0);
	void accept(const Event &e);
	void accepted(size_t which, bool at_once, bool undone);
	bool accept_one(const Event &e);
	listenq_drop judged(const Waiting &w, bool codel) const;
	void gone(const Event &e);
	void sweep(const Event &e);
	void admit_limit();
	u32 accept_due_us() const;
	void leave();

	// --- members of a group (model_share.cc) ---

	void share(const Event &e);
	u32 steal_due_us();
	void steal();
	void end_steal(size_t which, bool taken);
	void take_stolen(const Event &e);

	// --- time (model_timer.cc) ---

	void pass_time(u8 a, u8 b);
	void tick();
	unsigned thresh() const;
	bool is_given_up(const Half &h, unsigned threshold) const;
	bool is_silent(const Half &h) const;
	void timed_out(Half &h);
	void resent(const lq_request_copy &copy, unsigned threshold);
	void expire(lq_request *r, const std::map<unsigned, Half> &before, unsigned threshold,
		    bool unserved);
	void arm(u32 wait)
	{
		const u32 later = static_cast<s32>(wait) > 0 ? wait : 0;

		armed_at_ = std::min(armed_at_, elapsed_ + later);
	}
	void quiet(unsigned threshold, u32 silent);

	// --- listen() and close(), and after each event (model_listen.cc) ---

	void choose_config(const Event &e);
	void choose_overload(const Event &e);
	void listen(const Event &e);
	u32 wanted() const;
	void resize(const Event &e);
	void rehash(u32 steps);
	void count(const Event &e);
	void episodes();
	void close();
	void invariants();

	u64 *memory_;
	lq_core *core_;
	void *table_ = nullptr;
	u32 buckets_ = 0;
	void *old_table_ = nullptr; // until lq_core_rehash() has emptied it
	u32 old_buckets_ = 0;
	u64 armed_at_ = ~u64{0}; // the timer, by elapsed_
	bool open_ = false;
	u32 lives_ = 0; // how often it was opened
	lq_config config_{};
	lq_limits limits_{};
	u64 elapsed_ = 0;
	Told overflow_, cookies_;
	u64 last_quarter_ = 0;		       // those drops, after the last event
	u64 counted_[__LISTENQ_DROP_MAX] = {}; // of drops_, those by lq_core_count_drop()
	std::map<unsigned, Half> half_;
	std::vector<Reservation> reservations_;
	std::vector<Promotion> promotions_;
	std::deque<Waiting> queue_;
	std::deque<Waiting> held_, ready_, refused_; // by an accept filter
	std::deque<Waiting> taken_;		     // of the ready, with a place reserved
	std::vector<Stolen> stolen_;
	bool stole_ = false; // from another member
	u32 stole_at_us_ = 0;
	u8 filter_ = LQ_FILTER_NONE;
	std::set<lq_request *> live_;
	u32 leaving_ = 0;	     // accept() calls between pop and done
	listenq::Overload overload_; // the core's own: overload_test.cc holds it to its sources
	std::deque<lq_request *> unswept_; // what the sweep that is under way has not come to
	bool sweeping_ = false;
	size_t accept_peak_ = 0, syn_peak_ = 0;
	u64 drops_[__LISTENQ_DROP_MAX] = {};
	u64 events_[__LISTENQ_EVENT_MAX] = {};
	u64 waits_[LISTENQ_WAIT_BUCKETS] = {}, handshakes_[LISTENQ_WAIT_BUCKETS] = {};
	u64 waits_us_ = 0, handshakes_us_ = 0;
	lq_request poison_{};
};

} // namespace testing_core
