// SPDX-License-Identifier: GPL-2.0
/* What the network namespaces share, and their counters. main.c makes and frees what each has. */
#include <linux/percpu.h>

#include "net.h"

unsigned int lq_net_id __read_mostly;
struct workqueue_struct *lq_wq;

void lq_net_counters_read(const struct net *net, struct lq_net_counters *sum)
{
	int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct lq_net_counters *one = per_cpu_ptr(lq_net(net)->counters, cpu);

		for (i = 0; i < __LISTENQ_DROP_MAX; i++)
			sum->drops[i] += READ_ONCE(one->drops[i]);
		for (i = 0; i < __LISTENQ_EVENT_MAX; i++)
			sum->events[i] += READ_ONCE(one->events[i]);
	}
}
