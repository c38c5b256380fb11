// SPDX-License-Identifier: GPL-2.0
#include "view/diagnosis.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

#include <algorithm>

using namespace lqctl;

namespace {

class diagnosis : public testing::Test {
protected:
	diagnosis()
	{
		l.id = 7;
		l.address.port = 80;
		l.policy = "linux";
		l.backlog_asked = 511;
		l.backlog_given = 511;
		l.backlog = 511;
		l.accept_limit = 512;
		l.syn_limit = 256;
		l.max_syn_backlog = 200;
		l.syncookies = 1;
		l.own = 0;
		l.processes = {{"nginx", 12, 6, 'S'}};
		o.somaxconn = 4096;
		waits(10, 1000); /* less than 1 ms, all of them */
	}
	/* In bucket @bucket so many. */
	void waits(std::size_t bucket, std::uint64_t n)
	{
		std::vector<std::uint64_t> counts(LISTENQ_HIST_BUCKETS);
		counts[bucket] = n;
		l.accept_wait = Histogram(
			Attr(LISTENQ_A_LISTENER_ACCEPT_WAIT, std::as_bytes(std::span(counts))));
	}
	void drop(unsigned number, std::uint64_t n) { l.drops[number - 1].value = n; }
	void event(unsigned number, std::uint64_t n) { l.events[number - 1].value = n; }
	/* The same a second ago. */
	void watched()
	{
		o.before = l;
		o.seconds = 1;
	}
	std::vector<Finding> look()
	{
		o.now = l;
		return diagnose(o);
	}
	std::vector<std::string> codes()
	{
		std::vector<std::string> found;
		for (const Finding &f : look())
			found.push_back(f.code);
		return found;
	}
	bool found(const std::string &code)
	{
		const auto all = codes();
		return std::find(all.begin(), all.end(), code) != all.end();
	}
	Finding find(const std::string &code)
	{
		for (const Finding &f : look()) {
			if (f.code == code)
				return f;
		}
		ADD_FAILURE() << "no " << code;
		return {};
	}
	static bool says(const Finding &f, const std::string &words)
	{
		return f.text.find(words) != std::string::npos;
	}

