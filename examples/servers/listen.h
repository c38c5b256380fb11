/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listen(), as UNIX Network Programming (vol. 1, 3rd ed., figure 4.9) has it: the environment
 * variable LISTENQ replaces the backlog that the program asks for, and a failure ends the program.
 * For C and C++.
 *
 * LISTENQ is read as atoi(3) reads it: "-1" is -1, which listen(2) takes for as many as
 * net.core.somaxconn allows (the policies of the eighties: for none); "many" and "" are 0; of "12
 * or so" 12 counts. What fits into no int is the next that does, where atoi() may do anything.
 */
#ifndef LISTENQ_EXAMPLES_LISTEN_H
#define LISTENQ_EXAMPLES_LISTEN_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static inline int listen_backlog(int backlog)
{
	const char *text = getenv("LISTENQ");
	long number;

	if (!text)
		return backlog;
	number = strtol(text, NULL, 10);
	return number > INT_MAX ? INT_MAX : number < INT_MIN ? INT_MIN : (int)number;
}

static inline void Listen(int fd, int backlog)
{
	if (listen(fd, listen_backlog(backlog)) == 0)
		return;
	fprintf(stderr, "listen: %s\n", strerror(errno));
	exit(1);
}

#endif
