#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Groups that share: steal_us and stalled_ms. A worker that is stuck keeps nobody waiting.

    clients --- lo --- the members of an SO_REUSEPORT group     or: peers, played by this program --- tun0
"""
import contextlib
import errno
import os
import select
import signal
import socket
import threading
import time

import kprobes
import lq
from memcg import cgroup, enter
from rawtcp import ACK, SYN, Peer, Tun
from reuseport import REUSEPORT, choose, choose_by_hash, member

STEAL_US = 2000


def qlens(members):
    """How many wait for accept() at each."""
    return [lq.Info(one).accept_qlen for one in members]


def to_the_first(members):
    """A program gives all that is new to the first; what is set for a listener holds nevertheless."""
    choose(members[0], 0)


def group(count, v6=False, backlog=64, steal_us=STEAL_US, stalled_ms=0):
    """So many of one group, all with these settings of their own; all that is new goes to the first."""
    members = [member(v6=v6, backlog=backlog)]
    members += [member(lq.port_of(members[0]), v6, backlog) for _ in range(count - 1)]
    for one in members:
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, steal_us)
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STALLED_MS, stalled_ms)
    to_the_first(members)
    return members


def clients_of(members, count, v6=False):
    """So many, each of them on the first member's queue, and all of them due."""
    clients = []
    for index in range(count):
        clients.append(lq.connect_to(members[0], v6=v6))
        clients[-1].send(b"%04d" % index)
    lq.wait_for(lambda: lq.Info(members[0]).accept_qlen == count)
    time.sleep(2 * STEAL_US / 1e6)
    return clients


def accept_now(listener):
    """One connection, or None."""
    listener.setblocking(False)
    try:
        child = listener.accept()[0]
    except BlockingIOError:
        return None
    child.setblocking(True)
    return child


@contextlib.contextmanager
def way(how):
    """The two ways in which accept() hands a connection over."""
    if how == "graft":
        yield
        return
    with cgroup("lq-share") as folder:
        enter(folder)
        yield


def row(one):
    """Its object of lqctl list --json."""
    return next(row for row in lq.lqctl_listeners() if row["id"] == lq.Info(one).id)


def agree(members):
    """The queues' lengths are what ss has."""
    def by_ss():
        lines = lq.run("ss", "-H", "-l", "-t", "-n", f"sport = :{lq.port_of(members[0])}")
        return sorted(int(line.split()[1]) for line in lines.splitlines())
    lq.wait_for(lambda: sorted(qlens(members)) == by_ss())


# --- accept() ---


@lq.each_version("graft", "cgroup")
def accept_takes_the_oldest(how, v6):
    """Of a member that does not accept: in their order, with their data, and all of them."""
    with way(how):
        members = group(3, v6)
        clients = clients_of(members, 9, v6)
        with lq.Counted() as moved:
            children = [accept_now(members[1 + index % 2]) for index in range(9)]
            assert all(children), "not all were had"
            lq.equal((moved("Stolen"), moved("Lent"), moved("Established")), (9, 9, 0))
        lq.equal([lq.read_all(child, 4) for child in children],
                 [b"%04d" % index for index in range(9)])
        lq.equal(qlens(members), [0, 0, 0])
        for one in members:
            lq.equal(accept_now(one), None)
        rows = {row["id"]: row for row in lq.lqctl_listeners()}
        lq.equal(sum(row["events"]["stolen"] for row in rows.values()), 9)
        lq.equal(rows[lq.Info(members[0]).id]["events"]["lent"], 9)
        for child, client in zip(children, clients):
            child.send(b"served")
            lq.equal(lq.read_all(client, 6), b"served")


@lq.case()
def its_own_come_first():
    """Whoever has connections of its own takes those, however long others wait."""
    members = group(2)
    clients = clients_of(members, 2)
    choose(members[0], 1)
    clients.append(lq.connect_to(members[1]))
    clients[-1].send(b"mine")
    lq.wait_for(lambda: qlens(members) == [2, 1])
    lq.equal([lq.read_all(accept_now(members[1]), 4) for _ in range(3)], [b"mine", b"0000", b"0001"])


@lq.case()
def not_before_its_time():
    """Nobody else has a connection before it has waited for steal_us."""
    members = group(2, steal_us=60000000)
    clients = clients_of(members, 2)
    lq.equal(accept_now(members[1]), None)
    lq.nothing_to_accept(members[1])
    for one in members:
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    lq.equal(lq.read_all(accept_now(members[1]), 4), b"0000")
    # Both must have it.
    members[0].setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, 0)
    lq.equal(accept_now(members[1]), None)
    members[0].setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    members[1].setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, 0)
    lq.equal(accept_now(members[1]), None)
    lq.equal(qlens(members), [1, 0])
    del clients


