// SPDX-License-Identifier: GPL-2.0
/* Files: written beside, then renamed. */
#include "base/file.hh"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

namespace {

bool write_all(int fd, const std::string &text)
{
	for (std::size_t done = 0; done < text.size();) {
		const ssize_t n = write(fd, text.data() + done, text.size() - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		done += static_cast<std::size_t>(n);
	}
	return true;
}

} // namespace

void write_whole(const std::filesystem::path &path, const std::string &text, mode_t mode)
{
	struct stat st {};
	/* A device, a pipe or a directory would be replaced by a file; a link that leads to a file
	 * may be. */
	if (stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode))
		throw Error(fmt::format("{} is no regular file, and is left as it is: \"-\" is the "
					"standard output",
					path.string()));
	std::string beside = path.string() + ".XXXXXX";
	const int fd = mkostemp(beside.data(), 0);
	const auto failed = [&] {
		return Error(fmt::format("cannot write {}: {}", path.string(),
					 std::generic_category().message(errno)));
	};

	if (fd < 0)
		throw failed();
	const bool written = write_all(fd, text) && fchmod(fd, mode) == 0;
	const int code = errno;
	if (close(fd) == 0 && written && rename(beside.c_str(), path.c_str()) == 0)
		return;
	if (!written)
		errno = code;
	const Error error = failed();
	unlink(beside.c_str());
	throw error;
}

} // namespace lqctl