	Listener l;
	Observation o;
};

using Codes = std::vector<std::string>;

TEST_F(diagnosis, nothing)
{
	l.accept_qlen_peak = 12;
	event(LISTENQ_EVENT_ACCEPTED, 1000);
	watched();
	EXPECT_EQ(codes(), Codes{});
	waits(10, 1200);
	event(LISTENQ_EVENT_ACCEPTED, 1200);
	EXPECT_EQ(verdict(o, look()),
		  "nothing holds it back: its accept queue holds 0 of 512, and never held more "
		  "than 12; 200 accepted in 1.0 s, half of them after less than 1.0 ms");
}

TEST_F(diagnosis, nothing__without_any_connection)
{
	l.accept_wait = {};
	EXPECT_EQ(codes(), Codes{});
	EXPECT_EQ(verdict(o, {}),
		  "nothing holds it back: its accept queue holds 0 of 512, and never held more "
		  "than 0");
}

TEST_F(diagnosis, accept_stalled)
{
	l.accept_qlen = 5;
	l.accept_oldest = 3'600'000;
	watched();
	EXPECT_EQ(codes(), Codes{"accept_stalled"});
	Finding f = find("accept_stalled");
	EXPECT_TRUE(says(f, "nginx: no accept() in the last 1.0 s, and 5 connections wait"))
		<< f.text;
	EXPECT_TRUE(says(f, "the oldest has waited 3.6 s")) << f.text;
	EXPECT_EQ(f.commands, Codes{"strace -f -tt -p 12"});

	l.processes[0].state = 'T';
	f = find("accept_stalled");
	EXPECT_TRUE(says(f, "It is stopped (pid 12)")) << f.text;
	EXPECT_EQ(f.commands, Codes{"kill -CONT 12"});

	l.processes.clear();
	EXPECT_EQ(find("accept_stalled").commands, Codes{"lqctl list -p @7"});
}

TEST_F(diagnosis, accept_stalled__not_when_it_accepts_or_was_not_watched)
{
	l.accept_qlen = 5;
	l.accept_oldest = 3'600'000;
	event(LISTENQ_EVENT_ACCEPTED, 7);
	EXPECT_EQ(codes(), Codes{"accept_slow"});
	event(LISTENQ_EVENT_ACCEPTED, 0);
	EXPECT_TRUE(says(find("accept_stalled"), "nginx: no accept() at all"));
	watched();
	event(LISTENQ_EVENT_ACCEPTED, 1);
	EXPECT_EQ(codes(), Codes{"accept_slow"}) << "it takes some, late";
	event(LISTENQ_EVENT_ACCEPTED, 0);
	l.accept_oldest = 1000;
	EXPECT_EQ(codes(), Codes{});
}

TEST_F(diagnosis, backlog_small__the_program_asked_for_it)
{
	l.backlog = l.backlog_asked = 8;
	l.backlog_given = 8;
	l.accept_limit = 9;
	l.accept_qlen_peak = 9;
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 1);
	waits(10, 0);
	watched();
	waits(10, 1000);
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK, 1);
	EXPECT_EQ(codes(), Codes{"backlog_small"});
	const Finding f = find("backlog_small");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "full, with 9 connections: 23 SYNs and 1 final ACK were refused in the "
			    "last 1.0 s."))
		<< f.text;
	EXPECT_TRUE(says(f, "accept() keeps up: half of the connections waited less than 1.0 ms"))
		<< f.text;
	/* Who was refused would have needed room, too. */
	EXPECT_EQ(f.commands, (Codes{"lqctl set -l @7 backlog=32", "LISTENQ=32 lqrun nginx"}));
	o.somaxconn = 20;
	EXPECT_EQ(find("backlog_small").commands,
		  (Codes{"sysctl -w net.core.somaxconn=32", "lqctl set -l @7 backlog=32",
			 "LISTENQ=32 lqrun nginx"}));
	/* 5000 a second came, and waited up to 66 ms: 328 at once. */
	o.somaxconn = 4096;
	event(LISTENQ_EVENT_ESTABLISHED, 4976);
	waits(16, 1000);
	EXPECT_EQ(find("backlog_small").commands.front(), "lqctl set -l @7 backlog=330");
	EXPECT_TRUE(says(find("backlog_small"), "5000 a second came"))
		<< find("backlog_small").text;
	/* As it was started, and by whom. */
	o.holders = {{.pid = 12, .command = "/usr/sbin/nginx -g 'daemon off;'"}};
	EXPECT_EQ(find("backlog_small").commands.back(),
		  "LISTENQ=330 lqrun /usr/sbin/nginx -g 'daemon off;'");
	o.holders[0].cgroup = "/system.slice/nginx.service";
	EXPECT_TRUE(
		find("backlog_small").commands.back().starts_with("systemctl edit nginx.service"))
		<< find("backlog_small").commands.back();
}

TEST_F(diagnosis, backlog_small__somaxconn)
{
	l.backlog_asked = 5000;
	l.backlog_given = 128;
	l.backlog = 128;
	l.flags = LISTENQ_F_BACKLOG_TRUNCATED;
	o.somaxconn = 128;
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	EXPECT_EQ(codes(), Codes{"backlog_small"}); /* said once */
	EXPECT_EQ(find("backlog_small").commands,
		  (Codes{"sysctl -w net.core.somaxconn=5000", "lqctl set -l @7 backlog=5000"}));
	o.somaxconn = 8192;
	const Finding f = find("backlog_small");
	EXPECT_TRUE(says(f, "It is 8192 by now.")) << f.text;
	EXPECT_FALSE(says(f, "host")) << f.text;
	o.host_somaxconn = 4096;
	EXPECT_TRUE(says(find("backlog_small"), "The host's is 4096"))
		<< find("backlog_small").text;
	EXPECT_EQ(f.commands, Codes{"lqctl set -l @7 backlog=5000"});
}

TEST_F(diagnosis, backlog_small__soacceptqueue_and_the_policy)
{
	l.policy = "freebsd";
	l.backlog = 128;
	l.flags = LISTENQ_F_BACKLOG_TRUNCATED;
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK, 24);
	EXPECT_EQ(find("backlog_small").commands, Codes{"lqctl set soacceptqueue=511"});
	l.policy = "bsd";
	l.backlog = 5;
	l.accept_limit = 5;
	l.accept_qlen_peak = 5;
	EXPECT_EQ(find("backlog_small").commands, Codes{"lqctl set -l @7 policy=linux"});
}

TEST_F(diagnosis, accept_slow)
{
	waits(22, 1000); /* 2 to 4 s */
	EXPECT_EQ(codes(), Codes{"accept_slow"});
	EXPECT_EQ(find("accept_slow").severity, Severity::warning);
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	EXPECT_EQ(codes(), Codes{"accept_slow"});
	const Finding f = find("accept_slow");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "let nginx accept faster")) << f.text;
}