@lq.case()
def the_sysctl_and_a_program():
    """The sysctl is for groups whose members the kernel chooses; a program's choice it leaves alone."""
    members = [member()]
    members.append(member(lq.port_of(members[0])))
    lq.sysctl("net.listenq.steal_us", STEAL_US)
    to_the_first(members)
    clients = clients_of(members, 4)
    lq.equal(accept_now(members[1]), None)
    members[1].setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    lq.equal(accept_now(members[1]), None)  # of one that did not ask for it
    members[0].setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    assert accept_now(members[1]), "asked for, and not had"
    del clients
    # Without a program: by hash, so that each has some of many.
    others = [member()]
    others.append(member(lq.port_of(others[0])))
    clients = [lq.connect_to(others[0]) for _ in range(32)]
    lq.wait_for(lambda: sum(qlens(others)) == 32)
    assert min(qlens(others)) > 0, "the hash gave one all"
    time.sleep(2 * STEAL_US / 1e6)
    lq.equal(sum(accept_now(others[0]) is not None for _ in range(33)), 32)


@lq.case()
def what_was_stolen_stays_for_as_long_again():
    """Between poll() and accept() nobody takes it back."""
    members = group(2, steal_us=30000000)
    clients = clients_of(members, 1)
    for one in members:
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    for one in members:
        lq.wait_for(lambda one=one: select.select([one], [], [], 0)[0])
        lq.equal(qlens(members), [int(one is each) for each in members])
        # The other looks at once, with all the time in the world for this one.
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, 30000000)
        other = members[one is members[0]]
        lq.equal(accept_now(other), None)
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
        time.sleep(2 * STEAL_US / 1e6)
    del clients


# --- poll(), and who sleeps ---


def wait_by_poll(listener):
    """poll(), without a timeout: at its end it would look once more, and find what nobody told it of."""
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    return bool(poller.poll())


def wait_by_epoll(flags):
    """epoll, with these flags"""
    def wait(listener):
        with select.epoll() as epoll:
            epoll.register(listener, select.EPOLLIN | flags)
            return bool(epoll.poll())
    return wait


def wait_by_accept(_):
    """accept() itself"""
    return True


WAITS = {"accept": wait_by_accept, "poll": wait_by_poll, "epoll": wait_by_epoll(0),
         "edge": wait_by_epoll(select.EPOLLET),
         "exclusive": wait_by_epoll(getattr(select, "EPOLLEXCLUSIVE", 1 << 28))}


@lq.each_version(*WAITS)
def who_sleeps_is_woken(how, v6):
    """One member is stuck, one sleeps, as the connections come: it has all of them."""
    members = group(2, v6)
    got = []

    def serve():
        while len(got) < 5:
            if not WAITS[how](members[1]):
                return
            members[1].setblocking(how == "accept")
            try:
                got.append(members[1].accept()[0])
            except BlockingIOError:
                pass

    worker = threading.Thread(target=serve, daemon=True)
    worker.start()
    clients = [lq.connect_to(members[0], v6=v6) for _ in range(5)]
    worker.join(30 * lq.SCALE)
    lq.equal((len(got), qlens(members)), (5, [0, 0]))
    del clients


@lq.case()
def a_stuck_worker():
    """Processes, one of them stopped: all clients are served, and TCP would have lost its share."""
    members = [member()]
    members += [member(lq.port_of(members[0])) for _ in range(3)]
    lq.run("lqctl", "set", "-l", f":{lq.port_of(members[0])}", f"steal_us={STEAL_US}")
    pids = []
    for index, one in enumerate(members):
        pid = os.fork()
        if pid == 0:
            for other in members:
                if other is not one:
                    other.close()
            one.setblocking(True)
            while True:
                child = one.accept()[0]
                child.send(b"%d" % index)
                child.close()
        pids.append(pid)
    try:
        os.kill(pids[0], signal.SIGSTOP)
        # Until it is: it may have accepted a connection before, and stop with that.
        os.waitpid(pids[0], os.WUNTRACED)
        answers = []
        for _ in range(40):
            client = lq.connect_to(members[0])
            client.settimeout(30 * lq.SCALE)
            answers.append(client.recv(1))
            client.close()
        assert b"" not in answers and b"0" not in answers, answers
        assert lq.counters()["Stolen"] > 0, "nobody had what the one that is stopped has"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@lq.case()
