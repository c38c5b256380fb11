/* SPDX-License-Identifier: GPL-2.0 */
/* The lookup of IPv6's FIB, where a kernel lets modules ask it; not defined elsewhere. */
#ifndef LISTENQ_COMPAT_FIB6_H
#define LISTENQ_COMPAT_FIB6_H

#include <net/ip6_fib.h>

#include "features.h"

#ifdef LQ_HAVE_FIB6_NEXTHOP
#if defined(LQ_HAVE_FIB6_LOOKUP)
#define lq_compat_fib6_lookup fib6_lookup
#elif defined(LQ_HAVE_FIB6_STUB_LOOKUP)
#include <net/ipv6_stubs.h>
#define lq_compat_fib6_lookup ipv6_stub->fib6_lookup
#endif
#endif

#endif
