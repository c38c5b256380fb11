// SPDX-License-Identifier: GPL-2.0
// What the files of the bridge share: how a call looks from outside, and whose it is.
#pragma once

#include "listener.hh"

// The core is one translation unit in the module, where nothing else is visible (-fwhole-program).
#if __has_cpp_attribute(gnu::externally_visible)
#define LQ_BRIDGE extern "C" [[gnu::externally_visible]]
#else
#define LQ_BRIDGE extern "C"
#endif

namespace listenq::bridge {

[[nodiscard]] inline Listener &listener(lq_core *core)
{
	return *reinterpret_cast<Listener *>(core);
}
[[nodiscard]] inline const Listener &listener(const lq_core *core)
{
	return *reinterpret_cast<const Listener *>(core);
}

} // namespace listenq::bridge