TEST_F(diagnosis, clients_gone)
{
	l.accept_qlen = l.accept_gone = 5;
	l.accept_oldest = 2'000'000;
	EXPECT_EQ(codes(), (Codes{"accept_stalled", "clients_gone"}));
	EXPECT_TRUE(says(find("accept_stalled"), "its clients have left"))
		<< find("accept_stalled").text;
	EXPECT_FALSE(says(find("accept_stalled"), "wait ")) << find("accept_stalled").text;
	Finding f = find("clients_gone");
	EXPECT_EQ(f.severity, Severity::warning);
	EXPECT_TRUE(says(f, "of 5 connections on the accept queue all were reset")) << f.text;
	l.accept_gone = 2;
	EXPECT_TRUE(says(find("accept_stalled"), "3 connections wait"))
		<< find("accept_stalled").text;
	EXPECT_TRUE(says(find("clients_gone"), "2 were reset")) << find("clients_gone").text;
	l.accept_dead = LISTENQ_DEAD_KEEP;
	EXPECT_EQ(find("clients_gone").commands, Codes{"lqctl set accept_dead=skip"});
	l.accept_qlen = l.accept_gone = 0;
	l.accept_dead = LISTENQ_DEAD_SKIP;
	EXPECT_FALSE(found("clients_gone"));
	drop(LISTENQ_DROP_ACCEPT_GONE, 7);
	f = find("clients_gone");
	EXPECT_EQ(f.severity, Severity::note);
	EXPECT_TRUE(says(f, "7 clients left before accept() since it began to listen, and were not "
			    "handed out"))
		<< f.text;
}

TEST_F(diagnosis, overloaded)
{
	drop(LISTENQ_DROP_ACCEPT_EXPIRED, 1);
	drop(LISTENQ_DROP_SYN_ADMISSION, 3);
	const Finding f = find("overloaded");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "1 connection waited too long and got a RST (accept_max_wait_ms), "
			    "3 SYNs were refused early (syn_admission_ms)"))
		<< f.text;
}

TEST_F(diagnosis, shards_uneven)
{
	l.shards = 4;
	l.accept_limit = 512;
	l.accept_qlen_peak = 400;
	EXPECT_FALSE(found("shards_uneven"));
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	const Finding f = find("shards_uneven");
	EXPECT_EQ(f.commands, Codes{"lqctl set shards=2"});
	EXPECT_TRUE(says(f, "into 4 shards")) << f.text;
	EXPECT_TRUE(says(f, "more than 400 of 512")) << f.text;
	EXPECT_TRUE(says(find("backlog_small"),
			 "a shard of the accept queue was full, with 128 connections"));
	/* All were full: that is no chance. */
	l.accept_qlen_peak = 512;
	EXPECT_FALSE(found("shards_uneven"));
	l.accept_qlen_peak = 400;
	l.shards = 1;
	EXPECT_FALSE(found("shards_uneven"));
}

TEST_F(diagnosis, aborted)
{
	drop(LISTENQ_DROP_ABORT_ON_OVERFLOW, 3);
	l.flags = LISTENQ_F_ABORT_ON_OVERFLOW;
	EXPECT_EQ(find("aborted").commands, Codes{"lqctl set abort_on_overflow=0"});
	l.own = LISTENQ_OWN_ABORT_ON_OVERFLOW;
	EXPECT_EQ(find("aborted").commands, Codes{"lqctl set -l @7 abort_on_overflow=0"});
	l.flags = 0;
	l.policy = "freebsd";
	EXPECT_TRUE(says(find("aborted"), "as the policy freebsd has it"));
}

