/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel differences, each by a feature that compat/probe.sh found, unless it
 * shows in no declaration. Nothing outside this folder asks which kernel it is.
 */
#ifndef LISTENQ_COMPAT_H
#define LISTENQ_COMPAT_H

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ipv6.h>
#include <linux/net.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/skmsg.h>
#include <linux/sysctl.h>
#include <linux/tcp.h>
#include <linux/version.h>
#include <net/inet_connection_sock.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "features.h"
#include "replace.h"

#if __has_include(<net/rps.h>)
#include <net/rps.h>
#endif

#ifdef LQ_HAVE_RST_REASON
#include <net/rstreason.h>
#endif

/*
 * Kernels that zero every variable on the stack (CONFIG_INIT_STACK_ALL_ZERO) spend more on that
 * than on the work, for the large ones of the packet path. For those whose every field is written
 * before anybody reads it.
 */
#if __has_attribute(uninitialized)
#define LQ_UNINITIALIZED __attribute__((uninitialized))
#else
#define LQ_UNINITIALIZED
#endif

/* --- kernels that look for bugs --- */

/* @broken: the words of what is wrong, or NULL. Elsewhere it is not asked for. */
#ifdef LQ_DEBUG
#define LQ_DEBUG_CHECK(broken) \
	do { \
		const char *lq_broken = (broken); \
\
		WARN_ONCE(lq_broken, "listenq: %s\n", lq_broken); \
	} while (0)
#else
#define LQ_DEBUG_CHECK(broken) do { } while (0)
#endif

/* --- tasks on their way through our functions --- */

/* All that was given to call_rcu_tasks() before is done. */
static inline void lq_compat_rcu_barrier_tasks(void)
{
#ifdef CONFIG_TASKS_RCU
	rcu_barrier_tasks();
#else
	rcu_barrier();
#endif
}

/* Whether other tasks, or later this one, may be in a system call for @task with no descriptor. */
static inline bool lq_compat_has_io_uring(const struct task_struct *task)
{
#ifdef CONFIG_IO_URING
	return task->io_uring || task->flags & (PF_IO_WORKER | PF_KTHREAD);
#else
	return task->flags & PF_KTHREAD;
#endif
}

/* --- the file of a socket --- */

/*
 * A reference on the file of @sock, or NULL: there is none, or its last user is closing it. lock_sock
 * held, the sock has @sock.
 */
static inline struct file *lq_compat_get_file(struct socket *sock)
{
#ifdef LQ_HAVE_GET_FILE_ACTIVE
	return get_file_active(&sock->file);
#else
	struct file *file = sock->file;

	return file && get_file_rcu(file) ? file : NULL;
#endif
}

/* --- sockmaps --- */

/* lock_sock held, or its spinlock. */
static inline bool lq_compat_in_sockmap(const struct sock *sk)
{
#ifdef CONFIG_NET_SOCK_MSG
	bool is;

	rcu_read_lock();
	is = sk_psock(sk);
	rcu_read_unlock();
	return is;
#else
	return false;
#endif
}

/* A reference on what a sockmap keeps of @sk, so that it changes nothing in @sk meanwhile; or NULL. */
static inline void *lq_compat_sockmap_hold(struct sock *sk)
{
#ifdef CONFIG_NET_SOCK_MSG
	return sk_psock_get(sk);
#else
	return NULL;
#endif
}

static inline void lq_compat_sockmap_put(struct sock *sk, void *held)
{
#ifdef CONFIG_NET_SOCK_MSG
	if (held)
		sk_psock_put(sk, held);
#endif
}

/* --- connect() --- */

#ifdef LQ_HAVE_SOCKADDR_UNSIZED
#define LQ_SOCKADDR struct sockaddr_unsized
#else
#define LQ_SOCKADDR struct sockaddr
#endif

/* --- accept() --- */

#ifdef LQ_HAVE_PROTO_ACCEPT_ARG
#define LQ_ACCEPT_PARAMS struct proto_accept_arg *arg
#define LQ_ACCEPT_ARGS arg
#define LQ_ACCEPT_FLAGS (arg->flags)
/* Tell io_uring whether one more accept() would find a connection. */
#define LQ_ACCEPT_SET_EMPTY(empty) (arg->is_empty = (empty))

static inline int lq_compat_accept(const struct proto_ops *ops, struct socket *sock,
				   struct socket *newsock, struct proto_accept_arg *arg)
{
	const int flags = arg->flags;
	int err;

