#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""The bugs that listen queues have had, each in the place where it would be here. The ones that
only the core can have are in selftests/core/bugs_test.cc.

     1 Linux 4.4..: the timer races the unlinking of a request
     2 use after free in the request timer while requests migrate
     3 the timer fires before a request is whole
     4 no wake-up after migration: accept() and epoll hang
     5 listen() races accept()
     6 the accept queue's count is not balanced on a failure path (vsock)
     7 the same SYN on two CPUs makes two requests
     8 a child is queued after close
     9 the child's callbacks outlive the listener (SMC)
    10 close of a listener against its worker (MPTCP)
    11 the request's options are freed twice
    13 a namespace ends with half-open entries
    15 accept() interrupted by a signal loses a connection
    16 the module goes with live children and packets under way
"""
import contextlib
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import lq
from rawtcp import ACK, SYN, Peer, Tun, fill

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def requests_in_memory():
    """As lq's, which may be unknown."""
    known = lq.requests_in_memory()
    if known is None:
        raise lq.Skip("the kernel merged the caches of requests; boot with slab_nomerge")
    return known


def threads(*functions, stop=None):
    """Run all at once; the first error of any is raised, and sets the event that tells the others."""
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)
            if stop:
                stop.set()

    started = [threading.Thread(target=run, args=(function,)) for function in functions]
    for one in started:
        one.start()
    for one in started:
        one.join()
    if errors:
        raise errors[0]


def drained(listener, what="the SYN queue"):
    """Until no request is left."""
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 60, f"{what} did not get empty")


@lq.case(timeout=120)
def bug_01_timer_against_unlink():
    """ACK and RST come while the timer expires the same requests: each ends once."""
    lq.no_timer()
    lq.sysctl("net.listenq.synack_timeout_ms", 10)
    lq.sysctl("net.listenq.synack_retries", 1)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    before = requests_in_memory()
    tun = Tun()
    listener = lq.listener(backlog=1024)
    port = lq.port_of(listener)
    rounds, count = 8, 60
    with lq.Counted() as moved:
        for turn in range(rounds):
            peers = [Peer(tun, port) for _ in range(count)]
            for peer in peers:
                peer.half_open()
            # The hand comes by each 200 ms: spread the segments over several of its turns.
            for n, peer in enumerate(peers):
                if n % 3:
                    peer.final_ack()
                elif turn % 2:
                    peer.reset()
                else:
                    peer.final_ack()
                    peer.reset()
                if n % 10 == 9:
                    select.select([], [], [], 0.04)
            drained(listener)
            for child in lq.accept_all(listener):
                child.close()
        lq.equal(moved("RequestCreated"), rounds * count)
        ends = (moved("Established"), moved("DropRequestReset"), moved("DropRequestExpired"))
        lq.equal(sum(ends), rounds * count, f"established, reset, expired: {ends}")
    lq.equal(requests_in_memory(), before)
    lq.expect_serves(listener)


@lq.each_version(timeout=120)
def bug_02_request_timer_during_migration(v6):
    """A member of a group closes while its timer sends, with tcp_migrate_req set: its requests end with
    it, and the timer with them."""
    lq.no_timer()
    lq.sysctl("net.listenq.synack_timeout_ms", 10)
    lq.sysctl("net.listenq.synack_retries", 15)  # none expires, however long 40 handshakes take
    lq.sysctl("net.ipv4.tcp_migrate_req", 1)
    before, users = requests_in_memory(), lq.module_users()
    tun = Tun()
    first = lq.listener(backlog=64, v6=v6, options=[REUSE])
    port = lq.port_of(first)
    for _ in range(12):
        other = lq.listener(backlog=64, port=port, v6=v6, options=[REUSE])
        peers = [Peer(tun, port, v6=v6) for _ in range(40)]
        for peer in peers:
            peer.half_open()
        lq.wait_for(lambda: lq.Info(other).syn_qlen + lq.Info(first).syn_qlen >= 40)
        with lq.Counted() as moved:
            held = lq.Info(other).syn_qlen
            other.close()
            assert moved("DropListenerClosed") <= held
        for peer in peers:
            peer.final_ack()
        lq.wait_for(lambda: lq.Info(first).syn_qlen == 0)
        for child in lq.accept_all(first):
            child.close()
    first.close()
    lq.equal(requests_in_memory(), before)
    lq.equal(lq.module_users(), users)


