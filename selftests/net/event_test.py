#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Netlink events: each kind provoked for real, and read from a socket of the group.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import socket
import time

import lq
from events import (DROP_ACCEPT_QUEUE_FULL_SYN, DROP_SYN_QUEUE_FULL, DROPS_SYNS, GENEROUS, Reader, fill,
                    overflow, overflow_drops)
from rawtcp import Peer, Tun


@lq.case()
def started_and_stopped():
    """Once each, whatever way it stops; a second listen() starts nothing."""
    reader = Reader()
    for way in ("close", "shutdown", "unspec"):
        reader.got.clear()
        before = time.time_ns()
        listener = lq.listener(backlog=5, addr="127.0.0.1")
        number, port = lq.Info(listener).id, lq.port_of(listener)
        lq.listen(listener, 6)
        client = lq.connect_to(listener)
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
        if way == "close":
            listener.close()
        elif way == "shutdown":
            listener.shutdown(socket.SHUT_RDWR)
        else:
            lq.equal(lq.libc.connect(listener.fileno(), b"\0" * 16, 16), 0)
        lq.equal(reader.kinds(), ["started", "stopped"], way)
        start, stop = reader.got
        lq.equal((start.listener, start.family, start.addr, start.port, start.ifindex),
                 (number, socket.AF_INET, b"\x7f\0\0\1", port, 0))
        lq.equal((start.policy, start.backlog_asked, start.backlog, start.accept_limit,
                  start.accept_qlen, start.syn_qlen, start.reason, start.count),
                 ("linux", 5, 5, 6, 0, 0, None, None))
        assert before <= start.time <= stop.time <= time.time_ns(), "times"
        lq.equal((stop.listener, stop.port, stop.backlog, stop.accept_qlen, stop.accept_limit),
                 (number, port, 6, 1, 7))
        client.close()


@lq.case()
def one_user_s_listens_leave_room_for_others():
    """Of a flood of listen() 100 a second are told, with their ends, and how many were not."""
    reader = Reader()
    made = 0
    began = time.monotonic()

    def listen():
        nonlocal made
        lq.listener().close()
        made += 1
        reader.poll()

    def all_are_accounted_for():
        listen()
        untold = sum(one.untold or 0 for one in reader.got)
        return (untold or slow) and untold + len(reader.of("started")) == made

    for _ in range(600):
        listen()
    kinds = reader.kinds()
    lq.equal(kinds.count("started"), kinds.count("stopped"))
    # What may have been told: in each second that began, and one more.
    room = 100 * (int(time.monotonic() - began) + 2)
    slow = room >= made
    if slow:
        lq.diag(f"this kernel makes no more than {made / (time.monotonic() - began):.0f} a second")
    assert 100 <= kinds.count("started") <= min(room, made - (not slow)), kinds.count("started")
    # The next second has room again.
    lq.wait_for(all_are_accounted_for, GENEROUS)


@lq.case()
def a_listen_that_fails_is_not_told():
    """Nor its end: the address is taken."""
    first = lq.listener(port=8000, options=((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),))
    reader = Reader()
    tcp = lq.stream("lq")
    for sock in (tcp, lq.stream("lq")):
        with contextlib.suppress(OSError):
            sock.bind(("0.0.0.0", 8000))
            sock.listen()
        sock.close()
    # Bound by both before either listens; SO_REUSEADDR lets them.
    pair = [lq.stream("lq") for _ in range(2)]
    for sock in pair:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", 8001))
    pair[0].listen()
    with lq.fails_with(errno.EADDRINUSE):
        pair[1].listen()
    for sock in pair:
        sock.close()
    lq.equal(reader.kinds(), ["started", "stopped"])
    first.close()


@lq.case()
def an_ipv6_listener():
    """Its address is 16 bytes, and V6ONLY is told."""
    reader = Reader()
    for v6only in (0, 1):
        with lq.listener(v6=True, options=((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only),)):
            event = reader.wait("started", v6only + 1)
            lq.equal((event.family, event.addr, event.v6only),
                     (socket.AF_INET6, b"\0" * 16, v6only))


@lq.case()
def truncated():
    """Each listen() that asks for more than it gets, and only those."""
    lq.sysctl("net.core.somaxconn", 16)
    reader = Reader()
    listener = lq.listener(backlog=16)
    lq.equal(reader.kinds(), ["started"])
    lq.listen(listener, 17)
    lq.listen(listener, -1)
    lq.listen(listener, 3)
    lq.equal(reader.kinds(), ["started", "truncated", "truncated"])
    lq.equal([(event.backlog_asked, event.backlog) for event in reader.got[1:]],
             [(17, 16), (-1, 16)])
    other = lq.listener(backlog=99)
    lq.equal(reader.kinds()[3:], ["started", "truncated"])
    other.close()


@lq.case(timeout=200)
def an_overflow():
    """Of the accept queue: began with the first drop, ended with their number once there is room, and
    once more."""
    reader = Reader()
    listener = lq.listener(backlog=1, options=DROPS_SYNS)
    lq.equal(reader.kinds(), ["started"])
    for turn in (1, 2):
        clients = fill(listener)
        # Long enough for the timer to have stopped: the overflow must start it.
        events = len(reader.poll())
        lq.never(lambda n=events: len(reader.poll()) > n, 1, "an event of nothing")
        before = overflow_drops()
        late = overflow(listener)
        event = reader.wait("overflow_began", turn)
        lq.equal((event.listener, event.reason, event.accept_qlen, event.accept_limit,
                  event.count),
                 (lq.Info(listener).id, DROP_ACCEPT_QUEUE_FULL_SYN, 2, 2, None))
        late.close()
        # While the queue is full it goes on, though nothing comes any more.
        lq.never(lambda n=turn: len(reader.of("overflow_ended")) == n, 2.5, "it ended")
        for child in lq.accept_all(listener):
            child.close()
        # Nothing is half open: the timer alone finds the end.
        event = reader.wait("overflow_ended", turn)
        lq.equal((event.count, event.reason),
                 (overflow_drops() - before, DROP_ACCEPT_QUEUE_FULL_SYN))
        lq.equal(lq.Info(listener).syn_qlen, 0)
    lq.equal(reader.kinds(), ["started"] + ["overflow_began", "overflow_ended"] * 2)
    assert all(end.time - begin.time > 3_000_000_000 for begin, end in
               zip(reader.of("overflow_began"), reader.of("overflow_ended"))), "ended too early"
    lq.equal((lq.Info(listener).overflows, lq.Info(listener).overflow_ago_s > 0), (2, True))
    del clients


