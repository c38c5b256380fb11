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
	EXPECT_EQ(
		verdict(o, look()),
		"nothing holds it back: its accept queue never held more than 12 of 512, and half "
		"of all waited less than 1.0 ms; 1000 accepted");
}

TEST_F(diagnosis, nothing__without_any_connection)
{
	l.accept_wait = {};
	EXPECT_EQ(codes(), Codes{});
	EXPECT_EQ(verdict(o, {}),
		  "nothing holds it back: its accept queue never held more than 0 of 512");
}

TEST_F(diagnosis, accept_stalled)
{
	l.accept_qlen = 5;
	l.accept_oldest = 3'600'000;
	watched();
	EXPECT_EQ(codes(), Codes{"accept_stalled"});
	Finding f = find("accept_stalled");
	EXPECT_TRUE(says(f, "nginx does not call accept(): 5 connections wait")) << f.text;
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
	EXPECT_EQ(codes(), Codes{});
	event(LISTENQ_EVENT_ACCEPTED, 0);
	EXPECT_TRUE(says(find("accept_stalled"), "none was ever taken"));
	watched();
	event(LISTENQ_EVENT_ACCEPTED, 1);
	EXPECT_EQ(codes(), Codes{});
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
	watched();
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_SYN, 24);
	drop(LISTENQ_DROP_ACCEPT_QUEUE_FULL_ACK, 1);
	EXPECT_EQ(codes(), Codes{"backlog_small"});
	const Finding f = find("backlog_small");
	EXPECT_EQ(f.severity, Severity::problem);
	EXPECT_TRUE(says(f, "full, with 9 connections: 24 SYNs and 1 final ACK were refused (24 of "
			    "them in the last 1.0 s)"))
		<< f.text;
	EXPECT_TRUE(says(f, "accept() keeps up: half of the connections waited less than 1.0 ms"))
		<< f.text;
	EXPECT_EQ(f.commands, (Codes{"lqctl set -l @7 backlog=128", "LISTENQ=128 lqrun nginx"}));
	o.somaxconn = 100;
	EXPECT_EQ(find("backlog_small").commands,
		  (Codes{"sysctl -w net.core.somaxconn=128", "lqctl set -l @7 backlog=128",
			 "LISTENQ=128 lqrun nginx"}));
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
	EXPECT_TRUE(says(f, "7 clients left before accept(), and were not handed out")) << f.text;
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
}

TEST_F(diagnosis, syn_bucket_full)
{
	l.syn_qlen_peak = 60;
	l.syncookies = 0;
	drop(LISTENQ_DROP_SYN_BUCKET_FULL, 9);
	EXPECT_EQ(codes(), Codes{"syn_bucket_full"});
	Finding f = find("syn_bucket_full");
	EXPECT_EQ(f.severity, Severity::warning);
	EXPECT_TRUE(says(f, "with 60 of 256 at most, was not: 9 SYNs were dropped.")) << f.text;
	EXPECT_TRUE(says(f, "a new start of nginx")) << f.text;
	EXPECT_EQ(f.commands, (Codes{"lqctl set syncookies=1", "lqctl requests -n @7"}));

	/* With cookies nothing is dropped, and it was not the queue's length either. */
	drop(LISTENQ_DROP_SYN_BUCKET_FULL, 0);
	event(LISTENQ_EVENT_COOKIE_SENT, 40);
	l.syncookies = 1;
	EXPECT_EQ(codes(), Codes{"syn_bucket_full"});
	f = find("syn_bucket_full");
	EXPECT_TRUE(says(f, "was not: 40 SYNs answered with a cookie.")) << f.text;
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
	EXPECT_EQ(find("syn_queue_small").commands, Codes{"lqctl set max_syn_backlog=512"});
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
	drop(LISTENQ_DROP_SYN_LAST_QUARTER, 1);
	EXPECT_TRUE(says(find("syn_last_quarter"), "200 (net.listenq.max_syn_backlog), is for"));
	l.following = LISTENQ_OWN_MAX_SYN_BACKLOG | LISTENQ_OWN_SYNCOOKIES;
	EXPECT_TRUE(says(find("syn_last_quarter"), "200 (net.ipv4.tcp_max_syn_backlog), is for"));
	l.following.reset();
	EXPECT_EQ(find("syn_last_quarter").commands,
		  (Codes{"lqctl set syncookies=1", "lqctl set max_syn_backlog=512"}));
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
	l.accept_qlen_peak = 70;
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
	event(LISTENQ_EVENT_REQUEST_CREATED, 1000);
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
	EXPECT_EQ(find("close_to_limit").commands,
		  (Codes{"lqctl set -l @7 backlog=1024", "LISTENQ=1024 lqrun nginx"}));
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