@lq.each_version()
def bug_03_timer_before_the_request_is_whole(v6):
    """With the shortest timeout the timer may look at once: what it sends is the SYN-ACK again."""
    lq.no_timer()
    lq.sysctl("net.listenq.synack_timeout_ms", 10)
    lq.sysctl("net.listenq.synack_retries", 2)
    tun = Tun()
    listener = lq.listener(backlog=256, v6=v6)
    peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(60)]
    for peer in peers:
        peer.syn()
    for peer in peers:
        synacks = [peer.expect(SYN | ACK, 20) for _ in range(3)]
        lq.equal(len({one.without_chance() for one in synacks}), 1, f"{synacks}")
        lq.equal(len({one.seq for one in synacks}), 1, "sequence numbers")
        peer.silent(0)
    drained(listener)


def tcp_and_ours(v6=False):
    """A group of TCP's own listener and of ours, where TCP's gets what comes; (tcp, ours)."""
    lq.sysctl("net.ipv4.tcp_migrate_req", 1)
    tcp = lq.listener("tcp", backlog=64, v6=v6, options=[REUSE])
    ours = lq.listener(backlog=64, port=lq.port_of(tcp), v6=v6, options=[REUSE])
    # struct sock_filter: BPF_RET | BPF_K, 0: the first member
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    tcp.setsockopt(socket.SOL_SOCKET, 51, struct.pack("@HP", 1, ctypes.addressof(program)))
    return tcp, ours


@lq.case("accept", "epoll", timeout=90)
def bug_04_wakeup_after_migration(how):
    """TCP's listener closes and its connections migrate to ours: who waits there is woken."""
    tcp, ours = tcp_and_ours()
    client = lq.connect_to(tcp)
    lq.wait_for(lambda: lq.run("ss", "-H", "-l", "-t", "-n").count("LISTEN 1 "))
    woken = []
    if how == "accept":
        ours.setblocking(True)
        ours.settimeout(None)
        waiter = threading.Thread(target=lambda: woken.append(ours.accept()[0]), daemon=True)
    else:
        epoll = select.epoll()
        epoll.register(ours, select.EPOLLIN)
        waiter = threading.Thread(
            target=lambda: woken.append(epoll.poll(30) and lq.accept(ours)), daemon=True)
    waiter.start()
    lq.wait_for(lambda: _asleep(waiter))
    with lq.Counted(lq.mib) as moved:
        tcp.close()
        lq.equal(moved("TcpExtTCPMigrateReqSuccess"), 1)
    waiter.join(10 * lq.SCALE)
    assert woken, f"{how}() still waits"
    client.send(b"well?")
    lq.equal(lq.read_all(woken[0], 5), b"well?")


def _asleep(thread):
    """In a system call that waits: accept(), accept4(), poll(), epoll_wait()."""
    with open(f"/proc/self/task/{thread.native_id}/syscall", encoding="ascii") as file:
        return file.read().split()[0] in ("43", "288", "7", "232")