TEST_F(diagnosis, syn_flood)
{
	l.syn_qlen = 256;
	l.syn_young = 10;
	event(LISTENQ_EVENT_REQUEST_CREATED, 1000);
	drop(LISTENQ_DROP_REQUEST_EXPIRED, 700);
	drop(LISTENQ_DROP_SYN_QUEUE_FULL, 5000);
	l.syncookies = 0;
	EXPECT_EQ(codes(), Codes{"syn_flood"});
	Finding f = find("syn_flood");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "Of 1000 requests 700 got no ACK")) << f.text;
	EXPECT_EQ(f.commands, (Codes{"lqctl set syncookies=1", "lqctl requests -n @7"}));

	l.syncookies = 1;
	drop(LISTENQ_DROP_SYN_QUEUE_FULL, 0);
	event(LISTENQ_EVENT_COOKIE_SENT, 4000);
	event(LISTENQ_EVENT_COOKIE_RECEIVED, 12);
	f = find("syn_flood");
	EXPECT_EQ(f.severity, Severity::warning);
	EXPECT_TRUE(says(f, "4000 SYNs answered with a cookie, of which 12 came back")) << f.text;
	/* In its first second: cookies go out, and nobody is back. */
	event(LISTENQ_EVENT_REQUEST_CREATED, 0);
	event(LISTENQ_EVENT_COOKIE_RECEIVED, 0);
	drop(LISTENQ_DROP_REQUEST_EXPIRED, 0);
	l.syn_young = 256;
	EXPECT_EQ(codes(), Codes{"syn_flood"});
	/* Later: what it left fills the queue, and real clients get cookies because of it. */
	event(LISTENQ_EVENT_COOKIE_SENT, 5);
	event(LISTENQ_EVENT_COOKIE_RECEIVED, 5);
	o.half_open = HalfOpen{.acked = 0, .silent = 0, .late = 256, .peers = {}};
	EXPECT_EQ(codes(), Codes{"syn_flood"});
	o.half_open->late = 3;
	EXPECT_EQ(codes(), Codes{"syn_queue_small"});
	o.half_open.reset();
	event(LISTENQ_EVENT_COOKIE_SENT, 4000);
	event(LISTENQ_EVENT_COOKIE_RECEIVED, 0);
	/* They are back, and our accept queue has no room: no flood. */
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK, 3000);
	EXPECT_FALSE(found("syn_flood"));
}

TEST_F(diagnosis, syn_bucket_full)
{
	l.syn_qlen_peak = 60;
	l.syncookies = 0;
	drop(LISTENQ_DROP_SYN_BUCKET_FULL, 9);
	EXPECT_EQ(codes(), Codes{"syn_bucket_full"});
	Finding f = find("syn_bucket_full");
	EXPECT_EQ(f.severity, Severity::warning);
	EXPECT_TRUE(says(
		f,
		"with 60 of 256 at most, was not: 9 SYNs were dropped since it began to listen."))
		<< f.text;
	EXPECT_TRUE(says(f, "a new start of nginx")) << f.text;
	EXPECT_EQ(f.commands, (Codes{"lqctl set syncookies=1", "lqctl requests -n @7"}));

	/* With cookies nothing is dropped, and it was not the queue's length either. */
	drop(LISTENQ_DROP_SYN_BUCKET_FULL, 0);
	event(LISTENQ_EVENT_COOKIE_SENT, 40);
	l.syncookies = 1;
	EXPECT_EQ(codes(), Codes{"syn_bucket_full"});
	f = find("syn_bucket_full");
	EXPECT_TRUE(says(f, "was not: 40 SYNs answered with a cookie since it "
			    "began to listen."))
		<< f.text;
	EXPECT_EQ(f.commands, Codes{"lqctl requests -n @7"});
	l.syn_qlen_peak = 256;
	EXPECT_FALSE(found("syn_bucket_full"));
	l.syn_qlen_peak = 60;
	l.syncookies = 2;
	EXPECT_FALSE(found("syn_bucket_full"));
	l.syncookies = 1;
	l.shards = 4; /* peaks of the shards are not the queue's */
	EXPECT_FALSE(found("syn_bucket_full"));
}

TEST_F(diagnosis, syn_queue_small)
{
	event(LISTENQ_EVENT_REQUEST_CREATED, 1000);
	drop(LISTENQ_DROP_SYN_QUEUE_FULL, 20);
	EXPECT_EQ(codes(), Codes{"syn_queue_small"});
	/* The backlog is larger than max_syn_backlog, and alone counts. */
	EXPECT_TRUE(says(find("syn_queue_small"), "The limit is backlog 511 + 1."));
	EXPECT_TRUE(says(find("syn_queue_small"), "nginx asked for this backlog itself"));
	l.policy = "linux-classic";
	EXPECT_EQ(find("syn_queue_small").commands, Codes{"lqctl set max_syn_backlog=280"});
	l.max_syn_backlog = 1000;
	l.backlog_asked = 2000;
	l.backlog_given = 200;
	l.backlog = 200;
	o.somaxconn = 200;
	EXPECT_EQ(find("syn_queue_small").commands,
		  (Codes{"sysctl -w net.core.somaxconn=2000", "lqctl set -l @7 backlog=2000"}));
	l.policy = "freebsd";
	EXPECT_EQ(find("syn_queue_small").commands, Codes{"lqctl set -l @7 policy=linux"});
}

