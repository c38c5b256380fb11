/* SPDX-License-Identifier: GPL-2.0 */
/* The clocks that the core is told, and that of TCP timestamps. */
#ifndef LISTENQ_CLOCK_H
#define LISTENQ_CLOCK_H

#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>

static inline u32 lq_now(void)
{
	return (u32)jiffies;
}

static inline u32 lq_now_s(void)
{
	return (u32)ktime_get_seconds();
}

/* 32 bits of microseconds, of ktime_get_ns(). */
static inline u32 lq_us(u64 now_ns)
{
	return (u32)div_u64(now_ns, NSEC_PER_USEC);
}

static inline u32 lq_now_us(void)
{
	return lq_us(ktime_get_ns());
}

/* The clock of TCP timestamps, from ktime_get_ns(): milliseconds (TCP_TS_HZ). */
static inline u32 lq_tsval(u64 now_ns)
{
	return (u32)div_u64(now_ns, NSEC_PER_MSEC);
}

#endif
