// SPDX-License-Identifier: GPL-2.0
/* libmicrohttpd, loaded by the one command that needs it. */
#include "commands/microhttpd.hh"

#include <dlfcn.h>
#include <fmt/core.h>

#include "base/error.hh"

namespace lqctl {

namespace {

constexpr const char *library = "libmicrohttpd.so.12";

Error is_missing()
{
	return Error(
		fmt::format("serve needs libmicrohttpd ({}): install the package libmicrohttpd12, "
			    "or let \"lqctl export -o FILE\" write for a textfile collector",
			    dlerror()));
}

void *symbol(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	if (!found)
		throw is_missing();
	return found;
}

} // namespace

MicroHttpd::MicroHttpd()
{
	void *handle = dlopen(library, RTLD_NOW);

	if (!handle)
		throw is_missing();
#define LQCTL_X(name)                                                                              \
	this->name = reinterpret_cast<decltype(this->name)>(symbol(handle, "MHD_" #name));
	LQCTL_MICROHTTPD(LQCTL_X)
#undef LQCTL_X
}

} // namespace lqctl
