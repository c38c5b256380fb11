// SPDX-License-Identifier: GPL-2.0
/*
 * net.listenq.*, per network namespace, writable by its owner (the kernel's
 * net_ctl_permissions()). A change reaches live listeners at once: their
 * queues are resized under traffic, and nothing that is queued is lost.
 * Some follow TCP's own until they are written: tcp_sysctls.h.
 */
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "../compat/compat.h"
#include "net.h"
#include "registry.h"
#include "sysctl.h"
#include "tcp_sysctls.h"
#include "watch.h"

static int lq_follow = LQ_FOLLOW;
static int lq_zero;
static int lq_one = 1;
static int lq_two = 2;
static int lq_min_timeout = 10;
static int lq_max_timeout = 120000;
static int lq_max_retries = 255;
static int lq_max_shards = LQ_MAX_SHARDS;
static int lq_max_syn_backlog = LQ_MAX_SYN_BACKLOG;
static int lq_max_backlog = 65535;
static int lq_max_filter_timeout = 3600000;
static int lq_max_parked = LQ_MAX_PARKED;

#define LQ_FOLLOWING_TEXT 128 /* all of LQ_TCP_SYSCTLS */
#define LQ_X(NAME, name, low, high, initial) \
	static int lq_low_##name = low;      \
	static int lq_high_##name = high;
LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X

static struct lq_net *lq_net_of_field(const void *field, size_t offset)
{
	return container_of((struct lq_sysctls *)((u8 *)field - offset), struct lq_net, sysctls);
}

/* One handler per field: its offset leads from the table's data to the namespace. */
#define LQ_SYSCTL_HANDLER(field)                                                             \
	static int lq_sysctl_##field(LQ_CTL_TABLE *table, int write, void *buffer,           \
				     size_t *length, loff_t *pos)                            \
	{                                                                                    \
		const int err = proc_dointvec_minmax(table, write, buffer, length, pos);     \
                                                                                             \
		if (!err && write)                                                           \
			lq_net_reconfigure(lq_net_of_field(                                  \
				table->data, offsetof(struct lq_sysctls, field)));           \
		return err;                                                                  \
	}
LQ_SYSCTL_HANDLER(synack_timeout_ms)
LQ_SYSCTL_HANDLER(soacceptqueue)
LQ_SYSCTL_HANDLER(syncookie_pause)
LQ_SYSCTL_HANDLER(shards)
LQ_SYSCTL_HANDLER(filter_timeout_ms)
LQ_SYSCTL_HANDLER(reset_acked)
LQ_SYSCTL_HANDLER(migrate)
LQ_SYSCTL_HANDLER(grace_total)

/* Reads @now, the number in force; writes one to @field, or LQ_FOLLOW. */
static int lq_sysctl_number(LQ_CTL_TABLE *table, int write, void *buffer, size_t *length,
			    loff_t *pos, struct lq_net *lqn, int *field, int now)
{
	/* What a write leaves alone is no number that could be written. */
	int value = write ? INT_MIN : now;
	struct ctl_table number = {
		.data = &value, .maxlen = sizeof(value), .mode = table->mode,
		.extra1 = &lq_follow, .extra2 = table->extra2,
	};
	const int err = proc_dointvec_minmax(&number, write, buffer, length, pos);

	if (err || !write || value == INT_MIN)
		return err;
	if (value != LQ_FOLLOW && value < *(const int *)table->extra1)
		return -EINVAL;
	WRITE_ONCE(*field, value);
	lq_net_reconfigure(lqn);
	return 0;
}

#define LQ_TCP_SYSCTL_HANDLER(name, flag)                                                    \
	static int lq_sysctl_##name(LQ_CTL_TABLE *table, int write, void *buffer,            \
				    size_t *length, loff_t *pos)                             \
	{                                                                                    \
		struct lq_net *lqn =                                                         \
			lq_net_of_field(table->data, offsetof(struct lq_sysctls, name));     \
                                                                                             \
		return lq_sysctl_number(table, write, buffer, length, pos, lqn,              \
					&lqn->sysctls.name, lq_sysctl(lqn, name));           \
	}
LQ_TCP_SYSCTLS(LQ_TCP_SYSCTL_HANDLER)
#undef LQ_TCP_SYSCTL_HANDLER

