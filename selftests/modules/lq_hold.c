// SPDX-License-Identifier: GPL-2.0
/*
 * Holds a CPU while it builds a child, before TCP's lookup can find that, so that another segment
 * of the connection comes meanwhile. For selftests/net/busy_test.py:
 *
 *	at	where to hold it, if not there: the name of a function
 *	armed	1: hold whoever comes next; 0 again when somebody came
 *	holding	1: somebody is held
 *	go	1: the other segment comes at once; go on after it has had HOLD_MS for that
 *	listens	1: the next listen() says go itself, in the middle, and has its rest when that one is done
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>

#define HOLD_MS 20
#define LONGEST_NS (10ULL * NSEC_PER_SEC) /* nobody says go */

static int armed, holding, go, listens;
static char *at = "tcp_create_openreq_child";
module_param(at, charp, 0400);
module_param(armed, int, 0600);
module_param(holding, int, 0400);
module_param(go, int, 0600);
module_param(listens, int, 0600);

/* Softirq, preemption off. */
static int hold(struct kprobe *probe, struct pt_regs *regs)
{
	const u64 until = ktime_get_mono_fast_ns() + LONGEST_NS;

	if (cmpxchg(&armed, 1, 0) != 1)
		return 0;
	WRITE_ONCE(holding, 1);
	while (!READ_ONCE(go) && ktime_get_mono_fast_ns() < until)
		cpu_relax();
	mdelay(HOLD_MS);
	WRITE_ONCE(go, 0);
	WRITE_ONCE(holding, 0);
	return 0;
}

/* Process context, preemption off: the kernel's part of listen(), before it sets sk_ack_backlog. */
static int listen_start(struct kprobe *probe, struct pt_regs *regs)
{
	const u64 until = ktime_get_mono_fast_ns() + LONGEST_NS;

	if (cmpxchg(&listens, 1, 0) != 1)
		return 0;
	WRITE_ONCE(go, 1);
	while (READ_ONCE(holding) && ktime_get_mono_fast_ns() < until)
		cpu_relax();
	mdelay(HOLD_MS);
	WRITE_ONCE(go, 0); /* nobody was held any more */
	return 0;
}

static struct kprobe build = {
	.pre_handler = hold,
};

static struct kprobe start = {
	.symbol_name = "inet_csk_listen_start",
	.pre_handler = listen_start,
};

static struct kprobe *probes[] = { &build, &start };

static int __init hold_init(void)
{
	build.symbol_name = at;
	return register_kprobes(probes, ARRAY_SIZE(probes));
}

static void __exit hold_exit(void)
{
	unregister_kprobes(probes, ARRAY_SIZE(probes));
}

module_init(hold_init);
module_exit(hold_exit);

MODULE_DESCRIPTION("Holds a CPU while it builds a child socket");
MODULE_AUTHOR("The listenq authors");
MODULE_LICENSE("GPL");
