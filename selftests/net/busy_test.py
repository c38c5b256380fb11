#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two segments of one connection at once, on two CPUs: neither is lost. A listener that closes and
listens again in the middle of one, an accept queue that is full only until one is refused, and a filter's
program that goes before a connection which it held.

    peer, played by two processes --- tun0 --- listener

selftests/modules/lq_hold.c holds the first one's CPU while it builds the child.
"""
import contextlib
import ctypes
import errno
import os
import socket
import struct

import lq
from rawtcp import ACK, MSS, PSH, RST, Peer, Tun, timestamp

SO_ATTACH_FILTER = 26
PORT = 7001  # kept when the socket listens again
PARAMETERS = "/sys/module/lq_hold/parameters"


def parameter(name, value=None):
    """Of the module; written if a value is given."""
    with open(f"{PARAMETERS}/{name}", "r" if value is None else "w", encoding="ascii") as file:
        if value is None:
            return int(file.read())
        file.write(str(value))
        return value


def fork(cpu, function):
    """Run it in another process, on this CPU; the process's id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.sched_setaffinity(0, {cpu})
            function()
            code = 0
        finally:
            os._exit(code)
    return pid


def waits_for_readers(pid):
    """Whether this process is in synchronize_rcu()."""
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return "rcu" in file.read()


class Hold:
    """The module, while it is loaded; at: where a CPU is held."""

    def __init__(self, *at):
        self.parameters = [f"at={function}" for function in at]

    def __enter__(self):
        if os.cpu_count() < 2:
            raise lq.Skip("one CPU alone")
        lq.run("insmod", lq.test_module_file("lq_hold"), *self.parameters)
        return self

    def __exit__(self, *_):
        lq.run("rmmod", "lq_hold")

    @contextlib.contextmanager
    def held(self, first):
        """first() on one CPU, held there; the others' work on another."""
        parameter("armed", 1)
        pid = fork(0, first)
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {1})
        lq.wait_for(lambda: parameter("holding"), what="nobody builds a child")
        yield
        lq.equal(os.waitpid(pid, 0)[1], 0, "the first segment")
        os.sched_setaffinity(0, cpus)
        lq.equal((parameter("armed"), parameter("holding")), (0, 0))

    def at_once(self, first, second):
        """first() on one CPU, and before it is done second() on another."""
        with self.held(first):
            parameter("go", 1)
            second()


def half_open(v6, options=MSS):
    """(a listener, a peer that has its SYN-ACK)"""
    listener = lq.listener(port=PORT, v6=v6)
    peer = Peer(Tun(), lq.port_of(listener), v6=v6)
    peer.half_open(options)
    return listener, peer


@lq.each_version()
def data_while_the_ack_builds_the_child(v6):
    """It waits for the child and is the child's."""
    listener, peer = half_open(v6)
    with Hold() as hold, lq.Counted() as moved:
        hold.at_once(peer.final_ack, lambda: peer.send(b"at once"))
        child = lq.accept(listener)
        lq.equal(lq.read_all(child, 7), b"at once")
        lq.equal((moved("Established"), moved("DropAckBusy")), (1, 0))
    lq.equal(lq.Info(listener).drops, 0)


@lq.each_version()
def a_reset_while_the_ack_builds_the_child(v6):
    """RST does not come again: it ends the connection."""
    lq.sysctl("net.listenq.accept_dead", "keep")
    listener, peer = half_open(v6)
    with Hold() as hold:
        hold.at_once(peer.final_ack, peer.reset)
        child = lq.accept(listener)
        with lq.fails_with(errno.ECONNRESET):
            child.recv(1)
    lq.equal(lq.Info(listener).drops, 0)


@lq.each_version()
def two_segments_prove_one_cookie(v6):
    """One builds the child, and the other, which brings data, is the child's."""
    lq.sysctl("net.listenq.syncookies", 2)
    listener, peer = half_open(v6, timestamp(1))
    with Hold() as hold, lq.Counted() as moved:
        hold.at_once(lambda: peer.segment(ACK | PSH, data=b"first"),
                     lambda: peer.segment(ACK))
        child = lq.accept(listener)
        lq.equal(lq.read_all(child, 5), b"first")
        lq.equal((moved("CookieReceived"), moved("Established"), moved("DropChildFailed")),
                 (1, 1, 0))
    lq.equal((lq.Info(listener).drops, lq.Info(listener).accept_qlen), (0, 0))


