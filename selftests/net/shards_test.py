#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""A listener's queues in several parts: everybody is served, limits and sums stay whole; and both
ways in which accept() hands a connection over.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import json
import os
import threading

import lq
from memcg import cgroup, enter
from rawtcp import MSS, Peer, Tun, syn_flood

SHARDS = 4


def sharded(shards=SHARDS, backlog=1023, **more):
    """A listener with so many."""
    return lq.listener(backlog=backlog, options=((lq.SOL_LISTENQ, lq.LQ_SHARDS, shards),), **more)


def requests_of(listener):
    """The peers' ports, as lqctl requests shows them."""
    shown = json.loads(lq.run("lqctl", "requests", "-j", f":{lq.port_of(listener)}"))["requests"]
    return sorted(one["peer_port"] for one in shown)


@lq.case()
def how_many():
    """As asked, by socket or sysctl; fewer for a short backlog; decided by the first listen()."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    plain = lq.listener(backlog=1023)
    lq.equal(lq.Info(plain).shards, 1)
    lq.equal(plain.getsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS), -1)
    for asked, backlog, want in ((4, 1023, 4), (1, 1023, 1), (64, 4095, 64), (64, 127, 8),
                                 (4, 30, 1), (4, 31, 2), (4, 0, 1), (0, 4095, os.cpu_count())):
        listener = sharded(asked, backlog)
        info = lq.Info(listener)
        lq.equal((info.shards, info.accept_limit), (want, backlog + 1), f"{asked} of {backlog}")
        lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS), asked)
        for value in (asked, 1, -1):
            with lq.fails_with(errno.EBUSY):
                listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS, value)
        listener.close()
    unbound = lq.stream("lq")
    for bad in (-2, 65):
        with lq.fails_with(errno.EINVAL):
            unbound.setsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS, bad)
    unbound.setsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS, 5)
    unbound.setsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS, -1)
    lq.sysctl("net.listenq.shards", 3)
    lq.listen(unbound, 100)
    lq.equal(lq.Info(unbound).shards, 3)
    # A limit that does not divide is whole all the same.
    lq.equal((lq.Info(unbound).accept_limit, lq.Info(plain).shards), (101, 1))
    (shown,) = [one for one in lq.lqctl_listeners() if one["port"] == lq.port_of(unbound)]
    lq.equal((shown["shards"], shown["accept_limit"], shown["own"]), (3, 101, []))


@lq.case("v4", "v6", "cookie", timeout=90)
def everybody_is_accepted_once(how):
    """With what they sent, whichever shard they came to."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.listenq.syncookies", 2 if how == "cookie" else 0)
    v6 = how == "v6"
    listener = sharded(v6=v6)
    clients = {}
    with lq.Counted() as moved:
        for n in range(300):
            client = lq.connect_to(listener, v6=v6)
            client.send(b"%04d" % n)
            clients[client.getsockname()] = (b"%04d" % n, client)
        lq.equal((lq.Info(listener).accept_qlen, lq.ss_queues(lq.port_of(listener))[0]), (300, 300))
        children = lq.accept_all(listener)
        lq.equal(len(children), 300)
        for child in children:
            said, _ = clients.pop(child.getpeername())
            lq.equal(lq.read_all(child, 4), said)
        lq.equal(clients, {})
        lq.equal((moved("Established"), moved("Accepted")), (300, 300))
    info = lq.Info(listener)
    lq.equal((info.accept_qlen, info.syn_qlen, info.accepted, info.established, info.drops),
             (0, 0, 300, 300, 0))


