// SPDX-License-Identifier: GPL-2.0
#include "view/listing.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <sstream>

using namespace lqctl;

namespace {

Listener listener()
{
	Listener l;
	l.id = 3;
	l.address.port = 8080;
	l.policy = "linux";
	l.backlog_asked = 511;
	l.backlog = 511;
	l.accept_limit = 512;
	l.syn_limit = 1024;
	l.syn_buckets = 1024;
	return l;
}

std::string text(const Listener &l, bool extended = false)
{
	return listing_text({l}, {.header = false, .numeric = true, .extended = extended});
}

TEST(listing, text__row)
{
	EXPECT_EQ(listing_text({listener()}, {.numeric = true}),
		  "State  Recv-Q Send-Q  SYN-Q Young Backlog Drops Policy Local Address:Port\n"
		  "LISTEN      0    511 0/1024     0     511     0 linux  0.0.0.0:8080\n");
}

TEST(listing, text__none_is_the_header)
{
	EXPECT_EQ(listing_text({}, {}),
		  "State Recv-Q Send-Q SYN-Q Young Backlog Drops Policy Local Address:Port\n");
	EXPECT_EQ(listing_text({}, {.header = false}), "");
}

TEST(listing, text__plain_tcp)
{
	Listener l = listener();
	l.id = 0;
	l.plain = true;
	l.policy = "tcp";
	l.inode = 77;
	l.backlog_asked = 0;
	l.accept_qlen = 2;
	EXPECT_EQ(listing_text({listener(), l}, {.header = false, .numeric = true}),
		  "LISTEN 0 511 0/1024 0 511 0 linux 0.0.0.0:8080\n"
		  "LISTEN 2 511      - - 511 - tcp   0.0.0.0:8080\n");
	EXPECT_NE(text(l, true).find("\n    uid 0, inode 77\n"), std::string::npos);
}

TEST(listing, text__truncated_backlog)
{
	Listener l = listener();
	l.backlog_asked = 65535;
	l.backlog = 4096;
	EXPECT_NE(text(l).find(" 65535->4096 "), std::string::npos);
	EXPECT_NE(listing_text({l}, {.glyphs = utf8_glyphs}).find(" 65535→4096 "),
		  std::string::npos);
	l.backlog_asked = -1;
	EXPECT_NE(text(l).find(" -1->4096 "), std::string::npos);
}

TEST(listing, text__drops_are_added_up)
{
	Listener l = listener();
	l.drops[0].value = 3;
	l.drops[5].value = 4;
	EXPECT_NE(text(l).find(" 7 linux "), std::string::npos);
}

TEST(listing, text__accept_filter)
{
	Listener l = listener();
	const ListingStyle style{.numeric = true, .extended = true};
	EXPECT_EQ(listing_text({l}, style).find("accept filter"), std::string::npos);
	l.accept_filter = "tlsready";
	l.filter_qlen = 2;
	l.filter_limit = 5;
	EXPECT_NE(listing_text({l}, style).find("    accept filter tlsready holds 2 of 5\n"),
		  std::string::npos);
}

TEST(listing, text__no_limit_yet)
{
	Listener l = listener();
	l.accept_limit = 0;
	EXPECT_EQ(text(l).find("4294967295"), std::string::npos);
}

TEST(listing, text__extended)
{
	Listener l = listener();
	l.uid = 33;
	l.inode = 12345;
	l.accept_qlen_peak = 12;
	l.flags = LISTENQ_F_ABORT_ON_OVERFLOW;
	l.drops[LISTENQ_DROP_REQUEST_EXPIRED - 1].value = 2;
	l.events[LISTENQ_EVENT_ACCEPTED - 1].value = 9;
	std::string out = text(l, true);
	EXPECT_NE(out.find("\n    id 3, uid 33, inode 12345\n"), std::string::npos) << out;
	EXPECT_NE(out.find("\n    accept queue 0 of 512, peak 12\n"), std::string::npos) << out;
	EXPECT_NE(out.find("abort_on_overflow 1, syncookies 0\n"), std::string::npos) << out;
	EXPECT_NE(out.find("\n    events: accepted 9\n"), std::string::npos) << out;
	EXPECT_NE(out.find("\n    drops: request_expired 2\n"), std::string::npos) << out;
	EXPECT_EQ(out.find("no loss:"), std::string::npos) << out;
	l.drops[LISTENQ_DROP_ACK_DEFERRED - 1].value = 16;
	out = text(l, true);
	EXPECT_NE(out.find("\n    drops: request_expired 2\n    no loss: ack_deferred 16\n"),
		  std::string::npos)
		<< out;
	EXPECT_EQ(out.find("waited"), std::string::npos) << out;
}

TEST(listing, text__extended_fits_80_columns)
{
	Listener l = listener();
	for (Counter &counter : l.drops)
		counter.value = 1000000;
	for (Counter &counter : l.events)
		counter.value = 1000000;
	std::vector<std::uint64_t> wait(LISTENQ_HIST_BUCKETS, 1000000);
	l.accept_wait =
		Histogram(Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT, std::as_bytes(std::span(wait))));
	std::istringstream lines(text(l, true));
	for (std::string line; std::getline(lines, line);)
		EXPECT_LE(line.size(), 80u) << line;
}

TEST(listing, json__object_with_listeners)
{
	EXPECT_EQ(listing_json({}).dump(), R"({"listeners":[]})");
	EXPECT_EQ(listing_json({listener()})["listeners"][0]["id"], 3);
}

} // namespace
