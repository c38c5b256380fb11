/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The last hour, always: a directory of recordings that follow one another, in so many bytes at
 * most.
 *
 * Each is a file of its own, 0000000001.jsonl and on, that is whole up to its last line whenever
 * the machine stops. A new one appears with its header in it; the oldest goes before, as a whole.
 */
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hh"
#include "base/timespan.hh"
#include "report/recording_file.hh"

namespace lqctl {

class RecordingRing final {
public:
	static constexpr std::uint64_t least_bytes = 64 * 1024;
	/* Into how many parts time and bytes are divided: what goes at once is a part. */
	static constexpr unsigned parts = 8;

	/* Goes on with what is in @directory, which is made. Throws; also while another records
	 * there. */
	RecordingRing(std::filesystem::path directory, Microseconds span, std::uint64_t bytes);

	/* Whether a line of so many bytes belongs into a new file; so it is before the first. */
	[[nodiscard]] bool is_full(std::size_t line) const;
	/* A new file, that begins with this line. */
	void begin(const std::string &header);
	/* Throws when the line is not all there. */
	void write(const std::string &line);
	[[nodiscard]] std::uint64_t written() const { return written_; }

private:
	void make_room(std::uint64_t wanted);

	std::filesystem::path directory_;
	Microseconds span_;
	std::uint64_t bytes_;
	Fd lock_;
	std::uint64_t number_ = 0; /* of the newest */
	std::unique_ptr<RecordingFile> file_;
	std::chrono::steady_clock::time_point began_;
	std::uint64_t written_ = 0;
};

/* The files of a ring, the oldest first. Throws when it is none. */
[[nodiscard]] std::vector<std::filesystem::path> ring_files(const std::filesystem::path &directory);

} // namespace lqctl
