/* SPDX-License-Identifier: GPL-2.0 */
/* What an ELF file says of itself. Any file will do: nothing in it is believed beyond its end. */
#pragma once

#include <string>

namespace lqrun {

enum class Elf {
	none,		    /* no ELF file, or one that cannot be read: for execve() to judge */
	other_architecture, /* than that of the running lqrun, and so of liblqrun.so */
	go,		    /* made by the Go compiler (not gccgo, whose library calls libc) */
	linked_statically,
	linked_dynamically,
};

[[nodiscard]] Elf elf_of(const std::string &file);

} // namespace lqrun