	/* Our queue was waited on; the kernel's must not be. */
	arg->flags |= O_NONBLOCK;
	err = ops->accept(sock, newsock, arg);
	arg->flags = flags;
	return err;
}
#else
#define LQ_ACCEPT_PARAMS int flags, bool kern
#define LQ_ACCEPT_ARGS flags, kern
#define LQ_ACCEPT_FLAGS flags
#define LQ_ACCEPT_SET_EMPTY(empty) ((void)(empty))

static inline int lq_compat_accept(const struct proto_ops *ops, struct socket *sock,
				   struct socket *newsock, int flags, bool kern)
{
	return ops->accept(sock, newsock, flags | O_NONBLOCK, kern);
}
#endif

/* What inet_csk_accept() does to the child's locks; before, its birth did. */
static inline void lq_compat_init_csk_locks(struct sock *child)
{
#ifdef LQ_HAVE_INIT_CSK_LOCKS
	inet_init_csk_locks(child);
#endif
}

/* --- a connection's first window --- */

/*
 * Up to 6.10 tcp_select_initial_window() gives a child at most 64 KiB to start
 * with. No declaration changed with it, so here the version has to tell.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define LQ_COMPAT_FIRST_WINDOW_MAX U16_MAX
#else
#define LQ_COMPAT_FIRST_WINDOW_MAX U32_MAX
#endif

/* --- a request --- */

/* Answer @skb, which came for listener @sk, with RST. */
static inline void lq_compat_send_reset(const struct request_sock_ops *ops, const struct sock *sk,
					struct sk_buff *skb)
{
#ifdef LQ_HAVE_RST_REASON
	ops->send_reset(sk, skb, SK_RST_REASON_NOT_SPECIFIED);
#else
	ops->send_reset(sk, skb);
#endif
}

/* --- the child --- */

#ifdef LQ_HAVE_SYN_RECV_SOCK_7
#define LQ_SYN_RECV_SOCK_PARAMS \
	const struct sock *sk, struct sk_buff *skb, struct request_sock *req, \
	struct dst_entry *dst, struct request_sock *req_unhash, bool *own_req, \
	void (*opt_child_init)(struct sock *newsk, const struct sock *sk)
#define LQ_SYN_RECV_SOCK_ARGS sk, skb, req, dst, req_unhash, own_req, opt_child_init
#define LQ_SYN_RECV_SOCK_NO_INIT , NULL
#else
#define LQ_SYN_RECV_SOCK_PARAMS \
	const struct sock *sk, struct sk_buff *skb, struct request_sock *req, \
	struct dst_entry *dst, struct request_sock *req_unhash, bool *own_req
#define LQ_SYN_RECV_SOCK_ARGS sk, skb, req, dst, req_unhash, own_req
#define LQ_SYN_RECV_SOCK_NO_INIT
#endif

/* Takes the reference on @dst. */
static inline struct sock *lq_compat_syn_recv_sock(const struct inet_connection_sock_af_ops *ops,
						   const struct sock *sk, struct sk_buff *skb,
						   struct request_sock *req, struct dst_entry *dst,
						   bool *own_req)
{
	return ops->syn_recv_sock(sk, skb, req, dst, NULL, own_req LQ_SYN_RECV_SOCK_NO_INIT);
}

static inline void lq_compat_no_usec_ts(struct tcp_request_sock *treq)
{
#ifdef LQ_HAVE_REQ_USEC_TS
	treq->req_usec_ts = false;
#endif
}

/* --- flags of a socket --- */

static inline bool lq_compat_transparent(const struct sock *sk)
{
#ifdef LQ_HAVE_INET_TEST_BIT
	return inet_test_bit(TRANSPARENT, sk);
#else
	return inet_sk(sk)->transparent;
#endif
}

#if IS_ENABLED(CONFIG_IPV6)
/* net.ipv6.flowlabel_reflect bit 0, or IPV6_FL_F_REFLECT. @sk: an IPv6 socket. */
static inline bool lq_compat_reflects_flow(const struct sock *sk)
{
#ifdef LQ_HAVE_INET6_REPFLOW_BIT
	return inet6_test_bit(REPFLOW, sk);
#else
	return inet6_sk(sk)->repflow;
#endif
}
#endif

/*
 * Keys that sign segments, which our SYN-ACKs do not. What holds them stays when the last is removed.
 * Any context.
 */
