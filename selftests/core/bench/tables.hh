// SPDX-License-Identifier: GPL-2.0
// Two tables that do the same: the core, asked as the shims ask it, and a yardstick made of
// std::unordered_map and std::deque, which keeps the same facts, hashes with the same SipHash and
// decides nothing: no policy, no window, no counters.
//
// Peers go by a number; each has an address of its own.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <unordered_map>
#include <vector>

#include "support.hh"
#include "table_hash.hh"

namespace bench {

using testing_core::kKeys;

inline constexpr u32 kHz = 100;
inline constexpr u32 kTickInterval = kHz / LQ_TICKS_PER_SECOND;
inline constexpr u32 kRcvIsn = 1000, kSndIsn = 5000;

inline void must(bool fine, const char *what)
{
	if (fine)
		return;
	std::fprintf(stderr, "core_bench: %s\n", what);
	std::exit(1);
}

// Multiplication by an odd number visits every address once, in no order.
inline lq_key peer(u32 n)
{
	lq_key key{};

	key.addr[0] = n * 0x9e3779b1u;
	key.addr[1] = 0xc6120001;
	key.peer_port = static_cast<u16>(n);
	key.ifindex = 1;
	return key;
}

// The core of a listener, with as many requests as @room, in memory that is always at hand, as a
// slab's.
class CoreTable final {
public:
	explicit CoreTable(u32 room) : CoreTable(room, room) {}
	CoreTable(u32 room, u32 backlog)
	    : pool_(static_cast<lq_request *>(
		      std::aligned_alloc(sizeof(lq_request), room * sizeof(lq_request)))),
	      memory_((lq_core_size() + 7) / 8), core_(lq_core_init(memory_.data(), &kKeys))
	{
		lq_limits limits{};

		config_.hz = kHz;
		config_.max_syn_backlog = 1 << 20;
		config_.backlog = config_.backlog_asked = static_cast<s32>(backlog);
		config_.somaxconn = backlog;
		config_.policy = LQ_POLICY_LINUX;
		config_.syncookies = 1; // the last quarter is not kept for proven peers
		config_.synack_retries = 255;
		config_.oow_ratelimit_ms = 500;
		lq_core_limits(&config_, &limits);
		buckets_.resize(limits.syn_buckets);
		patient(false);
		lq_core_open(core_, buckets_.data(), limits.syn_buckets); // grown already
		must(pool_ != nullptr, "no memory");
		for (u32 i = room; i-- > 0;)
			release(&pool_[i]);
	}

	~CoreTable() { std::free(pool_); }
	CoreTable(const CoreTable &) = delete;
	CoreTable &operator=(const CoreTable &) = delete;

	// Requests come due later than anybody waits, or in time for the next run, which
	// sweeps the table.
	void patient(bool is)
	{
		lq_limits limits{};

		config_.synack_timeout_ms = is ? 120000 : 1000 / LQ_TICKS_PER_SECOND;
		lq_core_limits(&config_, &limits);
		lq_core_configure(core_, &config_, &limits);
	}
	void insert(u32 n)
	{
		lq_syn syn{};
		lq_request_copy copy;
		lq_request *freed;

		syn.key = peer(n);
		syn.seq = kRcvIsn;
		syn.now = now_;
		must(lq_core_syn(core_, &syn, &copy, &freed) == LQ_SYN_NEW, "a SYN was refused");
		lq_request *r = free_;
		free_ = r->next;
		r->rcv_isn = kRcvIsn;
		r->snt_isn = kSndIsn;
		r->rcv_wnd = 64240;
		r->ifindex = 0;
		r->peer_port = syn.key.peer_port;
		r->flags = 0;
		r->addr[0] = syn.key.addr[0];
		r->addr[1] = syn.key.addr[1];
		must(lq_core_syn_commit(core_, &syn, r, false) == LQ_COMMIT_OK, "no commit");
	}
	// The same SYN again; one that finds no room.
	void duplicate(u32 n) { must(syn(n) == LQ_SYN_DUPLICATE, "no duplicate SYN"); }
	void refused(u32 n) { must(syn(n) == LQ_SYN_DROP, "a SYN was not dropped"); }
	// An ACK of another number: found, and nothing happens.
	void find(u32 n)
	{
		must(ask(n, kSndIsn + 2, false) == LQ_ACK_PASS, "a request was not found");
	}
	void promote(u32 n)
	{
		lq_request *evicted;

		must(ask(n, kSndIsn + 1, false) == LQ_ACK_PROMOTE, "no promotion");
		must(lq_core_promote_commit(core_, &promotion_, this, now_, &evicted) ==
			     LQ_COMMIT_OK,
		     "no child");
	}
	void accept()
	{
		lq_request *entry = lq_core_accept(core_, now_);

		must(entry, "nothing to accept");
		release(entry);
		lq_core_accept_done(core_, 1);
	}
	// An RST.
	void remove(u32 n)
	{
		must(ask(n, 0, true) == LQ_ACK_DROP && freed_, "no request to reset");
		release(freed_);
	}
	// One run of the timer; how many SYN-ACKs it asked for.
	u32 tick()
	{
		u32 sent = 0;

		do {
			tick_.now = now_;
			lq_core_tick(core_, &tick_);
			sent += tick_.resend_count;
			must(!tick_.expired, "a request expired");
		} while (tick_.again);
		return sent;
	}
	void later() { now_ += kTickInterval; }
	void earlier() { now_ -= kTickInterval; }
	[[nodiscard]] const char *check() const { return lq_core_check(core_, ~0u); }
	[[nodiscard]] const void *memory() const { return memory_.data(); }

private:
	lq_syn_verdict syn(u32 n)
	{
		lq_syn syn{};
		lq_request_copy copy;
		lq_request *freed;

		syn.key = peer(n);
		syn.seq = kRcvIsn;
		syn.now = now_;
		return lq_core_syn(core_, &syn, &copy, &freed);
	}
	lq_ack_verdict ask(u32 n, u32 ack_seq, bool rst)
	{
		lq_ack ack{};
		lq_request_copy copy;

		ack.key = peer(n);
		ack.seq = ack.end_seq = kRcvIsn + 1;
		ack.ack_seq = ack_seq;
		ack.ack = !rst;
		ack.rst = rst;
		ack.vetted = true;
		ack.now = now_;
		return lq_core_ack(core_, &ack, &copy, &promotion_, &freed_);
	}
	void release(lq_request *r)
	{
		r->next = free_;
		free_ = r;
	}