@lq.case(timeout=120)
def bug_05_listen_against_accept():
    """listen() again and again while others accept and clients connect: none is lost."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    # The queue is full again and again: nobody's ACKs may be that unlucky for long enough.
    lq.sysctl("net.listenq.synack_retries", 10)
    listener = lq.listener(backlog=8)
    total, accepted, stop = 300, [], threading.Event()

    def accepts():
        end = time.monotonic() + 90 * lq.SCALE
        while len(accepted) < total and not stop.is_set():
            assert time.monotonic() < end, (
                f"{len(accepted)} of {total} came; {lq.Info(listener).accept_qlen} wait; counted: "
                f"{lq.all_counted()}")
            if select.select([listener], [], [], 0.1)[0]:
                for child in lq.accept_all(listener):
                    accepted.append(lq.read_all(child, 1))
                    child.close()

    def listens():
        while len(accepted) < total and not stop.is_set():
            for backlog in (0, 500, 3, 4096, 1, 60):
                listener.listen(backlog)

    def connects():
        for _ in range(total // 3):
            with lq.connect_to(listener, timeout=30) as client:
                client.send(b"x")

    threads(accepts, accepts, listens, connects, connects, connects, stop=stop)
    lq.equal(len(accepted), total)
    listener.listen(8)
    lq.equal(lq.Info(listener).accept_qlen, 0)
    lq.expect_serves(listener)


@lq.case("request", "cookie", timeout=90)
def bug_06_failures_take_no_slot(how):
    """The child cannot be made, far more often than the queue has places; afterwards all fit."""
    lq.no_timer()
    lq.sysctl("net.listenq.syncookies", 2 if how == "cookie" else 0)
    lq.sysctl("net.ipv4.conf.all.rp_filter", 0)
    before = requests_in_memory()
    tun = Tun()
    lq.ip("route add 203.0.113.0/24 dev tun0")
    listener = lq.listener(backlog=3)
    peers = [Peer(tun, lq.port_of(listener), addr="203.0.113.7") for _ in range(4)]
    for peer in peers[:2]:
        peer.half_open()
    lq.ip("route del 203.0.113.0/24")
    lq.ip("route add unreachable 203.0.113.0/24")
    with lq.Counted() as moved:
        for _ in range(25):
            for peer in peers[:2]:
                peer.final_ack()
        lq.wait_for(lambda: moved("DropNoRoute") == 50)
        lq.equal(lq.Info(listener).accept_qlen, 0)
        lq.ip("route del unreachable 203.0.113.0/24")
        lq.ip("route add 203.0.113.0/24 dev tun0")
        for peer in peers[:2]:
            peer.final_ack()
        for peer in peers[2:]:
            peer.connect()
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 4)
        lq.equal(moved("Established"), 4)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (4, 3))
    lq.equal(len(lq.accept_all(listener)), 4)
    listener.close()
    lq.equal(requests_in_memory(), before)


@lq.case(timeout=90)
def bug_07_same_syn_on_two_cpus():
    """Each SYN is sent from two CPUs at once: one request each."""
    if os.cpu_count() < 2:
        raise lq.Skip("one CPU")
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=2000)
    count = 400
    ready = [threading.Event(), threading.Event()]

    def cpu(number):
        os.sched_setaffinity(threading.get_native_id(), {number})
        peers = [Peer(tun, lq.port_of(listener), sport=30000 + n) for n in range(count)]
        ready[number].set()
        ready[1 - number].wait(10 * lq.SCALE)
        for peer in peers:
            peer.syn()

    with lq.Counted() as moved:
        threads(lambda: cpu(0), lambda: cpu(1))
        lq.wait_for(lambda: moved("SynReceived") == 2 * count)
        lq.equal((moved("RequestCreated"), moved("SynDuplicate")), (count, count))
    info = lq.Info(listener)
    lq.equal((info.syn_qlen, info.syn_young), (count, count))
    assert not lq.Info(listener).drops or moved("DropSynRateLimited") <= count


@lq.case("shutdown_rd", "unspec", "close", timeout=120)
def bug_08_enqueue_after_close(end):
    """ACKs come while the listener ends: nothing is on its queues afterwards."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    before = requests_in_memory()
    tun = Tun()
    for turn in range(15):
        listener = lq.listener(backlog=256)
        port = lq.port_of(listener)
        peers = [Peer(tun, port) for _ in range(40)]
        for peer in peers:
            peer.half_open()
        begun = threading.Event()

        def acks(peers=peers, begun=begun, turn=turn):
            for n, peer in enumerate(peers):
                if n == turn * 2:
                    begun.set()
                peer.final_ack()

        def ends(listener=listener, begun=begun):
            begun.wait(10 * lq.SCALE)
            if end == "close":
                listener.close()
            elif end == "unspec":
                address = struct.pack("=H14x", socket.AF_UNSPEC)
                lq.libc.connect(listener.fileno(), address, len(address))
            else:
                listener.shutdown(socket.SHUT_RD)

        threads(acks, ends)
        lq.equal(requests_in_memory(), before, f"requests after round {turn}")
        if end != "close":
            info = lq.Info(listener)
            lq.equal((info.accept_qlen, info.syn_qlen, info.filter_qlen), (0, 0, 0))
            listener.listen(5)
            lq.equal(lq.Info(listener).accept_qlen, 0)
            lq.expect_serves(listener)
            listener.close()
    lq.wait_for(lambda: not lq.run("ss", "-H", "-t", "-n", "state", "established",
                                   "state", "close-wait"), what="sockets are left")