TEST_F(diagnosis, syn_queue_small__cookies_by_choice_are_none)
{
	l.syncookies = 2;
	event(LISTENQ_EVENT_COOKIE_SENT, 4000);
	EXPECT_EQ(codes(), Codes{});
}

TEST_F(diagnosis, syn_last_quarter)
{
	l.syncookies = 0;
	drop(LISTENQ_DROP_SYN_LAST_QUARTER, 1);
	EXPECT_TRUE(says(find("syn_last_quarter"), "200 (net.listenq.max_syn_backlog), is for"));
	l.following = LISTENQ_OWN_MAX_SYN_BACKLOG | LISTENQ_OWN_SYNCOOKIES;
	EXPECT_TRUE(says(find("syn_last_quarter"), "200 (net.ipv4.tcp_max_syn_backlog), is for"));
	l.following.reset();
	EXPECT_EQ(find("syn_last_quarter").commands,
		  (Codes{"lqctl set syncookies=1", "lqctl set max_syn_backlog=400"}));
	l.syncookies = 1; /* it is in force by now */
	EXPECT_EQ(find("syn_last_quarter").commands, Codes{"lqctl set max_syn_backlog=400"});
}

TEST_F(diagnosis, half_open_places)
{
	l.policy = "aix";
	l.accept_qlen_peak = 2;
	l.syn_qlen_peak = 500;
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 9);
	EXPECT_EQ(codes(), Codes{"half_open_places"});
	EXPECT_TRUE(says(find("half_open_places"), "never held more than 2 of 512"));
}

TEST_F(diagnosis, backlog_truncated)
{
	l.backlog_asked = 5000;
	l.backlog_given = 128;
	l.backlog = 128;
	l.accept_limit = 129;
	l.flags = LISTENQ_F_BACKLOG_TRUNCATED;
	o.somaxconn = 128;
	l.accept_qlen_peak = 3;
	EXPECT_EQ(codes(), Codes{"backlog_truncated"});
	EXPECT_EQ(find("backlog_truncated").severity, Severity::note);
	EXPECT_NE(verdict(o, look()).find("nothing holds it back"), std::string::npos);
	l.accept_qlen_peak = 70; /* once: that is over */
	EXPECT_EQ(find("backlog_truncated").severity, Severity::note);
	l.accept_qlen = 70;
	EXPECT_EQ(find("backlog_truncated").severity, Severity::warning);
	EXPECT_EQ(verdict(o, look()), "1 warning");
}

TEST_F(diagnosis, filter_overflow)
{
	l.accept_filter = "httpready";
	l.filter_limit = 9;
	drop(LISTENQ_DROP_FILTER_OVERFLOW, 4);
	EXPECT_EQ(codes(), Codes{"filter_overflow"});
	EXPECT_TRUE(says(find("filter_overflow"), "of these 9 may wait"));
}

TEST_F(diagnosis, what_the_system_refuses)
{
	drop(LISTENQ_DROP_NO_MEMORY, 1);
	EXPECT_EQ(codes(), Codes{"no_memory"});
	drop(LISTENQ_DROP_NO_MEMORY, 0);
	drop(LISTENQ_DROP_CHILD_FAILED, 1);
	EXPECT_TRUE(says(find("no_memory"), "0 requests and 1 child socket"));
	drop(LISTENQ_DROP_CHILD_FAILED, 0);
	drop(LISTENQ_DROP_NO_ROUTE, 2);
	EXPECT_EQ(codes(), Codes{"no_route"});
	drop(LISTENQ_DROP_LSM, 2);
	EXPECT_EQ(codes(), (Codes{"no_route", "security_module"}));
	EXPECT_EQ(verdict(o, look()), "2 problems");
}

TEST_F(diagnosis, acks_missing)
{
	event(LISTENQ_EVENT_REQUEST_CREATED, 100);
	drop(LISTENQ_DROP_REQUEST_EXPIRED, 9);
	EXPECT_EQ(codes(), Codes{});
	drop(LISTENQ_DROP_REQUEST_EXPIRED, 10);
	EXPECT_EQ(codes(), Codes{"acks_missing"});
	event(LISTENQ_EVENT_ESTABLISHED, 1000);
	EXPECT_EQ(codes(), Codes{});
}

TEST_F(diagnosis, reset_by_peers)
{
	event(LISTENQ_EVENT_REQUEST_CREATED, 100);
	drop(LISTENQ_DROP_REQUEST_RESET, 50);
	EXPECT_EQ(codes(), Codes{"reset_by_peers"});
	EXPECT_EQ(look()[0].severity, Severity::note);
}

