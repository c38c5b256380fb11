// SPDX-License-Identifier: GPL-2.0
// Overload: who is next on an accept queue that is served too slowly, who is given up, and how many
// more are let in.
#include "overload.hh"

#include <bit>

namespace listenq {

// --- CoDel ---

// The largest number whose square is no more than @n.
static u32 square_root(u64 n)
{
	u64 root = 0;

	for (u64 bit = n ? u64{1} << (std::bit_width(n) - 1) / 2 : 0; bit; bit >>= 1) {
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	}
	return static_cast<u32>(root);
}

// RFC 8289 3.3: INTERVAL / sqrt(count).
static u32 control_law(u32 interval_us, u32 count)
{
	return square_root(static_cast<u64>(interval_us) * interval_us / count);
}

// dodequeue() of RFC 8289 5.5; what it measures in packets is a connection here.
bool Codel::may_drop(const OverloadConfig &config, Micros now, u32 waited_us, u32 qlen)
{
	if (waited_us < config.codel_target_ms * 1000 || qlen <= 1) {
		above_ = false;
		return false;
	}
	if (!above_) {
		above_ = true;
		above_since_ = now;
		return false;
	}
	return now.since(above_since_) >= config.codel_interval_ms * 1000;
}

// deque() of RFC 8289 5.4, a turn of its loop at a time.
bool Codel::drops(const OverloadConfig &config, Micros now, u32 waited_us, u32 qlen)
{
	const u32 interval_us = config.codel_interval_ms * 1000;
	const bool may = may_drop(config, now, waited_us, qlen);

	if (!may) {
		dropping_ = dropped_ = false;
		return false;
	}
	if (!dropping_) {
		// It begins where it was, if that is not long ago.
		const u32 delta = count_ - last_count_;
		const bool again = delta > 1 && static_cast<s32>(now.since(drop_next_)) <
							static_cast<s32>(16 * interval_us);

		dropping_ = true;
		dropped_ = false;
		count_ = last_count_ = again ? delta : 1;
		drop_next_ = Micros{now.value + control_law(interval_us, count_)};
		return true;
	}
	if (dropped_)
		drop_next_ = Micros{drop_next_.value + control_law(interval_us, count_)};
	dropped_ = static_cast<s32>(now.since(drop_next_)) >= 0;
	if (dropped_ && count_ < ~0u)
		count_++;
	return dropped_;
}

const char *Codel::check() const
{
	if (dropping_ && (count_ == 0 || !above_))
		return "overload: CoDel drops, and the queue was not long";
	return nullptr;
}

// --- how fast accept() is ---

void AcceptRate::accepted(Micros now, u32 waited_us, bool more)
{
	const u32 sample = min(busy_ ? now.since(last_) : waited_us, kLongest);

	// Where nobody was left waiting, accept() may not have been called: how long that one
	// waited is no less than what it takes, and says something only if it is shorter.
	if (busy_ && interval8_ == 0)
		interval8_ = max<u32>(sample, 1) * 8;
	else if (busy_ || sample < interval_us())
		interval8_ = max<u32>(interval8_ - interval8_ / 8 + sample, 8);
	busy_ = more;
	last_ = now;
}

u32 AcceptRate::places(u32 wait_ms, u32 limit) const
{
	const u32 interval = interval_us();

	if (wait_ms == 0 || interval == 0)
		return limit;
	return min(max<u32>(wait_ms * 1000 / interval, 1), limit);
}

// --- the verdicts ---

listenq_drop Overload::drops(const OverloadConfig &config, lq_peer peer)
{
	if (config.accept_dead == LISTENQ_DEAD_KEEP)
		return LISTENQ_DROP_NONE;
	switch (peer) {
	case LQ_PEER_THERE:
		break;
	case LQ_PEER_FINISHED:
		return config.accept_dead == LISTENQ_DEAD_SKIP_FIN ? LISTENQ_DROP_ACCEPT_FINISHED
								   : LISTENQ_DROP_NONE;
	case LQ_PEER_GONE:
		return LISTENQ_DROP_ACCEPT_GONE;
	}
	return LISTENQ_DROP_NONE;
}

bool Overload::newest_first(const OverloadConfig &config, u32 oldest_us)
{
	// Far above what a queue that is served has, and below what people notice.
	constexpr u32 kTargetMs = 100;
	const u32 target_ms = config.codel_target_ms ? config.codel_target_ms : kTargetMs;

	switch (config.accept_order) {
	case LISTENQ_ORDER_LIFO:
		return true;
	case LISTENQ_ORDER_ADAPTIVE:
		return oldest_us >= target_ms * 1000;
	default:
		return false;
	}
}

// --- names ---

namespace overload {

static constexpr std::string_view kDead[] = {"skip", "keep", "skip-fin"};
static constexpr std::string_view kOrder[] = {"fifo", "lifo", "adaptive"};
static_assert(std::size(kDead) == __LISTENQ_DEAD_MAX);
static_assert(std::size(kOrder) == __LISTENQ_ORDER_MAX);

template <typename T, size_t N>
static std::optional<T> find(const std::string_view (&names)[N], std::string_view wanted)
{
	for (unsigned i = 0; i < N; i++) {
		if (names[i] == wanted)
			return static_cast<T>(i);
	}
	return std::nullopt;
}

template <size_t N>
static const char *name(const std::string_view (&names)[N], u32 number)
{
	return number < N ? names[number].data() : "?";
}

std::optional<listenq_dead> find_dead(std::string_view name)
{
	return find<listenq_dead>(kDead, name);
}

const char *dead_name(u32 dead)
{
	return name(kDead, dead);
}

std::optional<listenq_order> find_order(std::string_view name)
{
	return find<listenq_order>(kOrder, name);
}

const char *order_name(u32 order)
{
	return name(kOrder, order);
}

} // namespace overload
} // namespace listenq