@lq.each_version("accepted", "held", "migrated", timeout=90)
def bug_09_callbacks_outlive_the_listener(how, v6):
    """The listener and its memory are gone; its children live on, and nothing of theirs points
    there. The debug kernel sees each such access."""
    if how == "migrated":
        tun = Tun()
        tcp, listener = tcp_and_ours(v6)
        peer = Peer(tun, lq.port_of(tcp), v6=v6)
        peer.half_open()
        with lq.Counted(lq.mib) as moved:
            tcp.close()
            peer.final_ack(b"still")
            lq.wait_for(lambda: moved("TcpExtTCPMigrateReqSuccess") == 1)
        child = lq.accept(listener)
        listener.close()
        grace_period()
        lq.equal(lq.read_all(child, 5), b"still")
        for _ in range(3):
            child.send(b"here")
        child.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 600)
        child.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 9)
        lq.wait_for(lambda: peer.receive(0.5).data)
        peer.reset()
        lq.wait_for(lambda: child.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return
    listener = lq.listener(v6=v6)
    if how == "held":
        lq.set_filter(listener, "dataready")
    clients = [lq.connect_to(listener, v6=v6) for _ in range(4)]
    if how == "held":
        lq.wait_for(lambda: lq.Info(listener).filter_qlen == 4)
        for client in clients[:2]:
            client.send(b"x")
    children = [lq.accept(listener) for _ in range(2 if how == "held" else 4)]
    listener.close()
    grace_period()
    for client in clients[2:] if how == "held" else []:
        with lq.fails_with(errno.ECONNRESET, errno.EPIPE):
            for _ in range(3):
                client.send(b"late")
                client.recv(1)
    by_name = {client.getsockname(): client for client in clients}
    for child in children:
        client = by_name[child.getpeername()]
        client.send(b"there")
        lq.equal(lq.read_all(child, 6 if how == "held" else 5)[-5:], b"there")
        child.send(b"back")
        lq.equal(lq.read_all(client, 4), b"back")
        child.close()
        lq.equal(client.recv(1), b"")


def grace_period():
    """call_rcu()'s callbacks ran; membarrier(2) waits for readers only, so it comes twice."""
    for _ in range(2):
        lq.Netns().close()  # unregistering its devices waits for rcu_barrier()
        lq.libc.syscall(324, 1, 0, 0)  # MEMBARRIER_CMD_GLOBAL
    for _ in range(20):  # what freed the listener's memory makes others of it
        lq.listener().close()


@lq.case(timeout=120)
def bug_10_close_against_its_worker():
    """A filter's program refuses connections, which a worker resets, while the listener ends."""
    before, users = requests_in_memory(), lq.module_users()
    ret = struct.pack("=HBBI", 0x06, 0, 0, 2)  # LISTENQ_BPF_DROP
    code = ctypes.create_string_buffer(ret, len(ret))
    for turn in range(25):
        listener = lq.listener(backlog=64, v6=bool(turn % 2))
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF,
                            struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
        clients = [lq.connect_to(listener, v6=bool(turn % 2)) for _ in range(12)]
        for client in clients:
            client.send(b"x")
        if turn % 3 == 0:
            lq.remove_filter(listener)
        elif turn % 3 == 1:
            listener.shutdown(socket.SHUT_RD)
            listener.listen(4)
            lq.expect_serves(listener, bool(turn % 2))
        listener.close()
        for client in clients:
            with lq.fails_with(errno.ECONNRESET):
                if client.recv(1) == b"":
                    raise AssertionError("an end instead of a reset")
    lq.equal(lq.module_users(), users)
    lq.equal(requests_in_memory(), before)


IPV6_OPTIONS = (49, 51, 53, 58, 56, 66)  # IPV6_RECV{PKTINFO,HOPLIMIT,HOPOPTS,DSTOPTS,RTHDR,TCLASS}
IPV6_2292PKTOPTIONS = 6
HOP_BY_HOP = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # PadN


@lq.case("request", "cookie", timeout=90)
def bug_11_options_freed_twice(how):
    """The ACK's IPv6 options stay with the child: as many references as owners, whether it is
    made of a request, of a cookie, or cannot be made."""
    lq.no_timer()
    lq.sysctl("net.listenq.syncookies", 2 if how == "cookie" else 0)
    tun = Tun()
    lq.ip("route add 2001:db8:7::/64 dev tun0")
    options = [(socket.IPPROTO_IPV6, one, 1) for one in IPV6_OPTIONS]
    listener = lq.listener(backlog=64, v6=True, options=options)
    for turn in range(4):
        peers = [Peer(tun, lq.port_of(listener), v6=True, addr="2001:db8:7::7")
                 for _ in range(10)]
        for peer in peers:
            peer.half_open()
        # Fails once, then succeeds.
        lq.ip("route del 2001:db8:7::/64")
        lq.ip("route add unreachable 2001:db8:7::/64")
        with lq.Counted() as moved:
            for peer in peers:
                peer.final_ack(extension=HOP_BY_HOP)
            lq.wait_for(lambda m=moved: m("DropNoRoute") == 10)
        lq.ip("route del unreachable 2001:db8:7::/64")
        lq.ip("route add 2001:db8:7::/64 dev tun0")
        for peer in peers:
            peer.final_ack(b"data", extension=HOP_BY_HOP)
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 10)
        children = lq.accept_all(listener)
        for child in children:
            lq.equal(lq.read_all(child, 4), b"data")
            # The options of the segment that made it.
            got = child.getsockopt(socket.IPPROTO_IPV6, IPV6_2292PKTOPTIONS, 512)
            assert b"\x06" + HOP_BY_HOP[1:] in got, got
            if turn % 2:
                child.close()
        for peer in peers:
            peer.reset()
        del children


