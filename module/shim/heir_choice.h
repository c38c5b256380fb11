/* SPDX-License-Identifier: GPL-2.0 */
/* Who takes what a listener that ends has. All of it under RCU, softirqs off. */
#ifndef LISTENQ_HEIR_CHOICE_H
#define LISTENQ_HEIR_CHOICE_H

#include "listener.h"

/* Whether those of its SO_REUSEPORT group may be heirs of @lst: settings of its namespace say so. */
bool lq_heir_of_group(const struct lq_listener *lst);
/* Whether a program of the group of @sk decides where its connections go. */
bool lq_heir_programmed(const struct sock *sk);

/* Of the heirs of @lst, for @key, that score highest number @turn, modulo how many they are; or NULL. */
struct lq_listener *lq_heir_choose(struct lq_listener *lst, const struct lq_key *key, u32 turn);
/*
 * The program of the group of @lst is asked about @migrating, a child or a request. One that says no
 * more than yes leaves the choice to TCP, for which we are in the group still: ours is made instead.
 */
struct lq_listener *lq_heir_by_program(struct lq_listener *lst, const struct lq_key *key,
				       struct sock *migrating);

#endif
