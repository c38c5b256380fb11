/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lookup of IPv6's FIB, where a kernel lets modules ask it; not defined elsewhere. Nor without
 * CONFIG_IPV6_ROUTER_PREF: there each lookup moves on to the next of equal routers whose neighbours are
 * not known, and whoever asks once more makes the kernel pass one over.
 */
#ifndef LISTENQ_COMPAT_FIB6_H
#define LISTENQ_COMPAT_FIB6_H

#include <net/ip6_fib.h>

#include "features.h"

#if defined(LQ_HAVE_FIB6_NEXTHOP) && IS_ENABLED(CONFIG_IPV6_ROUTER_PREF)
#if defined(LQ_HAVE_FIB6_LOOKUP)
#define lq_compat_fib6_lookup fib6_lookup
#elif defined(LQ_HAVE_FIB6_STUB_LOOKUP)
#include <net/ipv6_stubs.h>
#define lq_compat_fib6_lookup ipv6_stub->fib6_lookup
#endif
#endif

#endif
