/* SPDX-License-Identifier: GPL-2.0 */
/* How long functions of the module take, by the kernel's function graph tracer. */
#ifndef LISTENQ_BENCH_TRACE_H
#define LISTENQ_BENCH_TRACE_H

#include "bench.h"

#define TRACING "/sys/kernel/tracing/"

static inline void trace_write(const char *name, const char *value)
{
	char path[128];
	ssize_t written;
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		die(path);
	/* One word at a time is taken. */
	for (; *value; value += written) {
		written = write(fd, value, strlen(value));
		if (written <= 0)
			die(path);
	}
	close(fd);
}

/* The module's @functions, with blanks between them, and no others. */
static inline void trace_setup(const char *functions)
{
	trace_write("tracing_on", "0");
	trace_write("set_ftrace_filter", functions);
	trace_write("options/funcgraph-tail", "1");
	trace_write("buffer_size_kb", "16384");
}

static inline void trace_begin(void)
{
	trace_write("current_tracer", "function_graph");
	trace_write("tracing_on", "1");
}

/* What was traced is kept. */
static inline void trace_pause(void)
{
	trace_write("tracing_on", "0");
}

/* It costs nothing from here on, and what was traced is gone. */
static inline void trace_end(void)
{
	trace_write("current_tracer", "nop");
}

/* How often @function returned since trace_begin(); *longest of it, in nanoseconds. */
static inline int trace_calls(const char *function, double *longest)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[512], open_call[64], close_call[64], *at;
	int calls = 0;
	double us;

	if (!file)
		die("trace");
	*longest = 0;
	snprintf(open_call, sizeof(open_call), " %s [listenq]();", function);
	snprintf(close_call, sizeof(close_call), "} /* %s [listenq]", function);
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, open_call) && !strstr(line, close_call))
			continue;
		at = strstr(line, ") ");
		/* A mark for long ones stands before the number. */
		if (!at || sscanf(at + 2, "%*[^0-9]%lf us", &us) != 1)
			continue;
		calls++;
		if (us * 1000 > *longest)
			*longest = us * 1000;
	}
	fclose(file);
	return calls;
}

/* The longest call of @function since trace_begin(), in nanoseconds; there must be one. */
static inline double trace_longest(const char *function)
{
	double longest;

	if (trace_calls(function, &longest) == 0)
		fail("was not traced", function);
	return longest;
}

#endif
