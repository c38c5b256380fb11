#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=600
"""Accept filters at their borders: a program that goes while it runs, filters set while the
listener stops, what a held connection may take and for how long, and a full accept queue.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import threading

import lq
import memcg
from rawtcp import ACK, PSH, Peer, Tun

GET = b"GET /index.html HTTP/1.1\r\nHost: example\r\n\r\n"
SO_BUF_LOCK, RCVBUF_LOCK = 72, 2
LIMIT = 9  # of the accept queue, with a backlog of 8


def filtered(name="dataready", **more):
    """A listener with a filter."""
    listener = lq.listener(**more)
    lq.set_filter(listener, name)
    return listener


def held(listener):
    """How many its filter holds back, ready or not."""
    return lq.Info(listener).filter_qlen


def queued(listener):
    """The length of the accept queue."""
    return lq.Info(listener).accept_qlen


def connect_held(listener, count=1):
    """Clients that are connected and held."""
    before = held(listener)
    clients = []
    for n in range(count):
        clients.append(lq.connect_to(listener))
        lq.wait_for(lambda n=n: held(listener) == before + n + 1)
    return clients


def fill(listener, more):
    """A full accept queue, and so many more clients that are held and have said nothing yet."""
    clients = connect_held(listener, LIMIT)
    for client in clients[:LIMIT - more]:
        client.send(b"x")
    lq.wait_for(lambda: queued(listener) == LIMIT - more)
    waiting = connect_held(listener, more)
    for client in clients[LIMIT - more:]:
        client.send(b"x")
    lq.wait_for(lambda: queued(listener) == LIMIT)
    lq.equal(held(listener), more)
    return clients, waiting


def ports(socks, peer=False):
    """Whose they are."""
    return [(sock.getpeername() if peer else sock.getsockname())[1] for sock in socks]


def programs():
    """BPF programs in memory, in the whole system."""
    with open("/proc/vmallocinfo", encoding="ascii") as file:
        return sum("bpf_prog_alloc" in line for line in file)


def nothing_left(before):
    """No program and no request stays in memory."""
    lq.wait_for(lambda: programs() <= before, 60, "programs stay in memory")
    lq.wait_for(lambda: not lq.requests_in_memory(), 60, "requests stay in memory")


def race(what, count):
    """Run the helper, less often on a slow kernel; its numbers by name."""
    count = max(count // lq.SCALE, 10)
    limit = 150 * lq.SCALE
    with subprocess.Popen([os.path.join(lq.TESTS, "filter_race"), what, str(count)],
                          stdout=subprocess.PIPE, text=True) as helper:
        try:
            out = helper.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            helper.kill()
            raise
    lq.equal(helper.returncode, 0)
    lq.diag(out)
    words = out.split()
    return dict(zip(words[::2], map(int, words[1::2])))


# --- threads ---


@lq.case(timeout=200)
def a_program_is_removed_while_it_runs():
    """In a child that makes room for another, even: it lives as long as the callback."""
    before = programs()
    done = race("programs", 1000)
    assert done["connected"] > 0, done
    nothing_left(before)


@lq.case(timeout=200)
def filters_are_set_while_the_listener_stops():
    """One that is set is forgotten with the listener; none can be set after that."""
    before = programs()
    done = race("stop", 2000)
    assert done["set"] > 0, done
    nothing_left(before)


@lq.case(timeout=200)
def everything_at_once():
    """Filters, evictions, timeouts, ss -K, stop and listen again: nothing is left."""
    before, users = programs(), lq.module_users()
    lq.sysctl("net.listenq.filter_timeout_ms", 5 * lq.SCALE)
    done = race("all", 50)
    assert done["set"] > 0 and done["connected"] > 0 and done["accepted"] > 0, done
    nothing_left(before)
    lq.wait_for(lambda: lq.module_users() == users)


@lq.case()
def two_set_a_filter_by_netlink():
    """One after the other has its will, whole: there is always one of the two."""
    listener = lq.listener()
    lq.set_filter(listener, "dataready")

    def work(name):
        for _ in range(20):
            lq.run("lqctl", "set", "--listener", f":{lq.port_of(listener)}",
                   f"accept_filter={name}")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("dnsready", "tlsready")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lq.Info(listener).accept_filter in ("dnsready", "tlsready")


@lq.case()
def memory_that_faults():
    """A program in memory that is not there: EFAULT, and the listener is free meanwhile."""
    listener = lq.listener()
    with lq.fails_with(errno.EFAULT):
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF,
                            struct.pack("HxxxxxxP", 3, 8))
    lq.equal(lq.libc.setsockopt(listener.fileno(), lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER,
                                ctypes.c_void_p(8), 256), -1)
    lq.equal(ctypes.get_errno(), errno.EFAULT)
    lq.set_filter(listener, "dataready")


# --- what a held connection may take ---


def receive_buffer(port):
    """Of the only connection at a port, as ss(8) shows it: rb of skmem."""
    out = lq.run("ss", "-Htmn", "state", "established", f"sport = :{port}")
    return int(out.partition(",rb")[2].partition(",")[0])


@lq.case()
def a_held_child_s_buffer_does_not_grow():
    """Whatever comes in the wrong order: it is passed on when the buffer is full, or held with
    that buffer. When it leaves, TCP may let it grow again."""
    first = int(lq.sysctl("net.ipv4.tcp_rmem").split()[1])
    listener = filtered("httpready")
    port = lq.port_of(listener)
    peer = Peer(Tun(), port).connect()
    peer.send(GET[:1])
    peer.expect(ACK)
    # Each takes 500 bytes or more of memory.
    for n in range(first // 250):
        peer.segment(ACK | PSH, seq=peer.seq + 2 * n + 100, data=b"x")
        if n % 16:
            continue
        size = receive_buffer(port)
        if held(listener) == 0:
            break
        lq.equal(size, first)
    lq.remove_filter(listener)
    child = lq.accept(listener)
    lq.equal(child.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK) & RCVBUF_LOCK, 0)


@lq.case("held", "evicted")
def a_buffer_that_was_asked_for(how):
    """SO_RCVBUF of the listener stays what it was in the child."""
    listener = filtered(options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 30000)], backlog=0)
    want = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    (client,) = connect_held(listener)
    if how == "evicted":
        client = lq.connect_to(listener)
        lq.wait_for(lambda: lq.counters()["DropFilterOverflow"] == 1)
    client.send(b"x")
    child = lq.accept(listener)
    lq.equal(child.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), want)
    lq.equal(child.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK) & RCVBUF_LOCK, RCVBUF_LOCK)


@lq.case("data", "with_the_ack", "fin", "removed")
def so_rcvlowat(how):
    """The filter sees each byte, whatever SO_RCVLOWAT the listener has; the child has it then."""
    listener = filtered("httpready", options=[(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 100)])
    if how == "with_the_ack":
        peer = Peer(Tun(), lq.port_of(listener))
        peer.half_open()
        peer.final_ack(GET, PSH)
    else:
        (client,) = connect_held(listener)
    if how == "data":
        client.send(GET)
    elif how == "fin":
        client.shutdown(socket.SHUT_WR)
    elif how == "removed":
        lq.remove_filter(listener)
    child = lq.accept(listener)
    lq.equal(child.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), 100)
    if how == "data":
        assert not select.select([child], [], [], 0)[0], "less than SO_RCVLOWAT is readable"
        client.send(b"x" * 100)
        assert select.select([child], [], [], 10 * lq.SCALE)[0]


# --- for how long ---


@lq.case("before", "while")
def held_for_too_long(when):
    """It is passed on with what it has, by the limit at its time or by one that comes later."""
    name = "net.listenq.filter_timeout_ms"
    lq.equal(lq.sysctl(name), "60000")
    lq.sysctl(name, 200 if when == "before" else 0)
    listener = filtered("httpready")
    with lq.Counted() as moved:
        client = lq.connect_to(listener)
        client.send(GET[:9])
        if when == "while":
            lq.wait_for(lambda: held(listener) == 1)
            lq.sysctl(name, 200)
        child = lq.accept(listener)
        lq.equal(moved("FilterPassed"), 1)
    lq.equal(lq.read_all(child, 9), GET[:9])
    lq.equal(held(listener), 0)
    client.send(GET[9:])
    lq.equal(lq.read_all(child, len(GET) - 9), GET[9:])


@lq.case()
def held_for_ever():
    """With 0; and the longest limit is an hour."""
    name = "net.listenq.filter_timeout_ms"
    lq.sysctl(name, 0)
    listener = filtered("httpready")
    (client,) = connect_held(listener)
    lq.never(lambda: queued(listener), 1)
    lq.sysctl(name, 3600000)
    with lq.fails_with(errno.EINVAL):
        lq.sysctl(name, 3600001)
    lq.never(lambda: queued(listener))
    client.send(GET)
    lq.accept(listener)


@lq.case()
def held_for_too_long_by_a_full_queue():
    """They are ready, oldest first, and come as there is room."""
    listener = filtered()
    clients, waiting = fill(listener, 3)
    lq.sysctl("net.listenq.filter_timeout_ms", 1)
    # Its data changes nothing any more, nor its place.
    lq.accept(listener)
    lq.wait_for(lambda: queued(listener) == LIMIT)
    lq.equal(held(listener), 2)
    waiting[2].send(b"x")
    got = [lq.accept(listener) for _ in range(LIMIT + 2)]
    lq.equal(ports(got, peer=True), ports(clients[1:] + waiting))


# --- a full accept queue ---


@lq.case("here", "cgroup")
def never_beyond_the_limit(where):
    """Those that are ready wait for accept() to make room, in that order; where the kernel's own
    accept() charges a memory cgroup, too."""
    if where == "cgroup":
        with memcg.cgroup("lq-border-filter") as group:
            memcg.enter(group)
            _never_beyond_the_limit()
    else:
        _never_beyond_the_limit()


def _never_beyond_the_limit():
    listener = filtered()
    clients, waiting = fill(listener, 4)
    order = [waiting[n] for n in (3, 0, 1, 2)]
    for client in order:
        client.send(b"x")
        lq.never(lambda: queued(listener) > LIMIT, 0.05)
    lq.equal((queued(listener), held(listener)), (LIMIT, 4))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (LIMIT, LIMIT - 1))
    children = []
    for n in range(4):
        children.append(lq.accept(listener))
        # For a moment it is neither here nor there.
        lq.wait_for(lambda n=n: (queued(listener), held(listener)) == (LIMIT, 3 - n))
    children += [lq.accept(listener) for _ in range(LIMIT)]
    lq.equal(ports(children, peer=True), ports(clients + order))
    lq.nothing_to_accept(listener)
    lq.equal(lq.Info(listener).accept_qlen_peak, LIMIT)
    for child in children:
        lq.equal(child.recv(10), b"x")
    (client,) = connect_held(listener)
    client.send(b"x")
    children.append(lq.accept(listener))


@lq.case("select", "epoll", "accept")
def who_waits_is_woken(how):
    """All of the queue is taken, and the next one comes."""
    listener = filtered()
    _, (late,) = fill(listener, 1)
    late.send(b"x")
    lq.never(lambda: queued(listener) > LIMIT)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN | select.EPOLLET)
    lq.equal(poll.poll(10), [(listener.fileno(), select.EPOLLIN)])
    children = [listener.accept()[0] for _ in range(LIMIT)]
    if how == "select":
        assert select.select([listener], [], [], 10 * lq.SCALE)[0]
    elif how == "epoll":
        lq.equal(poll.poll(10 * lq.SCALE), [(listener.fileno(), select.EPOLLIN)])
    else:
        listener.settimeout(10 * lq.SCALE)
    children.append(listener.accept()[0])
    lq.equal(ports(children[-1:], peer=True), ports([late]))


@lq.case()
def removed_with_a_full_queue():
    """Those that were held come as there is room, the oldest first; then one that is new."""
    listener = filtered("httpready")
    clients = connect_held(listener, LIMIT)
    for client in clients[:LIMIT - 3]:
        client.send(GET)
    lq.wait_for(lambda: queued(listener) == LIMIT - 3)
    clients += connect_held(listener, 3)
    lq.remove_filter(listener)
    lq.equal((queued(listener), held(listener)), (LIMIT, 3))
    lq.set_filter(listener, "dnsready")  # another is nothing to them
    late = lq.begin_connect(listener)
    children = [lq.accept(listener) for _ in range(LIMIT + 3)]
    lq.equal(ports(children, peer=True), ports(clients))
    lq.wait_for(lambda: held(listener) == 1 and lq.connected(late), 20)
    late.send(b"\0\1x")
    lq.equal(lq.read_all(lq.accept(listener), 3), b"\0\1x")


@lq.case("shutdown", "close")
def the_listener_ends(how):
    """Those that are ready are reset as all others are."""
    listener = filtered()
    clients, waiting = fill(listener, 3)
    for client in waiting[:2]:
        client.send(b"x")
    with lq.Counted() as moved:
        if how == "close":
            listener.close()
        else:
            listener.shutdown(socket.SHUT_RD)
        for client in clients + waiting:
            with lq.fails_with(errno.ECONNRESET):
                client.recv(1)
        lq.equal(moved("DropListenerClosed"), LIMIT + 3)


@lq.case()
def reset_while_ready():
    """It is gone at once, and is never accepted."""
    listener = filtered()
    clients, waiting = fill(listener, 2)
    for client in waiting:
        client.send(b"x")
    lq.never(lambda: queued(listener) > LIMIT)
    with lq.Counted() as moved:
        gone = ports(waiting[:1])
        lq.reset(waiting[0])
        lq.wait_for(lambda: held(listener) == 1)
        lq.equal(moved("DropFilterGone"), 1)
    children = [lq.accept(listener) for _ in range(LIMIT + 1)]
    lq.equal(ports(children, peer=True), ports(clients + waiting[1:]))
    assert gone[0] not in ports(children, peer=True)


@lq.case("listen", "sysctl")
def limits_that_change(how):
    """A longer queue takes those that are ready; a shorter one takes nobody until it has room."""
    listener = filtered()
    _, waiting = fill(listener, 4)
    for client in waiting:
        client.send(b"x")
    lq.never(lambda: queued(listener) > LIMIT)
    if how == "listen":
        listener.listen(LIMIT + 1)
        limit = LIMIT + 2
    else:
        lq.sysctl("net.listenq.policy", "berkeley")  # 3/2 of 5, and 1
        limit = lq.Info(listener).accept_limit
        lq.equal(limit, 8)
    want = max(LIMIT, limit)
    lq.wait_for(lambda: queued(listener) == want)
    total = LIMIT + 4
    taken = 0
    while taken < total:
        lq.accept(listener)
        taken += 1
        left = total - taken
        lq.wait_for(lambda left=left: queued(listener) == min(left, max(limit, want - taken)))
        lq.equal(held(listener), left - queued(listener))


@lq.case()
def destroyed_while_held():
    """ss -K takes one that waits, and one that is ready."""
    listener = filtered()
    _, waiting = fill(listener, 3)
    waiting[0].send(b"x")
    lq.never(lambda: queued(listener) > LIMIT)
    for n, client in enumerate(waiting[:2]):
        lq.run("ss", "-K", "-Htn", f"sport = :{lq.port_of(listener)}",
               f"dport = :{client.getsockname()[1]}")
        if held(listener) == 3 and n == 0:
            raise lq.Skip("ss -K does nothing")
        lq.wait_for(lambda n=n: held(listener) == 2 - n)
    waiting[2].send(b"x")
    children = [lq.accept(listener) for _ in range(LIMIT + 1)]
    lq.equal(ports(children[-1:], peer=True), ports(waiting[2:]))


lq.main()
