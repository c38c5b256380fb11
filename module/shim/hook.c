// SPDX-License-Identifier: GPL-2.0
/*
 * A segment arrives: a netfilter hook at LOCAL_IN, the last of all, takes a
 * listener's segments before TCP would look at them.
 *
 * Segments that early demux gave a socket leave at once, as do those for ports
 * where none of ours listens. What TCP checks before it lets a segment near a
 * listener is checked here: header, checksum, socket filter, IPsec policy,
 * minimum TTL. A segment that fails, and whatever is odd, is passed on: TCP
 * finds the listener and fails it the same way, and a SYN comes back by the
 * other door, lq_conn_request(). Softirq, RCU.
 */
#include <linux/filter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/raw.h>
#include <net/rawv6.h>
#include <net/xfrm.h>

#include "listenq.h"

/* What TCP holds a segment to before a listener may make a socket of it. */
static bool lq_segment_acceptable(struct sock *sk, struct sk_buff *skb, bool v6)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (v6) {
		if (ipv6_hdr(skb)->hop_limit < READ_ONCE(inet6_sk(sk)->min_hopcount) ||
		    !xfrm6_policy_check(sk, XFRM_POLICY_IN, skb))
			return false;
	} else
#endif
	if (ip_hdr(skb)->ttl < READ_ONCE(inet_sk(sk)->min_ttl) ||
	    !xfrm4_policy_check(sk, XFRM_POLICY_IN, skb)) {
		return false;
	}
	return !sk_filter_trim_cap(sk, skb, tcp_hdrlen(skb));
}

/* Somebody sees every segment that is delivered to TCP: tcpdump-like programs on raw sockets. */
static bool lq_raw_sockets(const struct net *net, bool v6)
{
	const u32 hash = raw_hashfunc(net, IPPROTO_TCP);

#if IS_ENABLED(CONFIG_IPV6)
	if (v6)
		return !hlist_empty(&raw_v6_hashinfo.ht[hash]);
#endif
	return !hlist_empty(&raw_v4_hashinfo.ht[hash]);
}

enum lq_kind { LQ_OTHER, LQ_SYN, LQ_ACK };

/*
 * Most segments end here: with a socket, or for a port where nobody listens. Otherwise
 * the whole TCP header is in the linear part. *assigned: the listener, if it is known.
 */
static enum lq_kind lq_segment_kind(const struct lq_net *lqn, struct sk_buff *skb,
				    unsigned int offset, struct sock **assigned)
{
	const struct tcphdr *th;
	bool syn;

	/* Transparent proxies and BPF hand over the listener itself. */
	*assigned = skb->sk;
	if (skb->pkt_type != PACKET_HOST || !pskb_may_pull(skb, offset + sizeof(*th)))
		return LQ_OTHER;
	th = (const struct tcphdr *)(skb->data + offset);
	if (!lq_port_in_use(lqn, th->dest) && !skb->sk)
		return LQ_OTHER;
	syn = th->syn && !th->ack && !th->rst && !th->fin;
	if (!(syn || th->ack || th->rst) || th->doff < sizeof(*th) / 4)
		return LQ_OTHER;
	if (!pskb_may_pull(skb, offset + th->doff * 4))
		return LQ_OTHER;
	return syn ? LQ_SYN : LQ_ACK;
}

static __always_inline struct sock *lq_find_listener(struct net *net, struct sk_buff *skb,
						     const struct lq_key *key)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return inet6_lookup_listener(net, hashinfo, skb, th->doff * 4,
					     &ipv6_hdr(skb)->saddr, th->source,
					     &ipv6_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					     key->l3_ifindex);
#endif
	return __inet_lookup_listener(net, hashinfo, skb, th->doff * 4, ip_hdr(skb)->saddr,
				      th->source, ip_hdr(skb)->daddr, ntohs(th->dest),
				      key->ifindex, key->l3_ifindex);
}

/* With a reference. */
static __always_inline struct sock *lq_get_established(struct net *net, const struct sk_buff *skb,
						       const struct lq_key *key)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	const struct tcphdr *th = tcp_hdr(skb);

#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return __inet6_lookup_established(net, hashinfo, &ipv6_hdr(skb)->saddr, th->source,
						  &ipv6_hdr(skb)->daddr, ntohs(th->dest),
						  key->ifindex, key->l3_ifindex);