TEST_F(diagnosis, close_to_limit)
{
	l.accept_qlen_peak = 409;
	EXPECT_EQ(codes(), Codes{});
	l.accept_qlen_peak = 410;
	EXPECT_EQ(codes(), Codes{"close_to_limit"});
	EXPECT_EQ(find("close_to_limit").severity, Severity::note);
	EXPECT_EQ(find("close_to_limit").commands, Codes{});
	l.accept_qlen = 410;
	EXPECT_EQ(find("close_to_limit").severity, Severity::warning);
	EXPECT_EQ(find("close_to_limit").commands,
		  (Codes{"lqctl set -l @7 backlog=1100", "LISTENQ=1100 lqrun nginx"}));
}

TEST_F(diagnosis, past__what_is_over_is_a_note_with_its_time)
{
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 99);
	drop(LISTENQ_DROP_NO_ROUTE, 2);
	drop(LISTENQ_DROP_REQUEST_RESET, 5);
	event(LISTENQ_EVENT_COOKIE_SENT, 4000);
	waits(22, 1000); /* slow, then */
	l.overflows = 3;
	l.overflow_ago_s = 720;
	l.overflow_shortest_ms = 4000;
	l.overflow_longest_ms = 9000;
	watched();
	EXPECT_EQ(codes(), Codes{"past"});
	const Finding f = find("past");
	EXPECT_EQ(f.severity, Severity::note);
	EXPECT_EQ(f.text,
		  "over: 99 accept_queue_full_syn, 2 no_route since it began to listen, none "
		  "in the last 1.0 s. The last overflow ended 12 min ago; there were 3, of "
		  "4.0 s to 9.0 s each.");
	EXPECT_EQ(f.commands, Codes{});
	EXPECT_EQ(verdict(o, look()).substr(0, 21), "nothing holds it back");
}

TEST_F(diagnosis, accept_slow__judges_what_was_watched)
{
	waits(3, 100000); /* fast, then */
	watched();
	std::vector<std::uint64_t> counts(LISTENQ_HIST_BUCKETS);
	counts[3] = 100000;
	counts[22] = 2;
	l.accept_wait = Histogram(std::move(counts));
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	EXPECT_EQ(codes(), Codes{"accept_slow"});
}

TEST_F(diagnosis, accept_slow__by_the_oldest_where_none_was_taken_out_of_turn)
{
	watched();
	l.accept_qlen = 5;
	l.accept_oldest = 3'000'000;
	event(LISTENQ_EVENT_ACCEPTED, 1);
	EXPECT_EQ(codes(), Codes{"accept_slow"});
	l.accept_order = LISTENQ_ORDER_LIFO;
	EXPECT_EQ(codes(), Codes{});
}

TEST_F(diagnosis, no_descriptors)
{
	o.holders = {{.pid = 11, .name = "nginx", .descriptors = 5, .descriptor_limit = 1024},
		     {.pid = 12, .name = "nginx", .descriptors = 12, .descriptor_limit = 12}};
	watched();
	EXPECT_EQ(find("no_descriptors").severity, Severity::warning);
	l.accept_qlen = 5;
	l.accept_oldest = 3'600'000;
	EXPECT_EQ(codes(), Codes{"no_descriptors"}) << "and not that it does not call accept()";
	const Finding f = find("no_descriptors");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "(EMFILE): nginx (pid 12) has 12 descriptors open")) << f.text;
	EXPECT_EQ(f.commands.front(), "prlimit --pid 12 --nofile=1024:1024");
	o.holders[1].descriptors = 11;
	EXPECT_EQ(codes(), Codes{"accept_stalled"});
}

TEST_F(diagnosis, accept_stalled__why_the_process_does_not_run)
{
	l.accept_qlen = 5;
	l.accept_oldest = 3'600'000;
	watched();
	o.holders = {{.pid = 11, .name = "a", .state = 'S', .wchan = "futex_wait_queue"},
		     {.pid = 12, .name = "b", .state = 't', .tracer = 9}};
	Finding f = find("accept_stalled");
	EXPECT_TRUE(says(f, "1 of its 2 processes is stopped by a debugger, pid 9 (pid 12)"))
		<< f.text;
	o.holders[1] = {
		.pid = 12, .state = 'S', .cgroup = "/system.slice/b.service", .frozen = true};
	f = find("accept_stalled");
	EXPECT_TRUE(says(f, "frozen, with the cgroup /system.slice/b.service")) << f.text;
	EXPECT_EQ(f.commands,
		  (Codes{"systemctl thaw b.service",
			 "echo 0 >/sys/fs/cgroup/system.slice/b.service/cgroup.freeze"}));
	o.holders.pop_back();
	f = find("accept_stalled");
	EXPECT_TRUE(says(f, "a (pid 11) sleeps in futex_wait_queue.")) << f.text;
}

