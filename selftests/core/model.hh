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
		for (const auto *waiting : {&queue_, &held_, &refused_}) {
			for (const Waiting &w : *waiting)
				delete w.child;
		}
		for (lq_request *r : live_)
			free_request(r);
		std::free(table_);
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
			break;
		case 8:
		case 9:
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
		invariants();
		MODEL_CHECK(live_.empty());
		MODEL_CHECK(half_.empty() && queue_.empty() && held_.empty() && refused_.empty());
	}

private:
	// A half-open request as the model knows it.
	struct Half {
		lq_request *memory;
		u32 rcv_isn, snt_isn, ts_recent, expires;
		u32 rcv_wnd;
		bool tstamp, acked, promoting;
		unsigned timeouts, retransmits;
		bool replied; // to an odd segment, at the time replied_at
		u64 replied_at;
		bool rate_changed; // since then
		u64 placed_at;	   // where the clock hand sees it
	};
	// A SYN, and what its options say.
	struct Syn : lq_syn {
		bool saw_tstamp;
		u32 tsval;
	};
	struct Reservation {
		Syn syn;
		unsigned peer;
	};
	struct Promotion {
		lq_promotion promotion;
		unsigned peer;
		bool orphan;
		lq_request *memory;
	};
	struct Waiting {
		lq_request *memory;
		int *child;
		u32 since_us;
	};

	// --- the clock: ticks start a minute before they wrap ---

	u32 now() const { return static_cast<u32>(0xffffffffu - 60 * kHz + elapsed_); }
	u32 now_us() const { return static_cast<u32>(0xffff0000u + elapsed_ * (1000000 / kHz)); }
	bool reached(u32 deadline) const { return static_cast<s32>(now() - deadline) >= 0; }
	u64 wrap() const { return 60 * kHz; }

	u32 timeout(unsigned n) const
	{
		const u64 first = (u64{config_.synack_timeout_ms} * kHz + 999) / 1000;

		return static_cast<u32>(std::min<u64>(first << std::min(n, 30u), 120 * kHz));
	}

	// --- what the queues hold ---

	unsigned young() const
	{
		return static_cast<unsigned>(
			std::count_if(half_.begin(), half_.end(),
				      [](auto &it) { return it.second.timeouts == 0; }));
	}
	listenq::policy::Snapshot snapshot() const
	{
		return {.accept_qlen =
				static_cast<u32>(queue_.size() + promotions_.size()) + leaving_,
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

	// May a reply to an odd segment go out? Sure one way or the other, but for the
	// stamp's grain of about 1/16 s (6 of 100 ticks), and the moment when ticks wrap.
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

	// --- events ---

	void syn(const Event &e)
	{
		const unsigned n = e.a % kPeers;
		const auto found = half_.find(n);
		Syn syn{};
		lq_request_copy copy;
		lq_request *freed = &poison_;

		syn.key = peer(n);
		syn.now = now();
		// Mostly a peer repeats itself; else the number is anywhere near.
		syn.seq = 1000 + (e.b < 160 ? 0 : e.b % 16 * 97 - 300);
		syn.saw_tstamp = e.c & 1;
		syn.tsval = 5000 + (e.c & 2 ? 100 : 0) - (e.c & 4 ? 200 : 0);
		syn.from_time_wait = e.c >= 240;
		u8 timestamp[] = {8, 10, 0, 0, 0, 0, 0, 0, 0, 0};
		for (unsigned i = 0; i < 4; i++)
			timestamp[2 + i] = static_cast<u8>(syn.tsval >> (24 - 8 * i));
		syn.options = timestamp;
		syn.options_length = syn.saw_tstamp ? sizeof(timestamp) : 0;
		const lq_syn_verdict verdict = lq_core_syn(core_, &syn, &copy, &freed);

		event(LISTENQ_EVENT_SYN_RECEIVED);
		if (!open_) {
			MODEL_CHECK(verdict == LQ_SYN_DROP);
			MODEL_CHECK(syn.reason == LISTENQ_DROP_LISTENER_CLOSED);
			MODEL_CHECK(!freed);
		} else if (found != half_.end()) {
			syn_again(found, syn, verdict, copy, freed);
			MODEL_CHECK(verdict == LQ_SYN_RESET || !freed);
		} else {
			syn_new(e, n, syn, verdict, freed);
		}
		drop(syn.reason);
	}

	void syn_new(const Event &e, unsigned n, const Syn &syn, lq_syn_verdict verdict,
		     lq_request *freed)
	{
		using listenq::policy::SynAction;
		const bool queue_full =
			!syn.from_time_wait &&
			listenq::policy::syn_queue_is_full(config_, limits_, snapshot());
		const auto place =
			queue_full ? listenq::policy::Place::Full : listenq::policy::Place::There;
		SynAction want = listenq::policy::syn(config_, limits_, snapshot(), place).action;

		if (want == SynAction::Evict &&
		    std::all_of(half_.begin(), half_.end(),
				[](auto &each) { return each.second.promoting; }))
			want = SynAction::Drop;
		switch (want) {
		case SynAction::Drop:
			MODEL_CHECK(verdict == LQ_SYN_DROP && syn.reason && !freed);
			return;
		case SynAction::Reset:
			MODEL_CHECK(verdict == LQ_SYN_RESET && syn.reason && !freed);
			return;
		case SynAction::Evict:
			evicted(freed);
			break;
		case SynAction::Admit:
			MODEL_CHECK(!freed);
			break;
		}
		MODEL_CHECK(verdict == LQ_SYN_NEW && !syn.reason);
		reservations_.push_back({syn, n});
		// Mostly it goes on at once.
		if (e.d < 200)
			end_reservation(static_cast<u8>(reservations_.size() - 1), false, e.d % 2);
	}

	void evicted(lq_request *freed)
	{
		const auto it = std::find_if(half_.begin(), half_.end(), [&](auto &each) {
			return each.second.memory == freed;
		});

		MODEL_CHECK(it != half_.end() && !it->second.promoting);
		drop(LISTENQ_DROP_REQUEST_EVICTED);
		half_.erase(it);
		release(freed);
	}

	void syn_again(std::map<unsigned, Half>::iterator found, const Syn &syn,
		       lq_syn_verdict verdict, const lq_request_copy &copy, lq_request *freed)
	{
		Half &h = found->second;
		const bool paws = old_timestamp(h, syn.saw_tstamp, syn.tsval);

		if (h.promoting) {
			MODEL_CHECK(verdict == LQ_SYN_DROP);
			MODEL_CHECK(syn.reason == LISTENQ_DROP_ACK_BUSY);
		} else if (syn.seq == h.rcv_isn && !paws) {
			event(LISTENQ_EVENT_SYN_DUPLICATE);
			replied(h, verdict == LQ_SYN_DUPLICATE);
			if (verdict == LQ_SYN_DUPLICATE) {
				MODEL_CHECK(syn.reason == LISTENQ_DROP_NONE);
				h.expires = now() + timeout(h.timeouts);
				h.retransmits = std::min(h.retransmits + 1, 255u);
				event(LISTENQ_EVENT_SYNACK_SENT);
				is_copy_of(copy, h.memory);
			} else {
				MODEL_CHECK(verdict == LQ_SYN_DROP);
				MODEL_CHECK(syn.reason == LISTENQ_DROP_SYN_RATE_LIMITED);
			}
		} else if (paws || !in_window(syn.seq, syn.seq + 1, h.rcv_isn + 1, h.rcv_wnd)) {
			MODEL_CHECK(syn.reason ==
				    (paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ));
			replied(h, verdict == LQ_SYN_CHALLENGE);
			if (verdict == LQ_SYN_CHALLENGE)
				is_copy_of(copy, h.memory);
			else
				MODEL_CHECK(verdict == LQ_SYN_DROP);
		} else {
			MODEL_CHECK(verdict == LQ_SYN_RESET);
			MODEL_CHECK(syn.reason == LISTENQ_DROP_REQUEST_SYN_IN_WINDOW);
			MODEL_CHECK(freed == h.memory);
			release(freed);
			half_.erase(found);
		}
	}

	void end_reservation(u8 which, bool abort, bool proven)
	{
		const size_t index = which % reservations_.size();
		const Reservation res = reservations_[index];
		const bool last_quarter = !res.syn.from_time_wait &&
					  listenq::policy::syn_commit(config_, snapshot(), proven);

		if (abort) {
			lq_core_syn_abort(core_, LISTENQ_DROP_NO_ROUTE);
			drop(LISTENQ_DROP_NO_ROUTE);
			reservations_.erase(reservations_.begin() + static_cast<long>(index));
			return;
		}
		lq_request *r = allocate(res.syn.key);
		r->rcv_isn = res.syn.seq;
		r->snt_isn = 70000 + res.peer;
		r->ts_recent = res.syn.tsval;
		r->rcv_wnd = static_cast<u16>(res.peer % 3 * 500);
		r->num_timeout = r->num_retrans = r->oow_stamp = 9; // not the shim's to set
		if (res.syn.saw_tstamp)
			r->flags |= LQ_REQ_TSTAMP;
		const lq_commit commit = lq_core_syn_commit(core_, &res.syn, r, proven);

		reservations_.erase(reservations_.begin() + static_cast<long>(index));
		if (!open_) {
			MODEL_CHECK(commit == LQ_COMMIT_CLOSED);
			drop(LISTENQ_DROP_LISTENER_CLOSED);
			release(r);
		} else if (last_quarter) {
			MODEL_CHECK(commit == LQ_COMMIT_REFUSED);
			drop(LISTENQ_DROP_SYN_LAST_QUARTER);
			release(r);
		} else if (half_.contains(res.peer)) {
			MODEL_CHECK(commit == LQ_COMMIT_DUPLICATE);
			event(LISTENQ_EVENT_SYN_DUPLICATE);
			release(r);
		} else {
			MODEL_CHECK(commit == LQ_COMMIT_OK);
			event(LISTENQ_EVENT_REQUEST_CREATED);
			event(LISTENQ_EVENT_SYNACK_SENT);
			half_[res.peer] = {.memory = r,
					   .rcv_isn = r->rcv_isn,
					   .snt_isn = r->snt_isn,
					   .ts_recent = r->ts_recent,
					   // The timer counts from the SYN.
					   .expires = res.syn.now + timeout(0),
					   .rcv_wnd = r->rcv_wnd,
					   .tstamp = res.syn.saw_tstamp,
					   .acked = false,
					   .promoting = false,
					   .timeouts = 0,
					   .retransmits = 0,
					   .replied = false,
					   .replied_at = 0,
					   .rate_changed = false,
					   .placed_at = elapsed_};
			syn_peak_ = std::max<size_t>(syn_peak_, half_.size());
		}
	}

	void ack(const Event &e)
	{
		const unsigned n = e.a % kPeers;
		const auto found = half_.find(n);
		lq_request_copy copy;
		lq_request *freed = &poison_;
		lq_promotion promotion{&poison_, 0, false};
		lq_ack ack{};

		ack.key = peer(n);
		ack.now = now();
		ack.ack = true;
		if (found != half_.end()) {
			const Half &h = found->second;

			ack.seq = h.rcv_isn + 1;
			ack.ack_seq = h.snt_isn + 1;
			ack.tsval = h.ts_recent;
		}
		ack.saw_tstamp = e.c & 1;
		switch (e.b % 16) { // mostly it is right
		case 0:
			ack.ack_seq++;
			break;
		case 1:
			ack.rst = true;
			break;
		case 2:
			ack.rst = true;
			ack.seq += e.d;
			break;
		case 3:
			ack.rst = true;
			ack.ack = e.d & 1;
			ack.ack_seq += e.d;
			break;
		case 4:
			ack.seq += static_cast<u32>(e.d) * 8 - 300;
			break;
		case 5:
			ack.tsval -= 1 + e.d;
			break;
		case 6:
			ack.ack = false;
			break;
		default:
			break;
		}
		ack.end_seq = ack.seq + (e.c & 2 ? e.d : 0);
		const lq_ack_verdict verdict = lq_core_ack(core_, &ack, &copy, &promotion, &freed);

		drop(ack.reason);
		MODEL_CHECK((promotion.request != &poison_) == (verdict == LQ_ACK_PROMOTE));
		if (found == half_.end()) {
			MODEL_CHECK(verdict == LQ_ACK_UNKNOWN);
			MODEL_CHECK(ack.reason == LISTENQ_DROP_NONE && !freed);
			return;
		}
		if (ack_for_half(found, ack, verdict, copy, promotion, freed)) {
			promotions_.push_back({promotion, n, false, found->second.memory});
			// Mostly the child is made at once.
			if (e.c < 180)
				end_promotion(static_cast<u8>(promotions_.size() - 1), e.c < 20);
		}
	}

	// Whether a promotion begins.
	bool ack_for_half(std::map<unsigned, Half>::iterator found, const lq_ack &ack,
			  lq_ack_verdict verdict, const lq_request_copy &copy,
			  const lq_promotion &promotion, lq_request *freed)
	{
		Half &h = found->second;
		const u32 rcv_nxt = h.rcv_isn + 1;
		const bool paws = old_timestamp(h, ack.saw_tstamp, ack.tsval);
		const bool inside = in_window(ack.seq, ack.end_seq, rcv_nxt, h.rcv_wnd);
		const auto is = [&](lq_ack_verdict v, unsigned reason) {
			MODEL_CHECK(verdict == v);
			MODEL_CHECK(ack.reason == reason);
		};
		const auto challenge = [&](unsigned reason) {
			replied(h, verdict == LQ_ACK_CHALLENGE);
			if (verdict == LQ_ACK_CHALLENGE)
				is_copy_of(copy, h.memory);
			is(verdict == LQ_ACK_CHALLENGE ? LQ_ACK_CHALLENGE : LQ_ACK_DROP, reason);
		};

		if (h.promoting) {
			is(LQ_ACK_DROP, LISTENQ_DROP_ACK_BUSY);
		} else if (ack.ack && !ack.rst && ack.ack_seq != h.snt_isn + 1) {
			is(LQ_ACK_PASS, LISTENQ_DROP_NONE);
		} else if (paws || !inside) {
			const unsigned reason =
				paws ? LISTENQ_DROP_ACK_PAWS : LISTENQ_DROP_ACK_BAD_SEQ;

			if (ack.rst) {
				is(LQ_ACK_DROP, reason);
			} else if (ack.seq != ack.end_seq) {
				is(LQ_ACK_CHALLENGE, reason);
				is_copy_of(copy, h.memory);
			} else {
				challenge(reason);
			}
		} else if (ack.rst && ack.seq != rcv_nxt) {
			challenge(LISTENQ_DROP_ACK_BAD_SEQ);
		} else if (ack.rst) {
			is(LQ_ACK_DROP, LISTENQ_DROP_REQUEST_RESET);
			MODEL_CHECK(freed == h.memory);
			release(freed);
			half_.erase(found);
			return false;
		} else if (!ack.ack) {
			is(LQ_ACK_DROP, LISTENQ_DROP_ACK_BAD_SEQ);
		} else if (h.timeouts < config_.defer_accept && ack.end_seq == rcv_nxt) {
			is(LQ_ACK_DROP, LISTENQ_DROP_ACK_DEFERRED);
			h.acked = true;
		} else if (const auto action = listenq::policy::ack(config_, limits_, snapshot());
			   action != listenq::policy::AckAction::Admit) {
			if (action == listenq::policy::AckAction::Reset) {
				is(LQ_ACK_REFUSE, LISTENQ_DROP_ABORT_ON_OVERFLOW);
				MODEL_CHECK(freed == h.memory);
				release(freed);
				half_.erase(found);
				return false;
			}
			is(LQ_ACK_DROP, LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK);
			h.acked = true;
		} else {
			is(LQ_ACK_PROMOTE, LISTENQ_DROP_NONE);
			MODEL_CHECK(promotion.request == h.memory);
			h.promoting = true;
			MODEL_CHECK(!freed);
			return true;
		}
		MODEL_CHECK(!freed);
		return false;
	}

	void end_promotion(u8 which, bool abort)
	{
		const auto it = promotions_.begin() + which % static_cast<long>(promotions_.size());
		const Promotion p = *it;

		promotions_.erase(it);
		if (abort) {
			const bool closed = lq_core_promote_abort(core_, &p.promotion,
								  LISTENQ_DROP_CHILD_FAILED);

			MODEL_CHECK(closed == p.orphan);
			if (closed) {
				release(p.memory);
			} else {
				drop(LISTENQ_DROP_CHILD_FAILED);
				half_.at(p.peer).promoting = false;
				half_.at(p.peer).placed_at = elapsed_;
			}
			return;
		}
		int *child = new int(0);
		lq_request *evicted = &poison_;
		const lq_commit commit =
			lq_core_promote_commit(core_, &p.promotion, child, now_us(), &evicted);
		MODEL_CHECK(commit == (p.orphan	 ? LQ_COMMIT_CLOSED
				       : filter_ ? LQ_COMMIT_HELD
						 : LQ_COMMIT_OK));
		if (p.orphan) {
			MODEL_CHECK(!evicted);
			release(p.memory);
			delete child;
			return;
		}
		half_.erase(p.peer);
		if (filter_) {
			held_.push_back({p.memory, child, now_us()});
			event(LISTENQ_EVENT_FILTER_HELD);
			MODEL_CHECK(p.memory->filter.kind == filter_);
			MODEL_CHECK(p.memory->filter_seen == 0);
			overflow(evicted, p.peer % 3 == 0);
			return;
		}
		MODEL_CHECK(!evicted);
		event(LISTENQ_EVENT_ESTABLISHED);
		queue_.push_back({p.memory, child, now_us()});
		accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
	}

	// Refused ones go first, the one refused last before all others; then the oldest.
	void overflow(lq_request *evicted, bool put_back)
	{
		std::deque<Waiting> expected;

		for (int i = 0; i < 2 && held_.size() + refused_.size() > limits_.filter_limit;
		     i++) {
			std::deque<Waiting> &from = refused_.empty() ? held_ : refused_;

			if (refused_.empty())
				drop(LISTENQ_DROP_FILTER_OVERFLOW);
			expected.push_back(from.front());
			from.pop_front();
		}
		while (evicted) {
			lq_request *next = evicted->next;

			MODEL_CHECK(!expected.empty() && evicted == expected.front().memory);
			if (put_back) { // as if somebody had the child's lock
				MODEL_CHECK(lq_core_filter_put_back(core_, evicted));
				refused_.push_front(expected.front());
				expected.pop_front();
			} else {
				take(expected, evicted);
			}
			evicted = next;
		}
		MODEL_CHECK(expected.empty());
	}

	void let_go(size_t which)
	{
		const Waiting w = held_[which];

		held_.erase(held_.begin() + static_cast<long>(which));
		queue_.push_back({w.memory, w.child, now_us()});
		event(LISTENQ_EVENT_FILTER_PASSED);
		event(LISTENQ_EVENT_ESTABLISHED);
		accept_peak_ = std::max<size_t>(accept_peak_, queue_.size());
	}

	void filter(const Event &e)
	{
		const size_t which = held_.empty() ? 0 : e.b % held_.size();

		switch (e.c % 8) {
		case 0:
		case 1:
			if (held_.empty())
				break;
			MODEL_CHECK(lq_core_filter_pass(core_, held_[which].memory, now_us()));
			let_go(which);
			break;
		case 2:
			if (held_.empty())
				break;
			MODEL_CHECK(lq_core_filter_gone(core_, held_[which].memory));
			drop(LISTENQ_DROP_FILTER_GONE);
			release(held_[which].memory);
			delete held_[which].child;
			held_.erase(held_.begin() + static_cast<long>(which));
			break;
		case 3:
		case 4:
			if (held_.empty())
				break;
			MODEL_CHECK(lq_core_filter_refuse(core_, held_[which].memory));
			drop(LISTENQ_DROP_FILTER_REFUSED);
			refused_.push_front(held_[which]);
			held_.erase(held_.begin() + static_cast<long>(which));
			break;
		case 5: {
			lq_request *r = lq_core_filter_refused(core_);

			MODEL_CHECK((r != nullptr) == !refused_.empty());
			if (r)
				take(refused_, r);
			break;
		}
		case 6:
			while (lq_request *r = lq_core_filter_pop(core_)) {
				MODEL_CHECK(!held_.empty() && r == held_.front().memory);
				MODEL_CHECK(!lq_core_filter_pass(core_, r, now_us()));
				lq_core_filter_admit(core_, r, now_us());
				let_go(0);
			}
			MODEL_CHECK(held_.empty());
			break;
		case 7: // what is not held any more stays where it is
			for (const auto *waiting : {&queue_, &refused_}) {
				if (waiting->empty())
					continue;
				lq_request *r = waiting->front().memory;

				MODEL_CHECK(!lq_core_filter_pass(core_, r, now_us()));
				MODEL_CHECK(!lq_core_filter_gone(core_, r));
				MODEL_CHECK(!lq_core_filter_refuse(core_, r));
			}
			break;
		}
	}

	void take(std::deque<Waiting> &queue, lq_request *r)
	{
		const Waiting w = queue.front();

		queue.pop_front();
		MODEL_CHECK(r == w.memory);
		MODEL_CHECK(r->child == w.child);
		delete w.child;
		release(r);
	}

	void accept(const Event &e)
	{
		lq_request *r = lq_core_accept(core_, now_us());

		if (queue_.empty()) {
			MODEL_CHECK(!r);
			return;
		}
		MODEL_CHECK(r);
		event(LISTENQ_EVENT_ACCEPTED);
		const int bucket =
			static_cast<int>(std::bit_width(now_us() - queue_.front().since_us));
		waits_[std::min(bucket, LISTENQ_HIST_BUCKETS - 1)]++;
		take(queue_, r);
		leaving_++;
		if (e.a % 4)
			leave();
	}

	void leave()
	{
		lq_core_accept_done(core_, 1);
		leaving_--;
	}

	// Time goes on in the timer's own steps, as in the kernel.
	void pass_time(u8 a, u8 b)
	{
		unsigned steps = 1 + a % 8;

		if (b > 250)
			steps = 150 + a * 4u; // up to four minutes
		while (steps--) {
			elapsed_ += kHz / LQ_TICKS_PER_SECOND;
			tick();
			episodes();
		}
		elapsed_ += b % 8;
	}

	void tick()
	{
		bool again = true;

		for (unsigned calls = 0; again; calls++) {
			lq_tick t;
			unsigned expired = 0;

			MODEL_CHECK(calls < 100);
			std::memset(&t, 0xee, sizeof(t));
			t.now = now();
			const unsigned threshold = thresh();
			const std::map<unsigned, Half> before = half_;
			lq_core_tick(core_, &t);
			again = t.again;

			MODEL_CHECK(t.resend_count <= LQ_TICK_BATCH);
			for (u32 i = 0; i < t.resend_count; i++)
				resent(t.resend[i], threshold);
			while (lq_request *r = t.expired) {
				t.expired = r->next;
				expired++;
				expire(r, before, threshold);
			}
			MODEL_CHECK(expired == t.expired_count);
			MODEL_CHECK(t.idle ==
				    (half_.empty() && overflow_.quiet() && cookies_.quiet()));
			if (!again)
				quiet(threshold);
		}
	}

	unsigned thresh() const
	{
		unsigned thresh = listenq::policy::retries(config_);
		size_t limit = 2 * young();

		if (half_.size() * 2 < buckets_)
			return thresh;
		for (; thresh > 2 && half_.size() >= limit; limit *= 2)
			thresh--;
		return thresh;
	}
	bool is_given_up(const Half &h, unsigned threshold) const
	{
		if (config_.defer_accept && h.acked && h.timeouts < config_.defer_accept)
			return false;
		return h.timeouts >= threshold;
	}
	bool is_silent(const Half &h) const
	{
		return config_.defer_accept && h.acked && h.timeouts + 1 < config_.defer_accept;
	}
	void timed_out(Half &h)
	{
		h.timeouts = std::min(h.timeouts + 1, 255u);
		h.expires = now() + timeout(h.timeouts);
	}

	void resent(const lq_request_copy &copy, unsigned threshold)
	{
		const auto it = std::find_if(half_.begin(), half_.end(), [&](auto &each) {
			return each.second.snt_isn == copy.request.snt_isn;
		});

		MODEL_CHECK(it != half_.end());
		Half &h = it->second;
		MODEL_CHECK(!h.promoting && reached(h.expires));
		MODEL_CHECK(!is_given_up(h, threshold) && !is_silent(h));
		timed_out(h);
		h.retransmits = std::min(h.retransmits + 1, 255u);
		is_copy_of(copy, h.memory);
		event(LISTENQ_EVENT_SYNACK_SENT);
		event(LISTENQ_EVENT_SYNACK_RETRANS);
	}

	void expire(lq_request *r, const std::map<unsigned, Half> &before, unsigned threshold)
	{
		const auto it = std::find_if(before.begin(), before.end(),
					     [&](auto &each) { return each.second.memory == r; });

		MODEL_CHECK(it != before.end());
		MODEL_CHECK(!it->second.promoting && reached(it->second.expires));
		MODEL_CHECK(is_given_up(it->second, threshold));
		drop(LISTENQ_DROP_REQUEST_EXPIRED);
		half_.erase(it->first);
		release(r);
	}

	// The hand went round, or half round a large table: nothing that is due was forgotten.
	void quiet(unsigned threshold)
	{
		constexpr u32 kWhole = 1024, kInterval = kHz / LQ_TICKS_PER_SECOND;

		for (auto &[n, h] : half_) {
			if (h.promoting || !reached(h.expires))
				continue;
			if (buckets_ > kWhole && h.memory->expires == h.expires) {
				MODEL_CHECK(std::min<u64>(now() - h.expires,
							  elapsed_ - h.placed_at) <= 3 * kInterval);
				continue;
			}
			MODEL_CHECK(is_silent(h) && !is_given_up(h, threshold));
			timed_out(h);
		}
		for (auto &[n, h] : half_)
			MODEL_CHECK(h.memory->expires == h.expires);
	}

	void choose_config(const Event &e)
	{
		constexpr u32 kRates[] = {500, 0, 100, 3000, 15000};

		config_ = config(e.a % 12, e.b % 64 + 1);
		// Half of the time it is the default policy.
		config_.policy = e.b & 128 ? e.a % LQ_POLICY_COUNT : u8{LQ_POLICY_LINUX};
		config_.somaxconn = e.c % 3 ? 4096 : 11; // Windows: 200 or less
		config_.synack_timeout_ms = e.c % 4 ? 1000 : 10 + e.d * 40u;
		config_.oow_ratelimit_ms = kRates[e.d % 5];
		for (auto &[n, h] : half_)
			h.rate_changed = true;
		config_.abort_on_overflow = e.d % 3 == 0;
		config_.synack_retries = static_cast<u8>(e.c % 7);
		config_.defer_accept = static_cast<u8>(e.c % 5 ? 0 : e.d % 7);
		lq_core_limits(&config_, &limits_);
		MODEL_CHECK(limits_.accept_limit >= 1 && std::has_single_bit(limits_.syn_buckets));
		if (config_.policy == LQ_POLICY_LINUX) {
			const u32 backlog = e.a % 12, entries = std::min(backlog, e.b % 64u + 1);

			MODEL_CHECK(limits_.accept_limit == backlog + 1);
			MODEL_CHECK(limits_.syn_buckets ==
				    std::bit_ceil(std::max(8u, entries) + 1));
		}
	}

	void listen(const Event &e)
	{
		const u32 old_buckets = buckets_;

		choose_config(e);
		const bool resize = !open_ || limits_.syn_buckets != old_buckets || e.kind & 16;
		lq_request **buckets = resize ? new_buckets(limits_.syn_buckets) : nullptr;
		void *old = lq_core_listen(core_, &config_, &limits_, buckets);

		MODEL_CHECK((old != nullptr) == (resize && open_));
		MODEL_CHECK(!old || old == table_);
		std::free(old);
		if (resize) {
			table_ = buckets;
			buckets_ = limits_.syn_buckets;
			for (auto &[n, h] : half_)
				h.placed_at = elapsed_;
		}
		open_ = true;
		filter_ = static_cast<u8>(e.d % 3 ? LQ_FILTER_NONE : e.c % LQ_FILTER_COUNT);
		lq_core_filter_set(core_, filter_);
	}

	void count(const Event &e)
	{
		const u8 reason = e.a % __LISTENQ_DROP_MAX;

		lq_core_count_drop(core_, reason);
		drop(reason);
		counted_[reason] += reason != LISTENQ_DROP_NONE;
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
		void tell(bool ended, const lq_event &event, u64 now, bool open)
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

	// What shim/event.c would send: all that there is, after each event.
	void episodes()
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
				MODEL_CHECK(drops_[event.reason] > counted_[event.reason]);
				overflow_.tell(event.type == LISTENQ_EVENT_TYPE_OVERFLOW_ENDED,
					       event, elapsed_, open_);
				break;
			case LISTENQ_EVENT_TYPE_COOKIES_BEGAN:
			case LISTENQ_EVENT_TYPE_COOKIES_ENDED:
				MODEL_CHECK(event.reason == LISTENQ_DROP_NONE);
				cookies_.tell(event.type == LISTENQ_EVENT_TYPE_COOKIES_ENDED, event,
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

	void close()
	{
		lq_drained drained{&poison_, &poison_, &poison_};
		void *table = lq_core_close(core_, &drained);

		MODEL_CHECK(table == table_);
		std::free(table);
		table_ = nullptr;
		buckets_ = 0;
		open_ = false;
		filter_ = LQ_FILTER_NONE;
		for (size_t i = 0; i < half_.size() + queue_.size() + held_.size(); i++)
			drop(LISTENQ_DROP_LISTENER_CLOSED);
		while (lq_request *r = drained.connections) {
			drained.connections = r->next;
			take(queue_, r);
		}
		while (lq_request *r = drained.held) {
			drained.held = r->next;
			MODEL_CHECK(!(r->flags & LQ_REQ_HELD));
			MODEL_CHECK(!(r->flags & LQ_REQ_REFUSED) == refused_.empty());
			take(refused_.empty() ? held_ : refused_, r);
		}
		MODEL_CHECK(queue_.empty() && held_.empty() && refused_.empty());
		for (Promotion &p : promotions_) {
			if (!p.orphan)
				half_.erase(p.peer);
			p.orphan = true;
		}
		while (lq_request *r = drained.requests) {
			drained.requests = r->next;
			MODEL_CHECK(std::erase_if(half_, [&](auto &each) {
					    return each.second.memory == r;
				    }) == 1);
			release(r);
		}
		MODEL_CHECK(half_.empty());
	}

	// --- after each event ---

	void invariants()
	{
		listenq_info info;
		lq_counters counters;
		u64 all_drops = 0;

		if (const char *broken = lq_core_check(core_))
			throw Violation(broken);
		std::memset(&info, 0xee, sizeof(info));
		lq_core_info(core_, &info);
		MODEL_CHECK(info.syn_qlen == half_.size());
		MODEL_CHECK(info.syn_young == young());
		MODEL_CHECK(info.syn_buckets == buckets_);
		MODEL_CHECK(info.accept_qlen == queue_.size());
		MODEL_CHECK(lq_core_accept_qlen(core_) == queue_.size());
		MODEL_CHECK(lq_core_syn_qlen(core_) == half_.size());
		MODEL_CHECK(info.accept_qlen_peak == accept_peak_);
		MODEL_CHECK(info.syn_qlen_peak == syn_peak_);
		MODEL_CHECK(info.accept_limit == limits_.accept_limit);
		MODEL_CHECK(info.syn_limit == limits_.syn_limit);
		MODEL_CHECK(info.filter_qlen == held_.size() + refused_.size());
		MODEL_CHECK(info.filter_limit == (filter_ ? limits_.filter_limit : 0));
		MODEL_CHECK(std::string(info.accept_filter) == lq_core_filter_name(filter_));
		MODEL_CHECK(info.pad == 0);
		lq_core_counters(core_, &counters);
		for (unsigned i = 0; i < __LISTENQ_DROP_MAX; i++) {
			MODEL_CHECK(counters.drops[i] == drops_[i]);
			all_drops += drops_[i];
		}
		for (unsigned i = 0; i < __LISTENQ_EVENT_MAX; i++)
			MODEL_CHECK(counters.events[i] == events_[i]);
		for (unsigned i = 0; i < LISTENQ_HIST_BUCKETS; i++)
			MODEL_CHECK(counters.accept_wait[i] == waits_[i]);
		MODEL_CHECK(info.drops == all_drops);
		MODEL_CHECK(info.accepted == events_[LISTENQ_EVENT_ACCEPTED]);
		MODEL_CHECK(info.established == events_[LISTENQ_EVENT_ESTABLISHED]);
		MODEL_CHECK(info.established >= info.accepted + info.accept_qlen);
		for (const auto &[n, h] : half_) {
			const lq_request *r = h.memory;

			MODEL_CHECK(r->num_timeout == h.timeouts);
			MODEL_CHECK(r->num_retrans == h.retransmits);
			MODEL_CHECK(!(r->flags & LQ_REQ_ACKED) == !h.acked);
			MODEL_CHECK(!(r->flags & LQ_REQ_PROMOTING) == !h.promoting);
		}
		// Each request is in exactly one place.
		MODEL_CHECK(live_.size() ==
			    half_.size() + queue_.size() + held_.size() + refused_.size() +
				    static_cast<size_t>(std::count_if(
					    promotions_.begin(), promotions_.end(),
					    [](const Promotion &p) { return p.orphan; })));
	}

	u64 *memory_;
	lq_core *core_;
	void *table_ = nullptr;
	u32 buckets_ = 0;
	bool open_ = false;
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
	std::deque<Waiting> held_, refused_; // by an accept filter
	u8 filter_ = LQ_FILTER_NONE;
	std::set<lq_request *> live_;
	u32 leaving_ = 0; // accept() calls between pop and done
	size_t accept_peak_ = 0, syn_peak_ = 0;
	u64 drops_[__LISTENQ_DROP_MAX] = {};
	u64 events_[__LISTENQ_EVENT_MAX] = {};
	u64 waits_[LISTENQ_HIST_BUCKETS] = {};
	lq_request poison_{};
};

} // namespace testing_core
