#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""When accept() comes too late: who is skipped, who is reset, who is next, who is not let in.

    clients --- lo --- listener
"""
import contextlib
import errno
import json
import select
import socket
import struct
import threading
import time

import lq
from memcg import cgroup, enter

# How many are taken off the queue under one hold of the lock, and more than that.
AT_ONCE, MANY = 16, 50


@contextlib.contextmanager
def way(how):
    """The two ways in which accept() hands a connection over."""
    if how == "graft":
        yield
        return
    with cgroup("lq-overload") as folder:
        enter(folder)
        yield


def clients_of(listener, count, v6=False):
    """So many, each of them on the accept queue."""
    before = lq.Info(listener).established
    found = [lq.connect_to(listener, v6=v6) for _ in range(count)]
    lq.wait_for(lambda: lq.Info(listener).established == before + count)
    return found


def gone(listener, count):
    """So many that wait have been reset."""
    lq.wait_for(lambda: lq.Info(listener).accept_gone == count)


def drops(listener, name):
    """One of the listener's counters."""
    return lq.row_of(listener)["drops"][name]


def readable(listener, seconds=0):
    """What poll() says."""
    return bool(select.select([listener], [], [], seconds)[0])


def agree(listener, qlen):
    """The queue's numbers, whoever says them."""
    lq.wait_for(lambda: (lq.Info(listener).accept_qlen, lq.row_of(listener)["accept_qlen"],
                         lq.ss_queues(lq.port_of(listener))[0]) == (qlen, qlen, qlen))


def is_reset(client, seconds=10):
    """The client gets RST."""
    client.settimeout(seconds * lq.SCALE)
    with lq.fails_with(errno.ECONNRESET):
        client.recv(1)


# --- accept_dead ---

def dead_ones(how, v6, shards):
    """Skipped, counted, and the living have their order and data."""
    with way(how), lq.Counted() as moved:
        listener = lq.listener(backlog=127, v6=v6,
                               options=((lq.SOL_LISTENQ, lq.LQ_SHARDS, shards),))
        clients = clients_of(listener, 20, v6)
        for n, client in enumerate(clients):
            client.send(b"%02d" % n)
        for client in clients[:4] + clients[10:14] + clients[19:]:
            lq.reset(client)
        gone(listener, 9)
        lq.equal(lq.row_of(listener)["accept_gone"], 9)
        agree(listener, 20)
        assert readable(listener)
        children = lq.accept_all(listener)
        got = [lq.read_all(child, 2) for child in children]
        want = [b"%02d" % n for n in (*range(4, 10), *range(14, 19))]
        lq.equal(got if shards == 1 else sorted(got), want)
        agree(listener, 0)
        lq.equal((drops(listener, "accept_gone"), moved("DropAcceptGone"), moved("Accepted"),
                  lq.Info(listener).accepted), (9, 9, 11, 11))
        lq.equal(sum(one["count"] for one in lq.row_of(listener)["accept_wait"]), 11)
        # All of them, more than go at once.
        for client in clients_of(listener, MANY, v6):
            lq.reset(client)
        gone(listener, MANY)
        with lq.fails_with(errno.EAGAIN):
            listener.accept()
        agree(listener, 0)
        lq.expect_serves(listener, v6=v6)


@lq.each_version("graft", "carrier", timeout=90)
def dead_are_skipped(how, v6):
    """By both ways."""
    dead_ones(how, v6, 1)


