// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/listenq: the namespace's counters in the two-line format of
 * /proc/net/netstat, so that PROC_NET_NETSTAT=/proc/net/listenq nstat reads it.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>

#include "net.h"
#include "proc.h"
#include "trace.h"

/* nstat's style of names: one word, each part capitalised. */
static void lq_proc_name(struct seq_file *seq, const char *name)
{
	bool start = true;

	for (; *name; name++) {
		if (*name == '_') {
			start = true;
			continue;
		}
		seq_putc(seq, start ? *name - 'a' + 'A' : *name);
		start = false;
	}
}

static const char *const lq_event_names[] = {
#define LISTENQ_X(number, NAME, name, text) [number] = #name,
	LISTENQ_EVENTS(LISTENQ_X)
#undef LISTENQ_X
};

static int lq_proc_show(struct seq_file *seq, void *v)
{
	struct lq_net_counters sum;
	int i;

	lq_net_counters_read(seq_file_single_net(seq), &sum);
	seq_puts(seq, "ListenQ:");
	for (i = 1; i < __LISTENQ_EVENT_MAX; i++) {
		seq_putc(seq, ' ');
		lq_proc_name(seq, lq_event_names[i]);
	}
	for (i = 1; i < __LISTENQ_DROP_MAX; i++) {
		seq_puts(seq, " Drop");
		lq_proc_name(seq, lq_drop_names[i]);
	}
	seq_puts(seq, "\nListenQ:");
	for (i = 1; i < __LISTENQ_EVENT_MAX; i++)
		seq_printf(seq, " %llu", sum.events[i]);
	for (i = 1; i < __LISTENQ_DROP_MAX; i++)
		seq_printf(seq, " %llu", sum.drops[i]);
	seq_putc(seq, '\n');
	return 0;
}

int lq_proc_init(struct net *net)
{
	if (!proc_create_net_single("listenq", 0444, net->proc_net, lq_proc_show, NULL))
		return -ENOMEM;
	return 0;
}

void lq_proc_exit(struct net *net)
{
	remove_proc_entry("listenq", net->proc_net);
}