static inline bool lq_compat_has_auth_keys(const struct sock *sk)
{
	bool keys = false;

#ifdef CONFIG_TCP_MD5SIG
	if (unlikely(rcu_access_pointer(tcp_sk(sk)->md5sig_info))) {
		const struct tcp_md5sig_info *md5;

		rcu_read_lock();
		md5 = rcu_dereference(tcp_sk(sk)->md5sig_info);
		keys |= md5 && !hlist_empty(&md5->head);
		rcu_read_unlock();
	}
#endif
#ifdef LQ_HAVE_TCP_AO_INFO
	if (unlikely(rcu_access_pointer(tcp_sk(sk)->ao_info))) {
		const struct tcp_ao_info *ao;

		rcu_read_lock();
		ao = rcu_dereference(tcp_sk(sk)->ao_info);
		keys |= ao && (ao->ao_required || !hlist_empty(&ao->head));
		rcu_read_unlock();
	}
#endif
	return keys;
}

/* TCP_SAVE_SYN: for who accepts a connection, its SYN is kept. */
static inline bool lq_compat_saves_syn(const struct sock *sk)
{
	return tcp_sk(sk)->save_syn;
}

/* --- signatures --- */

/* What tcp_inbound_hash() makes of the options of a segment for a listener without keys. */
enum lq_auth {
	LQ_AUTH_NONE, /* to be received */
	LQ_AUTH_BAD,  /* malformed */
	LQ_AUTH_MD5,
	LQ_AUTH_AO,
};

/* The kernel's own reading: one that does not know TCP-AO takes no notice of it. */
static inline enum lq_auth lq_compat_auth(const struct tcphdr *th)
{
#ifdef LQ_HAVE_TCP_PARSE_AUTH_OPTIONS
	const struct tcp_ao_hdr *ao = NULL;
	const u8 *md5 = NULL;

	if (LQ_TCP_PARSE_AUTH_OPTIONS(th, &md5, &ao))
		return LQ_AUTH_BAD;
	if (ao)
		return IS_ENABLED(CONFIG_TCP_AO) ? LQ_AUTH_AO : LQ_AUTH_NONE;
	return md5 ? LQ_AUTH_MD5 : LQ_AUTH_NONE;
#elif defined(CONFIG_TCP_MD5SIG)
	return tcp_parse_md5sig_option(th) ? LQ_AUTH_MD5 : LQ_AUTH_NONE;
#else
	return LQ_AUTH_NONE;
#endif
}

/* Counted as tcp_inbound_hash() does. */
static inline void lq_compat_count_auth(struct net *net, enum lq_auth auth)
{
	if (auth == LQ_AUTH_MD5)
		NET_INC_STATS(net, LINUX_MIB_TCPMD5UNEXPECTED);
#ifdef CONFIG_TCP_AO
	else if (auth == LQ_AUTH_AO)
		NET_INC_STATS(net, LINUX_MIB_TCPAOKEYNOTFOUND);
#endif
}

/* --- lookups --- */

#ifdef LQ_HAVE_LOOKUP_HASHINFO
#define LQ_HASHINFO(net) (net)->ipv4.tcp_death_row.hashinfo,
#else
#define LQ_HASHINFO(net)
#endif

/* --- whose a socket is, as ss shows it --- */

static inline kuid_t lq_compat_uid(struct sock *sk)
{
#ifdef LQ_HAVE_SK_UID
	return sk_uid(sk);
#else
	return sock_i_uid(sk);
#endif
}

/* --- timeouts, in jiffies --- */

static inline u32 lq_compat_rto_max(const struct sock *sk)
{
#ifdef LQ_HAVE_TCP_RTO_MAX
	return tcp_rto_max(sk);
#else
	return TCP_RTO_MAX;
#endif
}

/* --- sysctl --- */

#ifdef LQ_HAVE_CONST_CTL_TABLE
#define LQ_CTL_TABLE const struct ctl_table
#else
#define LQ_CTL_TABLE struct ctl_table
#endif

/* @table ends in an empty entry, which @entries does not count. */
static inline struct ctl_table_header *lq_compat_register_sysctl(struct net *net, const char *path,
								 struct ctl_table *table,
								 size_t entries)
{
#ifdef LQ_HAVE_REGISTER_NET_SYSCTL_SZ
	return register_net_sysctl_sz(net, path, table, entries);
#else
	return register_net_sysctl(net, path, table);
#endif
}

#endif