@lq.each_version("graft", "carrier", timeout=90)
def dead_are_skipped_in_shards(how, v6):
    """In each of four."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    dead_ones(how, v6, 4)


@lq.case("graft", "carrier")
def dead_are_kept(how):
    """On request, as by TCP."""
    with way(how):
        lq.sysctl("net.listenq.accept_dead", "keep")
        listener = lq.listener(backlog=64)
        for client in clients_of(listener, 3):
            lq.reset(client)
        gone(listener, 3)
        assert readable(listener)
        children = lq.accept_all(listener)
        lq.equal(len(children), 3)
        for child in children:
            with lq.fails_with(errno.ECONNRESET):
                child.recv(1)
        lq.equal(drops(listener, "accept_gone"), 0)


@lq.each_version("graft", "carrier")
def half_closing_clients_are_alive(how, v6):
    """Who sends FIN waits for an answer; skipped on request, unless there was data."""
    with way(how):
        listener = lq.listener(backlog=64, v6=v6)
        for dead in ("skip", "skip-fin"):
            lq.sysctl("net.listenq.accept_dead", dead)
            silent, speaks = clients_of(listener, 2, v6)
            silent.shutdown(socket.SHUT_WR)
            speaks.send(b"x")
            speaks.shutdown(socket.SHUT_WR)
            time.sleep(0.1)
            lq.equal(lq.Info(listener).accept_gone, 0)
            children = lq.accept_all(listener)
            lq.equal(len(children), 2 if dead == "skip" else 1)
            lq.equal(lq.read_all(children[-1], 1), b"x")
            for child in children:
                child.send(b"y")
            lq.equal(lq.read_all(speaks, 1), b"y")
            if dead == "skip":
                lq.equal(lq.read_all(silent, 1), b"y")
            else:
                is_reset(silent)
                lq.equal(drops(listener, "accept_finished"), 1)
            for child in children:
                child.close()


@lq.each_version("graft", "carrier", timeout=120)
def the_dead_give_their_places_up(how, v6):
    """Nobody calls accept(): who lives gets in all the same."""
    with way(how):
        lq.sysctl("net.listenq.syncookies", 0)
        listener = lq.listener(backlog=9, v6=v6)
        for client in clients_of(listener, 10, v6):
            lq.reset(client)
        gone(listener, 10)
        agree(listener, 10)
        client = lq.connect_to(listener, v6=v6, timeout=30)
        client.send(b"hello")
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1 and
                    lq.Info(listener).accept_gone == 0, 30)
        lq.equal(drops(listener, "accept_gone"), 10)
        agree(listener, 1)
        lq.equal(lq.read_all(lq.accept(listener), 5), b"hello")


@lq.case("graft", "carrier")
def poll_does_not_wake_for_the_dead(how):
    """And does for the living behind them."""
    with way(how):
        listener = lq.listener(backlog=64)
        clients = clients_of(listener, 3)
        assert readable(listener)
        for client in clients:
            lq.reset(client)
        gone(listener, 3)
        assert not readable(listener, 0.2)
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 0)
        edge = select.epoll()
        edge.register(listener, select.EPOLLIN | select.EPOLLET)
        clients = clients_of(listener, 3)
        lq.equal(len(edge.poll(10)), 1)
        for client in clients[:2]:
            lq.reset(client)
        gone(listener, 2)
        assert readable(listener)
        # Whoever waits for the edge takes all that live, however many are dead before them.
        clients = clients_of(listener, MANY)
        for client in clients[:-1]:
            lq.reset(client)
        gone(listener, 2 + MANY - 1)
        lq.equal(len(edge.poll(10)), 1)
        lq.equal(len(lq.accept_all(listener)), 2)


@lq.case("graft", "carrier")
def blocking_accept(how):
    """It waits for somebody who lives; SO_RCVTIMEO ends the wait, close() by another thread does not."""
    with way(how):
        listener = lq.listener(backlog=MANY)
        for client in clients_of(listener, MANY):
            lq.reset(client)
        gone(listener, MANY)
        listener.setblocking(True)
        got = []
        thread = threading.Thread(target=lambda: got.append(listener.accept()[0]))
        thread.start()
        lq.wait_for(lq.accept_waiters)
        agree(listener, 0)
        client = lq.connect_to(listener)
        thread.join(10 * lq.SCALE)
        client.send(b"x")
        lq.equal(lq.read_all(got[0], 1), b"x")
        lq.equal(drops(listener, "accept_gone"), MANY)
        for client in clients_of(listener, AT_ONCE + 1):
            lq.reset(client)
        gone(listener, AT_ONCE + 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100000))
        with lq.fails_with(errno.EAGAIN):
            listener.accept()


@lq.case()
def lqctl_tells_of_the_dead():
    """As such, and not as of those that wait."""
    listener = lq.listener(backlog=4)
    for client in clients_of(listener, 5):
        lq.reset(client)
    gone(listener, 5)
    lq.wait_for(lambda: lq.row_of(listener)["accept_oldest_us"] > 1000000)
    which = f":{lq.port_of(listener)}"
    shown = lq.run("lqctl", "show", "-n", which)
    assert "5 of 5" in shown and "all of them left by their clients" in shown, shown
    said = lq.run("lqctl", "explain", "-n", which)
    assert "clients have left" in said and "all were reset by the client" in said, said
    assert "connections wait" not in said, said
    codes = [one["code"] for one in
             json.loads(lq.run("lqctl", "explain", "-j", which))["listeners"][0]["findings"]]
    assert "clients_gone" in codes, codes
    agree(listener, 5)


# --- accept_max_wait_ms ---

@lq.each_version("plain", "shards", "cookie", "filter", timeout=90)
def too_long_a_wait(how, v6):
    """Nobody calls accept(): reset when it is time, and not before; the queue's numbers are right."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.listenq.accept_max_wait_ms", 600)
    lq.sysctl("net.listenq.syncookies", 2 if how == "cookie" else 0)
    listener = lq.listener(backlog=127, v6=v6, options=(
        (lq.SOL_LISTENQ, lq.LQ_SHARDS, 4 if how == "shards" else 1),))
    if how == "filter":
        lq.set_filter(listener, "dataready")
    with lq.Counted() as moved, lq.Counted(lq.mib) as kernels:
        begun = time.monotonic()
        clients = []
        for _ in range(5):
            clients.append(lq.connect_to(listener, v6=v6))
            clients[-1].send(b"x")
        is_reset(clients[0])
        waited = time.monotonic() - begun
        assert waited >= 0.6, waited
        for client in clients[1:]:
            is_reset(client)
        agree(listener, 0)
        lq.equal((drops(listener, "accept_expired"), moved("DropAcceptExpired")), (5, 5))
        assert kernels("TcpExtListenDrops") >= 5 and kernels("TcpExtTCPAbortOnTimeout") >= 5
    lq.equal(lq.Info(listener).accepted, 0)
    lq.sysctl("net.listenq.accept_max_wait_ms", 0)
    client = lq.connect_to(listener, v6=v6)
    client.send(b"x")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    lq.never(lambda: lq.Info(listener).accept_qlen != 1, 1)
    # Set while they wait, it is for them, too.
    lq.run("lqctl", "set", "-l", f":{lq.port_of(listener)}", "accept_max_wait_ms=50")
    is_reset(client)
    agree(listener, 0)


