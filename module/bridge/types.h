/* SPDX-License-Identifier: GPL-2.0 */
/* Fixed-width integers under one set of names for the kernel's C and the core's C++. */
#ifndef LISTENQ_BRIDGE_TYPES_H
#define LISTENQ_BRIDGE_TYPES_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
using std::size_t;
#else
#include <linux/types.h>
#endif

#endif
