// SPDX-License-Identifier: GPL-2.0
// RequestInfo: what a reader may know of a half-open request.
#include "request_info.hh"

namespace listenq::request_info {

using request::has;

static listenq_request_state state_of(const Request &r)
{
	if (has(r, LQ_REQ_PROMOTING))
		return LISTENQ_REQUEST_STATE_PROMOTING;
	return has(r, LQ_REQ_ACKED) ? LISTENQ_REQUEST_STATE_ACKED : LISTENQ_REQUEST_STATE_SYN_RECV;
}

lq_request_info of(const Request &r, Ticks now, Micros now_us, u32 hz)
{
	const Ticks expires{r.expires};
	const u32 due = now.reached(expires) ? 0 : expires.value - now.value;
	const bool wscale = has(r, LQ_REQ_WSCALE);
	u8 flags = 0;

	if (has(r, LQ_REQ_TSTAMP))
		flags |= LISTENQ_REQUEST_F_TSTAMP;
	if (wscale)
		flags |= LISTENQ_REQUEST_F_WSCALE;
	if (has(r, LQ_REQ_SACK))
		flags |= LISTENQ_REQUEST_F_SACK;
	if (has(r, LQ_REQ_ECN))
		flags |= LISTENQ_REQUEST_F_ECN;
	return {
		.key = request::key_of(r),
		.age_ms = now_us.since(Micros{r.stamp_us}) / 1000,
		.due_ms = static_cast<u32>(static_cast<u64>(due) * 1000 / hz),
		.mss = r.mss,
		.state = static_cast<u8>(state_of(r)),
		.flags = flags,
		.num_retrans = r.num_retrans,
		.num_timeout = r.num_timeout,
		.snd_wscale = static_cast<u8>(wscale ? r.wscale & 15 : 0),
		.rcv_wscale = static_cast<u8>(wscale ? r.wscale >> 4 : 0),
	};
}

} // namespace listenq::request_info
