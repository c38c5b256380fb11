// SPDX-License-Identifier: GPL-2.0
// SynCookie: a request that fits into the SYN-ACK's sequence number, and comes back in the
// ACK.
#include "syn_cookie.hh"

#include "siphash.hh"

namespace listenq {

// The most frequent values between the smallest and Ethernet's (Linux's and FreeBSD's
// tables), and jumbo frames.
static constexpr u16 kMss4[8] = {216, 536, 1200, 1300, 1400, 1440, 1460, 8960};
static constexpr u16 kMss6[8] = {1220, 1280, 1360, 1400, 1420, 1440, 4036, 8940};

static constexpr u32 kMacBits = 27;
static constexpr u32 kMacMask = (1u << kMacBits) - 1;
static constexpr u32 kMetaMask = 31;
static constexpr u32 kIndexBits = 3;

// The largest entry that is not beyond what the peer takes; the smallest if all are.
static u32 mss_index(const u16 (&table)[8], u16 mss)
{
	u32 i = 7;

	while (i > 0 && table[i] > mss)
		i--;
	return i;
}

// The low half is the cookie's, the high half the timestamp's. A period number has 26 bits.
u64 SynCookie::mac(const Tuple &tuple, u32 index, u32 period) const
{
	SipHash24 hash(keys_.cookie[0], keys_.cookie[1]);

	hash.word(static_cast<u64>(tuple.client_isn.value) << 32 | period << kIndexBits | index);
	return hash_key(hash, tuple.key, tuple.local_port);
}

static u32 high(u64 mac)
{
	return static_cast<u32>(mac >> 32);
}

SynCookie::Sent SynCookie::make(const Tuple &tuple, u16 mss, u32 now_s) const
{
	const u16(&table)[8] = tuple.key.v6 ? kMss6 : kMss4;
	const u32 period = now_s / kPeriodSeconds;
	const u32 index = mss_index(table, mss);
	const u32 meta = index << 2 | (period & 3);
	const u64 mac = this->mac(tuple, index, period);
	const u32 low = static_cast<u32>(mac) & kMacMask;

	return {.isn = Seq{(meta ^ (low & kMetaMask)) << kMacBits | low},
		.mss = min(table[index], mss),
		.ts_off = high(mac)};
}

u32 SynCookie::answer(const lq_key &key, u16 local_port, u32 now_s, u32 tsval, Request &r) const
{
	const Sent sent = make({.key = key, .local_port = local_port, .client_isn = Seq{r.rcv_isn}},
			       r.mss, now_s);

	r.snt_isn = sent.isn.value;
	r.mss = sent.mss;
	r.ts_off = sent.ts_off;
	// tcp_conn_request(): without timestamps the other options are lost.
	if (!request::has(r, LQ_REQ_TSTAMP)) {
		r.flags &= LQ_REQ_V6;
		r.wscale = 0;
		return tsval;
	}
	return cookie_timestamp::encode(tsval, r);
}

u16 SynCookie::check(const Tuple &tuple, Seq isn, u32 now_s, u32 &ts_off) const
{
	const u16(&table)[8] = tuple.key.v6 ? kMss6 : kMss4;
	const u32 now = now_s / kPeriodSeconds;
	const u32 meta = isn.value >> kMacBits ^ (isn.value & kMetaMask);
	const u32 age = (now - meta) & 3;

	if (age > kLifePeriods || age > now)
		return 0;
	const u64 mac = this->mac(tuple, meta >> 2, now - age);
	// One comparison of words: its time does not depend on how many bits agree.
	if (((static_cast<u32>(mac) ^ isn.value) & kMacMask) != 0)
		return 0;
	ts_off = high(mac);
	return table[meta >> 2];
}

namespace cookie_timestamp {

static constexpr u32 kBits = 6;
static constexpr u32 kMask = (1u << kBits) - 1;
static constexpr u32 kWscaleNone = 15;
static constexpr u32 kSack = 1u << 4;
static constexpr u32 kEcn = 1u << 5;

u32 encode(u32 tsval, const Request &r)
{
	u32 bits = request::has(r, LQ_REQ_WSCALE) ? (r.wscale & 15u) : kWscaleNone;

	if (request::has(r, LQ_REQ_SACK))
		bits |= kSack;
	if (request::has(r, LQ_REQ_ECN))
		bits |= kEcn;
	u32 encoded = (tsval & ~kMask) | bits;
	// A timestamp from the future would make later ones look old (PAWS).
	if (static_cast<s32>(encoded - tsval) > 0)
		encoded -= 1u << kBits;
	return encoded;
}

bool decode(u32 tsecr, u8 allow, lq_options &options, bool &ecn)
{
	const u32 bits = tsecr & kMask;
	const u32 wscale = bits & 15;

	ecn = bits & kEcn;
	if (!(allow & LQ_ALLOW_TSTAMP))
		return false;
	options.flags = LQ_REQ_TSTAMP;
	if (bits & kSack) {
		if (!(allow & LQ_ALLOW_SACK))
			return false;
		options.flags |= LQ_REQ_SACK;
	}
	if (wscale == kWscaleNone)
		return true; // no window scaling
	options.flags |= LQ_REQ_WSCALE;
	options.wscale = static_cast<u8>(wscale);
	return (allow & LQ_ALLOW_WSCALE) != 0;
}

} // namespace cookie_timestamp

} // namespace listenq
