/* SPDX-License-Identifier: GPL-2.0 */
/* Setting an accept filter, and removing it. */
#ifndef LISTENQ_FILTER_SET_H
#define LISTENQ_FILTER_SET_H

#include "listener.h"

struct sock_fprog;

/* lst->control held, nothing is held any more. */
void lq_filter_forget(struct lq_listener *lst);
/*
 * Process context, with a reference on @lst. -EINVAL: not listening, or there is a filter;
 * -ENOENT: no such name; and what bpf_prog_create_from_user() says, which reads the user's memory.
 */
int lq_filter_set_name(struct lq_listener *lst, const char *name, size_t length);
int lq_filter_set_program(struct lq_listener *lst, struct sock_fprog *code);
/* The same: what it held can be accepted, as there is room. Harmless without a filter. */
void lq_filter_remove(struct lq_listener *lst);
/* lst->control held: both at once; @length 0: none in its place. */
int lq_filter_replace_locked(struct lq_listener *lst, const char *name, size_t length);

#endif
