// SPDX-License-Identifier: GPL-2.0
/* Setting an accept filter, by a name or a BPF program, and removing it. Process context. */
#include <linux/filter.h>
#include <linux/slab.h>

#include "filter.h"
#include "filter_set.h"
#include "listener.h"
#include "shard.h"

/* --- lst->control held --- */

static void lq_filter_use(struct lq_listener *lst, u8 filter)
{
	struct lq_shard *shard;
	u32 i;

	WRITE_ONCE(lst->filter, filter); /* getsockopt() reads it without the mutex */
	lq_for_each_shard(lst, shard, i) {
		spin_lock_bh(&shard->lock);
		lq_core_filter_set(shard->core, filter);
		spin_unlock_bh(&shard->lock);
	}
}

static int lq_filter_use_name(struct lq_listener *lst, const char *name, size_t length)
{
	const int filter = lq_core_filter_find(name, length);

	if (!lst->listening || lst->filter != LQ_FILTER_NONE)
		return -EINVAL;
	if (filter < 0)
		return -ENOENT;
	lq_filter_use(lst, filter);
	return 0;
}

static void lq_program_free(struct lq_program *program)
{
	bpf_prog_destroy(program->bpf);
	kfree(program);
}

static void lq_program_free_rcu(struct rcu_head *rcu)
{
	lq_program_free(container_of(rcu, struct lq_program, rcu));
}

void lq_filter_forget(struct lq_listener *lst)
{
	struct lq_program *program;

	WRITE_ONCE(lst->filter, LQ_FILTER_NONE);
	program = rcu_replace_pointer(lst->filter_program, NULL, lockdep_is_held(&lst->control));
	if (program)
		call_rcu(&program->rcu, lq_program_free_rcu);
}

/* All that it held are ready; those that come now are not held. */
static void lq_filter_release(struct lq_shard *shard)
{
	bool more;

	do {
		spin_lock_bh(&shard->lock);
		more = lq_core_filter_release(shard->core, LQ_ENTRIES_AT_ONCE);
		if (lq_core_filter_ready(shard->core))
			lq_filter_ready_locked(shard);
		spin_unlock_bh(&shard->lock);
		cond_resched();
	} while (more);
}

static void lq_filter_take_away(struct lq_listener *lst)
{
	struct lq_shard *shard;
	u32 i;

	if (lst->filter == LQ_FILTER_NONE)
		return;
	lq_filter_use(lst, LQ_FILTER_NONE);
	lq_for_each_shard(lst, shard, i)
		lq_filter_release(shard);
	/* As many as have room can be accepted when the call returns. */
	flush_work(&lst->reaper);
	lq_filter_forget(lst);
}

int lq_filter_replace_locked(struct lq_listener *lst, const char *name, size_t length)
{
	lq_filter_take_away(lst);
	return length > 0 ? lq_filter_use_name(lst, name, length) : 0;
}

/* --- lst->control not held --- */

int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length)
{
	int err;

	mutex_lock(&lst->control);
	err = lq_filter_use_name(lst, name, length);
	mutex_unlock(&lst->control);
	return err;
}

void lq_filter_remove(struct lq_listener *lst)
{
	mutex_lock(&lst->control);
	lq_filter_take_away(lst);
	mutex_unlock(&lst->control);
}

/* The user's memory is read, for as long as that takes, before any lock is taken. */
int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code)
{
	struct lq_program *program = kzalloc(sizeof(*program), GFP_KERNEL_ACCOUNT);
	int err;

	if (!program)
		return -ENOMEM;
	err = bpf_prog_create_from_user(&program->bpf, code, NULL, false);
	if (err) {
		kfree(program);
		return err;
	}
	mutex_lock(&lst->control);
	if (!lst->listening || lst->filter != LQ_FILTER_NONE) {
		err = -EINVAL;
	} else {
		rcu_assign_pointer(lst->filter_program, program);
		lq_filter_use(lst, LQ_FILTER_BPF);
	}
	mutex_unlock(&lst->control);
	if (err)
		lq_program_free(program);
	return err;
}
