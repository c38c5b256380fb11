#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=500
"""A server is stopped, or killed, and started again while clients connect all the time. Nobody listens
meanwhile: net.listenq.grace_ms. LQ_RESTARTS=N: so many times. LQ_COMPARE=1: beside TCP, whose errors are
told.
"""
import contextlib
import os
import signal

import haproxy
import lq
from load import Load
from nginx import serving, start, workers

RESTARTS = int(os.environ.get("LQ_RESTARTS", "6"))
PORT = 8080
LINES = f"listen 0.0.0.0:{PORT} backlog=128; listen [::]:{PORT} ipv6only=on backlog=128;"
BINDS = f"    bind 0.0.0.0:{PORT}\n    bind :::{PORT} v6only"
KINDS = ["lq", "tcp"] if os.environ.get("LQ_COMPARE") else ["lq"]
CASES = [f"{how} {kind}" for how in ("quit", "kill") for kind in KINDS]


def kill(pids):
    """At once."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_end(process, name):
    """No process of the server is left."""
    process.wait(60 * lq.SCALE)
    lq.wait_for(lambda: not lq.run("pgrep", "-x", name, check=False), 60)


def end_nginx(process, how):
    """Gracefully, or at once."""
    if how == "quit":
        process.send_signal(signal.SIGQUIT)
    else:
        kill((process.pid, *workers(process)))
    wait_for_end(process, "nginx")


def end_haproxy(process, how):
    """The same."""
    if how == "quit":
        haproxy.tell(process, signal.SIGUSR1)
    else:
        kill((process.pid, *haproxy.workers(process)))
    wait_for_end(process, "haproxy")


def restarts(what, process, end, begin):
    """Each client is answered, but who was in the hands of a server that was killed."""
    how, kind = what.split()
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        try:
            with Load(PORT) as load:
                for _ in range(RESTARTS):
                    done = mib("TcpPassiveOpens")
                    lq.wait_for(lambda done=done: mib("TcpPassiveOpens") > done + 20, 60)
                    end(process, how)
                    process = begin()
        finally:
            lq.sysctl("net.listenq.grace_ms", 0)  # nobody is to come for it
            end(process, "kill")
        done, failed, _ = load.result
        accepted, parked, inherited = moved("Accepted", "Parked", "Inherited")
    lq.diag(f"{what}: {RESTARTS} restarts, {parked} parked, {inherited} taken over, "
            f"{failed} errors of {done + failed}")
    assert done > RESTARTS, f"{done} connections"
    if kind == "lq":
        lq.equal(failed, accepted - done, "failed, and what had been accepted and not answered")
    if kind == "lq" and how == "quit":
        lq.equal(failed, 0, "failed connections")


def launcher_for(what):
    """And the namespace is made ready."""
    lq.sysctl("net.listenq.grace_ms", 600000)
    # Else a client of nobody connects to itself in the end, and has the port.
    lq.sysctl("net.ipv4.ip_local_reserved_ports", PORT)
    return ["lqrun"] if what.endswith(" lq") else []


@lq.case(*CASES, timeout=240)
def plain_nginx(what):
    """A single listener for each address. What is in the hands of a server that is killed is lost with it;
    of all others no client sees an error."""
    launcher = launcher_for(what)
    with serving(LINES, launcher, 2) as (path, process):
        restarts(what, process, end_nginx, lambda: start(path, launcher, 2))


@lq.case(*CASES, timeout=240)
def plain_haproxy(what):
    """The same of HAProxy, with one worker of two threads."""
    launcher = launcher_for(what)
    with haproxy.serving(BINDS, launcher, PORT, more="    noreuseport") as (path, process):
        restarts(what, process, end_haproxy, lambda: haproxy.start(path, launcher, PORT))


lq.main()