@lq.case("half_open", "connected", "held", "cookies", timeout=120)
def bug_13_namespace_ends_with_half_open(what):
    """Again and again: whatever is queued when the last process of a namespace ends goes too."""
    before, users = requests_in_memory(), lq.module_users()
    for turn in range(6):
        inside, outside = os.pipe()
        pid = os.fork()
        if pid == 0:
            lq.unshare_net()
            lq.no_timer()
            lq.sysctl("net.listenq.synack_timeout_ms", 10)
            lq.sysctl("net.listenq.synack_retries", 20)
            tun = Tun()
            listener = lq.listener(backlog=32, v6=bool(turn % 2))
            if what == "held":
                lq.set_filter(listener, "httpready")
                for _ in range(4):
                    Peer(tun, lq.port_of(listener), v6=bool(turn % 2)).connect()
            elif what == "cookies":
                listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
                Peer(tun, lq.port_of(listener), v6=bool(turn % 2)).half_open()
            else:
                fill(tun, listener, 4 if what == "connected" else 0, 10, bool(turn % 2))
            os.write(outside, b"x")
            lq.until_killed()
        os.close(outside)
        assert select.select([inside], [], [], 30)[0] and os.read(inside, 1), "not ready"
        os.close(inside)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lq.equal(lq.module_users(), users)
        lq.equal(requests_in_memory(), before)
    lq.Netns().close()


