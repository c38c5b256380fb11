// SPDX-License-Identifier: GPL-2.0
#include "view/absence.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

using namespace lqctl;

namespace {

using Codes = std::vector<std::string>;

Address address(const char *host, std::uint16_t port = 9)
{
	Address a;
	a.family = std::string_view(host).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
	EXPECT_EQ(inet_pton(a.family, host, a.bytes.data()), 1);
	a.port = port;
	return a;
}

Listener listener(const char *host, bool plain = false)
{
	Listener l;
	l.id = plain ? 0 : 3;
	l.address = address(host);
	l.plain = plain;
	l.accept_limit = 5;
	return l;
}

class absence : public ::testing::Test {
protected:
	Codes codes()
	{
		Codes all;
		found_ = diagnose(a_);
		for (const Finding &f : found_)
			all.push_back(f.code);
		return all;
	}
	const Finding &find(const std::string &code)
	{
		found_ = diagnose(a_);
		for (const Finding &f : found_) {
			if (f.code == code)
				return f;
		}
		throw std::runtime_error("no " + code);
	}
	bool says(const std::string &code, const std::string &words)
	{
		return find(code).text.find(words) != std::string::npos;
	}

	Absence a_{.wanted = {9, std::nullopt}, .here = {}, .elsewhere = {}, .numeric = true};
	std::vector<Finding> found_;
};

TEST_F(absence, nobody)
{
	EXPECT_EQ(codes(), Codes{"no_listener"});
	EXPECT_EQ(find("no_listener").severity, Severity::problem);
	EXPECT_TRUE(says("no_listener", "port 9 in this network namespace"));
	a_.wanted.address = address("127.0.0.1");
	EXPECT_TRUE(says("no_listener", "at 127.0.0.1:9 in"));
}

TEST_F(absence, held__if_grace_ms_is_set)
{
	a_.grace_ms = 3000;
	EXPECT_EQ(codes(), (Codes{"no_listener", "held"}));
	EXPECT_TRUE(says("held", "grace_ms is 3000"));
}

TEST_F(absence, plain_tcp__has_it)
{
	a_.here = {listener("0.0.0.0", true)};
	a_.grace_ms = 3000;
	a_.elsewhere = {{"blue", "blue", listener("0.0.0.0")}};
	EXPECT_EQ(codes(), Codes{"plain_tcp"});
	EXPECT_EQ(find("plain_tcp").severity, Severity::note);
	EXPECT_TRUE(says("plain_tcp", "0.0.0.0:9 is plain TCP's"));
	EXPECT_EQ(find("plain_tcp").commands, Codes{"lqctl adopt :9"});
}

TEST_F(absence, plain_tcp__full)
{
	a_.here = {listener("0.0.0.0", true)};
	a_.here[0].accept_qlen = 4;
	EXPECT_EQ(find("plain_tcp").severity, Severity::note);
	a_.here[0].accept_qlen = 5;
	EXPECT_EQ(find("plain_tcp").severity, Severity::problem);
	EXPECT_TRUE(says("plain_tcp", "5 of 5, so clients time out."));
	a_.tcp_aborts = true;
	EXPECT_TRUE(says("plain_tcp", "are reset"));
}

TEST_F(absence, any_address__of_ours)
{
	a_.wanted.address = address("127.0.0.1");
	a_.here = {listener("0.0.0.0")};
	EXPECT_EQ(codes(), Codes{"any_address"});
	EXPECT_EQ(find("any_address").commands, Codes{"lqctl explain @3"});
}

TEST_F(absence, other_address_and_family)
{
	a_.wanted.address = address("127.0.0.1");
	a_.here = {listener("127.0.0.2", true), listener("::1")};
	EXPECT_EQ(codes(), (Codes{"no_listener", "other_address", "other_family"}));
	EXPECT_TRUE(says("other_address", "another address: 127.0.0.2:9."));
	EXPECT_TRUE(says("other_family", "not with IPv4: [::1]:9."));
	a_.wanted.address = address("::2");
	EXPECT_TRUE(says("other_address", "another address: [::1]:9."));
	EXPECT_TRUE(says("other_family", "not with IPv6: 127.0.0.2:9."));
}

TEST_F(absence, no_such_address__too)
{
	a_.wanted.address = address("192.0.2.1");
	a_.address_is_here = false;
	EXPECT_EQ(codes(), (Codes{"no_listener", "no_such_address"}));
	EXPECT_TRUE(says("no_such_address", "192.0.2.1"));
}

TEST_F(absence, other_namespace__a_command_for_each)
{
	a_.elsewhere = {{"blue", "blue", listener("0.0.0.0")},
			{"blue", "blue", listener("::1")},
			{"17", "pid 17 (nginx)", listener("0.0.0.0", true)}};
	EXPECT_EQ(codes(), (Codes{"no_listener", "other_namespace"}));
	EXPECT_TRUE(says("other_namespace",
			 "0.0.0.0:9, in blue; [::1]:9, in blue; 0.0.0.0:9, in pid 17 (nginx)"));
	EXPECT_EQ(find("other_namespace").commands,
		  (Codes{"lqctl explain -N blue :9", "lqctl explain -N 17 :9"}));
}

TEST_F(absence, namespaces_unseen)
{
	a_.all_seen = false;
	EXPECT_EQ(codes(), (Codes{"no_listener", "namespaces_unseen"}));
	EXPECT_EQ(find("namespaces_unseen").severity, Severity::note);
}

} // namespace
