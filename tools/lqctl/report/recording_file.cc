// SPDX-License-Identifier: GPL-2.0
/* The file that lqctl record writes: opened with care, and cut back after half a line. */
#include "report/recording_file.hh"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

namespace {

Error failed(const char *what, const std::string &name)
{
	return Error(fmt::format("cannot {} {}: {}", what, name,
				 std::generic_category().message(errno)));
}

/* Whether it ends in the midst of a line. */
bool ends_in_a_line(int fd, off_t size)
{
	char last = '\n';
	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

} // namespace

RecordingFile::RecordingFile(const std::string &name, bool append) : name_(name)
{
	if (name == "-") {
		name_ = "stdout";
		fd_ = STDOUT_FILENO;
		return;
	}
	try {
		open_file(append);
	} catch (...) {
		if (fd_ >= 0)
			close(fd_);
		throw;
	}
}

void RecordingFile::open_file(bool append)
{
	struct stat status;

	/* For reading too: to see how it ends. A pipe or a terminal may not allow that. */
	fd_ = open(name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd_ < 0 && (errno == EACCES || errno == ENXIO || errno == EINVAL))
		fd_ = open(name_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
	if (fd_ < 0 || fstat(fd_, &status) < 0)
		throw failed("write to", name_);
	regular_ = S_ISREG(status.st_mode);
	if (!regular_)
		return;
	if (flock(fd_, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		throw Error(fmt::format("another lqctl is recording to {}", name_));
	if (status.st_size > 0 && !append)
		throw Error(fmt::format("{} exists already: add to it with --append, or give "
					"another name",
					name_));
	if (ends_in_a_line(fd_, status.st_size) && ::write(fd_, "\n", 1) != 1)
		throw failed("write to", name_);
}

RecordingFile::~RecordingFile()
{
	if (fd_ >= 0 && fd_ != STDOUT_FILENO)
		close(fd_);
}

bool RecordingFile::write(const std::string &line)
{
	const off_t before = regular_ ? lseek(fd_, 0, SEEK_END) : -1;
	std::size_t done = 0;

	while (done < line.size()) {
		const ssize_t count = ::write(fd_, line.data() + done, line.size() - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EPIPE)
			return false;
		if (count <= 0) {
			const Error error = failed("write to", name_);
			if (before >= 0 && ftruncate(fd_, before) < 0)
				throw Error(fmt::format("{}; its last line is not whole",
							error.what()));
			throw error;
		}
		done += static_cast<std::size_t>(count);
	}
	written_ += line.size();
	return true;
}

} // namespace lqctl
