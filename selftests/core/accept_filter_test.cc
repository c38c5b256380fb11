// SPDX-License-Identifier: GPL-2.0
// accept_filter.cc: each filter against whole, partial and foreign requests, in any pieces.
#include "core/accept_filter.hh"

#include <string>
#include <vector>

#include "property.hh"
#include "support.hh"

namespace accept_filter = listenq::accept_filter;
using namespace testing_core;

namespace {

std::span<const u8> bytes(std::string_view text)
{
	return {reinterpret_cast<const u8 *>(text.data()), text.size()};
}

// After how many bytes it passes when they come one by one, or -1.
int passes_after(u8 kind, std::string_view text)
{
	lq_filter_state state{};

	state.kind = kind;
	for (size_t i = 0; i < text.size(); i++) {
		if (accept_filter::feed(state, bytes(text.substr(i, 1))) == LQ_FILTER_PASS)
			return static_cast<int>(i + 1);
	}
	return -1;
}

bool passes(u8 kind, std::string_view text)
{
	lq_filter_state state{};

	state.kind = kind;
	return accept_filter::feed(state, bytes(text)) == LQ_FILTER_PASS;
}

// It passes with the last byte, and not before.
void whole(u8 kind, std::string_view text)
{
	EXPECT_EQ(passes_after(kind, text), static_cast<int>(text.size())) << text;
	EXPECT_TRUE(passes(kind, text)) << text;
}

std::string tls_record(u8 type, u32 length, size_t given)
{
	std::string record = {static_cast<char>(type), 3, 1, static_cast<char>(length >> 8),
			      static_cast<char>(length)};

	return record + std::string(given, 'x');
}

} // namespace

TEST(accept_filter, find__by_name)
{
	EXPECT_EQ(accept_filter::find("dataready"), LQ_FILTER_DATAREADY);
	EXPECT_EQ(accept_filter::find("httpready"), LQ_FILTER_HTTPREADY);
	EXPECT_EQ(accept_filter::find("dnsready"), LQ_FILTER_DNSREADY);
	EXPECT_EQ(accept_filter::find("tlsready"), LQ_FILTER_TLSREADY);
	for (const char *name : {"", "bpf", "http", "httpready ", "HTTPREADY", "none"})
		EXPECT_EQ(accept_filter::find(name), std::nullopt) << name;
}

TEST(accept_filter, name__and_back)
{
	for (u8 i = LQ_FILTER_DATAREADY; i < LQ_FILTER_BPF; i++)
		EXPECT_EQ(accept_filter::find(accept_filter::name(i)), i);
	EXPECT_STREQ(accept_filter::name(LQ_FILTER_NONE), "");
	EXPECT_STREQ(accept_filter::name(LQ_FILTER_BPF), "bpf");
	EXPECT_STREQ(accept_filter::name(255), "?");
}

TEST(accept_filter, feed__nothing_is_not_enough)
{
	for (u8 i = LQ_FILTER_DATAREADY; i < LQ_FILTER_BPF; i++)
		EXPECT_FALSE(passes(i, ""));
}

TEST(accept_filter, feed__dataready)
{
	EXPECT_TRUE(passes(LQ_FILTER_DATAREADY, "x"));
	EXPECT_TRUE(passes(LQ_FILTER_DATAREADY, std::string(1, '\0')));
}

TEST(accept_filter, feed__httpready_waits_for_the_empty_line)
{
	for (const char *request : {
		     "GET / HTTP/1.0\r\n\r\n",
		     "GET / HTTP/1.1\r\nHost: example\r\n\r\n",
		     "HEAD /a/b?c=d HTTP/1.1\r\nA: b\r\nC:\td\r\n\r\n",
		     "GET / HTTP/1.1\n\n",
		     "GET / HTTP/1.1\nA: b\n\r\n",
		     "GET\x20 \t/ \tHTTP/1.1\r\nA: \rb\r\n\r\n",
		     "GET / HTTP/1.1\r\nA: \r\r\n\r\n",
		     "GET / HTTP/1.1\r\n\rnot yet\r\n\r\n",
	     })
		whole(LQ_FILTER_HTTPREADY, request);
}

