// SPDX-License-Identifier: GPL-2.0
#include "report/recording_file.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "base/error.hh"

using namespace lqctl;

namespace {

class recording_file : public ::testing::Test {
protected:
	void SetUp() override { ASSERT_NE(mkdtemp(directory), nullptr); }
	void TearDown() override
	{
		unlink(name().c_str());
		rmdir(directory);
	}
	std::string name() const { return std::string(directory) + "/recording"; }
	std::string content() const
	{
		std::ifstream in(name());
		return {std::istreambuf_iterator<char>(in), {}};
	}
	void fill(const char *text) const { std::ofstream(name()) << text; }

	char directory[40] = "/tmp/lqctl-recording.XXXXXX";
};

TEST_F(recording_file, writes_lines)
{
	RecordingFile file(name(), false);
	EXPECT_TRUE(file.write("one\n"));
	EXPECT_TRUE(file.write("two\n"));
	EXPECT_EQ(content(), "one\ntwo\n");
	EXPECT_EQ(file.written(), 8u);
}

TEST_F(recording_file, keeps_what_is_there)
{
	fill("old\n");
	EXPECT_THROW(RecordingFile(name(), false), Error);
	EXPECT_EQ(content(), "old\n");
	EXPECT_TRUE(RecordingFile(name(), true).write("new\n"));
	EXPECT_EQ(content(), "old\nnew\n");
}

TEST_F(recording_file, an_empty_file_is_none)
{
	fill("");
	EXPECT_TRUE(RecordingFile(name(), false).write("new\n"));
	EXPECT_EQ(content(), "new\n");
}

TEST_F(recording_file, a_line_that_was_cut_gets_its_end)
{
	fill("old\nhalf a li");
	EXPECT_TRUE(RecordingFile(name(), true).write("new\n"));
	EXPECT_EQ(content(), "old\nhalf a li\nnew\n");
}

TEST_F(recording_file, one_at_a_time)
{
	RecordingFile first(name(), false);
	EXPECT_TRUE(first.write("one\n"));
	try {
		RecordingFile second(name(), true);
		FAIL();
	} catch (const Error &error) {
		EXPECT_NE(std::string(error.what()).find("another lqctl"), std::string::npos);
	}
}

/* A full disk: the file-size limit, which lets the first part of a line through. */
TEST_F(recording_file, full__ends_with_a_whole_line)
{
	rlimit old, few;

	RecordingFile file(name(), false);
	ASSERT_TRUE(file.write("a whole line\n"));
	ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
	few = old;
	few.rlim_cur = 20;
	std::signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &few), 0);
	EXPECT_THROW((void)file.write("a line that does not fit\n"), Error);
	setrlimit(RLIMIT_FSIZE, &old);
	std::signal(SIGXFSZ, SIG_DFL);
	EXPECT_EQ(content(), "a whole line\n");
}

TEST_F(recording_file, a_pipe_whose_reader_is_gone)
{
	ASSERT_EQ(mkfifo(name().c_str(), 0600), 0);
	const int reader = open(name().c_str(), O_RDONLY | O_NONBLOCK);
	ASSERT_GE(reader, 0);
	std::signal(SIGPIPE, SIG_IGN);
	const int fd = open(name().c_str(), O_WRONLY);
	ASSERT_GE(fd, 0);
	const int saved = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	{
		RecordingFile file("-", false);
		EXPECT_TRUE(file.write("one\n"));
		close(reader);
		EXPECT_FALSE(file.write("two\n"));
	}
	dup2(saved, STDOUT_FILENO);
	close(saved);
}

TEST_F(recording_file, what_cannot_be_opened)
{
	EXPECT_THROW(RecordingFile("/nonexistent/recording", false), Error);
	EXPECT_THROW(RecordingFile(directory, false), Error);
}

} // namespace
