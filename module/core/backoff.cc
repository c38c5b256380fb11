// SPDX-License-Identifier: GPL-2.0
// Backoff: when a SYN-ACK is sent again and when a request is given up.
#include "backoff.hh"

#include "policy.hh"

namespace listenq {

// 4.4BSD, of a connection that never measured a round trip: tcp_newtcpcb() waits 12 ticks of half a
// second, then tcp_timers() 24 ticks times tcp_backoff[1], and TCPTV_KEEP_INIT ends it after 75 s.
static constexpr u32 kBerkeleyMs[] = {6000, 24000, 45000};
static_assert(std::size(kBerkeleyMs) == policy::kBerkeleyRetries + 1);

static u32 to_ticks(u32 ms, u32 hz)
{
	const u64 ticks = (static_cast<u64>(ms) * hz + 999) / 1000;

	return max<u32>(static_cast<u32>(ticks), 1);
}

Backoff::Backoff(const lq_config &config)
    : initial_(to_ticks(min(config.synack_timeout_ms, kMaxMs), config.hz)),
      max_(to_ticks(kMaxMs, config.hz)), retries_(policy::retries(config)),
      defer_(config.defer_accept)
{
	if (policy::is_berkeley(config)) {
		initial_ = to_ticks(kBerkeleyMs[0], config.hz);
		berkeley_hz_ = config.hz;
	}
}

u32 Backoff::timeout(u8 num_timeout) const
{
	u32 ticks = initial_;

	if (berkeley_hz_)
		return to_ticks(kBerkeleyMs[min<size_t>(num_timeout, std::size(kBerkeleyMs) - 1)],
				berkeley_hz_);
	while (num_timeout > 0 && ticks < max_) {
		ticks *= 2;
		num_timeout--;
	}
	return min(ticks, max_);
}

u8 Backoff::threshold(u32 qlen, u32 young, u8 max_qlen_log) const
{
	u8 thresh = retries_;
	u64 limit = static_cast<u64>(young) << 1;

	if (max_qlen_log == 0 || (qlen >> (max_qlen_log - 1)) == 0)
		return thresh;
	while (thresh > kMinRetries) {
		if (qlen < limit)
			break;
		thresh--;
		limit <<= 1;
	}
	return thresh;
}

Backoff::Verdict Backoff::due(const Request &r, u8 threshold) const
{
	const bool acked = request::has(r, LQ_REQ_ACKED);

	if (defer_ == 0)
		return {.expire = r.num_timeout >= threshold, .resend = true};
	// While it waits for data after the ACK nothing is sent; at the end of the
	// deferral one more SYN-ACK gives a last chance for data or an ACK.
	return {.expire = r.num_timeout >= threshold && (!acked || r.num_timeout >= defer_),
		.resend = !acked || r.num_timeout >= defer_ - 1};
}

} // namespace listenq