def an_adopted_one():
    """A thread that waits in TCP's own accept() gets what was stolen, too."""
    first = lq.listener("tcp", options=[REUSEPORT])
    second = lq.listener("tcp", port=lq.port_of(first), options=[REUSEPORT])
    choose(first, 0)
    got = []
    second.setblocking(True)
    worker = threading.Thread(target=lambda: got.append(second.accept()[0]), daemon=True)
    worker.start()
    lq.wait_for(lambda: lq.accept_waiters() == 1)
    for one in (first, second):
        lq.adopt(one)
        one.setsockopt(lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US)
    client = lq.connect_to(first)
    worker.join(30 * lq.SCALE)
    lq.equal(len(got), 1)
    del client


# --- limits, filters, those who leave ---


@lq.case()
def the_dead_are_not_stolen_for_nothing():
    """Whose client has left is dropped on the way; the next one is had."""
    members = group(2)
    clients = clients_of(members, 3)
    for client in clients[:2]:
        lq.reset(client)
    lq.wait_for(lambda: lq.Info(members[0]).accept_gone == 2)
    assert select.select([members[1]], [], [], 30 * lq.SCALE)[0]
    lq.equal(lq.read_all(accept_now(members[1]), 4), b"0002")
    lq.equal(qlens(members), [0, 0])
    lq.equal(sum(row["drops"]["accept_gone"] for row in lq.lqctl_listeners()), 2)


@lq.case()
def filters():
    """What a filter of the taker's has not seen stays; what has passed the same one goes."""
    members = group(2)
    which = f"@{lq.Info(members[1]).id}"
    clients = clients_of(members, 1)
    lq.run("lqctl", "set", "-l", which, "accept_filter=dataready")
    lq.equal(accept_now(members[1]), None)
    lq.equal(qlens(members), [1, 0])
    lq.run("lqctl", "set", "-l", f"@{lq.Info(members[0]).id}", "accept_filter=dataready")
    lq.equal(lq.read_all(accept_now(members[1]), 4), b"0000")
    del clients


@lq.case()
def it_makes_room():
    """A place that was stolen is free: for ACKs that found the queue full, and for what a filter holds."""
    members = group(2, backlog=1)
    clients = clients_of(members, 2)
    late = socket.socket()
    late.setblocking(False)
    late.connect_ex(members[0].getsockname())
    assert accept_now(members[1])
    lq.wait_for(lambda: lq.Info(members[0]).accept_qlen == 2, 30)
    agree(members)
    del clients


@lq.case()
def both_end():
    """Members close while others take from them: each client is served or reset, and nothing is left."""
    for _ in range(20):
        members = group(4)
        clients = clients_of(members, 8)
        children = []

        def take(one, children=children):
            with contextlib.suppress(OSError):
                while True:
                    child = accept_now(one)
                    if child:
                        children.append(child)

        threads = [threading.Thread(target=take, args=[one]) for one in members[1:3]]
        for thread in threads:
            thread.start()
        lq.wait_for(lambda children=children: children)
        for one in members[:3]:
            one.close()
        for thread in threads:
            thread.join()
        while child := accept_now(members[3]):
            children.append(child)
        lq.equal(len(children), 8)
        members[3].close()
        for client in clients:
            client.close()
    lq.wait_for(lambda: not lq.lqctl_listeners())