@lq.case(timeout=120)
def an_overflow_of_the_syn_queue():
    """It ends a second after there is room for one more."""
    lq.no_timer()
    tun = Tun()
    reader = Reader()
    listener = lq.listener(backlog=5)
    peers = [Peer(tun, lq.port_of(listener)) for _ in range(19)]
    for peer in peers[:16]:
        peer.half_open()
    lq.equal(reader.kinds(), ["started"])
    for peer in peers[16:]:
        peer.syn()
    event = reader.wait("overflow_began")
    lq.equal((event.reason, event.syn_qlen, event.syn_limit), (DROP_SYN_QUEUE_FULL, 16, 16))
    lq.never(lambda: reader.of("overflow_ended"), 2.5, "it ended, and the queue is full")
    peers[0].reset()
    event = reader.wait("overflow_ended")
    lq.equal(event.count, 3)
    lq.equal(lq.Info(listener).syn_qlen, 15)


@lq.case(timeout=200)
def cookies():
    """Began with the first, ended with their number."""
    reader = Reader()
    listener = lq.listener(options=((lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2),))
    for turn in (1, 2):
        before = lq.counters()["CookieSent"]
        for _ in range(3):
            lq.expect_serves(listener)
        event = reader.wait("cookies_began", turn)
        lq.equal((event.reason, event.count), (None, None))
        event = reader.wait("cookies_ended", turn)
        # On a slow machine the time of cookies may have ended between two of them.
        lq.equal(sum(one.count for one in reader.of("cookies_ended")),
                 lq.counters()["CookieSent"])
        assert lq.counters()["CookieSent"] > before
    assert set(reader.kinds()) == {"started", "cookies_began", "cookies_ended"}, reader.kinds()


@lq.case(timeout=120)
def close_ends_what_began():
    """The end is told before the stop, and not a second later."""
    reader = Reader()
    listener = lq.listener(backlog=0, options=DROPS_SYNS)
    clients = fill(listener)
    late = overflow(listener)
    reader.wait("overflow_began")
    number = lq.Info(listener).id
    listener.close()
    lq.equal(reader.kinds()[-2:], ["overflow_ended", "stopped"])
    lq.equal(reader.got[-1].listener, number)
    assert reader.got[-2].count >= 1
    late.close()
    del clients


@lq.case(timeout=200)
def not_more_than_one_a_second():
    """A flood is two events, however long it takes."""
    reader = Reader()
    listener = lq.listener(backlog=0, options=DROPS_SYNS)
    clients = fill(listener)
    start = time.monotonic()
    while time.monotonic() - start < 4:
        lq.begin_connect(listener).close()
    lq.equal((len(reader.of("overflow_began")), reader.of("overflow_ended")), (1, []))
    lq.accept_all(listener)
    reader.wait("overflow_ended", len(reader.of("overflow_began")))
    drops = overflow_drops()
    seconds = time.monotonic() - start
    began, ended = reader.of("overflow_began"), reader.of("overflow_ended")
    lq.diag(f"{drops} drops in {seconds:.1f} s, {len(began)} + {len(ended)} events")
    lq.equal(sum(event.count for event in ended), drops)
    for events in (began, ended):
        assert all(b.time - a.time > 900_000_000 for a, b in zip(events, events[1:])), "too many"
    assert drops > 20 * len(began), (drops, len(began))
    del clients


@lq.case()
def not_of_another_namespace():
    """Neither way."""
    here = Reader()
    with lq.Netns():
        there = Reader()
        lq.listener(port=8000).close()
    lq.equal((here.kinds(), there.kinds()), ([], ["started", "stopped"]))
    lq.listener(port=8000).close()
    lq.equal((len(here.kinds()), len(there.kinds())), (2, 2))


@lq.case()
def needs_no_privilege():
    """As all that only looks."""

    def look():
        reader = Reader()
        lq.listener().close()
        lq.equal(reader.kinds(), ["started", "stopped"])

    lq.as_user(look)


@lq.case()
def a_reader_that_is_too_slow():
    """ENOBUFS once, then it goes on; nobody else suffers."""
    slow, other = Reader(), Reader()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(50):
        lq.listener().close()
        other.poll()
    with lq.fails_with(errno.ENOBUFS):
        slow.poll()
    slow.poll()
    assert len(slow.got) < 100
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    lq.equal(len(other.poll()), 100)
    before = len(slow.got)
    lq.listener().close()
    assert len(slow.poll()) > before, "it went deaf"


@lq.case()
def readers_and_namespaces_go_away():
    """Nothing is left that would keep the module or a namespace."""
    users = lq.module_users()
    for _ in range(20):
        with lq.Netns() as other:
            reader = Reader()
            listener = lq.listener()
        reader.poll()
        listener.close()
        other.close()
        if reader.kinds() != ["started", "stopped"]:
            raise AssertionError(reader.kinds())
        reader.sock.close()
    lq.wait_for(lambda: lq.module_users() == users, GENEROUS)


lq.main()
