// SPDX-License-Identifier: GPL-2.0
#include "model/selection.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "base/error.hh"

using namespace lqctl;

namespace {

Listener listener()
{
	Listener l;
	l.id = 7;
	l.address.port = 8080;
	inet_pton(AF_INET, "10.1.2.3", l.address.bytes.data());
	l.policy = "aix";
	l.backlog = 511;
	l.accept_qlen = 9;
	l.syn_qlen = 3;
	l.uid = 33;
	l.drops[0].value = 2;
	l.drops[4].value = 3;
	l.processes = {{"nginx", 12, 6}, {"nginx", 13, 6}};
	return l;
}

bool matches(const std::string &text)
{
	return Selection(text).matches(listener());
}

std::string error(const std::string &text)
{
	try {
		(void)Selection(text);
	} catch (const Error &e) {
		return e.what();
	}
	return "";
}

TEST(selection, all)
{
	EXPECT_TRUE(Selection().matches(listener()));
	EXPECT_TRUE(Selection(std::vector<std::string>{}).matches(listener()));
	EXPECT_EQ(Selection().text(), "");
}

TEST(selection, one_word)
{
	for (const char *text : {":8080", "8080", ":http-alt", "10.1.2.3", "10.1.2.3:8080", "@7",
				 "10.0.0.0/8", "10.1.2.0/23:8080", "0.0.0.0/0"})
		EXPECT_TRUE(matches(text)) << text;
	for (const char *text : {":80", "80", "10.1.2.4", "10.1.2.3:81", "@8", "11.0.0.0/8",
				 "10.1.4.0/23", "::/0", "[::1]:8080"})
		EXPECT_FALSE(matches(text)) << text;
}

TEST(selection, as_ss_writes_it)
{
	for (const char *text :
	     {"sport = :8080", "sport=:8080", "sport eq 8080", "sport == :http-alt", "sport != :80",
	      "sport neq 80", "sport > :1023", "sport ge 8080", "sport <= 8080", "src 10.1.2.3",
	      "src = 10.0.0.0/8", "src != 10.2.0.0/16", "src 10.1.2.3:8080"})
		EXPECT_TRUE(matches(text)) << text;
	for (const char *text :
	     {"sport = :80", "sport < 8080", "src 10.1.2.4", "src != 10.0.0.0/8"})
		EXPECT_FALSE(matches(text)) << text;
}

TEST(selection, fields)
{
	for (const char *text :
	     {"policy = aix", "policy != linux", "name = nginx", "name != x", "drops > 4",
	      "drops = 5", "recv-q>=9", "syn-q < 4", "uid = 33", "id = 7", "backlog gt 510"})
		EXPECT_TRUE(matches(text)) << text;
	for (const char *text :
	     {"policy = linux", "policy != aix", "name = apache", "drops > 5", "name != nginx"})
		EXPECT_FALSE(matches(text)) << text;
	EXPECT_TRUE(Selection("not name = nginx").wants_processes());
	EXPECT_FALSE(Selection("policy = xnu").wants_processes());
	EXPECT_FALSE(matches("policy = tcp"));
}

TEST(selection, and_binds_tighter_than_or)
{
	EXPECT_TRUE(matches(":8080 or :80 and policy = linux"));
	EXPECT_FALSE(matches("( :8080 or :80 ) and policy = linux"));
	EXPECT_FALSE(matches("(:8080||:80)&&policy=linux"));
	EXPECT_TRUE(matches("not :80 and ! policy = linux"));
	EXPECT_FALSE(matches("not ( :8080 and @7 )"));
	EXPECT_TRUE(matches("not not :8080"));
}

TEST(selection, words_may_come_in_one_or_many)
{
	const Selection selection(std::vector<std::string>{"sport", "=", ":8080"});
	EXPECT_TRUE(selection.matches(listener()));
	EXPECT_EQ(selection.text(), "sport = :8080");
}

TEST(selection, malformed)
{
	const std::pair<const char *, const char *> cases[] = {
		{"", "is empty"},
		{"nonsense", "did you mean \"name = nonsense\"?"},
		{"10.0.0.x", "is no IP address"},
		{"polcy = aix", "did you mean \"policy\"?"},
		{"xyzzy = 3", "nothing is known as \"xyzzy\": filter by"},
		{"policy = nosuch", "there is no policy \"nosuch\""},
		{"policy = freebds", "did you mean \"freebsd\"?"},
		{":99999", "no TCP port"},
		{"[::1", "lacks a ]"},
		{"a b", "\"a\" is no port or address"},
		{":80 :81", "where and, or or the end"},
		{":80 and", "ends after \"and\""},
		{"( :80", "lacks a )"},
		{":80 )", "where and, or or the end"},
		{"sport", "ends after \"sport\""},
		{"sport :80", "where =, !="},
		{"sport = :x", "names no TCP port"},
		{"policy > aix", "takes = and != only"},
		{"drops > many", "where a number belongs"},
		{"drops > -1", "where a number belongs"},
		{"dport = :80", "asks for a peer"},
		{"@0", "is no listener"},
		{"@x", "is no listener"},
		{"@99999999999999999999", "is no listener"},
		{"10.0.0.0/33", "0 to 32 bits"},
		{"10.0.0.0/", "0 to 32 bits"},
	};
	for (const auto &[text, why] : cases)
		EXPECT_NE(error(text).find(why), std::string::npos) << text << ": " << error(text);
	EXPECT_NE(error(std::string(100, '(')).find("too deep"), std::string::npos);
	EXPECT_NE(error(std::string(100, '!')).find("too deep"), std::string::npos);
	std::string ors = ":80";
	for (int i = 0; i < 100000; i++)
		ors += " or :80";
	EXPECT_NE(error(ors).find("too long"), std::string::npos);
	EXPECT_LT(error(ors).size(), 100u);
}

} // namespace