#endif
	return __inet_lookup_established(net, hashinfo, ip_hdr(skb)->saddr, th->source,
					 ip_hdr(skb)->daddr, ntohs(th->dest), key->ifindex,
					 key->l3_ifindex);
}

static __always_inline bool lq_find_established(struct net *net, const struct sk_buff *skb,
						const struct lq_key *key)
{
	struct sock *sk = lq_get_established(net, skb, key);

	if (sk)
		sock_gen_put(sk);
	return sk;
}

struct sock *lq_lookup_listener(struct net *net, struct sk_buff *skb, const struct lq_key *key)
{
	return lq_find_listener(net, skb, key);
}

bool lq_is_established(struct net *net, const struct sk_buff *skb, const struct lq_key *key)
{
	return lq_find_established(net, skb, key);
}

void lq_give_back_request(struct net *net, const struct sk_buff *skb, const struct lq_key *key)
{
	struct sock *sk = lq_get_established(net, skb, key);

	if (!sk)
		return;
	lq_proto_give_back(sk);
	sock_gen_put(sk);
}

/* Whether @sk may be asked about segments to the address of @key. */
static bool lq_listener_takes(const struct sock *sk, const struct lq_key *key)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (key->v6)
		return sk->sk_family == AF_INET6 &&
		       (ipv6_addr_any(&sk->sk_v6_rcv_saddr) ||
			!memcmp(&sk->sk_v6_rcv_saddr, &key->addr[4], sizeof(struct in6_addr)));
	if (ipv6_only_sock(sk))
		return false;
#endif
	return !inet_sk(sk)->inet_rcv_saddr ||
	       inet_sk(sk)->inet_rcv_saddr == (__force __be32)key->addr[1];
}

/*
 * The one listener of ours that may be asked about segments for @port; NULL when there is none,
 * or when there are more, which sets *lookup: TCP's own lookup has to choose.
 */
static __always_inline struct sock *lq_only_listener(const struct lq_net *lqn, __be16 port,
						     const struct lq_key *key, bool *lookup)
{
	const struct lq_listener *lst;
	struct sock *only = NULL;

	*lookup = READ_ONCE(lqn->ports_unknown);
	hlist_for_each_entry_rcu(lst, &lqn->ports[lq_port_slot(port)], port_node) {
		if (inet_sk(lst->sk)->inet_sport != port || !lq_listener_takes(lst->sk, key))
			continue;
		if (only) {
			*lookup = true;
			return NULL;
		}
		only = lst->sk;
	}
	return only;
}

/*
 * The listener that the ACK selects need not be the one that the SYN selected: one with an address
 * of its own, a member of an SO_REUSEPORT group came or went, or a program chose. Ask all others
 * at the port.
 */
static unsigned int lq_ack_try_others(const struct lq_net *lqn, const struct sock *sk,
				      struct sk_buff *skb, struct lq_ack *ack)
{
	const __be16 port = tcp_hdr(skb)->dest;
	struct lq_listener *lst;
	unsigned int result;

	hlist_for_each_entry_rcu(lst, &lqn->ports[lq_port_slot(port)], port_node) {
		if (lst->sk == sk || inet_sk(lst->sk)->inet_sport != port ||
		    !lq_listener_takes(lst->sk, &ack->key) ||
		    !lq_segment_acceptable(lst->sk, skb, ack->key.v6))
			continue;
		if (lq_ack_try(lst, skb, ack, &result) != LQ_ACK_UNKNOWN)
			return result;
	}
	return NF_ACCEPT;
}

/*
 * Who may hold the request of the ACK or RST @skb. A request is of one connection, so where only
 * one listener of ours can have it, TCP's lookup would find nothing better.
 */
static struct sock *lq_ack_listener(const struct lq_net *lqn, struct sk_buff *skb,
				    const struct lq_key *key)
{
	bool lookup;
	struct sock *only = lq_only_listener(lqn, tcp_hdr(skb)->dest, key, &lookup);

	return only || !lookup ? only : lq_lookup_listener(lqn->net, skb, key);
}

/*
 * Who gets the SYN @skb. Where bind() lets nobody else onto an address and port, the listener
 * that has them is the one that TCP's lookup would find. (SO_REUSEPORT lets others on, and is not
 * to be taken back once they are there.)
 */