@lq.case("graft", "carrier", timeout=90)
def too_long_a_wait_at_accept(how):
    """accept() never hands one out, however often it is asked."""
    with way(how):
        listener = lq.listener(backlog=MANY, options=(
            (lq.SOL_LISTENQ, lq.LQ_ACCEPT_MAX_WAIT_MS, 20),))
        for _ in range(10):
            clients = clients_of(listener, 3)
            time.sleep(0.02)
            with lq.fails_with(errno.EAGAIN):
                listener.accept()
            for client in clients:
                is_reset(client)
        agree(listener, 0)
        lq.equal((drops(listener, "accept_expired"), lq.Info(listener).accepted), (30, 0))


# --- accept_order, CoDel ---

def accept_names(listener):
    """The numbers that the clients said, in the order of accept()."""
    return [int(lq.read_all(child, 2)) for child in lq.accept_all(listener)]


@lq.each_version("graft", "carrier")
def order(how, v6):
    """First, last, or as the oldest's wait says."""
    with way(how):
        listener = lq.listener(backlog=64, v6=v6)

        def ordered(name, wait=0):
            lq.sysctl("net.listenq.accept_order", name)
            clients = clients_of(listener, 8, v6)
            for n, client in enumerate(clients):
                client.send(b"%02d" % n)
            time.sleep(wait)
            return accept_names(listener)

        up = list(range(8))
        lq.equal(ordered("fifo", 0.2), up)
        lq.equal(ordered("lifo"), up[::-1])
        lq.equal(ordered("adaptive", 0.2), up[::-1])
        lq.sysctl("net.listenq.codel_target_ms", 60000)
        lq.equal(ordered("adaptive", 0.2), up)


@lq.case("graft", "carrier", timeout=90)
def codel(how):
    """A queue that stays long is cut at its old end, whoever is next; a short one is not."""
    with way(how):
        for which in ("fifo", "lifo"):
            listener = lq.listener(backlog=127, options=(
                (lq.SOL_LISTENQ, lq.LQ_CODEL_TARGET_MS, 5),
                (lq.SOL_LISTENQ, lq.LQ_CODEL_INTERVAL_MS, 20),
                (lq.SOL_LISTENQ, lq.LQ_ACCEPT_ORDER, lq.ORDERS.index(which))))
            lq.expect_serves(listener)
            clients = clients_of(listener, 100)
            children, cut = [], 0
            while cut < 5:
                time.sleep(0.01)
                children.append(lq.accept(listener))
                cut = 100 - len(children) - lq.Info(listener).accept_qlen
            lq.equal(drops(listener, "accept_codel"), cut)
            agree(listener, 100 - len(children) - cut)
            if which == "lifo":  # those that were cut are the oldest
                for client in clients[:cut]:
                    is_reset(client)
            children += lq.accept_all(listener)
            lq.equal(len(children) + drops(listener, "accept_codel"), 100)
            # All but the last may go, which never does.
            assert children and children[-1].getpeername()
            listener.close()