@lq.case("accept", "accept4", timeout=120)
def bug_15_signal_loses_a_connection(how):
    """Signals rain on a process in accept(): each connection comes out once."""
    total = 150
    listener = lq.listener(backlog=64)
    listener.setblocking(True)
    listener.settimeout(None)

    def accept():
        if how == "accept":
            return lq.libc.accept(listener.fileno(), None, None)
        return lq.libc.accept4(listener.fileno(), None, None, socket.SOCK_CLOEXEC)

    signal.signal(signal.SIGVTALRM, lambda *_: None)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    rain = subprocess.Popen(["sh", "-c", f"while kill -USR1 {os.getpid()}; do :; done"],
                            stderr=subprocess.DEVNULL)
    seen = set()
    # Each connection comes after an accept() that waited was interrupted.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    try:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for n in range(total):
                    os.read(told, 1 << 20)
                    with lq.connect_to(listener, timeout=60) as client:
                        client.send(struct.pack("!H", n))
                status = 0
            finally:
                os._exit(status)
        while len(seen) < total:
            fd = accept()
            if fd < 0:
                lq.equal(ctypes.get_errno(), errno.EINTR)
                with contextlib.suppress(BlockingIOError):
                    os.write(tell, b"!")
                continue
            with socket.socket(fileno=fd) as child:
                seen.add(struct.unpack("!H", lq.read_all(child, 2, 60))[0])
    finally:
        rain.kill()
        rain.wait()
    lq.equal(len(seen), total)
    lq.equal(os.waitpid(pid, 0)[1], 0)
    lq.equal(lq.Info(listener).accepted, total)


@lq.case(timeout=150)
def bug_16_unload_with_live_children():
    """rmmod right after the listener closed, with children that live, segments under way and
    requests queued; data goes on."""
    lq.no_timer()
    lq.sysctl("net.listenq.synack_timeout_ms", 10)
    for turn in range(5):
        v6 = bool(turn % 2)
        listener = lq.listener(backlog=64, v6=v6)
        port = lq.port_of(listener)
        pairs = [(lq.connect_to(listener, v6=v6), lq.accept(listener)) for _ in range(4)]
        stop = threading.Event()

        def knock(port=port, v6=v6, stop=stop):
            while not stop.is_set():
                client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                       socket.SOCK_STREAM)
                client.setblocking(False)
                client.connect_ex(("::1" if v6 else "127.0.0.1", port))
                client.close()

        knocking = threading.Thread(target=knock, daemon=True)
        knocking.start()
        lq.wait_for(lambda one=listener: lq.Info(one).established > 20)
        listener.close()
        done = subprocess.run(["rmmod", "listenq"], capture_output=True, text=True, check=False)
        lq.equal((done.returncode, done.stderr), (0, ""))
        for client, child in pairs:
            client.send(b"still")
            lq.equal(lq.read_all(child, 5), b"still")
            child.send(b"here")
            lq.equal(lq.read_all(client, 4), b"here")
            child.close()
            client.close()
        stop.set()
        knocking.join()
        done = subprocess.run(["insmod", lq.module_file()], capture_output=True, text=True,
                              check=False)
        lq.equal((done.returncode, done.stderr), (0, ""))
    lq.expect_serves(lq.listener())


lq.main()
