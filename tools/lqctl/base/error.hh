/* SPDX-License-Identifier: GPL-2.0 */
/* An error that ends the program: one line that says what was wrong and what to do. */
#pragma once

#include <stdexcept>
#include <string>

namespace lqctl {

/* lqctl(8), EXIT STATUS. */
enum class Exit {
	ok = 0,
	failed = 1,    /* bad usage, or the kernel refused */
	no_module = 2, /* no listenq in this kernel, or one that this lqctl does not understand */
};

class Error final : public std::runtime_error {
public:
	explicit Error(const std::string &what, Exit status = Exit::failed)
	    : std::runtime_error(what), status_(status)
	{
	}
	[[nodiscard]] Exit status() const { return status_; }

private:
	Exit status_;
};

[[nodiscard]] inline Error module_not_loaded()
{
	return Error("the listenq module is not loaded in this kernel: "
		     "run \"modprobe listenq\" (or insmod listenq.ko) as root",
		     Exit::no_module);
}

[[nodiscard]] inline Error module_unloaded()
{
	return Error("the listenq module was unloaded", Exit::no_module);
}

} // namespace lqctl
