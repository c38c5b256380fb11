// SPDX-License-Identifier: GPL-2.0
// AcceptFilter: what a connection's first bytes must hold before accept() may have it.
#include "accept_filter.hh"

namespace listenq::accept_filter {

// In the order of enum lq_filter.
static constexpr std::string_view kNames[] = {"",	  "dataready", "httpready",
					      "dnsready", "tlsready",  "bpf"};
static_assert(std::size(kNames) == LQ_FILTER_COUNT);

std::optional<lq_filter> find(std::string_view wanted)
{
	for (unsigned i = LQ_FILTER_NONE + 1; i < LQ_FILTER_BPF; i++) {
		if (kNames[i] == wanted)
			return static_cast<lq_filter>(i);
	}
	return std::nullopt;
}

const char *name(u8 filter)
{
	return filter < LQ_FILTER_COUNT ? kNames[filter].data() : "?";
}

// --- httpready: a request line, then lines up to an empty one (RFC 9112 2.1) ---

enum HttpStep : u8 {
	First, // nothing read
	Method,
	BeforeTarget,
	Target,
	BeforeVersion,
	Version,
	Minor,
	Line,	 // inside of one
	Newline, // after LF: another one ends the request, perhaps after CR
	Return,
};

static bool is_space(u8 c)
{
	return c == ' ' || c == '\t';
}

// The rest of "GET " or "HEAD " beyond its first letter.
static std::string_view http_method(u32 first)
{
	return first == 'G' ? std::string_view("ET ") : std::string_view("EAD ");
}

// The next byte is the one that is expected: on to @next after the last of them.
static bool http_expect(lq_filter_state &s, std::string_view expected, u8 c, HttpStep next)
{
	if (c != static_cast<u8>(expected[s.index]))
		return false;
	if (++s.index == expected.size()) {
		s.index = 0;
		s.step = next;
	}
	return true;
}

// Whatever is no GET or HEAD of HTTP/1.0 or 1.1 passes: the server answers it.
static lq_filter_verdict http_byte(lq_filter_state &s, u8 c)
{
	switch (s.step) {
	case First:
		if (c != 'G' && c != 'H')
			return LQ_FILTER_PASS;
		s.left = c;
		s.step = Method;
		break;
	case Method:
		if (!http_expect(s, http_method(s.left), c, BeforeTarget))
			return LQ_FILTER_PASS;
		break;
	case BeforeTarget:
		if (is_space(c))
			break;
		s.step = Target;
		[[fallthrough]];
	case Target:
		if (c == '\r' || c == '\n')
			return LQ_FILTER_PASS; // HTTP/0.9: this is all of it
		if (is_space(c))
			s.step = BeforeVersion;
		break;
	case BeforeVersion:
		if (is_space(c))
			break;
		s.step = Version;
		[[fallthrough]];
	case Version:
		if (!http_expect(s, "HTTP/1.", c, Minor))
			return LQ_FILTER_PASS;
		break;
	case Minor:
		if (c != '0' && c != '1')
			return LQ_FILTER_PASS;
		s.step = Line;
		break;
	case Line:
		if (c == '\n')
			s.step = Newline;
		break;
	case Newline:
		if (c == '\n')
			return LQ_FILTER_PASS;
		s.step = c == '\r' ? Return : Line;
		break;
	case Return:
		if (c == '\n')
			return LQ_FILTER_PASS;
		s.step = Line;
		break;
	}
	return LQ_FILTER_WAIT;
}

static lq_filter_verdict http(lq_filter_state &s, std::span<const u8> bytes)
{
	for (const u8 c : bytes) {
		if (http_byte(s, c) == LQ_FILTER_PASS)
			return LQ_FILTER_PASS;
	}
	return LQ_FILTER_WAIT;
}

// --- dnsready and tlsready: a header that says how much follows ---

// RFC 8446 5.1: type, version, length. 22 is handshake; a record holds at most 2^14 bytes.
static constexpr u8 kTlsHandshake = 22;
static constexpr u8 kTlsHeader = 5;
static constexpr u32 kTlsMax = 1u << 14;
static constexpr u8 kDnsHeader = 2; // RFC 1035 4.2.2

// One byte of the header. Whatever is no TLS handshake passes: the server answers it.
static lq_filter_verdict header_byte(lq_filter_state &s, u8 c)
{
	const bool tls = s.kind == LQ_FILTER_TLSREADY;
	const u8 header = tls ? kTlsHeader : kDnsHeader;

	if (tls && s.step == 0 && c != kTlsHandshake)
		return LQ_FILTER_PASS;
	if (s.step + 2 >= header)
		s.left = s.left << 8 | c;
	s.step++;
	if (s.step == header && (s.left == 0 || (tls && s.left > kTlsMax)))
		return LQ_FILTER_PASS;
	return LQ_FILTER_WAIT;
}

static lq_filter_verdict counted(lq_filter_state &s, std::span<const u8> bytes)
{
	const u8 header = s.kind == LQ_FILTER_TLSREADY ? kTlsHeader : kDnsHeader;

	while (s.step < header && !bytes.empty()) {
		if (header_byte(s, bytes.front()) == LQ_FILTER_PASS)
			return LQ_FILTER_PASS;
		bytes = bytes.subspan(1);
	}
	if (s.step < header)
		return LQ_FILTER_WAIT;
	if (bytes.size() >= s.left)
		return LQ_FILTER_PASS;
	s.left -= static_cast<u32>(bytes.size());
	return LQ_FILTER_WAIT;
}

lq_filter_verdict feed(lq_filter_state &s, std::span<const u8> bytes)
{
	switch (s.kind) {
	case LQ_FILTER_HTTPREADY:
		return http(s, bytes);
	case LQ_FILTER_DNSREADY:
	case LQ_FILTER_TLSREADY:
		return counted(s, bytes);
	default:
		return bytes.empty() ? LQ_FILTER_WAIT : LQ_FILTER_PASS;
	}
}

} // namespace listenq::accept_filter
