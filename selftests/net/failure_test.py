#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Memory runs out in the kernel: connections may fail, nothing hangs, leaks or drifts.

    peers, played by this program --- tun0 --- listener          clients --- lo --- listener

Needs a kernel with failslab: scripts/check-debug. /proc/self/fail-nth fails the n-th allocation of
one system call; a write to the TUN device is the whole way of a segment through the stack.
LQ_FAIL_STORM: connections of the storms, 300 if unset.
"""
import contextlib
import errno
import itertools
import os
import select
import socket

import lq
from explained import PORT, Since, serve
from rawtcp import ACK, Peer, Tun

DEBUG = "/sys/kernel/debug"
# EFAULT: copies from and to user space fail as well; ENFILE: no memory for a file; EADDRINUSE: for
# a port that listen() chooses.
FAILING = (errno.ENOMEM, errno.ENOBUFS, errno.EFAULT, errno.EAGAIN, errno.ENFILE,
           errno.EADDRINUSE)
STORM = int(os.environ.get("LQ_FAIL_STORM", "300"))


def knob(which, name, value):
    """A setting of failslab or fail_page_alloc."""
    path = f"{DEBUG}/{which}/{name}"
    if not os.path.exists(path):
        raise lq.Skip(f"no {path}")
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


def quiet():
    """Nothing fails by chance, and nothing is said about what fails."""
    for which in ("failslab", "fail_page_alloc"):
        for name, value in (("probability", 0), ("interval", 1), ("times", -1), ("space", 0),
                            ("verbose", 0), ("task-filter", "N"), ("ignore-gfp-wait", "Y")):
            knob(which, name, value)
    knob("fail_page_alloc", "min-order", 0)


class Nth:
    """The n-th allocation of what is called next fails."""

    def __init__(self):
        quiet()
        for which in ("failslab", "fail_page_alloc"):
            knob(which, "ignore-gfp-wait", "N")
        self.file = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def __call__(self, number, call):
        """(result or error, whether it failed one)"""
        result = None
        os.write(self.file, b"%d" % number)
        try:
            result = call()
        except OSError as error:
            result = error
        try:
            left = int(os.pread(self.file, 20, 0).rstrip(b"\0\n"))
            os.write(self.file, b"0")
        except OSError:  # it was our look that failed, and nothing before
            left = number
        return result, left == 0


def each(nth, prepare, call, check, most=400):
    """call(prepare()) with each of its allocations failing, one at a time; check() after each.
    How many there were."""
    for number in range(1, most):
        thing = prepare()
        result, failed = nth(number, lambda thing=thing: call(thing))
        if isinstance(result, OSError):
            assert result.errno in FAILING, result
        check(thing, result)
        if not failed:
            return number - 1
    raise AssertionError(f"more than {most} allocations")


def balanced(listener, before):
    """Nothing is queued, and no memory is held by what was."""
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 60)
    for child in lq.accept_all(listener):
        child.close()
    # A client that is gone may still send its data and its end once more.
    lq.wait_for(lambda: not lq.accept_all(listener) and not lq.ss_queues(lq.port_of(listener))[0]
                and lq.requests_in_memory() == before, 30, "something is left")
    info = lq.Info(listener)
    lq.equal((info.accept_qlen, info.syn_qlen, info.filter_qlen), (0, 0, 0))
    lq.expect_serves(listener, listener.family == socket.AF_INET6)


@lq.each_version(timeout=200)
def each_allocation_of_a_syn(v6):
    """Whatever fails, the route back among it, the SYN that comes again is answered."""
    nth = Nth()
    lq.no_timer()
    before = lq.requests_in_memory()
    tun = Tun()
    listener = lq.listener(backlog=200, v6=v6)
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    addresses = (f"2001:db8::1:{number:x}" if v6 else f"192.0.2.{number}"
                 for number in range(10, 250))

    def newcomer():
        """A peer to whom nobody remembers a route, neither we nor the kernel."""
        peer = Peer(tun, lq.port_of(listener), v6=v6, addr=next(addresses))
        lq.ip(f"route add {peer_address(peer)} dev tun0")
        return peer

    with lq.Counted() as moved:
        # kmemleak and DEBUG_OBJECTS allocate as well, now and then: once through may miss some.
        for _ in range(10):
            count = each(nth, newcomer, lambda peer: peer.syn(), lambda peer, _: again(peer))
            assert count >= 4, count  # the segment, the request, the route, the SYN-ACK
            failed = moved("DropNoMemory"), moved("DropNoRoute")
            if all(failed):
                break
    lq.diag(f"{count} allocations; {failed[0]} times there was no request, {failed[1]} no route")
    assert all(failed), "neither the request's nor the route's may be missing"
    balanced(listener, before)


def again(peer):
    """Its SYN comes again, is answered, and its request ends."""
    peer.half_open()
    while peer.receive(0):
        pass
    peer.reset()


def peer_address(peer):
    """As ip(8) wants it."""
    return socket.inet_ntop(socket.AF_INET6 if peer.v6 else socket.AF_INET, peer.addr)


@lq.each_version(timeout=200)
def explained(v6):
    """lqctl explain names memory, and neither the network nor the backlog."""
    nth = Nth()
    lq.no_timer()
    tun = Tun()
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    listener = lq.listener(port=PORT, v6=v6)
    since = Since()
    # Which allocation is the request's depends on the kernel, and on what else allocates just then.
    for number in itertools.chain.from_iterable(itertools.repeat(range(1, 25), 10)):
        peer = Peer(tun, PORT, v6=v6)
        nth(number, peer.syn)
        if lq.row_of(listener)["drops"]["no_memory"]:
            break
        again(peer)
    since.must_say("no_memory", never=("security_module", "backlog_small", "syn_queue_small"))
    after = Since()
    serve(listener, 1, v6)
    after.silent()


@lq.each_version()
def no_route_back(v6):
    """A SYN to which there is none leaves neither a request, nor its place, nor its segment."""
    lq.no_timer()
    count = 500
    tun = Tun()
    for name in ("all", "tun0"):
        lq.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    listener = lq.listener(backlog=8, v6=v6)
    requests = lq.requests_in_memory()
    segments = lq.objects_in_memory("skbuff_head_cache")
    with lq.Counted() as moved:
        for _ in range(count):
            Peer(tun, lq.port_of(listener), v6=v6,
                 addr="2001:db8:ffff::2" if v6 else "10.9.9.9").syn()
        lq.equal((moved("SynReceived"), moved("DropNoRoute"), moved("RequestCreated")),
                 (count, count, 0))
    lq.equal(lq.Info(listener).syn_qlen, 0)
    lq.equal(lq.requests_in_memory(), requests, "requests")
    if segments is not None:
        # Others have some, too.
        more = lq.objects_in_memory("skbuff_head_cache") - segments
        assert more < count / 2, f"{more} more segments in memory"
    balanced(listener, requests)


@lq.each_version("request", "cookie", v4_only=("held",), timeout=200)
def each_allocation_of_an_ack(how, v6):
    """Whatever fails, the ACK that comes again makes the child; no slot is lost."""
    nth = Nth()
    lq.no_timer()
    lq.sysctl("net.listenq.syncookies", 2 if how == "cookie" else 0)
    before = lq.requests_in_memory()
    tun = Tun()
    listener = lq.listener(backlog=200, v6=v6)
    if how == "held":
        lq.set_filter(listener, "dataready")

    def half_open():
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.half_open()
        return peer

    def again(peer, _):
        if how == "held":
            peer.seq = peer.isn + 1
            peer.final_ack(b"data")
        else:
            peer.segment(ACK)
        children = []
        lq.wait_for(lambda: children.extend(lq.accept_all(listener)) or children)
        lq.equal(len(children), 1)
        lq.equal(children[0].getpeername()[1], peer.sport)
        children[0].close()
        while peer.receive(0):
            pass
        peer.reset()

    count = each(nth, half_open, lambda peer: peer.segment(ACK), again)
    assert count >= 2, count  # the segment, the child
    lq.diag(f"{count} allocations")
    if how == "held":
        lq.remove_filter(listener)
    balanced(listener, before)


@lq.each_version(timeout=200)
def each_allocation_of_a_socket_s_calls(v6):
    """socket(), listen(), listen() for more, a filter, accept(): each fails cleanly."""
    nth = Nth()
    before, users = lq.requests_in_memory(), lq.module_users()
    made = []

    def socket_and_listen():
        sock = lq.stream("lq", v6)
        made.append(sock)
        sock.listen(8)
        return sock

    def forget(*_):
        while made:
            made.pop().close()

    counts = [each(nth, lambda: None, lambda _: socket_and_listen(), forget)]
    lq.equal(lq.module_users(), users)
    listener = lq.listener(backlog=8, v6=v6)

    def bigger():
        listener.listen(8)
        return None

    def intact(*_):
        lq.equal(lq.Info(listener).backlog in (8, 2000), True)
        lq.expect_serves(listener, v6)

    counts.append(each(nth, bigger, lambda _: listener.listen(2000), intact))
    counts.append(each(nth, lambda: lq.connect_to(listener, v6=v6), lambda _: listener.accept(),
                       lambda client, result: _accepted(listener, client, result)))

    def setting(_):
        with open("/proc/sys/net/listenq/max_syn_backlog", "w", encoding="ascii") as file:
            file.write("333")

    counts.append(each(nth, lambda: lq.sysctl("net.listenq.max_syn_backlog", 64), setting, intact))
    lq.diag(f"allocations of each: {counts}")
    balanced(listener, before)
    listener.close()
    lq.equal(lq.module_users(), users)


@lq.each_version("before", "after", timeout=200)
def each_allocation_of_an_adoption(when, v6):
    """Whatever fails: the socket is ours, or TCP's as it was, and serves; and it becomes TCP's again."""
    nth = Nth()
    before, users = lq.requests_in_memory(), lq.module_users()

    def prepare():
        sock = lq.stream("tcp", v6)
        sock.bind(("::" if v6 else "0.0.0.0", 0))
        if when == "after":
            sock.listen(4)
        sock.setblocking(False)
        return sock

    def adopted(sock, result):
        assert isinstance(result, OSError) != lq.is_ours(sock), result
        check(sock)

    def check(sock, *_):
        sock.listen(4)
        lq.expect_serves(sock, v6)
        if lq.is_ours(sock):
            try:
                lq.release(sock)
            except OSError as error:  # one that had begun is over
                lq.equal((error.errno, lq.is_ours(sock)), (errno.ENOPROTOOPT, False))
            lq.wait_for(lambda: not lq.is_ours(sock))
        lq.expect_serves(sock, v6)
        sock.close()

    some = each(nth, prepare, lq.adopt, adopted)
    lq.diag(f"{some} allocations of TCP_ULP")
    assert some > 3 or when == "before", some

    def release(sock):
        lq.adopt(sock)
        lq.release(sock)

    each(nth, prepare, release, check)
    lq.wait_for(lambda: lq.module_users() == users, what="the module is used")
    lq.equal(lq.requests_in_memory(), before)


def _accepted(listener, client, result):
    """A connection that accept() failed to hand over is either still there or reset."""
    if not isinstance(result, OSError):
        result[0].close()
    client.close()
    lq.wait_for(lambda: not [child.close() for child in lq.accept_all(listener)])
    lq.equal(lq.Info(listener).accept_qlen, 0)


@contextlib.contextmanager
def failing(which, percent):
    """By chance, wherever nobody can wait for memory: in softirq, for one."""
    quiet()
    knob(which, "probability", percent)
    try:
        yield
    finally:
        knob(which, "probability", 0)


@lq.case("failslab v4", "failslab v6", "fail_page_alloc v4", "failslab filter",
         "failslab cookies", timeout=280)
def storm(what):
    """A storm of connections while allocations fail by chance."""
    which, how = what.split()
    v6 = how == "v6"
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.synack_retries", 3)
    if how == "cookies":
        lq.sysctl("net.listenq.syncookies", 2)
    quiet()
    before, users = lq.requests_in_memory(), lq.module_users()
    listener = lq.listener(backlog=32, v6=v6)
    if how == "filter":
        lq.set_filter(listener, "dataready")
    clients, connected, served = [], 0, 0
    with failing(which, 20):
        for turn in range(STORM):
            with contextlib.suppress(OSError):
                clients.append(lq.begin_connect(listener, v6))
            if turn % 10 == 9:
                for client in clients:
                    with contextlib.suppress(OSError):
                        connected += lq.connected(client)
                        client.send(b"x")
                if turn % 3:
                    clients = clients[10:]  # reset or left, in any state
                with contextlib.suppress(OSError):
                    for child in lq.accept_all(listener):
                        served += 1
                        child.close()
                select.select([], [], [], 0.01)
    assert served, "nobody was served at all"
    counts = lq.counters()
    lq.diag(f"{STORM} tried, {served} served; no memory for {counts['DropNoMemory']} requests, "
            f"{counts['DropChildFailed']} children")
    for client in clients:
        client.close()
    if how == "filter":
        lq.remove_filter(listener)
    balanced(listener, before)
    listener.close()
    lq.equal(lq.module_users(), users)


lq.main()
