// SPDX-License-Identifier: GPL-2.0
// libFuzzer: SYN cookies and what rides in their timestamps. Any ACK is read without harm and a
// cookie that is accepted was made for it; one that was made comes back with all that it can hold.
#include <cstdlib>
#include <cstring>

#include "core/syn_cookie.hh"
#include "support.hh"

using namespace listenq;
using namespace testing_core;

namespace {

void require(bool condition)
{
	if (!condition)
		std::abort();
}

struct Input {
	lq_key key;
	u32 client_isn, isn, now_s, later_s, tsval, tsecr;
	u16 local_port, mss;
	u8 flags, wscale, allow, flip;
};

// What was made comes back while it is young enough, and not a bit of it may change.
void round_trip(const Input &in)
{
	lq_request_copy copy{};
	lq_request &r = copy.request;

	r.rcv_isn = in.client_isn;
	r.mss = in.mss;
	r.flags = in.flags & (LQ_REQ_TSTAMP | LQ_REQ_WSCALE | LQ_REQ_SACK | LQ_REQ_ECN);
	r.wscale = in.wscale % 15;
	const u8 wanted = r.flags;
	const u32 sent = lq_core_cookie(&kKeys, &in.key, in.local_port, in.now_s, in.tsval, &r);
	const u16 sent_mss = r.mss;
	const SynCookie cookie(kKeys);
	const SynCookie::Tuple tuple{
		.key = in.key, .local_port = in.local_port, .client_isn = Seq{in.client_isn}};

	require(sent_mss != 0);
	u32 ts_off = 0;
	const u16 back = cookie.check(tuple, Seq{r.snt_isn}, in.now_s, ts_off);
	require(ts_off == r.ts_off);
	// A peer that takes less than the smallest of the table gets that after all.
	require(back == sent_mss || (back > sent_mss && back == (in.key.v6 ? 1220 : 216)));
	const u32 age = in.later_s % 1000;
	const u16 later = cookie.check(tuple, Seq{r.snt_isn}, in.now_s + age);
	if (age <= SynCookie::kLifePeriods * SynCookie::kPeriodSeconds)
		require(later == back);
	if (age > SynCookie::kLifeSeconds)
		require(later == 0);

	lq_options options{};
	bool ecn = false;
	if (!(wanted & LQ_REQ_TSTAMP)) {
		require(!(r.flags & (LQ_REQ_WSCALE | LQ_REQ_SACK | LQ_REQ_ECN)));
		return;
	}
	// Not ahead of the clock, and not by more than the bits behind it.
	require(in.tsval - sent < 128);
	require(lq_core_cookie_options(sent, 7, &options, &ecn));
	require(ecn == !!(wanted & LQ_REQ_ECN));
	require((options.flags & LQ_REQ_SACK) == (wanted & LQ_REQ_SACK));
	require((options.flags & LQ_REQ_WSCALE) == (wanted & LQ_REQ_WSCALE));
	require(!(wanted & LQ_REQ_WSCALE) || options.wscale == r.wscale);
}

// Anything at all: an MSS of the table or none, and no option that is not allowed.
void any_ack(const Input &in)
{
	const SynCookie cookie(kKeys);
	const u16 mss = cookie.check(
		{.key = in.key, .local_port = in.local_port, .client_isn = Seq{in.client_isn}},
		Seq{in.isn}, in.now_s);
	lq_options options{};
	bool ecn = false;

	// The chance of a guess is 2^-27 and some: no input of a run hits one by itself.
	require(mss == 0 || mss >= 216);
	if (!lq_core_cookie_options(in.tsecr, in.allow & 7, &options, &ecn))
		return;
	require(options.wscale <= 14);
	if (!(in.allow & LQ_ALLOW_SACK))
		require(!(options.flags & LQ_REQ_SACK));
	if (!(in.allow & LQ_ALLOW_WSCALE))
		require(!(options.flags & LQ_REQ_WSCALE));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	Input in{};

	std::memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	in.key.v6 &= 1;
	in.now_s = 1000 + in.now_s % 0x7fffffff; // of a clock that does not wrap
	if (in.mss == 0)
		in.mss = 536;
	round_trip(in);
	any_ack(in);
	return 0;
}
