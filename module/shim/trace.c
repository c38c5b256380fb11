// SPDX-License-Identifier: GPL-2.0
/* The tracepoints of trace.h themselves, and the names that they print. */
#define CREATE_TRACE_POINTS
#include "trace.h"

const char *const lq_drop_names[__LISTENQ_DROP_MAX] = {
#define LISTENQ_X(number, NAME, name, text) [number] = #name,
	LISTENQ_DROPS(LISTENQ_X)
#undef LISTENQ_X
};
