/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the program asked listen() for. The kernel clamps the backlog to
 * somaxconn before any protocol sees it and tells nobody; the argument is
 * still in the caller's registers.
 */
#ifndef LISTENQ_COMPAT_LISTEN_ASKED_H
#define LISTENQ_COMPAT_LISTEN_ASKED_H

#include <asm/syscall.h>
#include <linux/compat.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>

/*
 * Process context. @given: the clamped backlog. Returns it where the system
 * call is not a native listen(): io_uring, 32-bit programs.
 */
static inline int lq_compat_listen_asked(int given)
{
	struct pt_regs *regs = current_pt_regs();
	unsigned long args[6];
	int asked;

	if ((current->flags & (PF_KTHREAD | PF_IO_WORKER)) || in_compat_syscall() ||
	    syscall_get_nr(current, regs) != __NR_listen)
		return given;
	syscall_get_arguments(current, regs, args);
	asked = (int)args[1];
	/* The clamp compares unsigned: a negative backlog asks for all there is. */
	return (unsigned int)asked >= (unsigned int)given ? asked : given;
}

#endif
