/* SPDX-License-Identifier: GPL-2.0 */
/* The address family. */
#ifndef LISTENQ_FAMILY_H
#define LISTENQ_FAMILY_H

int lq_family_init(void);
void lq_family_exit(void);
/* After it: until no task is in a function of ours any more. */
void lq_family_wait(void);

#endif
