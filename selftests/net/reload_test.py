#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""nginx, with a listener for each worker, and HAProxy, with one for each thread, are reloaded while clients
connect all the time: workers go, and their listeners with what waits there. LQ_RELOADS=N: so many times.
LQ_COMPARE=1: beside TCP, whose errors are told.
"""
import os
import signal

import haproxy
import lq
from load import Load
from nginx import configure, serving, workers

RELOADS = int(os.environ.get("LQ_RELOADS", "12"))
PORT = 8080
LINES = f"listen 0.0.0.0:{PORT} reuseport backlog=128; listen [::]:{PORT} reuseport backlog=128;"


BINDS = f"    bind 0.0.0.0:{PORT} shards by-thread\n    bind :::{PORT} v6only shards by-thread"
KINDS = ["lq", "tcp", "tcp_migrate_req"] if os.environ.get("LQ_COMPARE") else ["lq"]


def replaced(workers_of, process, count, tell):
    """The server is told to begin anew, and then has so many workers, and none of before."""
    before = set(workers_of(process))
    tell()

    def is_over():
        now = set(workers_of(process))
        return len(now) == count and not now & before
    lq.wait_for(is_over, 60, "the old workers stay")


def launcher_for(kind):
    """And the namespace is made ready."""
    if kind == "tcp_migrate_req":
        lq.sysctl("net.ipv4.tcp_migrate_req", 1)
    return ["lqrun"] if kind == "lq" else []


def reloads(kind, reload):
    """Fewer and more listeners in turn: no client sees an error."""
    with lq.Counted() as moved:
        with Load(PORT) as load:
            for number in range(RELOADS):
                reload(1 if number % 2 == 0 else 4)
        done, failed, _ = load.result
        accepted, migrated, closed = moved("Accepted", "Migrated", "DropListenerClosed")
    lq.diag(f"{kind}: {migrated} migrated, {closed} dropped, {failed} errors of {done + failed}")
    assert done > RELOADS, f"{done} connections"
    if kind == "lq":
        assert accepted >= done, "it is not listenq's"
        lq.equal(failed, 0, "failed connections")


@lq.case(*KINDS, timeout=300)
def nginx_with_reuseport(kind):
    """With fewer and more workers."""
    with serving(LINES, launcher_for(kind), 4) as (path, process):
        def reload(count):
            configure(path, LINES, count)
            replaced(workers, process, count, lambda: process.send_signal(signal.SIGHUP))
        reloads(kind, reload)


@lq.case(*KINDS, timeout=300)
def haproxy_by_thread(kind):
    """With fewer and more threads; its new worker takes over the listeners that it can use, and closes
    the others."""
    with haproxy.serving(BINDS, launcher_for(kind), PORT, 4) as (path, process):
        def reload(count):
            haproxy.configure(path, BINDS, count)
            replaced(haproxy.workers, process, 1,
                     lambda: haproxy.tell(process, signal.SIGUSR2))
        reloads(kind, reload)


lq.main()