/* The names of those that follow TCP's. .data is that of "adopt": it is no field. */
static int lq_sysctl_following(LQ_CTL_TABLE *table, int write, void *buffer, size_t *length,
			       loff_t *pos)
{
	const u32 followed =
		lq_tcp_followed(lq_net_of_field(table->data, offsetof(struct lq_sysctls, adopt)));
	char names[LQ_FOLLOWING_TEXT];
	struct ctl_table text = { .data = names, .maxlen = sizeof(names), .mode = table->mode };
	size_t used = 0;

	names[0] = '\0';
#define LQ_NAME(name, flag)                                                                  \
	if (followed & (flag))                                                               \
		used += scnprintf(names + used, sizeof(names) - used, "%s" #name,            \
				  used ? " " : "");
	LQ_TCP_SYSCTLS(LQ_NAME)
#undef LQ_NAME
	return proc_dostring(&text, write, buffer, length, pos);
}
LQ_SYSCTL_HANDLER(accept_max_wait_ms)
LQ_SYSCTL_HANDLER(codel_target_ms)
LQ_SYSCTL_HANDLER(codel_interval_ms)
LQ_SYSCTL_HANDLER(syn_admission_ms)
LQ_SYSCTL_HANDLER(grace_ms)
LQ_SYSCTL_HANDLER(steal_us)
LQ_SYSCTL_HANDLER(stalled_ms)

/* Reads and writes a policy by its name. An unknown name: EINVAL. */
static int lq_sysctl_policy(LQ_CTL_TABLE *table, int write, void *buffer, size_t *length,
			    loff_t *pos)
{
	struct lq_net *lqn = lq_net_of_field(table->data, offsetof(struct lq_sysctls, policy));
	char name[LISTENQ_POLICY_NAMSIZ];
	struct ctl_table text = { .data = name, .maxlen = sizeof(name), .mode = table->mode };
	int err, policy;

	strscpy(name, lq_core_policy_name(READ_ONCE(lqn->sysctls.policy)), sizeof(name));
	err = proc_dostring(&text, write, buffer, length, pos);
	if (err || !write)
		return err;
	policy = lq_core_policy_find(name, strlen(name));
	if (policy < 0)
		return -EINVAL;
	WRITE_ONCE(lqn->sysctls.policy, policy);
	lq_net_reconfigure(lqn);
	return 0;
}

/* The same of a setting of which the core knows the names, lq_core_<what>_name(). */
#define LQ_SYSCTL_NAMED(field, what)                                                          \
	static int lq_sysctl_##field(LQ_CTL_TABLE *table, int write, void *buffer,           \
				     size_t *length, loff_t *pos)                            \
	{                                                                                    \
		struct lq_net *lqn =                                                         \
			lq_net_of_field(table->data, offsetof(struct lq_sysctls, field));    \
		char name[LISTENQ_POLICY_NAMSIZ];                                            \
		struct ctl_table text = {                                                    \
			.data = name, .maxlen = sizeof(name), .mode = table->mode,           \
		};                                                                           \
		int err, value;                                                              \
                                                                                             \
		strscpy(name, lq_core_##what##_name(READ_ONCE(lqn->sysctls.field)),          \
			sizeof(name));                                                       \
		err = proc_dostring(&text, write, buffer, length, pos);                      \
		if (err || !write)                                                           \
			return err;                                                          \
		value = lq_core_##what##_find(name, strlen(name));                           \
		if (value < 0)                                                               \
			return -EINVAL;                                                      \
		WRITE_ONCE(lqn->sysctls.field, value);                                       \
		lq_net_reconfigure(lqn);                                                     \
		return 0;                                                                    \
	}
LQ_SYSCTL_NAMED(accept_dead, dead)
LQ_SYSCTL_NAMED(accept_order, order)

/* Looking at every listen() begins or ends with it. */
static int lq_sysctl_adopt(LQ_CTL_TABLE *table, int write, void *buffer, size_t *length,
			   loff_t *pos)
{
	struct lq_net *lqn = lq_net_of_field(table->data, offsetof(struct lq_sysctls, adopt));
	int adopt = READ_ONCE(lqn->sysctls.adopt);
	struct ctl_table number = {
		.data = &adopt, .maxlen = sizeof(adopt), .mode = table->mode,
		.extra1 = table->extra1, .extra2 = table->extra2,
	};
	const int err = proc_dointvec_minmax(&number, write, buffer, length, pos);

	return err || !write ? err : lq_watch_set(lqn, adopt);
}

/* .data is that of "adopt": the list is no field of struct lq_sysctls. */
static int lq_sysctl_adopt_cgroups(LQ_CTL_TABLE *table, int write, void *buffer, size_t *length,
				   loff_t *pos)
{
	struct lq_net *lqn = lq_net_of_field(table->data, offsetof(struct lq_sysctls, adopt));
	char ids[LQ_WATCH_TEXT + 1];
	struct ctl_table text = { .data = ids, .maxlen = sizeof(ids), .mode = table->mode };
	int err;

	lq_watch_get_cgroups(lqn, ids, sizeof(ids));
	err = proc_dostring(&text, write, buffer, length, pos);
	if (err || !write)
		return err;
	/* It was perhaps cut, and a number is another one then. */
	return strlen(ids) == LQ_WATCH_TEXT ? -EINVAL : lq_watch_set_cgroups(lqn, ids);
}

