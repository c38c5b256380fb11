// SPDX-License-Identifier: GPL-2.0
#include "model/limit.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>

using namespace lqctl;

namespace {

Listener listener(const char *policy, int asked, int given, std::uint32_t backlog,
		  std::uint32_t max_syn_backlog = 256)
{
	Listener l;
	l.policy = policy;
	l.backlog_asked = asked;
	l.backlog_given = given;
	l.backlog = backlog;
	l.max_syn_backlog = max_syn_backlog;
	return l;
}

Cause cause(const char *policy, int asked, int given, std::uint32_t backlog)
{
	return backlog_reason(listener(policy, asked, given, backlog)).cause;
}

TEST(limit, backlog_reason__each_clamp)
{
	EXPECT_EQ(cause("linux", 511, 511, 511), Cause::asked);
	EXPECT_EQ(cause("linux", 65535, 4096, 4096), Cause::somaxconn);
	EXPECT_EQ(cause("linux", -1, 4096, 4096), Cause::somaxconn);
	EXPECT_EQ(cause("bsd", 128, 128, 5), Cause::policy);
	EXPECT_EQ(cause("bsd", -1, 4096, 0), Cause::policy);
	EXPECT_EQ(cause("bsd", 128, 3, 3), Cause::somaxconn);
	EXPECT_EQ(cause("freebsd", 511, 511, 128), Cause::soacceptqueue);
	EXPECT_EQ(cause("freebsd", -1, 4096, 128), Cause::soacceptqueue);
	EXPECT_EQ(cause("freebsd", 511, 100, 100), Cause::somaxconn);
	EXPECT_EQ(cause("windows", 5, 5, 200), Cause::policy);
	EXPECT_EQ(cause("windows", 100000, 100000, 65535), Cause::policy);
	EXPECT_EQ(cause("windows", 500, 400, 400), Cause::somaxconn);
	EXPECT_EQ(cause("of-a-newer-module", 500, 400, 400), Cause::somaxconn);
}

TEST(limit, backlog_reason__an_older_module_does_not_say_what_was_given)
{
	Listener l = listener("linux", 65535, 0, 4096);
	l.backlog_given.reset();
	EXPECT_EQ(backlog_reason(l).cause, Cause::somaxconn);
	EXPECT_EQ(backlog_reason(l).text, "net.core.somaxconn was 4096 when it was set");
}

TEST(limit, syn_limit_reason__what_counts)
{
	EXPECT_EQ(syn_limit_reason(listener("linux-classic", 511, 511, 511, 256)).cause,
		  Cause::max_syn_backlog);
	EXPECT_EQ(syn_limit_reason(listener("linux", 511, 511, 511, 255)).text, "backlog 511 + 1");
	EXPECT_EQ(syn_limit_reason(listener("linux", 511, 511, 511, 255)).cause, Cause::asked);
	EXPECT_EQ(syn_limit_reason(listener("linux", 511, 511, 511, 511)).text, "backlog 511 + 1");
	EXPECT_EQ(syn_limit_reason(listener("linux", 100, 100, 100, 70)).text,
		  "max_syn_backlog 70 + 1, rounded up to 2^k");
	EXPECT_EQ(syn_limit_reason(listener("linux", 512, 512, 512, 8192)).text,
		  "backlog 512 + 1, rounded up to 2^k");
	EXPECT_EQ(syn_limit_reason(listener("linux", 100, 100, 100, 256)).cause, Cause::asked);
	EXPECT_EQ(syn_limit_reason(listener("linux", 4, 4, 4, 256)).text,
		  "as small as it gets: a backlog below 8");
	EXPECT_EQ(syn_limit_reason(listener("linux-classic", 9, 9, 9, 4)).text,
		  "as small as it gets: max_syn_backlog below 8");
	EXPECT_EQ(syn_limit_reason(listener("linux-modern", 4, 4, 4)).text, "backlog + 1");
	EXPECT_EQ(syn_limit_reason(listener("linux-2.4", 4, 4, 4)).cause, Cause::max_syn_backlog);
	EXPECT_EQ(syn_limit_reason(listener("freebsd", 4, 4, 4)).cause, Cause::policy);
	EXPECT_EQ(syn_limit_reason(listener("solaris", 4, 4, 4)).cause, Cause::policy);
	EXPECT_EQ(syn_limit_reason(listener("illumos", 4, 4, 4)).cause, Cause::policy);
	EXPECT_EQ(syn_limit_reason(listener("linux-2.0", 4, 4, 4)).text, "backlog, 1 at least");
	EXPECT_EQ(syn_limit_reason(listener("bsdos-3.0", 4, 4, 4, 128)).text,
		  "max_syn_backlog 128");
	EXPECT_EQ(syn_limit_reason(listener("bsdos-3.0", 400, 400, 400, 128)).text, "backlog 400");
	EXPECT_EQ(syn_limit_reason(listener("newer", 4, 4, 4)).cause, Cause::policy);
	Listener own = listener("linux-classic", 511, 511, 511, 64);
	own.own = LISTENQ_OWN_MAX_SYN_BACKLOG;
	Listener following = listener("linux-classic", 511, 511, 511, 64);
	following.following = LISTENQ_OWN_MAX_SYN_BACKLOG;
	EXPECT_EQ(syn_limit_reason(following).text,
		  "net.ipv4.tcp_max_syn_backlog 64 + 1, rounded up to 2^k");
	EXPECT_EQ(syn_limit_reason(own).text, "its own max_syn_backlog 64 + 1, rounded up to 2^k");
}

TEST(limit, every_policy_of_the_module_is_known)
{
	for (const char *policy : {"linux", "linux-classic", "linux-modern", "linux-2.4", "bsd",
				   "berkeley", "freebsd", "freebsd-4", "aix", "hpux", "solaris",
				   "xnu", "windows", "linux-2.0", "bsdos-3.0", "illumos"})
		EXPECT_EQ(accept_limit_reason(listener(policy, 4, 4, 4)).text.find("does not know"),
			  std::string::npos)
			<< policy;
	EXPECT_NE(accept_limit_reason(listener("newer", 4, 4, 4)).text.find("does not know"),
		  std::string::npos);
	EXPECT_TRUE(counts_both_queues(listener("xnu", 4, 4, 4)));
	EXPECT_FALSE(counts_both_queues(listener("linux", 4, 4, 4)));
}

TEST(limit, retries_source)
{
	const auto of = [](const char *policy, std::uint32_t retries, std::uint32_t own,
			   std::uint32_t following) {
		Listener l = listener(policy, 4, 4, 4);
		l.synack_retries = retries;
		l.own = own;
		l.following = following;
		return retries_source(l);
	};
	constexpr std::uint32_t flag = LISTENQ_OWN_SYNACK_RETRIES;

	EXPECT_EQ(of("linux", 5, 0, flag), "net.ipv4.tcp_synack_retries");
	EXPECT_EQ(of("linux", 3, flag, 0), "set for this listener");
	EXPECT_EQ(of("freebsd", 3, 0, flag), "the policy freebsd has 3 at most");
	EXPECT_EQ(of("freebsd-4", 3, flag, 0), "the policy freebsd-4 has 3 at most");
	EXPECT_EQ(of("freebsd", 2, 0, 0), "net.listenq.synack_retries");
	EXPECT_EQ(of("aix", 2, 0, flag), "the schedule of the policy aix");
	EXPECT_EQ(of("aix", 2, 0, 0), "net.listenq.synack_retries");
}

} // namespace
