// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading, and what each network namespace has. */
#include <linux/module.h>
#include <linux/random.h>
#include <net/genetlink.h>

#include "adopt.h"
#include "event.h"
#include "family.h"
#include "grace.h"
#include "guard.h"
#include "listener.h"
#include "net.h"
#include "netlink.h"
#include "ports.h"
#include "proc.h"
#include "request.h"
#include "route.h"
#include "sysctl.h"

static int __net_init lq_net_init(struct net *net)
{
	struct lq_net *lqn = lq_net(net);
	int err = -ENOMEM;

	lqn->net = net;
	spin_lock_init(&lqn->list_lock);
	spin_lock_init(&lqn->parked_lock);
	lqn->listeners = RB_ROOT;
	lqn->generation = 1;
	lq_event_init(lqn);
	get_random_bytes(&lqn->keys, sizeof(lqn->keys));
	lqn->counters = alloc_percpu_gfp(struct lq_net_counters, GFP_KERNEL_ACCOUNT);
	if (!lqn->counters)
		return err;
	err = lq_ports_init(&lqn->ports);
	if (err)
		goto free_counters;
	err = lq_sysctl_init(net);
	if (err)
		goto exit_ports;
	err = lq_proc_init(net);
	if (err)
		goto exit_sysctl;
	return 0;

exit_sysctl:
	lq_sysctl_exit(net);
exit_ports:
	lq_ports_exit(&lqn->ports);
free_counters:
	free_percpu(lqn->counters);
	return err;
}

/* Every socket held its namespace, so no listener is left. */
static void __net_exit lq_net_exit(struct net *net)
{
	struct lq_net *lqn = lq_net(net);

	WARN_ON_ONCE(!RB_EMPTY_ROOT(&lqn->listeners));
	lq_proc_exit(net);
	lq_sysctl_exit(net);
	lq_ports_exit(&lqn->ports);
	lq_route_cache_free(lqn->routes);
	free_percpu(lqn->counters);
}

static struct pernet_operations lq_net_ops = {
	.init = lq_net_init,
	.exit = lq_net_exit,
	.id = &lq_net_id,
	.size = sizeof(struct lq_net),
};

static int __init lq_init(void)
{
	int err = -ENOMEM;

	lq_wq = alloc_workqueue("listenq", WQ_UNBOUND, 0);
	if (!lq_wq)
		return err;
	lq_ports_init_secret();
	err = lq_request_init();
	if (err)
		goto exit_wq;
	err = lq_guard_init();
	if (err)
		goto exit_request;
	err = lq_owners_init();
	if (err)
		goto exit_guard;
	err = register_pernet_subsys(&lq_net_ops);
	if (err)
		goto exit_owners;
	err = lq_netlink_init();
	if (err)
		goto exit_net;
	/* Last: from here on there are sockets. */
	err = lq_family_init();
	if (err)
		goto exit_netlink;
	err = lq_adopt_init();
	if (err)
		goto exit_family;
	return 0;

exit_family:
	lq_family_exit();
exit_netlink:
	lq_netlink_exit();
exit_net:
	unregister_pernet_subsys(&lq_net_ops);
exit_owners:
	lq_owners_exit();
exit_guard:
	lq_guard_exit();
exit_request:
	lq_request_exit();
exit_wq:
	destroy_workqueue(lq_wq);
	return err;
}

static void __exit lq_exit(void)
{
	lq_adopt_exit();
	lq_family_exit();
	lq_netlink_exit();
	lq_family_wait();
	/* A listener that ended there may have parked what it had. */
	flush_workqueue(lq_wq);
	lq_grace_exit();
	destroy_workqueue(lq_wq);
	/* Segments in flight may still be in our functions; listeners are freed by call_rcu(). */
	synchronize_rcu();
	rcu_barrier();
	unregister_pernet_subsys(&lq_net_ops);
	lq_owners_exit();
	lq_guard_exit();
	lq_request_exit();
}

module_init(lq_init);
module_exit(lq_exit);

MODULE_DESCRIPTION("AF_LISTENQ: TCP with a listen queue of your choice");
MODULE_AUTHOR("The listenq authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1"); /* as tools/Makefile has it */
MODULE_ALIAS_NETPROTO(AF_LISTENQ);
MODULE_ALIAS_GENL_FAMILY(LISTENQ_GENL_NAME);
MODULE_ALIAS_TCP_ULP(LISTENQ_ULP_NAME);