TEST(accept_filter, feed__httpready_holds_what_is_not_whole)
{
	for (const char *request :
	     {"G", "GE", "GET", "GET ", "GET /", "GET / ", "GET / HTTP", "GET / HTTP/1.",
	      "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r",
	      "HEAD / HTTP/1.0\r\nHost: a\r\nB: c\r\n"})
		EXPECT_EQ(passes_after(LQ_FILTER_HTTPREADY, request), -1) << request;
}

TEST(accept_filter, feed__httpready_passes_all_else_at_once)
{
	whole(LQ_FILTER_HTTPREADY, "P");
	whole(LQ_FILTER_HTTPREADY, "g");
	whole(LQ_FILTER_HTTPREADY, "\r");
	whole(LQ_FILTER_HTTPREADY, "GA");
	whole(LQ_FILTER_HTTPREADY, "HET");
	whole(LQ_FILTER_HTTPREADY, "GETS");
	whole(LQ_FILTER_HTTPREADY, "GET\t");
	whole(LQ_FILTER_HTTPREADY, "GET /\r");
	whole(LQ_FILTER_HTTPREADY, "GET /\n");
	whole(LQ_FILTER_HTTPREADY, "GET / h");
	whole(LQ_FILTER_HTTPREADY, "GET / HTTP/2");
	whole(LQ_FILTER_HTTPREADY, "GET / HTTP/1.2");
	whole(LQ_FILTER_HTTPREADY, "GET / HTTQ");
}

TEST(accept_filter, feed__dnsready)
{
	whole(LQ_FILTER_DNSREADY, std::string("\0\0", 2));
	whole(LQ_FILTER_DNSREADY, std::string("\0\1x", 3));
	whole(LQ_FILTER_DNSREADY, std::string("\1\2", 2) + std::string(258, 'q'));
	EXPECT_EQ(passes_after(LQ_FILTER_DNSREADY, std::string("\0", 1)), -1);
	EXPECT_EQ(passes_after(LQ_FILTER_DNSREADY, std::string(65536, '\xff')), -1);
	whole(LQ_FILTER_DNSREADY, std::string(65537, '\xff'));
	// More than one message is more than enough.
	EXPECT_TRUE(passes(LQ_FILTER_DNSREADY, std::string("\0\1xyz", 5)));
}

TEST(accept_filter, feed__tlsready)
{
	whole(LQ_FILTER_TLSREADY, tls_record(22, 1, 1));
	whole(LQ_FILTER_TLSREADY, tls_record(22, 517, 517));
	whole(LQ_FILTER_TLSREADY, tls_record(22, 16384, 16384));
	EXPECT_EQ(passes_after(LQ_FILTER_TLSREADY, tls_record(22, 517, 516)), -1);
	// No record is longer, and an empty one is no handshake.
	whole(LQ_FILTER_TLSREADY, tls_record(22, 16385, 0));
	whole(LQ_FILTER_TLSREADY, tls_record(22, 0, 0));
	whole(LQ_FILTER_TLSREADY, "G");
	whole(LQ_FILTER_TLSREADY, std::string(1, '\x17'));
}

TEST(accept_filter, feed__property_pieces_do_not_matter)
{
	property("a request in pieces is the request", [] {
		const u8 kind = *rc::gen::inRange<u8>(LQ_FILTER_DATAREADY, LQ_FILTER_BPF);
		std::string text = *rc::gen::element<std::string>(
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /x HTTP/1.0\n\n",
			"POST / HTTP/1.1\r\n\r\n", tls_record(22, 40, 60),
			std::string("\0\x10", 2) + std::string(20, 'd'));
		// One byte may be anything.
		if (*rc::gen::arbitrary<bool>())
			text[*rc::gen::inRange<size_t>(0, text.size())] =
				*rc::gen::arbitrary<char>();
		const int after = passes_after(kind, text);
		lq_filter_state state{};
		size_t at = 0;

		state.kind = kind;
		while (at < text.size()) {
			const size_t length = *rc::gen::inRange<size_t>(1, text.size() - at + 1);
			const bool pass =
				accept_filter::feed(state, bytes(std::string_view(text).substr(
								   at, length))) == LQ_FILTER_PASS;

			at += length;
			RC_ASSERT(pass == (after >= 0 && at >= static_cast<size_t>(after)));
			if (pass)
				break;
		}
	});
}
