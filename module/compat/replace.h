/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What some kernels do not export to modules, by what they do export. Each is the kernel's own
 * function as it is in those that need the replacement, without what ours never have; probe.sh
 * finds out which kernel needs which. The shims call the kernel's names.
 *
 *   not exported                               needed by
 *   inet_csk_destroy_sock, the count of orphans  7.2, 7.3
 *   inet_csk_route_req, inet6_csk_route_req    7.2, 7.3
 *   ipv6_opt_accepted                          7.2, 7.3
 *   tcp_do_parse_auth_options                  7.2, 7.3
 *   __reqsk_free (inline in 6.1, 6.12)         7.2, 7.3; the replacement serves all
 */
#ifndef LISTENQ_COMPAT_REPLACE_H
#define LISTENQ_COMPAT_REPLACE_H

#include <linux/security.h>
#include <linux/slab.h>
#include <net/inet6_connection_sock.h>
#include <net/inet_connection_sock.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xfrm.h>

#include "features.h"

/* --- the end of a sock --- */

/*
 * inet_csk_destroy_sock() for an orphan that only we knew: sk_state is TCP_CLOSE, SOCK_DEAD set,
 * the sock in no hash table, its lock held, BH off. Takes the reference of the sock's life.
 * tcp_orphan_count would go up and down again here, and nobody look in between.
 */
static inline void lq_compat_destroy(struct sock *sk)
{
#if defined(LQ_EXPORTS_INET_CSK_DESTROY_SOCK) && defined(LQ_HAVE_PROTO_ORPHAN_COUNT)
	this_cpu_inc(*sk->sk_prot->orphan_count);
	inet_csk_destroy_sock(sk);
#else
	sk->sk_prot->destroy(sk);
	sk_stream_kill_queues(sk);
	xfrm_sk_free_policy(sk);
	sock_put(sk);
#endif
}

/* --- a request that carries a child to the kernel's accept() --- */

/* reqsk_put() of one with no listener, no options and no saved SYN. Any context. */
static inline void lq_compat_carrier_put(struct request_sock *carrier)
{
	if (refcount_dec_and_test(&carrier->rsk_refcnt))
		kmem_cache_free(carrier->rsk_ops->slab, carrier);
}

/* --- the route of a request --- */

/* RCU; @req has no IP options. A route with a reference, and @fl4 filled; or NULL, counted. */
#ifndef LQ_EXPORTS_INET_CSK_ROUTE_REQ
static inline struct dst_entry *lq_compat_route_req(const struct sock *sk, struct flowi4 *fl4,
						    const struct request_sock *req)
{
	const struct inet_request_sock *ireq = inet_rsk(req);
	struct net *net = read_pnet(&ireq->ireq_net);
	struct rtable *rt;

	flowi4_init_output(fl4, ireq->ir_iif, ireq->ir_mark, ip_sock_rt_tos(sk),
			   ip_sock_rt_scope(sk), sk->sk_protocol, inet_sk_flowi_flags(sk),
			   ireq->ir_rmt_addr, ireq->ir_loc_addr, ireq->ir_rmt_port,
			   htons(ireq->ir_num), sk_uid(sk));
	security_req_classify_flow(req, flowi4_to_flowi_common(fl4));
	rt = ip_route_output_flow(net, fl4, sk);
	if (!IS_ERR(rt))
		return &rt->dst;
	__IP_INC_STATS(net, IPSTATS_MIB_OUTNOROUTES);
	return NULL;
}
#define inet_csk_route_req(sk, fl4, req) lq_compat_route_req(sk, fl4, req)
#endif

/*
 * RCU. A route with a reference, and @fl6 filled; or NULL. The kernel's takes the choice among
 * paths of the same cost from the request's hash of transmission since mainline 7.2, which would
 * have to be behind @req; ours is by the addresses, as in kernels before.
 */