@lq.each_version()
def the_listener_listens_again(v6):
    """What the listener's last life began does not end in the next one: the core would have a
    connection that the kernel's listen(), which sets sk_ack_backlog to 0, does not know of."""
    lq.sysctl("net.listenq.syncookies", 2)
    listener, peer = half_open(v6, timestamp(1))

    def again():
        listener.shutdown(socket.SHUT_RDWR)
        listener.listen(8)

    with Hold() as hold, lq.Counted() as moved:
        with hold.held(lambda: peer.segment(ACK)):
            parameter("listens", 1)
            pid = fork(1, again)
            # Where it does not wait, it says go itself.
            lq.wait_for(lambda: waits_for_readers(pid) or not parameter("listens"))
            parameter("go", 1)
            lq.equal(os.waitpid(pid, 0)[1], 0, "listen() again")
        lq.equal(parameter("listens"), 0)
        lq.nothing_to_accept(listener)
        lq.equal(lq.ss_queues(PORT)[0], 0, "sk_ack_backlog")
        lq.equal((moved("CookieReceived"), moved("Established"), moved("DropListenerClosed")),
                 (0, 0, 1))
    lq.expect_serves(listener, v6)
    lq.equal(lq.ss_queues(PORT)[0], 0, "sk_ack_backlog")


def set_filter_program(listener):
    """An accept filter that lets nobody through: it returns 0."""
    wait = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF_RET | BPF_K
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF,
                        struct.pack("HxxxxxxP", 1, ctypes.addressof(wait)))


@lq.each_version()
def a_program_goes_before_who_was_evicted(v6):
    """A full filter queue gives up its oldest. Before that one is reset the filter is removed, and it has
    data: its callback finds no program any more, and the kernel goes on."""
    listener, newest = half_open(v6)
    set_filter_program(listener)
    limit = lq.Info(listener).filter_limit
    peers = [Peer(newest.tun, PORT, v6=v6).connect() for _ in range(limit)]
    lq.wait_for(lambda: lq.Info(listener).filter_qlen == limit)
    with Hold("lq_filter_evict") as hold, lq.Counted() as moved:
        with hold.held(newest.final_ack):
            lq.remove_filter(listener)
            peers[0].send(b"x")
            parameter("go", 1)
        lq.equal((moved("DropFilterOverflow"), moved("FilterHeld")), (1, 1))
    while not peers[0].receive(5 * lq.SCALE).flags & RST:
        pass
    children = [lq.accept(listener) for _ in range(limit)]
    lq.equal(sorted(child.getpeername()[1] for child in children),
             sorted(peer.sport for peer in peers[1:] + [newest]))


@lq.case("v4", "v6", "cookie")
def a_refused_ack_gives_its_place_back(kind):
    """An ACK takes the last place on the accept queue before TCP's checks refuse it. Meanwhile one that the
    accept filter held is ready, and finds the queue full: it is queued when the place is free."""
    if kind == "cookie":
        lq.sysctl("net.listenq.syncookies", 2)
    listener, refused = half_open(kind == "v6")
    lq.set_filter(listener, "dataready")
    peers = [Peer(refused.tun, PORT, v6=refused.v6).connect() for _ in range(9)]
    for peer in peers[:8]:
        peer.send(b"x")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 8)
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF_RET | BPF_K
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HxxxxxxP", 1, ctypes.addressof(nothing)))
    with Hold("sk_filter_trim_cap") as hold, hold.held(refused.final_ack):
        peers[8].send(b"x")
        lq.equal((lq.Info(listener).accept_qlen, lq.Info(listener).filter_qlen), (8, 1))
        parameter("go", 1)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 9)
    lq.equal(sorted(child.getpeername()[1] for child in lq.accept_all(listener)),
             sorted(peer.sport for peer in peers))


lq.main()
