// SPDX-License-Identifier: GPL-2.0
#include "base/journal.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.hh"

using namespace lqctl;

namespace {

class journal : public ::testing::Test {
protected:
	void SetUp() override
	{
		ASSERT_NE(mkdtemp(directory), nullptr);
		path = std::string(directory) + "/socket";
		listen();
	}
	void TearDown() override
	{
		unlink(path.c_str());
		rmdir(directory);
	}
	void listen()
	{
		sockaddr_un address{};

		address.sun_family = AF_UNIX;
		std::strcpy(address.sun_path, path.c_str());
		unlink(path.c_str());
		server = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
		ASSERT_EQ(
			bind(server.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)),
			0);
	}
	std::string received()
	{
		char buffer[4096];
		const ssize_t length = recv(server.get(), buffer, sizeof(buffer), 0);

		return length < 0 ? "nothing"
				  : std::string(buffer, static_cast<std::size_t>(length));
	}

	char directory[32] = "/tmp/journal_test.XXXXXX";
	std::string path;
	Fd server;
};

} // namespace

TEST_F(journal, send__one_line_for_each_field)
{
	const Journal j(path);

	EXPECT_TRUE(j.send({{"MESSAGE", "a=b"}, {"PRIORITY", "4"}, {"EMPTY", ""}}));
	EXPECT_EQ(received(), "MESSAGE=a=b\nPRIORITY=4\nEMPTY=\n");
	EXPECT_EQ(received(), "nothing");
}

TEST_F(journal, send__lines_within_a_value_by_its_length)
{
	EXPECT_TRUE(Journal(path).send({{"MESSAGE", "two\nlines"}, {"PRIORITY", "4"}}));
	EXPECT_EQ(received(),
		  std::string("MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=4\n", 37));
}

TEST_F(journal, send__a_journal_that_starts_anew)
{
	const Journal j(path);

	server = Fd();
	EXPECT_FALSE(j.send({{"MESSAGE", "1"}}));
	EXPECT_EQ(errno, ECONNREFUSED);
	unlink(path.c_str());
	EXPECT_FALSE(j.send({{"MESSAGE", "2"}}));
	EXPECT_EQ(errno, ENOENT);
	listen();
	EXPECT_TRUE(j.send({{"MESSAGE", "3"}}));
	EXPECT_EQ(received(), "MESSAGE=3\n");
}

TEST_F(journal, send__a_journal_that_reads_nothing)
{
	const Journal j(path);
	unsigned taken = 0;

	while (taken < 100000 && j.send({{"MESSAGE", "x"}}))
		taken++;
	EXPECT_EQ(errno, EAGAIN);
	ASSERT_GT(taken, 0u);
	ASSERT_LT(taken, 100000u);
	EXPECT_EQ(received(), "MESSAGE=x\n");
	EXPECT_TRUE(j.send({{"MESSAGE", "x"}}));
}

TEST_F(journal, no_journal)
{
	unlink(path.c_str());
	EXPECT_THROW(Journal{path}, Error);
	EXPECT_THROW(Journal{std::string(200, 'x')}, Error);
}