#ifndef LQ_EXPORTS_INET6_CSK_ROUTE_REQ
#if IS_ENABLED(CONFIG_IPV6)
static inline struct dst_entry *lq_compat_route_req6(const struct sock *sk, struct flowi6 *fl6,
						     const struct request_sock *req, u8 proto)
{
	const struct inet_request_sock *ireq = inet_rsk(req);
	struct in6_addr final, *final_p;
	const struct ipv6_txoptions *opt;
	struct dst_entry *dst;

	memset(fl6, 0, sizeof(*fl6));
	fl6->flowi6_proto = proto;
	fl6->daddr = ireq->ir_v6_rmt_addr;
	rcu_read_lock();
	opt = rcu_dereference(inet6_sk(sk)->opt);
	final_p = NULL;
	if (opt && opt->srcrt) { /* fl6_update_dst() */
		final = fl6->daddr;
		final_p = &final;
		fl6->daddr = *((const struct rt0_hdr *)opt->srcrt)->addr;
	}
	rcu_read_unlock();
	fl6->saddr = ireq->ir_v6_loc_addr;
	fl6->flowi6_oif = ireq->ir_iif;
	fl6->flowi6_mark = ireq->ir_mark;
	fl6->fl6_dport = ireq->ir_rmt_port;
	fl6->fl6_sport = htons(ireq->ir_num);
	fl6->flowi6_uid = sk_uid(sk);
	security_req_classify_flow(req, flowi6_to_flowi_common(fl6));
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, fl6, final_p);
	return IS_ERR(dst) ? NULL : dst;
}
#define inet6_csk_route_req(sk, fl6, req, proto) lq_compat_route_req6(sk, fl6, req, proto)
#endif
#endif

/* --- options of a segment --- */

#if !defined(LQ_EXPORTS_IPV6_OPT_ACCEPTED) && IS_ENABLED(CONFIG_IPV6)
/* Whether the owner of the listener @sk asked to be shown IPv6 options that @skb has. */
static inline bool lq_compat_opt_accepted(const struct sock *sk, const struct sk_buff *skb,
					  const struct inet6_skb_parm *opt)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);

	if (!np->rxopt.all)
		return false;
	return ((opt->flags & IP6SKB_HOPBYHOP) &&
		(np->rxopt.bits.hopopts || np->rxopt.bits.ohopopts)) ||
	       (np->rxopt.bits.rxflow && ip6_flowinfo(ipv6_hdr(skb))) ||
	       (opt->srcrt && (np->rxopt.bits.srcrt || np->rxopt.bits.osrcrt)) ||
	       ((opt->dst1 || opt->dst0) &&
		(np->rxopt.bits.dstopts || np->rxopt.bits.odstopts));
}
#define ipv6_opt_accepted(sk, skb, opt) lq_compat_opt_accepted(sk, skb, opt)
#endif

#ifdef LQ_HAVE_TCP_PARSE_AUTH_OPTIONS
#ifdef LQ_EXPORTS_TCP_DO_PARSE_AUTH_OPTIONS
#define LQ_TCP_PARSE_AUTH_OPTIONS(th, md5, ao) tcp_parse_auth_options(th, md5, ao)
#else
/*
 * tcp_do_parse_auth_options(): the options of MD5 and AO of @th, the whole of which is there.
 * Something other than 0 where one is malformed, or there is more than one.
 */
static inline int lq_compat_parse_auth(const struct tcphdr *th, const u8 **md5,
				       const struct tcp_ao_hdr **ao)
{
#if defined(CONFIG_TCP_MD5SIG) || defined(CONFIG_TCP_AO)
	/* What is too short to hold the shortest of both is not looked at. */
	const int shortest = IS_ENABLED(CONFIG_TCP_AO) ? sizeof(struct tcp_ao_hdr) + 1 :
							 TCPOLEN_MD5SIG;
	const u8 *at = (const u8 *)(th + 1);
	int left = th->doff * 4 - sizeof(*th);

	while (left >= shortest) {
		const u8 kind = at[0];
		const u8 size = kind == TCPOPT_NOP ? 1 : at[1];

		if (kind == TCPOPT_EOL)
			break;
		if (kind != TCPOPT_NOP && (size < 2 || size > left))
			return -EINVAL;
		if (kind == TCPOPT_MD5SIG || kind == TCPOPT_AO) {
			if (kind == TCPOPT_MD5SIG ? size != TCPOLEN_MD5SIG :
						    size <= sizeof(struct tcp_ao_hdr))
				return -EINVAL;
			if (*md5 || *ao)
				return -EEXIST;
			if (kind == TCPOPT_MD5SIG)
				*md5 = at + 2;
			else
				*ao = (const struct tcp_ao_hdr *)at;
		}
		at += size;
		left -= size;
	}
#endif
	return 0;
}
#define LQ_TCP_PARSE_AUTH_OPTIONS(th, md5, ao) lq_compat_parse_auth(th, md5, ao)
#endif
#endif

#endif
