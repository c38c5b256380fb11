// SPDX-License-Identifier: GPL-2.0
// Listener: what the timer sends again, and what it gives up; the end of an overflow.
#include "listener.hh"

namespace listenq {

using request::has;

// Every bucket twice per first timeout, as inet_csk_reqsk_queue_prune() did; a small table
// as a whole, so that its timeouts are exact to one tick of the hand.
u32 Listener::sweep_length() const
{
	constexpr u32 kSmall = 1024;
	const u32 buckets = syn_queue_.hand_round();
	const u32 runs = max<u32>(backoff_.initial() / interval(), 1);

	return min(buckets, max(2 * (buckets / runs), kSmall));
}

// How many timeouts a request may have now.
u8 Listener::threshold(Ticks now)
{
	const u32 qlen = syn_queue_.qlen(), old = qlen - syn_queue_.young();
	const bool defends =
		policy::defends(config_, defending_, old, qlen, now.value - defending_since_.value);

	if (defends && !defending_)
		defending_since_ = now;
	if (defends != defending_)
		defending_ = defends;
	if (defends)
		return min(backoff_.retries(), Backoff::kMinRetries);
	return backoff_.threshold(qlen, syn_queue_.young(), syn_limit_log_);
}

// Until something is due; an interval, if that is now or the hand has not come round.
u32 Listener::wait(Ticks now) const
{
	if (round_left_ > 0 || now.reached(due_))
		return interval();
	return due_.value - now.value;
}

// The hand has come to the end of a run: whether another begins.
bool Listener::begins_run(Ticks now)
{
	if (round_left_ == 0) {
		if (!now.reached(due_))
			return false;
		round_left_ = syn_queue_.hand_round();
		// What the round meets, and what comes meanwhile, makes it earlier.
		due_ = now + backoff_.longest();
	}
	sweep_left_ = min(sweep_length(), round_left_);
	return true;
}

// A full queue where nobody knocks is looked at less often, the longer that is so: whoever leaves
// such listeners about costs the machine no timers.
u32 Listener::patience(Ticks now) const
{
	return clamp<u32>(overflow_.quiet(now) / 8, interval(), 10 * config_.hz);
}

void Listener::tick(lq_tick &tick)
{
	const Ticks now{tick.now};

	tick.resend_count = 0;
	tick.silent_count = 0;
	tick.expired = tick.unserved = nullptr;
	tick.expired_count = 0;
	dropped_.age(now, config_.hz);
	const bool full = overflow_.running() && overflows();
	if (full)
		overflow_.lasts(now);
	overflow_.tick(now, config_.hz, tick.now_s);
	cookies_.tick(now, config_.hz, tick.now_s);
	const bool episode = overflow_.active() || cookies_.active();
	if (syn_queue_.qlen() == 0 || !open_)
		round_left_ = sweep_left_ = 0;
	else if (sweep_left_ > 0 || begins_run(now))
		sweep(tick);
	tick.again = sweep_left_ > 0;
	tick.sweep = wants_sweep();
	const bool empty = syn_queue_.qlen() == 0 || !open_;
	tick.idle = empty && !episode;
	const u32 look = full && !cookies_.active() ? patience(now) : interval();
	tick.wait = empty ? look : wait(now);
	if (episode)
		tick.wait = min(tick.wait, look);
}

// A part of a run.
void Listener::sweep(lq_tick &tick)
{
	constexpr u32 kExpiredBatch = 64;
	constexpr u32 kSteps = 4096;
	const Ticks now{tick.now};
	const u8 threshold = this->threshold(now);
	RequestList expired, unserved;

	// Apart from the loop, which most requests only pass through: it keeps its registers.
	const auto timed_out = [&](Request & r) __attribute__((noinline))
	{
		const Backoff::Verdict due = backoff_.due(r, threshold);

		if (due.expire)
			return tick.expired_count == kExpiredBatch ? SynQueue::Sweep::Stop
								   : SynQueue::Sweep::Leave;
		if (due.resend && tick.resend_count == LQ_TICK_BATCH)
			return SynQueue::Sweep::Stop;
		syn_queue_.mark_timed_out(r);
		r.expires = (now + backoff_.timeout(r.num_timeout)).value;
		if (due.resend) {
			if (r.num_retrans < 0xff)
				r.num_retrans++;
			counters_.event(LISTENQ_EVENT_SYNACK_SENT);
			counters_.event(LISTENQ_EVENT_SYNACK_RETRANS);
			request::copy_to(tick.resend[tick.resend_count++], r);
		} else {
			tick.silent_count++;
		}
		return SynQueue::Sweep::Stay;
	};
	// Before its clock wraps.
	const auto forget_oow = [&](Request & r) __attribute__((noinline))
	{
		const u32 elapsed = (oow_stamp(now) + 255u - r.oow_stamp) % 255;

		if (elapsed >= oow_limit())
			r.oow_stamp = 0;
		else
			look_at(now + (kOowForget - elapsed) * oow_unit());
	};
	const auto visit = [&](Request &r) {
		// Its ACK reads it without our lock, and may yet hand it back.
		if (has(r, LQ_REQ_PROMOTING)) {
			look_at(Ticks{r.expires});
			return SynQueue::Sweep::Stay;
		}
		if (r.oow_stamp != 0)
			forget_oow(r);
		if (now.reached(Ticks{r.expires})) {
			const SynQueue::Sweep what = timed_out(r);

			if (what != SynQueue::Sweep::Stay)
				return what;
		}
		look_at(Ticks{r.expires});
		return SynQueue::Sweep::Stay;
	};
	const auto leave = [&](Request &r) {
		const bool acked = is_unserved(r);

		drop(acked ? LISTENQ_DROP_REQUEST_UNSERVED : LISTENQ_DROP_REQUEST_EXPIRED, r);
		(acked ? unserved : expired).push_back(r);
		tick.expired_count++;
	};

	const u32 buckets = syn_queue_.sweep(sweep_left_, kSteps, visit, leave);
	sweep_left_ -= buckets;
	round_left_ -= buckets;
	tick.expired = expired.take_all();
	tick.unserved = unserved.take_all();
}

// Its ACK came, and found no place. After TCP_DEFER_ACCEPT the ACK was held back for another
// reason, and nobody knows of it whether a later one came: only while there is no place is that
// why.
bool Listener::is_unserved(const Request &r) const
{
	if (!has(r, LQ_REQ_ACKED))
		return false;
	return config_.defer_accept == 0 ||
	       policy::ack(config_, limits_, snapshot()) != policy::AckAction::Admit;
}

} // namespace listenq