TEST_F(diagnosis, cpu_throttled_and_memory_pressure)
{
	o.holders = {{.pid = 12, .cgroup = "/x", .throttled_us = 600'000}};
	o.holders_before = o.holders;
	watched();
	EXPECT_EQ(codes(), Codes{});
	o.holders[0].throttled_us += 50'000;
	EXPECT_EQ(codes(), Codes{}) << "it is not felt";
	o.holders[0].throttled_us += 250'000;
	EXPECT_EQ(codes(), Codes{"cpu_throttled"});
	EXPECT_TRUE(says(find("cpu_throttled"), "its cgroup /x was held back for 0.3 s"));
	EXPECT_EQ(find("cpu_throttled").severity, Severity::warning);
	o.holders = o.holders_before;
	o.holders[0].memory_high = 3;
	EXPECT_EQ(codes(), Codes{"memory_pressure"});
	o.holders[0].memory_high = 0;
	o.holders[0].memory_stall = 45;
	EXPECT_TRUE(says(find("memory_pressure"), "in 45 % of the last 10 s"));
}

TEST_F(diagnosis, group)
{
	std::vector<Observation> all(4);
	for (std::size_t i = 0; i < all.size(); i++) {
		all[i].now = l;
		all[i].now.id = i + 1;
		all[i].seconds = 1;
		all[i].before = all[i].now;
		all[i].now.events[LISTENQ_EVENT_ACCEPTED - 1].value = i ? 100 : 0;
	}
	all[0].now.accept_qlen = 3;
	all[0].now.accept_oldest = 2'000'000;
	find_groups(all);
	EXPECT_EQ(all[3].group.members, 4u);
	EXPECT_EQ(all[3].group.accepted, 300u);
	EXPECT_EQ(all[3].group.stalled, std::vector<std::uint64_t>{1});
	const auto codes_of = [](const Observation &one) {
		Codes found;
		for (const Finding &f : diagnose(one))
			found.push_back(f.code);
		return found;
	};
	EXPECT_EQ(codes_of(all[0]), Codes{"accept_stalled"});
	EXPECT_EQ(codes_of(all[3]), Codes{"sibling_stalled"});
	EXPECT_TRUE(says(diagnose(all[0])[0], "one of 4 listeners at this address"))
		<< diagnose(all[0])[0].text;
	EXPECT_TRUE(says(diagnose(all[3])[0], "(@1): about 25 % of the clients"));
	/* Others could take what waits there, unless they do. */
	EXPECT_EQ(diagnose(all[0])[0].commands.back(), "lqctl set -l :80 steal_us=5000");
	EXPECT_EQ(diagnose(all[3])[0].commands.back(), "lqctl set -l :80 steal_us=5000");
	for (Observation &one : all)
		one.now.steal_us = 5000;
	EXPECT_TRUE(says(diagnose(all[0])[0], "is there for the others"));
	EXPECT_TRUE(says(diagnose(all[3])[0], "until they have waited for steal_us"));
	EXPECT_EQ(diagnose(all[3])[0].commands, Codes{"lqctl explain @1"});
	for (Observation &one : all)
		one.now.steal_us = 0;
	/* All take some, and one hardly any. */
	all[0].now.accept_qlen = 0;
	find_groups(all);
	EXPECT_EQ(codes_of(all[0]), Codes{"group_uneven"});
	EXPECT_EQ(codes_of(all[1]), Codes{});
	/* Another address is another group. */
	all[0].now.address.port = 81;
	find_groups(all);
	EXPECT_EQ(all[0].group.members, 1u);
	EXPECT_EQ(all[1].group.members, 3u);
}

TEST_F(diagnosis, requests_unserved_are_no_loss)
{
	event(LISTENQ_EVENT_REQUEST_CREATED, 60);
	drop(LISTENQ_DROP_REQUEST_UNSERVED, 50);
	EXPECT_EQ(codes(), Codes{"requests_unserved"});
	EXPECT_TRUE(says(find("requests_unserved"), "50 handshakes were given up"));
}

TEST_F(diagnosis, syn_queue_deferred)
{
	l.syn_limit = l.syn_qlen = 16;
	l.syn_young = 0; /* a timeout came to all of them */
	event(LISTENQ_EVENT_COOKIE_SENT, 1);
	o.half_open = HalfOpen{.acked = 16, .silent = 0, .peers = {}};
	EXPECT_EQ(codes(), Codes{"syn_queue_deferred"});
	EXPECT_EQ(find("syn_queue_deferred").severity, Severity::note);
	l.syncookies = 0;
	EXPECT_EQ(find("syn_queue_deferred").severity, Severity::warning);
}

TEST_F(diagnosis, reflection)
{
	Address victim, other;
	victim.bytes = {192, 0, 2, 66};
	other.bytes = {192, 0, 2, 1};
	o.half_open = HalfOpen{};
	for (unsigned i = 0; i < 20; i++)
		o.half_open->peers.add(victim);
	o.half_open->peers.add(other);
	l.syn_qlen = 21;
	EXPECT_EQ(codes(), Codes{}) << "their SYN-ACKs are under way";
	o.half_open->silent = 20;
	EXPECT_EQ(codes(), Codes{"reflection"});
	EXPECT_TRUE(says(find("reflection"), "20 of 21 handshakes")) << find("reflection").text;
	EXPECT_TRUE(says(find("reflection"), "192.0.2.66"));
}

TEST_F(diagnosis, tcp_settings_differ)
{
	l.following = LISTENQ_OWN_MAX_SYN_BACKLOG;
	o.tcp = {{"syncookies", 1}, {"max_syn_backlog", 999}, {"abort_on_overflow", 0}};
	EXPECT_EQ(codes(), Codes{});
	l.syncookies = 0;
	EXPECT_EQ(codes(), Codes{"tcp_settings_differ"});
	EXPECT_EQ(find("tcp_settings_differ").commands, Codes{"lqctl set syncookies=-1"});
	l.own = LISTENQ_OWN_SYNCOOKIES; /* by intent */
	EXPECT_EQ(codes(), Codes{});
}

TEST_F(diagnosis, cookies_lose_options)
{
	l.syncookies = 2;
	event(LISTENQ_EVENT_COOKIE_SENT, 4);
	event(LISTENQ_EVENT_COOKIE_RECEIVED, 4);
	o.tcp = {{"timestamps", 1}};
	EXPECT_EQ(codes(), Codes{});
	o.tcp = {{"timestamps", 0}};
	EXPECT_EQ(codes(), Codes{"cookies_lose_options"});
}

TEST_F(diagnosis, crowds_text)
{
	Address peer;
	peer.bytes = {192, 0, 2, 66};
	for (unsigned i = 0; i < 300; i++)
		o.waiting.add(peer);
	o.now = l;
	EXPECT_EQ(crowds_text(o), "") << "its queue is not half full";
	o.now.accept_qlen = 300;
	EXPECT_EQ(crowds_text(o), "who waits for accept(): 192.0.2.66 300 (100 %)");
	o.dropped = {.total = 50,
		     .prefixes = {{.address = peer, .length = 24, .count = 40, .excess = 1}}};
	o.now.accept_qlen = 0;
	o.now.drops[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN - 1].value = 90;
	o.before = o.now;
	EXPECT_EQ(crowds_text(o), "") << "nothing was dropped meanwhile";
	o.now.drops[LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN - 1].value++;
	EXPECT_EQ(crowds_text(o), "who is dropped: 192.0.2.66/24 78 %");
	o.before.reset();
	EXPECT_EQ(crowds_text(o), "who is dropped: 192.0.2.66/24 78 %");
}

TEST_F(diagnosis, the_worst_first)
{
	l.backlog_asked = 5000;
	l.backlog_given = 128;
	l.flags = LISTENQ_F_BACKLOG_TRUNCATED;
	l.backlog = 128;
	drop(LISTENQ_DROP_NO_ROUTE, 2);
	EXPECT_EQ(codes(), (Codes{"no_route", "backlog_truncated"}));
}

TEST_F(diagnosis, each_is_a_sentence_and_a_stable_object)
{
	drop(LISTENQ_DROP_NO_ROUTE, 2);
	const auto json = to_json(look()[0]);
	EXPECT_EQ(json["code"], "no_route");
	EXPECT_EQ(json["severity"], "problem");
	EXPECT_EQ(json["commands"].size(), 2u);
	EXPECT_TRUE(json["text"].get<std::string>().ends_with('.'));
}

} // namespace
