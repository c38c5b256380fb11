// SPDX-License-Identifier: GPL-2.0
/* Writing to stdout. */
#include "base/output.hh"

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/error.hh"

namespace lqctl {

bool write_stdout(const std::string &text)
{
	if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
	    std::fflush(stdout) == 0)
		return true;
	if (errno == EPIPE)
		return false;
	throw Error(
		fmt::format("cannot write to stdout: {}", std::generic_category().message(errno)));
}

} // namespace lqctl