@lq.case()
def limits_add_up():
    """All shards full is the limit full, as ss says; a second listen() divides anew."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    listener = sharded(backlog=63)
    clients = [lq.begin_connect(listener) for _ in range(600)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 64)
    info = lq.Info(listener)
    lq.equal((info.shards, info.accept_limit, info.accept_qlen_peak), (4, 64, 64))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (64, 63))
    lq.listen(listener, 127)
    lq.equal((lq.Info(listener).accept_limit, lq.Info(listener).shards), (128, 4))
    # More clients get in meanwhile: none is kept.
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            taken += 1
    assert taken >= 64, taken
    for client in clients:
        client.close()


@lq.each_version()
def requests_of_every_shard(v6):
    """All are seen; ACKs and RSTs find theirs; close leaves nothing."""
    lq.no_timer()
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    before = lq.requests_in_memory()
    listener = sharded(v6=v6)
    peers = [Peer(tun, lq.port_of(listener), v6=v6, sport=2000 + n) for n in range(120)]
    for peer in peers:
        peer.half_open()
    lq.equal(requests_of(listener), [2000 + n for n in range(120)])
    for peer in peers[:40]:
        peer.final_ack()
    for peer in peers[40:80]:
        peer.reset()
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 40)
    lq.equal(lq.Info(listener).accept_qlen, 40)
    lq.equal(requests_of(listener), [2080 + n for n in range(40)])
    with lq.Counted() as moved:
        listener.close()
        lq.equal(moved("DropListenerClosed"), 80)
    if before is not None:
        lq.wait_for(lambda: lq.requests_in_memory() == before)


@lq.case()
def the_timer_of_every_shard():
    """Requests that nobody completes go, wherever they are."""
    lq.sysctl("net.listenq.synack_timeout_ms", 20)
    lq.sysctl("net.listenq.synack_retries", 1)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = sharded()
    with lq.Counted() as moved:
        syn_flood(tun, lq.port_of(listener), [("192.0.2.9", 3000 + n) for n in range(200)], MSS)
        lq.equal(moved("RequestCreated"), 200)
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0)
        lq.equal((moved("DropRequestExpired"), moved("SynackRetrans")), (200, 200))


@lq.case()
def filters_of_every_shard():
    """Held until they speak; when the filter goes, all can be accepted."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    listener = sharded()
    lq.set_filter(listener, "dataready")
    clients = [lq.connect_to(listener) for _ in range(100)]
    lq.wait_for(lambda: lq.Info(listener).filter_qlen == 100)
    lq.equal((lq.Info(listener).accept_qlen, lq.Info(listener).filter_limit), (0, 1024))
    for client in clients[:50]:
        client.send(b"x")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 50)
    lq.remove_filter(listener)
    lq.equal(len(lq.accept_all(listener)), 100)
    lq.equal(lq.Info(listener).filter_qlen, 0)


def accept_on(cpu, listener, taken, enough):
    """accept() on one CPU until there were enough."""
    os.sched_setaffinity(0, {cpu})
    while not enough.is_set():
        try:
            child = lq.accept(listener, 0.2 / lq.SCALE)
        except (AssertionError, BlockingIOError):
            continue  # nothing came, or the other one had it
        taken.append(child.getpeername())
        child.close()


@lq.case("one", "two", timeout=90)
def accept_from(cpus):
    """A CPU takes what the shards of others have, too."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    listener = sharded()
    taken, enough = [], threading.Event()
    there = sorted(os.sched_getaffinity(0))[:1 if cpus == "one" else 2]
    threads = [threading.Thread(target=accept_on, args=(cpu, listener, taken, enough))
               for cpu in there]
    for thread in threads:
        thread.start()
    try:
        clients = [lq.connect_to(listener) for _ in range(400)]
        lq.wait_for(lambda: len(taken) == len(clients), 30)
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    lq.equal(sorted(taken), sorted(client.getsockname() for client in clients))
    lq.equal(lq.Info(listener).accept_qlen, 0)


def sock_memory(folder):
    """Bytes of sockets' buffers that are charged to a cgroup."""
    with open(f"{folder}/memory.stat", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("sock "))


def accept_in(folder, listener, clients):
    """The last of the clients, and three more; what they send is the cgroup's to pay."""
    enter(folder)
    clients = clients[-1:] + [lq.connect_to(listener) for _ in range(3)]
    children = lq.accept_all(listener)
    for client in clients:
        client.send(bytes(50000))
    lq.wait_for(lambda: sock_memory(folder) >= len(clients) * 50000)
    lq.equal((len(children), lq.Info(listener).accept_qlen, lq.ss_queues(lq.port_of(listener))[0]),
             (len(clients), 0, 0))


@lq.case(timeout=90)
def a_memory_cgroup_pays():
    """Where cgroups count sockets, whoever accepts pays, as with TCP; elsewhere nothing is lost."""
    listener = lq.listener(backlog=64)
    clients = [lq.connect_to(listener) for _ in range(4)]
    lq.equal(len(lq.accept_all(listener)), 4)
    # A client may wait in the queue from before the first cgroup was made.
    clients.append(lq.connect_to(listener))
    with cgroup("lq-shards") as folder:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                accept_in(folder, listener, clients)
                status = 0
            except BaseException as error:  # pylint: disable=broad-except
                lq.diag(repr(error))
            finally:
                os._exit(status)
        lq.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    clients.append(lq.connect_to(listener))
    lq.equal(len(lq.accept_all(listener)), 1)
    lq.equal(lq.Info(listener).accepted, 9)


lq.main()