@lq.each_version("graft", "cgroup", timeout=240)
def both_end_meanwhile(how, v6):
    """The one that has it and the one that takes it, at some moment of that: it is the third's."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lq.Skip("one CPU")

    def take(listener, results):
        os.sched_setaffinity(0, cpus[1:2])
        listener.setblocking(False)
        with contextlib.suppress(OSError):
            results.append(listener.accept()[0])

    lq.sysctl("net.listenq.migrate", 1)
    alive = []
    with (way(how), kprobes.takes_its_time("listenq:lq_request_key"),
          lq.Counted() as moved):
        os.sched_setaffinity(0, cpus[:1])
        for number in range(40):
            members = group(3, v6)
            client, = clients_of(members, 1, v6)
            choose_by_hash(members[0])
            results = []
            threads = [threading.Thread(target=take, args=(members[1], results)),
                       threading.Thread(target=members[1].shutdown, args=(socket.SHUT_RDWR,))]
            threads[0].start()
            time.sleep(number % 10 / 4000)
            threads[1].start()
            members[0].close()
            for thread in threads:
                thread.join()
            try:
                child = (results or [lq.accept(members[2])])[0]
            except AssertionError:
                lq.diag(f"round {number}: {lq.all_counted()}")
                raise
            child.setblocking(True)
            lq.equal(lq.read_all(child, 4), b"0000", f"round {number}")
            client.send(b"more")
            lq.equal(lq.read_all(child, 4), b"more", f"round {number}")
            alive += [client, child, *members[1:]]  # many listeners: their table grows
        lq.equal(moved("DropListenerClosed"), 0)
        lq.diag(f"stolen {moved('Stolen')}, migrated {moved('Migrated')}")


# --- stalled_ms ---


@lq.each_version()
def a_stalled_member_gets_no_syns(v6):
    """They go to others, the same ones for the same client; a client that it knows is its own still."""
    lq.no_timer()
    members = group(3, v6, steal_us=0, stalled_ms=300)
    tun = Tun()
    port = lq.port_of(members[0])
    known = Peer(tun, port, v6=v6)
    known.half_open()
    client = lq.connect_to(members[0], v6=v6)
    lq.wait_for(lambda: row(members[0])["accept_oldest_us"] > 300000)
    before = row(members[0])["events"]["syn_redirected"]
    peers = [Peer(tun, port, v6=v6) for _ in range(12)]
    for peer in peers:
        peer.half_open()
    queued = [lq.Info(one).syn_qlen for one in members]
    lq.equal((queued[0], sum(queued)), (1, 13))
    assert min(queued) > 0, "one member has all"
    lq.equal(row(members[0])["events"]["syn_redirected"] - before, 12)
    for peer in peers:
        peer.syn()  # again
        peer.expect(SYN | ACK)
    lq.equal([lq.Info(one).syn_qlen for one in members], queued)
    for peer in [known, *peers]:
        peer.final_ack(b"data")
    lq.wait_for(lambda: sum(qlens(members)) == 14)
    lq.equal(qlens(members), [queued[0] + 1, *queued[1:]])
    # Once it accepts again, it has its part again.
    assert lq.accept_all(members[0])
    Peer(tun, port, v6=v6).half_open()
    lq.equal(lq.Info(members[0]).syn_qlen, 1)
    del client


@lq.case()
def all_are_stalled():
    """Then it is as if none were."""
    members = group(3, steal_us=0, stalled_ms=100)
    clients = []
    for index in range(3):
        choose(members[0], index)
        clients.append(lq.connect_to(members[0]))
    choose(members[0], 0)
    lq.equal(qlens(members), [1, 1, 1])
    lq.wait_for(lambda: all(row(one)["accept_oldest_us"] > 100000 for one in members))
    clients.append(lq.connect_to(members[0]))
    lq.equal(qlens(members), [2, 1, 1])
    lq.equal(row(members[0])["events"]["syn_redirected"], 0)


@lq.case(timeout=120)
def who_is_stuck_is_not_asked_all_the_time():
    """Anybody can have many groups where nobody accepts: their works become rare. Who comes back then
    is served, and so is who sleeps as another one gets stuck."""
    members = group(8)
    clients = []
    for index in range(8):
        choose(members[0], index)
        clients.append(lq.connect_to(members[0]))
    lq.equal(qlens(members), [1] * 8)
    # Every 10 ms or so at first, and half as often each time.
    time.sleep(4)
    with kprobes.Hits("lq_share_work") as runs:
        began = time.monotonic()
        time.sleep(4)
        took = time.monotonic() - began
        assert 8 <= runs() <= 8 * (took + 2), f"{runs()} in {took:.1f} s"
    got = []

    def serve():
        members[1].setblocking(True)
        while len(got) < 10:
            got.append(members[1].accept()[0])

    worker = threading.Thread(target=serve, daemon=True)
    worker.start()
    lq.wait_for(lambda: len(got) == 8)
    to_the_first(members)
    clients += [lq.connect_to(members[0]) for _ in range(2)]
    worker.join(30 * lq.SCALE)
    lq.equal((len(got), qlens(members)), (10, [0] * 8))


@lq.case()
def nobody_else_to_ask():
    """A listener of no group has nobody to wake, however long its connections wait."""
    listener = lq.listener(options=((lq.SOL_LISTENQ, lq.LQ_STEAL_US, STEAL_US),))
    with kprobes.Hits("lq_share_work") as runs:
        client = lq.connect_to(listener)
        lq.wait_for(lambda: row(listener)["accept_oldest_us"] > 100000)
        asked = runs()
        assert asked, "it was not asked at all"
        lq.never(lambda: runs() != asked, 1, "it is asked again")
    del client


@lq.case()
def alone():
    """A listener of no group has both settings for nothing."""
    listener = lq.listener()
    for option in (lq.LQ_STEAL_US, lq.LQ_STALLED_MS):
        listener.setsockopt(lq.SOL_LISTENQ, option, 1)
    clients = [lq.connect_to(listener) for _ in range(3)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 3)
    time.sleep(0.01)
    clients.append(lq.connect_to(listener))
    lq.equal(len(lq.accept_all(listener)), 4)
    with lq.fails_with(errno.EAGAIN):
        listener.setblocking(False)
        listener.accept()


lq.main()