# --- syn_admission_ms ---

@lq.each_version(timeout=90)
def admission(v6):
    """As long as accept() keeps up all are let in; then SYNs are refused before the queue is full."""
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    listener = lq.listener(backlog=255, v6=v6, options=(
        (lq.SOL_LISTENQ, lq.LQ_SYN_ADMISSION_MS, 100),))
    which = f":{lq.port_of(listener)}"
    clients_of(listener, 40, v6)  # how fast accept() is nobody knows
    for _ in range(12):
        time.sleep(0.03)
        lq.accept(listener)
    interval = lq.Info(listener).accept_interval_us
    assert interval >= 25000, interval
    shown = json.loads(lq.run("lqctl", "show", "-j", which))["listeners"][0]
    lq.equal(shown["accept_interval_us"], interval)
    with lq.Counted(lq.mib) as kernels:
        client = lq.begin_connect(listener, v6=v6)
        lq.wait_for(lambda: drops(listener, "syn_admission") >= 1)
        assert kernels("TcpExtListenDrops") >= 1
    assert not lq.connected(client)
    client.close()
    said = lq.run("lqctl", "explain", "-i", "0", which)
    assert "syn_admission_ms" in said, said
    lq.run("lqctl", "set", "-l", which, "abort_on_overflow=1")
    with lq.fails_with(errno.ECONNREFUSED):
        lq.connect_to(listener, v6=v6)
    # An empty queue lets everybody in.
    while lq.Info(listener).accept_qlen:
        lq.accept(listener)
    lq.expect_serves(listener, v6=v6)
    # And off, all of them.
    lq.run("lqctl", "set", "-l", which, "syn_admission_ms=0")
    clients_of(listener, 20, v6)


# --- all of it, and its end ---

@lq.case("graft", "carrier", timeout=120)
def close_in_the_middle(how):
    """Clients leave, wait too long, are refused, while settings change and listeners end: nothing is
    left of them."""
    with way(how):
        before = lq.requests_in_memory()
        end = time.monotonic() + 15 * lq.SCALE
        turns = 0
        while time.monotonic() < end:
            one_life(turns)
            turns += 1
        assert turns, "no listener lived"
        if before is not None:
            lq.wait_for(lambda: lq.requests_in_memory() == before, 20)


def one_life(turn):
    """A listener that is closed with its queues full, in the middle of what it does."""
    listener = lq.listener(backlog=40, options=(
        (lq.SOL_LISTENQ, lq.LQ_SHARDS, 1 + turn % 2),
        (lq.SOL_LISTENQ, lq.LQ_ACCEPT_MAX_WAIT_MS, (5, 0, 40)[turn % 3]),
        (lq.SOL_LISTENQ, lq.LQ_ACCEPT_ORDER, turn % 3),
        (lq.SOL_LISTENQ, lq.LQ_CODEL_TARGET_MS, turn % 2 * 5)))
    which = f":{lq.port_of(listener)}"
    address = ("127.0.0.1", lq.port_of(listener))
    enough = threading.Event()

    def come_and_go():
        while not enough.is_set():
            with contextlib.suppress(OSError):
                client = socket.socket()
                client.settimeout(0.05)
                client.connect(address)
                lq.reset(client)

    def accepts():
        while not enough.is_set():
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
            time.sleep(0.002)

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    threads += [threading.Thread(target=accepts)] * (turn % 2)
    for thread in threads:
        thread.start()
    try:
        for setting in ("accept_dead=keep", "accept_max_wait_ms=1", "accept_dead=skip-fin",
                        "accept_max_wait_ms=0", "syn_admission_ms=10"):
            time.sleep(0.05)
            lq.run("lqctl", "set", "-l", which, setting)
        info = lq.Info(listener)
        assert info.accept_qlen <= info.accept_limit, vars(info)
    finally:
        enough.set()
        listener.close()
        for thread in threads:
            thread.join()


lq.main()
