#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# monitor80.sh [PERCENT]: which listeners' accept queues are full to 80 %, by ss(8); once, for cron or watch(1).
#
# Of a listener, ss shows the connections that wait as Recv-Q and the backlog as Send-Q. The queue holds one
# more than the backlog. (Of a socket that does not listen the two columns are bytes: -l is what matters.)
# Exit status 1: there is one.
ss -Hltn | awk -v at="${1:-80}" '
	{
		percent = int(100 * $2 / ($3 + 1))
		if (percent >= at) {
			print $4, percent "%", $2 " of " $3 + 1
			found = 1
		}
	}
	END { exit found }'
