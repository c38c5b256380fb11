#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""nginx, with a listener for each worker, and HAProxy, with one for each thread, are reloaded while clients
connect all the time: workers go, and their listeners with what waits there. LQ_RELOADS=N: so many times. LQ_COMPARE=1: beside TCP, whose
errors are told.
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


def reload(path, process, count):
    """With so many workers; until the old ones are gone."""
    before = set(workers(process))
    configure(path, LINES, count)
    process.send_signal(signal.SIGHUP)

    def is_over():
        now = set(workers(process))
        return len(now) == count and not now & before
    lq.wait_for(is_over, 60, "the old workers stay")


KINDS = ["lq", "tcp", "tcp_migrate_req"] if os.environ.get("LQ_COMPARE") else ["lq"]


@lq.case(*KINDS, timeout=300)
def nginx_with_reuseport(kind):
    """Fewer and more workers in turn: no client sees an error."""
    if kind == "tcp_migrate_req":
        lq.sysctl("net.ipv4.tcp_migrate_req", 1)
    with serving(LINES, ["lqrun"] if kind == "lq" else [], 4) as (path, process):
        with lq.Counted() as moved, Load(PORT) as load:
            for number in range(RELOADS):
                reload(path, process, 1 if number % 2 == 0 else 4)
            lq.diag(f"{kind}: {moved('Migrated')} migrated, {moved('DropListenerClosed')} dropped")
        done, failed, _ = load.result
        assert done > RELOADS, f"{done} connections"
        if kind == "lq":
            lq.equal(failed, 0, "failed connections")


def reload_haproxy(path, process, threads):
    """With so many threads; until the old worker is gone."""
    before = set(haproxy.workers(process))
    haproxy.configure(path, BINDS, threads)
    process.send_signal(signal.SIGUSR2)

    def is_over():
        now = set(haproxy.workers(process))
        return len(now) == 1 and not now & before
    lq.wait_for(is_over, 60, "the old worker stays")


BINDS = f"    bind 0.0.0.0:{PORT} shards by-thread\n    bind :::{PORT} v6only shards by-thread"


@lq.case(*KINDS, timeout=300)
def haproxy_by_thread(kind):
    """The same; its new worker takes over the listeners that it can use, and closes the others."""
    if kind == "tcp_migrate_req":
        lq.sysctl("net.ipv4.tcp_migrate_req", 1)
    launcher = ["lqrun"] if kind == "lq" else []
    with haproxy.serving(BINDS, launcher, PORT, 4) as (path, process):
        with lq.Counted() as moved, Load(PORT) as load:
            for number in range(RELOADS):
                reload_haproxy(path, process, 1 if number % 2 == 0 else 4)
            lq.diag(f"{kind}: {moved('Migrated')} migrated, {moved('DropListenerClosed')} dropped")
        done, failed, _ = load.result
        assert done > RELOADS, f"{done} connections"
        if kind == "lq":
            assert moved("Accepted") >= done, "it is not listenq's"
            lq.equal(failed, 0, "failed connections")


lq.main()
