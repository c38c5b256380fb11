// SPDX-License-Identifier: GPL-2.0
#include "view/show.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>
#include <sstream>

using namespace lqctl;

namespace {

Listener listener()
{
	Listener l;
	l.id = 7;
	l.uid = 33;
	l.address.port = 8080;
	l.policy = "linux";
	l.flags = LISTENQ_F_BACKLOG_TRUNCATED;
	l.backlog_asked = 65535;
	l.backlog_given = 4096;
	l.backlog = 4096;
	l.own = LISTENQ_OWN_SYNCOOKIES;
	l.following = LISTENQ_OWN_MAX_SYN_BACKLOG;
	l.shards = 4;
	l.accept_qlen = 2048;
	l.accept_limit = 4097;
	l.accept_oldest = 1'234'567;
	l.syn_limit = 256;
	l.max_syn_backlog = 200;
	l.drops[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN - 1].value = 24;
	l.drops[LISTENQ_DROP_SYN_QUEUE_FULL - 1].value = 12;
	l.has_processes = true;
	l.processes = {{"nginx", 12, 6, 'S'}};
	return l;
}

bool has(const std::string &text, const std::string &words)
{
	return text.find(words) != std::string::npos;
}

TEST(show, text__limits_and_why)
{
	const std::string text = show_text(listener(), {.numeric = true});
	EXPECT_TRUE(has(text, "0.0.0.0:8080  @7, uid 33, nginx (pid 12, fd 6)\n")) << text;
	EXPECT_TRUE(has(text, "backlog           65535     4096 net.core.somaxconn was 4096 when "
			      "it was set\n"))
		<< text;
	EXPECT_TRUE(has(text, "syncookies                     0 set for this listener\n")) << text;
	EXPECT_TRUE(has(text, "policy                     linux net.listenq.policy\n")) << text;
	EXPECT_TRUE(has(text, "max_syn_backlog              200 net.ipv4.tcp_max_syn_backlog\n"))
		<< text;
	EXPECT_TRUE(has(text, "synack_retries                 0 net.listenq.synack_retries\n"))
		<< text;
	EXPECT_TRUE(has(text, "shards                         4 net.listenq.shards\n")) << text;
	EXPECT_TRUE(has(text, "accept queue  [#########...........] 2048 of 4097, peak 0, the "
			      "oldest waits 1.2 s\n"))
		<< text;
	EXPECT_TRUE(has(text,
			"\ndrops: 36\n"
			"  syn_queue_full        12 ######       SYN: the SYN queue is full\n"
			"  accept_queue_full_syn 24 ############ SYN: the accept queue is full\n"))
		<< text;
	EXPECT_FALSE(has(text, "\033")) << text;
	EXPECT_FALSE(has(text, "events:")) << text;
	EXPECT_FALSE(has(text, "waited for")) << text;
}

TEST(show, text__what_loses_nothing_is_apart)
{
	Listener l = listener();
	EXPECT_FALSE(has(show_text(l, {}), "no loss:"));
	l.drops[LISTENQ_DROP_REQUEST_RESET - 1].value = 3;
	const std::string text = show_text(l, {});
	EXPECT_TRUE(has(text, "\ndrops: 36\n  syn_queue_full        12 ")) << text;
	EXPECT_TRUE(has(text, "\nno loss:\n  request_reset 3 ")) << text;
}

TEST(show, text__colours_only_if_wanted)
{
	EXPECT_TRUE(has(show_text(listener(), {.terminal = {true, 100}}), "\033[31m"));
}

TEST(show, text__of_an_older_module)
{
	Listener l = listener();
	l.own.reset();
	l.backlog_given.reset();
	l.shards = 0;
	EXPECT_FALSE(has(show_text(l, {}), "shards"));
	EXPECT_FALSE(has(show_text(l, {}), "set for this listener"));
	EXPECT_FALSE(has(show_text(l, {}), "net.listenq.policy"));
}

TEST(show, text__fits_the_terminal)
{
	Listener l = listener();
	for (Counter &c : l.drops)
		c.value = 1'000'000;
	for (Counter &c : l.events)
		c.value = 1'000'000;
	std::vector<std::uint64_t> wait(LISTENQ_HIST_BUCKETS, 1'000'000);
	l.accept_wait =
		Histogram(Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT, std::as_bytes(std::span(wait))));
	for (const unsigned columns : {40u, 60u, 80u, 200u}) {
		std::istringstream lines(show_text(l, {.terminal = {false, columns}}));
		for (std::string line; std::getline(lines, line);) {
			/* What is a sentence wraps by itself. */
			if (!has(line, "waits") && !has(line, "waited") && !has(line, "uid")) {
				EXPECT_LE(line.size(), columns) << line;
			}
		}
	}
}

TEST(show, peers)
{
	Peers peers;
	Address peer;
	peer.bytes = {192, 0, 2, 66};
	for (unsigned i = 0; i < 5; i++)
		peers.waiting.add(peer);
	peers.half_open.add(peer);
	peer.bytes = {198, 51, 100, 0};
	peers.dropped = {.total = 50,
			 .prefixes = {{.address = peer, .length = 24, .count = 40, .excess = 0}}};

	const std::string text = show_text(listener(), {.numeric = true}, peers);
	EXPECT_TRUE(has(text, "\n  who waits for accept(): 192.0.2.66 5 (100 %)\n"
			      "  who is half open: 192.0.2.66 1 (100 %)\n"))
		<< text;
	EXPECT_TRUE(has(text, "\n  who is dropped, of late: 198.51.100.0/24 80 %\n")) << text;
	EXPECT_FALSE(has(show_text(listener(), {}), "who ")) << "nobody is to be named";
	const auto json = show_json(listener(), peers);
	EXPECT_EQ(json["waiting"]["peers"][0]["peer"], "192.0.2.66");
	EXPECT_EQ(json["half_open"]["count"], 1);
	EXPECT_EQ(json["dropped_from"]["prefixes"][0]["prefix"], "198.51.100.0/24");
}

TEST(show, json__why)
{
	const auto json = show_json(listener());
	EXPECT_EQ(json["why"]["backlog"]["cause"], "somaxconn");
	EXPECT_EQ(json["why"]["syn_queue"]["limit"], 256);
	EXPECT_EQ(json["own"].dump(), R"(["syncookies"])");
	EXPECT_EQ(json["processes"][0]["name"], "nginx");
}

} // namespace
