/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Settings that follow net.ipv4.* of their namespace until net.listenq.* is written. The kernel tells
 * nobody of a change: who took them compares what it took, lq_tcp_sysctls().
 */
#ifndef LISTENQ_TCP_SYSCTLS_H
#define LISTENQ_TCP_SYSCTLS_H

#include "net.h"

/* X(name, LISTENQ_OWN_NAME): net.listenq.name follows net.ipv4.tcp_name; in the order of their names */
#define LQ_TCP_SYSCTLS(X) \
	X(abort_on_overflow, LISTENQ_OWN_ABORT_ON_OVERFLOW) \
	X(max_syn_backlog, LISTENQ_OWN_MAX_SYN_BACKLOG) \
	X(synack_retries, LISTENQ_OWN_SYNACK_RETRIES) \
	X(syncookies, LISTENQ_OWN_SYNCOOKIES)

/* What TCP's own says, within our ranges. */
static inline int lq_tcp_abort_on_overflow(const struct net *net)
{
	return READ_ONCE(net->ipv4.sysctl_tcp_abort_on_overflow) != 0;
}

static inline int lq_tcp_max_syn_backlog(const struct net *net)
{
	return clamp(READ_ONCE(net->ipv4.sysctl_max_syn_backlog), 1, LQ_MAX_SYN_BACKLOG);
}

static inline int lq_tcp_synack_retries(const struct net *net)
{
	return READ_ONCE(net->ipv4.sysctl_tcp_synack_retries);
}

/* tcp_conn_request(): 2 is always, and any other than 0 is when the SYN queue is full. */
static inline int lq_tcp_syncookies(const struct net *net)
{
	const int value = READ_ONCE(net->ipv4.sysctl_tcp_syncookies);

	return value > 2 ? 1 : value;
}

/* The setting @name of a namespace, wherever it is from. */
#define lq_sysctl(lqn, name)                                                              \
	({                                                                                \
		const int lq_written = READ_ONCE((lqn)->sysctls.name);                    \
		lq_written == LQ_FOLLOW ? lq_tcp_##name((lqn)->net) : lq_written;         \
	})

/* All of TCP's as one number: another one if any of them has changed. Read for every segment. */
static inline u64 lq_tcp_sysctls(const struct net *net)
{
	return (u64)READ_ONCE(net->ipv4.sysctl_max_syn_backlog) << 32 |
	       (u32)READ_ONCE(net->ipv4.sysctl_tcp_abort_on_overflow) << 16 |
	       (u32)READ_ONCE(net->ipv4.sysctl_tcp_syncookies) << 8 |
	       (u32)READ_ONCE(net->ipv4.sysctl_tcp_synack_retries);
}

/* LISTENQ_OWN_* of those that @lqn has not written. */
static inline u32 lq_tcp_followed(const struct lq_net *lqn)
{
	u32 flags = 0;

#define LQ_FLAG(name, flag) flags |= READ_ONCE(lqn->sysctls.name) == LQ_FOLLOW ? (flag) : 0;
	LQ_TCP_SYSCTLS(LQ_FLAG)
#undef LQ_FLAG
	return flags;
}

#endif
