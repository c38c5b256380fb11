// SPDX-License-Identifier: GPL-2.0
#include "report/recording_ring.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "base/error.hh"
#include "report/recording.hh"

using namespace lqctl;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

class recording_ring : public testing::Test {
protected:
	recording_ring()
	{
		char name[] = "/tmp/lqctl-ring-XXXXXX";
		directory = mkdtemp(name);
	}
	~recording_ring() override { fs::remove_all(directory); }

	[[nodiscard]] std::uint64_t size() const
	{
		std::uint64_t all = 0;
		for (const auto &entry : fs::directory_iterator(directory))
			all += fs::file_size(entry.path());
		return all;
	}
	[[nodiscard]] std::vector<std::string> names() const
	{
		std::vector<std::string> all;
		for (const fs::path &file : ring_files(directory))
			all.push_back(file.filename());
		return all;
	}
	/* As record does. */
	static void write(RecordingRing &ring, const std::string &line)
	{
		if (ring.is_full(line.size()))
			ring.begin(header);
		ring.write(line);
	}

	static inline const std::string header = "the header\n";
	static constexpr std::uint64_t bytes = RecordingRing::least_bytes;
	fs::path directory;
};

std::string content(const fs::path &file)
{
	std::ifstream in(file);
	return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(recording_ring, goes_on_within_its_bytes)
{
	RecordingRing ring(directory, 1h, bytes);
	const std::string line = std::string(999, 'x') + '\n';

	for (int i = 0; i < 500; i++) {
		write(ring, line);
		ASSERT_LE(size(), bytes) << i;
	}
	EXPECT_GE(size(), bytes / 2);
	const auto files = ring_files(directory);
	EXPECT_GE(files.size(), 6u);
	EXPECT_EQ(ring.written(), 500 * line.size() + (500 / 7 + 1) * header.size());
	for (const fs::path &file : files)
		EXPECT_TRUE(content(file).starts_with(header + "xxx")) << file;
	EXPECT_NE(files.front().filename(), "0000000001.jsonl");
}

TEST_F(recording_ring, goes_on_after_a_restart)
{
	{
		RecordingRing ring(directory, 1h, bytes);
		write(ring, "one\n");
	}
	/* It was killed in the midst of a line, and as it began a file. */
	std::ofstream(directory / "0000000001.jsonl", std::ios::app) << "hal";
	std::ofstream(directory / "0000000002.jsonl.Ab12Cd") << "the hea";
	std::ofstream(directory / "notes.txt") << "another's";
	RecordingRing ring(directory, 1h, bytes);
	write(ring, "two\n");
	EXPECT_EQ(names(), (std::vector<std::string>{"0000000001.jsonl", "0000000002.jsonl"}));
	EXPECT_EQ(content(directory / "0000000001.jsonl"), header + "one\nhal");
	EXPECT_EQ(content(directory / "0000000002.jsonl"), header + "two\n");
	EXPECT_TRUE(fs::exists(directory / "notes.txt"));
	EXPECT_FALSE(fs::exists(directory / "0000000002.jsonl.Ab12Cd"));
}

TEST_F(recording_ring, what_is_too_old_goes)
{
	{
		RecordingRing ring(directory, 1h, bytes);
		write(ring, "old\n");
	}
	const utimbuf then{time(nullptr) - 7200, time(nullptr) - 7200};
	ASSERT_EQ(utime((directory / "0000000001.jsonl").c_str(), &then), 0);
	RecordingRing ring(directory, 1h, bytes);
	EXPECT_EQ(names().size(), 1u) << "not before there is something newer";
	write(ring, "new\n");
	EXPECT_EQ(names(), std::vector<std::string>{"0000000002.jsonl"});
}

TEST_F(recording_ring, a_part_of_the_time_is_a_file)
{
	RecordingRing ring(directory, 1us, bytes);
	write(ring, "one\n");
	EXPECT_TRUE(ring.is_full(1));
	RecordingRing other(directory / "other", 1h, bytes);
	EXPECT_TRUE(other.is_full(1)) << "before the first";
	write(other, "one\n");
	EXPECT_FALSE(other.is_full(1));
	EXPECT_TRUE(other.is_full(bytes / RecordingRing::parts));
}

TEST_F(recording_ring, one_line_too_long)
{
	RecordingRing ring(directory, 1h, bytes);
	const std::string large(bytes / 4, 'x'), larger(bytes / 2 + 1, 'x');

	for (int i = 0; i < 10; i++)
		write(ring, large);
	EXPECT_LE(size(), bytes + bytes / RecordingRing::parts);
	EXPECT_THROW(write(ring, larger), Error);
}

TEST_F(recording_ring, one_at_a_time)
{
	RecordingRing ring(directory, 1h, bytes);
	try {
		RecordingRing second(directory, 1h, bytes);
		ADD_FAILURE();
	} catch (const Error &error) {
		EXPECT_NE(std::string(error.what()).find("another lqctl"), std::string::npos);
	}
	EXPECT_THROW(RecordingRing(directory / "a/b", 1h, bytes), Error);
	std::ofstream(directory / "file") << "x";
	EXPECT_THROW(RecordingRing(directory / "file", 1h, bytes), Error);
	EXPECT_THROW((void)ring_files(directory / "none"), Error);
}

/* Cut off at any byte, all lines before are there, and the next goes on behind. */
TEST_F(recording_ring, cut_off_anywhere)
{
	const std::string first = header_line(1'000'000'000, 1s, {}, "web1"),
			  sample = sample_line(1s, true, {}), whole = first + sample + sample;

	for (std::size_t cut = first.size(); cut <= whole.size(); cut++) {
		const fs::path one = directory / "0000000001.jsonl";
		std::ofstream(one, std::ios::trunc) << whole.substr(0, cut);
		RecordingRing ring(directory, 1h, bytes);
		ring.begin(header_line(9'000'000'000, 1s, {}, "web1"));
		ring.write(sample);
		std::stringstream all;
		for (const fs::path &file : ring_files(directory))
			all << content(file) << '\n';
		const Recording r = read_recording(all, "RING");
		ASSERT_EQ(r.segments.size(), 2u) << cut;
		ASSERT_EQ(r.segments[0].samples.size(),
			  (cut + 1 >= first.size() + sample.size()) + (cut + 1 >= whole.size()))
			<< cut;
		ASSERT_EQ(r.damaged, 0u) << cut;
		ASSERT_EQ(r.segments[1].samples.size(), 1u) << cut;
		fs::remove(directory / "0000000002.jsonl");
	}
}

} // namespace
