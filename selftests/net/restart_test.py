#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=500
"""A server is stopped, or killed, and started again while clients connect all the time. Nobody listens
meanwhile: net.listenq.grace_ms. LQ_RESTARTS=N: so many times. LQ_COMPARE=1: beside TCP, whose errors are
told.
"""
import os
import signal

import haproxy
import lq
from load import Load
from nginx import serving, start, workers

RESTARTS = int(os.environ.get("LQ_RESTARTS", "6"))
PORT = 8080
LINES = f"listen 0.0.0.0:{PORT} backlog=128; listen [::]:{PORT} ipv6only=on backlog=128;"
KINDS = ["lq", "tcp"] if os.environ.get("LQ_COMPARE") else ["lq"]
CASES = [f"{how} {kind}" for how in ("quit", "kill") for kind in KINDS]


def end(process, how):
    """No process of the server is left: gracefully, or at once."""
    if how == "quit":
        process.send_signal(signal.SIGQUIT)
    else:
        for pid in (process.pid, *workers(process)):
            os.kill(pid, signal.SIGKILL)
    process.wait(60 * lq.SCALE)
    lq.wait_for(lambda: not lq.run("pgrep", "-x", "nginx", check=False), 60)


@lq.case(*CASES, timeout=240)
def plain_nginx(what):
    """A single listener for each address. What is in the hands of a server that is killed is lost with it;
    of all others no client sees an error."""
    how, kind = what.split()
    lq.sysctl("net.listenq.grace_ms", 600000)
    # Else a client of nobody connects to itself in the end, and has the port.
    lq.sysctl("net.ipv4.ip_local_reserved_ports", PORT)
    launcher = ["lqrun"] if kind == "lq" else []
    with serving(LINES, launcher, 2) as (path, process), lq.Counted() as moved:
        try:
            with Load(PORT) as load:
                for _ in range(RESTARTS):
                    done = moved("Accepted")
                    if kind == "lq":
                        lq.wait_for(lambda done=done: moved("Accepted") > done + 20, 60)
                    end(process, how)
                    process = start(path, launcher, 2)
        finally:
            process.terminate()
            process.wait(30 * lq.SCALE)
        done, failed, _ = load.result
        accepted, parked, inherited = moved("Accepted", "Parked", "Inherited")
        lq.diag(f"{what}: {RESTARTS} restarts, {parked} parked, {inherited} taken over, "
                f"{failed} errors of {done + failed}")
        assert done > RESTARTS, f"{done} connections"
        if kind == "lq":
            lq.equal(failed, accepted - done, "failed, and what had been accepted and not answered")
        if kind == "lq" and how == "quit":
            lq.equal(failed, 0, "failed connections")


def end_haproxy(process, how):
    """Of HAProxy."""
    pids = (process.pid, *haproxy.workers(process))
    for pid in pids[:1] if how == "quit" else pids:
        os.kill(pid, signal.SIGUSR1 if how == "quit" else signal.SIGKILL)
    process.wait(60 * lq.SCALE)
    lq.wait_for(lambda: not lq.run("pgrep", "-x", "haproxy", check=False), 60)


BINDS = f"    bind 0.0.0.0:{PORT}\n    bind :::{PORT} v6only"


@lq.case(*CASES, timeout=240)
def plain_haproxy(what):
    """The same of HAProxy, with one worker of two threads."""
    how, kind = what.split()
    lq.sysctl("net.listenq.grace_ms", 600000)
    lq.sysctl("net.ipv4.ip_local_reserved_ports", PORT)
    launcher = ["lqrun"] if kind == "lq" else []
    with haproxy.serving(BINDS, launcher, PORT, more="    noreuseport") as (path, process), \
            lq.Counted() as moved:
        try:
            with Load(PORT) as load:
                for _ in range(RESTARTS):
                    done = moved("Accepted")
                    if kind == "lq":
                        lq.wait_for(lambda done=done: moved("Accepted") > done + 20, 60)
                    end_haproxy(process, how)
                    process = haproxy.start(path, launcher, PORT)
        finally:
            end_haproxy(process, "kill")
        done, failed, _ = load.result
        accepted, parked, inherited = moved("Accepted", "Parked", "Inherited")
        lq.diag(f"{what}: {RESTARTS} restarts, {parked} parked, {inherited} taken over, "
                f"{failed} errors of {done + failed}")
        assert done > RESTARTS, f"{done} connections"
        if kind == "lq":
            lq.equal(failed, accepted - done, "failed, and what had been accepted and not answered")
        if kind == "lq" and how == "quit":
            lq.equal(failed, 0, "failed connections")


lq.main()
