// SPDX-License-Identifier: GPL-2.0
#include "model/history.hh"

#include <gtest/gtest.h>
#include <linux/listenq.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.hh"
#include "base/file.hh"

using namespace lqctl;
namespace fs = std::filesystem;

namespace {

class history : public testing::Test {
protected:
	history()
	{
		char name[] = "/tmp/lqctl-history-XXXXXX";
		home = mkdtemp(name);
	}
	~history() override { fs::remove_all(home); }

	static Stats stats(std::uint64_t no_route, std::uint64_t established)
	{
		Stats s;
		s.listeners = 3;
		s.drops[LISTENQ_DROP_NO_ROUTE - 1].value = no_route;
		s.events[LISTENQ_EVENT_ESTABLISHED - 1].value = established;
		return s;
	}
	static std::uint64_t no_route(const Stats &s)
	{
		return s.drops[LISTENQ_DROP_NO_ROUTE - 1].value;
	}

	fs::path home;
};

TEST_F(history, difference__what_grew)
{
	const Stats d = difference(stats(7, 100), stats(5, 100));
	EXPECT_EQ(no_route(d), 2u);
	EXPECT_EQ(total(d.events), 0u);
	EXPECT_EQ(d.listeners, 3u);
}

TEST_F(history, difference__counted_anew)
{
	EXPECT_EQ(no_route(difference(stats(3, 0), stats(5, 0))), 3u);
}

TEST_F(history, file__comes_back)
{
	const HistoryFile file(home / "lqctl", "x");
	EXPECT_FALSE(file.read());
	file.write({12.5, stats(7, 100)});
	file.write({13.5, stats(8, 100)});
	const auto back = file.read();
	ASSERT_TRUE(back);
	EXPECT_EQ(back->time, 13.5);
	EXPECT_EQ(total(difference(stats(10, 101), back->stats).drops), 2u);
	EXPECT_EQ(total(difference(stats(10, 101), back->stats).events), 1u);
	/* Nothing lies about beside it. */
	EXPECT_EQ(std::distance(fs::directory_iterator(home / "lqctl"), fs::directory_iterator()),
		  1);
	struct stat st {};
	ASSERT_EQ(stat(file.path().c_str(), &st), 0);
	EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(history, file__of_nonsense_is_none)
{
	const HistoryFile file(home / "lqctl", "x");
	for (const char *text :
	     {"", "{", "[]", "{\"time\": 1}", "{\"time\": \"x\", \"stats\": {}}"}) {
		std::ofstream(file.path()) << text;
		EXPECT_FALSE(file.read()) << text;
	}
}

TEST_F(history, file__only_in_a_directory_of_my_own)
{
	fs::create_directory(home / "open");
	chmod((home / "open").c_str(), 0777);
	EXPECT_THROW(HistoryFile(home / "open", "x"), Error);
	fs::create_directory(home / "mine");
	chmod((home / "mine").c_str(), 0700);
	fs::create_symlink(home / "mine", home / "link");
	EXPECT_THROW(HistoryFile(home / "link", "x"), Error);
	std::ofstream(home / "file") << "";
	EXPECT_THROW(HistoryFile(home / "file", "x"), Error);
	EXPECT_THROW(HistoryFile(home / "none" / "deeper", "x"), Error);
	EXPECT_NO_THROW(HistoryFile(home / "mine", "x"));
}

TEST_F(history, write_whole__nothing_when_it_fails)
{
	EXPECT_THROW(write_whole(home / "none" / "x", "text", 0644), Error);
	fs::create_directory(home / "dir");
	EXPECT_THROW(write_whole(home / "dir", "text", 0644), Error);
	EXPECT_EQ(std::distance(fs::directory_iterator(home), fs::directory_iterator()), 1);
}

TEST_F(history, write_whole__over_nothing_but_a_regular_file)
{
	const fs::path pipe = home / "pipe", file = home / "file", link = home / "link";
	ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
	EXPECT_THROW(write_whole(pipe, "text", 0644), Error);
	EXPECT_TRUE(fs::is_fifo(pipe)) << "root's export replaced a device once";
	fs::create_symlink(pipe, link);
	EXPECT_THROW(write_whole(link, "text", 0644), Error);
	EXPECT_TRUE(fs::is_symlink(link));
	write_whole(file, "old", 0644);
	write_whole(file, "new", 0644);
	EXPECT_EQ(fs::file_size(file), 3u);
}

} // namespace
