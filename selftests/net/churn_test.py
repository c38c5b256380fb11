#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Lifecycle under load: namespaces, the module, and processes that stop, or that the kernel kills.

    clients --- lo --- listener, in many namespaces

LQ_CHURN: how many namespaces, 30 if unset. LQ_LOADS: how many loads of the module, 3 if unset.
"""
import contextlib
import errno
import mmap
import os
import select
import signal
import socket
import subprocess
import threading
import time

import lq
import memcg

TURNS = int(os.environ.get("LQ_CHURN", "30"))
LOADS = int(os.environ.get("LQ_LOADS", "3"))


def progress(done, total, begin, more=""):
    """A line now and then, where one turn is one of many."""
    step = max(total // 10, 10)
    if done // step and done % step == 0 and done < total:
        lq.diag(f"{done} of {total} in {time.monotonic() - begin:.1f} s{more}")


def fill_over_lo(listener, v6=False):
    """Clients for both queues: one more than fit, and two that stay half-open."""
    limit = lq.Info(listener).accept_limit
    clients = [lq.begin_connect(listener, v6) for _ in range(limit + 4)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == limit)
    lq.wait_for(lambda: lq.Info(listener).syn_qlen)
    return clients


@lq.case(timeout=120 + TURNS)
def namespaces_end_with_full_queues():
    """One after the other, and a few at a time: queues, timers and counters go with them."""
    before, users = lq.requests_in_memory(), lq.module_users()
    begin = time.monotonic()
    left = TURNS
    while left > 0:
        pids = []
        for turn in range(min(left, 6)):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    lq.unshare_net()
                    lq.no_timer()
                    lq.sysctl("net.listenq.synack_timeout_ms", 10)
                    lq.sysctl("net.listenq.policy", "linux-classic")  # some stay half-open
                    listeners = [lq.listener(backlog=3, v6=v6) for v6 in (False, True)]
                    if turn % 2:
                        lq.set_filter(listeners[0], "dataready")
                        clients = [lq.connect_to(listeners[0]) for _ in range(3)]
                    else:
                        clients = fill_over_lo(listeners[0])
                    clients += fill_over_lo(listeners[1], True)
                    status = 0
                    if turn % 3:
                        os.kill(os.getpid(), signal.SIGKILL)
                finally:
                    os._exit(status)
            pids.append((pid, turn))
        for pid, turn in pids:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            lq.equal(code, -signal.SIGKILL if turn % 3 else 0)
        left -= len(pids)
        progress(TURNS - left, TURNS, begin)
    lq.wait_for(lambda: lq.module_users() == users, 60)
    lq.wait_for(lambda: lq.requests_in_memory() == before, 60)
    lq.diag(f"{TURNS} namespaces in {time.monotonic() - begin:.1f} s")


@lq.case(timeout=120 + 10 * LOADS)
def module_comes_and_goes_under_traffic():
    """Clients knock all the time; the module is loaded, serves, and is removed."""
    stop, served = threading.Event(), [0] * 4  # one for each client: += of several loses some
    port = 7300

    def knock(client_number):
        v6 = client_number % 2
        while not stop.is_set():
            with contextlib.suppress(ConnectionError, TimeoutError):
                with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET) as client:
                    client.settimeout(20)
                    client.connect(("::1" if v6 else "127.0.0.1", port + v6))
                    client.send(b"?")
                    served[client_number] += client.recv(1) == b"!"

    def insert_or_remove(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lq.equal((done.returncode, done.stderr), (0, ""), f"{command[0]}, load {turn}")

    threads = [threading.Thread(target=knock, args=(number,), daemon=True)
               for number in range(len(served))]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    for turn in range(1, LOADS + 1):
        listeners = [lq.listener(port=port + v6, v6=bool(v6)) for v6 in (0, 1)]
        start = sum(served)
        end = time.monotonic() + 30 * lq.SCALE
        while sum(served) < start + 20:
            assert time.monotonic() < end, f"nobody is served, load {turn}"
            for listener in select.select(listeners, [], [], 0.1)[0]:
                for child in lq.accept_all(listener):
                    with contextlib.suppress(OSError):
                        lq.read_all(child, 1)
                        child.send(b"!")
                    child.close()
        for listener in listeners:
            listener.close()
        insert_or_remove("rmmod", "listenq")
        insert_or_remove("insmod", lq.module_file())
        progress(turn, LOADS, begin, f", {sum(served)} connections served")
    stop.set()
    assert min(served), f"one client was never served: {served}"
    lq.diag(f"{LOADS} loads in {time.monotonic() - begin:.1f} s, {sum(served)} connections served")


@lq.each_version(timeout=90)
def the_accepting_process_is_stopped(v6):
    """SIGSTOP: the queue fills up to its limit, clients wait; SIGCONT: all of them are served."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    lq.sysctl("net.listenq.synack_retries", 20)  # nobody is given up meanwhile
    listener = lq.listener(backlog=4, v6=v6)
    limit = lq.Info(listener).accept_limit
    pid = os.fork()
    if pid == 0:
        listener.setblocking(True)
        listener.settimeout(None)
        while True:
            with listener.accept()[0] as child:
                child.send(lq.read_all(child, 1, 60))
    os.kill(pid, signal.SIGSTOP)
    lq.wait_for(lambda: _state(pid) == "T")
    clients = [lq.begin_connect(listener, v6) for _ in range(3 * limit)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == limit)
    lq.never(lambda: lq.Info(listener).accept_qlen != limit)
    os.kill(pid, signal.SIGCONT)
    silent = list(clients)
    while silent:
        ready = select.select([], silent, [], 60)[1]
        assert ready, f"{len(silent)} never connected"
        for client in ready:
            lq.equal(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            client.send(b"x")
            silent.remove(client)
    for client in clients:
        lq.equal(lq.read_all(client, 1, 60), b"x")
    lq.equal(lq.Info(listener).accepted, 3 * limit)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


@lq.case(timeout=90)
def the_accepting_process_is_killed_for_memory():
    """The OOM killer takes the only process that holds a listener: its clients are told."""
    before, users = lq.requests_in_memory(), lq.module_users()
    port = 7400
    with memcg.cgroup("lq-oom") as group:
        ready, ours = os.pipe()
        pid = os.fork()
        if pid == 0:
            memcg.enter(group)
            listener = lq.listener(backlog=4, port=port)
            os.write(ours, b"x")
            lq.wait_for(lambda: lq.Info(listener).accept_qlen >= 3, 60)
            with open(f"{group}/memory.max", "w", encoding="ascii") as file:
                file.write(str(32 << 20))
            hog = mmap.mmap(-1, 512 << 20)
            for at in range(0, len(hog), mmap.PAGESIZE):
                hog[at] = 1
            os._exit(0)
        os.read(ready, 1)
        clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(3)]
        lq.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)
        with open(f"{group}/memory.events", encoding="ascii") as file:
            events = dict(line.split() for line in file)
        assert int(events["oom_kill"]) >= 1, events
        for client in clients:
            with lq.fails_with(errno.ECONNRESET):
                client.recv(1)
    lq.wait_for(lambda: lq.module_users() == users)
    lq.wait_for(lambda: lq.requests_in_memory() == before)
    lq.expect_serves(lq.listener())


lq.main()
