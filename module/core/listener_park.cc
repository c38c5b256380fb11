// SPDX-License-Identifier: GPL-2.0
// Listener: a parking place, which keeps what a listener that ended had until another listens
// there. It is a core of its own that takes over, as an heir does, and hands over, as one that
// ends; but no SYN comes to it, no timer turns, and no ACK becomes a connection: there is no socket
// to clone.
#include "listener.hh"

namespace listenq {

// As the listener was when it ended, but for what nobody is there to do: connections that wait are
// not managed, and an ACK too many is not told so, as the next listener may have room.
void Listener::park(const Config &config, const Limits &limits)
{
	Config parked = config;

	parked.overload = {};
	parked.abort_on_overflow = LQ_ABORT_NEVER;
	configure(parked, limits);
	limits_.admit_limit = limits_.accept_limit;
}

// What the segment says of the request is kept, as far as the next listener is to know: that its
// ACK came, or an RST. The SYN-ACK that the next listener sends again brings the ACK back.
lq_parked_verdict Listener::parked_ack(lq_ack &ack, Request *&freed)
{
	lq_promotion promotion{};
	lq_request_copy copy;

	ack.vetted = ack.waited = true;
	lq_ack_verdict verdict = this->ack(ack, copy, promotion, freed);
	if (verdict == LQ_ACK_MAYBE_COOKIE)
		verdict = ack_cookie(ack, promotion);
	switch (verdict) {
	case LQ_ACK_UNKNOWN:
	case LQ_ACK_MAYBE_COOKIE:
	case LQ_ACK_PASS:
		return LQ_PARKED_PASS;
	case LQ_ACK_PROMOTE:
		accept_queue_.abort();
		promotion.request->flags &= static_cast<u8>(~LQ_REQ_PROMOTING);
		promotion.request->flags |= LQ_REQ_ACKED;
		return LQ_PARKED_KEPT;
	case LQ_ACK_COOKIE:
		accept_queue_.abort();
		return LQ_PARKED_KEPT;
	case LQ_ACK_REFUSE:
		return ack.ack ? LQ_PARKED_PASS : LQ_PARKED_KEPT;
	default:
		return LQ_PARKED_KEPT;
	}
}

} // namespace listenq
