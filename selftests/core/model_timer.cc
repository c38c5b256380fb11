// SPDX-License-Identifier: GPL-2.0
// The model of a listener: time, and what the timer must send again or give up.
#include "model.hh"

namespace testing_core {

// Time goes on in the timer's own steps, as in the kernel; it runs when it is armed.
void Session::pass_time(u8 a, u8 b)
{
	unsigned steps = 1 + a % 8;

	if (b > 250)
		steps = 150 + a * 4u; // up to four minutes
	while (steps--) {
		elapsed_ += kHz / LQ_TICKS_PER_SECOND;
		if (armed_at_ <= elapsed_)
			tick();
		else
			MODEL_CHECK(std::none_of(half_.begin(), half_.end(), [&](auto &each) {
				return !each.second.promoting && reached(each.second.expires);
			}));
		episodes();
	}
	elapsed_ += b % 8;
}

void Session::tick()
{
	bool again = true;
	u32 silent = 0;

	armed_at_ = ~u64{0};
	for (unsigned calls = 0; again; calls++) {
		lq_tick t;
		unsigned expired = 0;

		MODEL_CHECK(calls < 100);
		std::memset(&t, 0xee, sizeof(t));
		t.now = now();
		t.now_s = now() / kHz;
		const unsigned threshold = thresh();
		const std::map<unsigned, Half> before = half_;
		lq_core_tick(core_, &t);
		again = t.again;
		MODEL_CHECK(t.sweep == (overflow_.began && !queue_.empty() &&
					config_.overload.accept_dead != LISTENQ_DEAD_KEEP));

		MODEL_CHECK(t.resend_count <= LQ_TICK_BATCH);
		silent += t.silent_count;
		for (u32 i = 0; i < t.resend_count; i++)
			resent(t.resend[i], threshold);
		for (lq_request *list : {t.expired, t.unserved}) {
			const bool unserved = list && list == t.unserved;

			while (lq_request *r = list) {
				list = r->next;
				expired++;
				expire(r, before, threshold, unserved);
			}
		}
		MODEL_CHECK(expired == t.expired_count);
		MODEL_CHECK(t.idle == (half_.empty() && overflow_.quiet() && cookies_.quiet()));
		if (again)
			continue;
		quiet(threshold, silent);
		if (t.idle)
			continue;
		MODEL_CHECK(t.wait >= 1);
		arm(t.wait);
	}
}

unsigned Session::thresh() const
{
	unsigned thresh = listenq::policy::retries(config_);
	size_t limit = 2 * young();

	if (half_.size() * 2 < std::bit_ceil(std::max(limits_.syn_limit, 16u)))
		return thresh;
	for (; thresh > 2 && half_.size() >= limit; limit *= 2)
		thresh--;
	return thresh;
}

bool Session::is_given_up(const Half &h, unsigned threshold) const
{
	if (config_.defer_accept && h.acked && h.timeouts < config_.defer_accept)
		return false;
	return h.timeouts >= threshold;
}

bool Session::is_silent(const Half &h) const
{
	return config_.defer_accept && h.acked && h.timeouts + 1 < config_.defer_accept;
}

void Session::timed_out(Half &h)
{
	h.timeouts = std::min(h.timeouts + 1, 255u);
	h.expires = now() + timeout(h.timeouts);
}

void Session::resent(const lq_request_copy &copy, unsigned threshold)
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

void Session::expire(lq_request *r, const std::map<unsigned, Half> &before, unsigned threshold,
		     bool unserved)
{
	const auto it = std::find_if(before.begin(), before.end(),
				     [&](auto &each) { return each.second.memory == r; });

	MODEL_CHECK(it != before.end());
	MODEL_CHECK(!it->second.promoting && reached(it->second.expires));
	MODEL_CHECK(is_given_up(it->second, threshold));
	const bool full = listenq::policy::ack(config_, limits_, snapshot()) !=
			  listenq::policy::AckAction::Admit;
	MODEL_CHECK(unserved == (it->second.acked && (!config_.defer_accept || full)));
	drop(unserved ? LISTENQ_DROP_REQUEST_UNSERVED : LISTENQ_DROP_REQUEST_EXPIRED);
	half_.erase(it->first);
	release(r);
}

// The hand went round: nothing that is due was forgotten.
void Session::quiet(unsigned threshold, u32 silent)
{
	for (auto &[n, h] : half_) {
		if (h.promoting || !reached(h.expires))
			continue;
		MODEL_CHECK(is_silent(h) && !is_given_up(h, threshold));
		timed_out(h);
		MODEL_CHECK(silent-- > 0);
	}
	MODEL_CHECK(silent == 0);
	for (auto &[n, h] : half_)
		MODEL_CHECK(h.memory->expires == h.expires);
}

} // namespace testing_core