#define LQ_SYSCTL_INT(field, low, high)                                                   \
	{                                                                                 \
		.procname = #field, .data = (void *)offsetof(struct lq_sysctls, field),   \
		.maxlen = sizeof(int), .mode = 0644, .proc_handler = lq_sysctl_##field,   \
		.extra1 = low, .extra2 = high,                                            \
	}

/* .data is an offset here, and an address in each namespace's copy. */
static const struct ctl_table lq_sysctl_template[] = {
	{
		.procname = "policy",
		.data = (void *)offsetof(struct lq_sysctls, policy),
		.maxlen = LISTENQ_POLICY_NAMSIZ,
		.mode = 0644,
		.proc_handler = lq_sysctl_policy,
	},
	LQ_SYSCTL_INT(max_syn_backlog, &lq_one, &lq_max_syn_backlog),
	LQ_SYSCTL_INT(abort_on_overflow, &lq_zero, &lq_one),
	LQ_SYSCTL_INT(synack_retries, &lq_zero, &lq_max_retries),
	LQ_SYSCTL_INT(synack_timeout_ms, &lq_min_timeout, &lq_max_timeout),
	LQ_SYSCTL_INT(soacceptqueue, &lq_one, &lq_max_backlog),
	LQ_SYSCTL_INT(syncookies, &lq_zero, &lq_two),
	LQ_SYSCTL_INT(syncookie_pause, &lq_zero, &lq_one),
	LQ_SYSCTL_INT(shards, &lq_zero, &lq_max_shards),
	LQ_SYSCTL_INT(filter_timeout_ms, &lq_zero, &lq_max_filter_timeout),
	LQ_SYSCTL_INT(reset_acked, &lq_zero, &lq_one),
	LQ_SYSCTL_INT(migrate, &lq_zero, &lq_one),
	LQ_SYSCTL_INT(grace_total, &lq_zero, &lq_max_parked),
#define LQ_X(NAME, name, low, high, initial) \
	LQ_SYSCTL_INT(name, &lq_low_##name, &lq_high_##name),
	LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	LQ_SYSCTL_INT(adopt, &lq_zero, &lq_one),
	{
		.procname = "adopt_cgroups",
		.data = (void *)offsetof(struct lq_sysctls, adopt),
		.maxlen = LQ_WATCH_TEXT,
		.mode = 0644,
		.proc_handler = lq_sysctl_adopt_cgroups,
	},
	{
		.procname = "following",
		.data = (void *)offsetof(struct lq_sysctls, adopt),
		.maxlen = LQ_FOLLOWING_TEXT,
		.mode = 0444,
		.proc_handler = lq_sysctl_following,
	},
	{} /* for kernels that look for the end */
};
#define LQ_SYSCTL_COUNT (ARRAY_SIZE(lq_sysctl_template) - 1)

int lq_sysctl_init(struct net *net)
{
	struct lq_net *lqn = lq_net(net);
	struct ctl_table *table;
	size_t i;

	lqn->sysctls = (struct lq_sysctls) {
		.policy = LQ_POLICY_LINUX,
		.shards = 1,
#define LQ_AS_TCP(name, flag) .name = LQ_FOLLOW,
		LQ_TCP_SYSCTLS(LQ_AS_TCP)
#undef LQ_AS_TCP
		.synack_timeout_ms = LQ_SYNACK_TIMEOUT_MS,
		.soacceptqueue = 128,	   /* SOMAXCONN, FreeBSD's kern.ipc.soacceptqueue */
		.filter_timeout_ms = 60000,
		.reset_acked = 1,
		.migrate = 1,
		.grace_total = 16384, /* 40 MB of sockets */
#define LQ_X(NAME, name, low, high, initial) .name = initial,
		LQ_OVERLOAD_SETTINGS(LQ_X)
#undef LQ_X
	};
	table = kmemdup(lq_sysctl_template, sizeof(lq_sysctl_template), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < LQ_SYSCTL_COUNT; i++)
		table[i].data = (u8 *)&lqn->sysctls + (size_t)table[i].data;
	lqn->sysctl_table = table;
	lqn->sysctl_header =
		lq_compat_register_sysctl(net, "net/listenq", table, LQ_SYSCTL_COUNT);
	if (!lqn->sysctl_header) {
		kfree(table);
		return -ENOMEM;
	}
	return 0;
}

void lq_sysctl_exit(struct net *net)
{
	struct lq_net *lqn = lq_net(net);

	unregister_net_sysctl_table(lqn->sysctl_header);
	lq_watch_exit(lqn);
	kfree(lqn->sysctl_table);
}