static struct sock *lq_syn_listener(const struct lq_net *lqn, struct sk_buff *skb,
				    const struct lq_key *key)
{
	bool lookup;
	struct sock *only = lq_only_listener(lqn, tcp_hdr(skb)->dest, key, &lookup);

	if (only && !only->sk_reuseport &&
	    !rcu_access_pointer(only->sk_reuseport_cb) && !READ_ONCE(only->sk_bound_dev_if) &&
	    !key->l3_ifindex && !static_branch_unlikely(&bpf_sk_lookup_enabled))
		return only;
	return lq_find_listener(lqn->net, skb, key);
}

/*
 * An ACK or RST, whose data is at the TCP header. @sk: its listener, if somebody has chosen it.
 */
static unsigned int lq_ack_for(const struct lq_net *lqn, struct sock *sk, struct sk_buff *skb,
			       const struct lq_key *key)
{
	struct lq_ack ack LQ_UNINITIALIZED;
	struct lq_listener *lst;
	unsigned int result;

	/*
	 * Early demux looks for a connection only where it finds no route in the skb: not on
	 * loopback, for one.
	 */
	if (skb->dev->flags & IFF_LOOPBACK && !sk && lq_is_established(lqn->net, skb, key))
		return NF_ACCEPT;
	if (!sk)
		sk = lq_ack_listener(lqn, skb, key);
	if (!sk)
		return NF_ACCEPT;
	lst = lq_listener_of(sk);
	if (lst && !lq_segment_acceptable(sk, skb, key->v6))
		return NF_ACCEPT;
	lq_ack_read(&ack, key, skb);
	if (lst && lq_ack_try(lst, skb, &ack, &result) != LQ_ACK_UNKNOWN)
		return result;
	return lq_ack_try_others(lqn, sk, skb, &ack);
}

/* A SYN, whose data is at the TCP header; what may belong to another socket is passed on. */
static unsigned int lq_syn_for(const struct lq_net *lqn, struct sock *sk, struct sk_buff *skb,
			       const struct lq_key *key)
{
	struct lq_listener *lst;

	/* A connection of its own, or one in TIME_WAIT. */
	if (!sk && lq_find_established(lqn->net, skb, key))
		return NF_ACCEPT;
	if (!sk)
		sk = lq_syn_listener(lqn, skb, key);
	lst = sk ? lq_listener_of(sk) : NULL;
	/* Conntrack's own last hook may come after us, and has yet to confirm the connection. */
	if (!lst || skb_nfct(skb) || lq_raw_sockets(lqn->net, key->v6) ||
	    !lq_listener_port(lst, tcp_hdr(skb)) || !lq_segment_acceptable(sk, skb, key->v6))
		return NF_ACCEPT;
	__TCP_INC_STATS(lqn->net, TCP_MIB_INSEGS);
	lq_syn_segment(lst, skb, key);
	return NF_STOLEN;
}

/* skb->data is at the TCP header. */
static unsigned int lq_segment_v4(const struct lq_net *lqn, struct sk_buff *skb,
				  enum lq_kind kind, struct sock *sk)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct lq_key key LQ_UNINITIALIZED;

	key.addr[0] = (__force u32)iph->saddr;
	key.addr[1] = (__force u32)iph->daddr;
	key.ifindex = inet_iif(skb);
	key.l3_ifindex = inet_sdif(skb);
	key.peer_port = (__force u16)tcp_hdr(skb)->source;
	key.v6 = 0;
	if (skb_checksum_validate(skb, IPPROTO_TCP, inet_compute_pseudo))
		return NF_ACCEPT;
	return kind == LQ_SYN ? lq_syn_for(lqn, sk, skb, &key) : lq_ack_for(lqn, sk, skb, &key);
}

static noinline unsigned int lq_hook_v4_look(const struct lq_net *lqn, struct sk_buff *skb)
{
	const unsigned int offset = ip_hdrlen(skb);
	unsigned int result;
	enum lq_kind kind;
	struct sock *sk;

	kind = lq_segment_kind(lqn, skb, offset, &sk);
	if (kind == LQ_OTHER)
		return NF_ACCEPT;
	/* Listener lookup may run BPF programs that expect data at the TCP header. */
	__skb_pull(skb, offset);
	skb_reset_transport_header(skb);
	result = lq_segment_v4(lqn, skb, kind, sk);
	if (result != NF_STOLEN)
		__skb_push(skb, skb->data - skb_network_header(skb));
	return result;
}

