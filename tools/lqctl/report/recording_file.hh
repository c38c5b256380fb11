/* SPDX-License-Identifier: GPL-2.0 */
/* The file that lqctl record writes: whole lines only, whatever ends it. */
#pragma once

#include <cstdint>
#include <string>

namespace lqctl {

class RecordingFile final {
public:
	/*
	 * @name "-": stdout. @append: to a file that holds recordings already; without it such a
	 * file is refused. Throws; also while another lqctl records to it.
	 */
	RecordingFile(const std::string &name, bool append);
	~RecordingFile();
	RecordingFile(const RecordingFile &) = delete;
	RecordingFile &operator=(const RecordingFile &) = delete;

	[[nodiscard]] int fd() const { return fd_; }
	[[nodiscard]] std::uint64_t written() const { return written_; }

	/* False: the reader of a pipe is gone. Throws when the line is not all there; then the
	 * file ends with the line before. */
	[[nodiscard]] bool write(const std::string &line);

private:
	void open_file(bool append);

	std::string name_;
	int fd_ = -1;
	bool regular_ = false;
	std::uint64_t written_ = 0;
};

} // namespace lqctl