	lq_request *const pool_; // each on a cache line of its own, as in a slab
	lq_config config_{};
	std::vector<lq_request *> buckets_;
	std::vector<u64> memory_;
	lq_core *core_;
	lq_request *free_ = nullptr, *freed_ = nullptr;
	lq_promotion promotion_{};
	lq_tick tick_{};
	u32 now_ = 1000;
};

class MapTable final {
public:
	explicit MapTable(u32 room) : room_(room) {}

	void patient(bool is) { wait_ = is ? 120 * kHz : kTickInterval; }
	void insert(u32 n)
	{
		must(half_open_.size() < room_, "full");
		const auto [at, fresh] = half_open_.try_emplace(key_of(n));

		must(fresh, "there already");
		at->second.rcv_isn = kRcvIsn;
		at->second.snt_isn = kSndIsn;
		at->second.expires = now_ + wait_;
	}
	void find(u32 n)
	{
		const auto at = half_open_.find(key_of(n));

		must(at != half_open_.end() && at->second.snt_isn + 1 != kSndIsn + 2, "not found");
	}
	void promote(u32 n)
	{
		const auto at = half_open_.find(key_of(n));

		must(at != half_open_.end() && at->second.snt_isn + 1 == kSndIsn + 1 &&
			     queue_.size() < room_,
		     "no promotion");
		queue_.push_back({this, now_});
		half_open_.erase(at);
	}
	void accept()
	{
		must(!queue_.empty() && queue_.front().child, "nothing to accept");
		queue_.pop_front();
	}
	void remove(u32 n) { must(half_open_.erase(key_of(n)) == 1, "nothing to remove"); }
	u32 tick()
	{
		u32 sent = 0;

		for (auto &[key, entry] : half_open_) {
			if (static_cast<s32>(now_ - entry.expires) < 0)
				continue;
			entry.num_timeout++;
			entry.expires = now_ + (kTickInterval << entry.num_timeout);
			resend_[sent++ % LQ_TICK_BATCH] = {key, entry};
		}
		return sent;
	}
	void later() { now_ += kTickInterval; }
	void earlier() { now_ -= kTickInterval; }
	[[nodiscard]] static const char *check() { return nullptr; }

private:
	struct Key {
		u32 peer, local;
		u16 port;
		bool operator==(const Key &) const = default;
	};
	struct Hash {
		size_t operator()(const Key &key) const
		{
			lq_key of{};

			of.addr[0] = key.peer;
			of.addr[1] = key.local;
			of.peer_port = key.port;
			return listenq::TableHash(kKeys)(of);
		}
	};
	struct Entry {
		u32 rcv_isn, snt_isn, expires;
		u32 ts_recent, ts_off, rcv_wnd, stamp_us, ifindex, mark;
		u16 window_clamp, mss;
		u8 num_timeout, wscale, syn_tos, num_retrans;
	};
	struct Child {
		void *child;
		u32 stamp_us;
	};

	static Key key_of(u32 n)
	{
		const lq_key key = peer(n);

		return {key.addr[0], key.addr[1], key.peer_port};
	}

	std::unordered_map<Key, Entry, Hash> half_open_;
	std::deque<Child> queue_;
	std::pair<Key, Entry> resend_[LQ_TICK_BATCH];
	size_t room_;
	u32 now_ = 1000, wait_ = kTickInterval;
};

} // namespace bench
