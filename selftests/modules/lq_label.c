// SPDX-License-Identifier: GPL-2.0
/*
 * Labels requests as NetLabel does (CIPSO, CALIPSO): security_inet_conn_request() leaves an IP option in
 * the request, to be freed with it. A security module that does so needs a policy; this one takes the
 * requests of one local port. For selftests/net/border_label_test.py:
 *
 *	port	whose; 0: nobody's
 *	labels	how many were given
 *
 * They are of a slab cache of their own, lq_label, so that what is left of them can be seen.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

static int port, labels;
module_param(port, int, 0600);
module_param(labels, int, 0400);

/* Room for either kind, and for no object of another cache. */
#define LABEL_SIZE 320
static struct kmem_cache *cache;

struct call {
	struct request_sock *req;
};

static int entered(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct call *call = (struct call *)instance->data;

	call->req = (struct request_sock *)regs_get_kernel_argument(regs, 2);
	return 0;
}

static void label_v6(struct inet_request_sock *ireq)
{
	struct ipv6_txoptions *label = kmem_cache_zalloc(cache, GFP_ATOMIC);

	if (!label)
		return;
	refcount_set(&label->refcnt, 1);
	label->tot_len = LABEL_SIZE;
	/* As sock_kmalloc(), of the listener: calipso_req_setattr(). */
	atomic_add(label->tot_len, &ireq->req.rsk_listener->sk_omem_alloc);
	ireq->ipv6_opt = label;
	labels++;
}

static void label_v4(struct inet_request_sock *ireq)
{
	struct ip_options_rcu *label = kmem_cache_zalloc(cache, GFP_ATOMIC);

	if (!label)
		return;
	rcu_assign_pointer(ireq->ireq_opt, label);
	labels++;
}

/* Softirq, or process context with BH off; preemption off. */
static int returned(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct inet_request_sock *ireq = inet_rsk(((struct call *)instance->data)->req);

	if (regs_return_value(regs) || !port || ireq->ir_num != READ_ONCE(port))
		return 0;
	if (ireq->ireq_family == AF_INET6)
		label_v6(ireq);
	else
		label_v4(ireq);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "security_inet_conn_request",
	.entry_handler = entered,
	.handler = returned,
	.data_size = sizeof(struct call),
	.maxactive = 64,
};

static int __init label_init(void)
{
	int err;

	BUILD_BUG_ON(sizeof(struct ipv6_txoptions) > LABEL_SIZE);
	cache = kmem_cache_create("lq_label", LABEL_SIZE, 0, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT, NULL);
	if (!cache)
		return -ENOMEM;
	err = register_kretprobe(&probe);
	if (err)
		kmem_cache_destroy(cache);
	return err;
}

/* The test waits until all labels are freed before. */
static void __exit label_exit(void)
{
	unregister_kretprobe(&probe);
	rcu_barrier();
	kmem_cache_destroy(cache);
}

module_init(label_init);
module_exit(label_exit);

MODULE_DESCRIPTION("Labels requests as NetLabel does");
MODULE_AUTHOR("The listenq authors");
MODULE_LICENSE("GPL");