/* Every segment that the host receives comes through here. */
static unsigned int lq_hook_v4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if ((skb->sk && READ_ONCE(skb->sk->sk_state) != TCP_LISTEN) ||
	    ip_hdr(skb)->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	return lq_hook_v4_look(priv, skb);
}

#if IS_ENABLED(CONFIG_IPV6)
/* skb->data is at the TCP header. */
static unsigned int lq_segment_v6(const struct lq_net *lqn, struct sk_buff *skb,
				  enum lq_kind kind, struct sock *sk)
{
	const struct ipv6hdr *hdr = ipv6_hdr(skb);
	struct lq_key key LQ_UNINITIALIZED;

	memcpy(&key.addr[0], &hdr->saddr, sizeof(struct in6_addr));
	memcpy(&key.addr[4], &hdr->daddr, sizeof(struct in6_addr));
	key.ifindex = inet6_iif(skb);
	key.l3_ifindex = inet6_sdif(skb);
	key.peer_port = (__force u16)tcp_hdr(skb)->source;
	key.v6 = 1;
	if (skb_checksum_validate(skb, IPPROTO_TCP, ip6_compute_pseudo))
		return NF_ACCEPT;
	return kind == LQ_SYN ? lq_syn_for(lqn, sk, skb, &key) : lq_ack_for(lqn, sk, skb, &key);
}

static noinline unsigned int lq_hook_v6_look(const struct lq_net *lqn, struct sk_buff *skb)
{
	int offset = sizeof(struct ipv6hdr), transport;
	u8 protocol = ipv6_hdr(skb)->nexthdr;
	unsigned int result;
	enum lq_kind kind;
	__be16 fragment;
	struct sock *sk;

	if (protocol != IPPROTO_TCP) {
		offset = ipv6_skip_exthdr(skb, offset, &protocol, &fragment);
		if (offset < 0 || protocol != IPPROTO_TCP || fragment)
			return NF_ACCEPT;
	}
	kind = lq_segment_kind(lqn, skb, offset, &sk);
	if (kind == LQ_OTHER)
		return NF_ACCEPT;
	/* The input path walks the extension headers from where this points. */
	transport = skb_transport_offset(skb);
	__skb_pull(skb, offset);
	skb_reset_transport_header(skb);
	result = lq_segment_v6(lqn, skb, kind, sk);
	if (result == NF_STOLEN)
		return result;
	__skb_push(skb, skb->data - skb_network_header(skb));
	skb_set_transport_header(skb, transport);
	return result;
}

static unsigned int lq_hook_v6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (skb->sk && READ_ONCE(skb->sk->sk_state) != TCP_LISTEN)
		return NF_ACCEPT;
	return lq_hook_v6_look(priv, skb);
}
#endif

static const struct nf_hook_ops lq_hooks[LQ_HOOKS] = {
	{
		.hook = lq_hook_v4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.hook = lq_hook_v6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
#endif
};

int lq_hooks_get(struct net *net)
{
	struct lq_net *lqn = lq_net(net);
	int i, err = 0;

	mutex_lock(&lqn->hook_mutex);
	if (!lqn->routes) {
		lqn->routes = lq_route_cache_alloc();
		if (!lqn->routes)
			err = -ENOMEM;
	}
	if (!err && lqn->hook_users == 0) {
		for (i = 0; i < LQ_HOOKS; i++) {
			lqn->hooks[i] = lq_hooks[i];
			lqn->hooks[i].priv = lqn;
		}
		err = nf_register_net_hooks(net, lqn->hooks, LQ_HOOKS);
	}
	if (!err)
		lqn->hook_users++;
	mutex_unlock(&lqn->hook_mutex);
	return err;
}

void lq_hooks_put(struct net *net)
{
	struct lq_net *lqn = lq_net(net);

	mutex_lock(&lqn->hook_mutex);
	if (--lqn->hook_users == 0)
		nf_unregister_net_hooks(net, lqn->hooks, LQ_HOOKS);
	mutex_unlock(&lqn->hook_mutex);
}
