#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Floods: memory stays below its bound, the counters add up exactly, and a well-behaved client
still gets in.

    spoofed peers, played by inject.c --- tun0 --- listener --- lo --- a real client

LQ_FLOOD: how many segments, 20000 if unset. docs/reliability.md has the figures of a million.
"""
import os
import resource
import select
import socket
import subprocess
import time

import lq
from rawtcp import ACK, RST, Peer, Tun

COUNT = int(os.environ.get("LQ_FLOOD", "20000"))
SLOW = max(300, COUNT // 20)  # connections are dearer than segments
INJECT = os.path.join(lq.TESTS, "inject")
SYN_DROPS = ("SynQueueFull", "AcceptQueueFullSyn", "SynLastQuarter", "NoMemory", "NoRoute", "Lsm")
PAGE = os.sysconf("SC_PAGE_SIZE")


def tun_for_all():
    """A device behind which the spoofed peers are."""
    tun = Tun()
    lq.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lq.sysctl("net.ipv4.conf.tun0.rp_filter", 0)
    lq.ip("route add 10.0.0.0/8 dev tun0")
    lq.ip("route add 2001:db8:a::/48 dev tun0")
    lq.sysctl("net.ipv4.tcp_synack_retries", 1)
    return tun


def inject(tun, kind, port, count=COUNT, v6=False, seed=1):
    """Start it."""
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([INJECT, str(tun.fd), "6" if v6 else "4", kind, str(port), str(count),
                             str(seed)], pass_fds=[tun.fd], stdout=subprocess.PIPE, text=True)


def slab_bytes():
    """What requests take, whole slabs, in the whole system; 0 when it cannot be known."""
    total = 0
    with open("/proc/slabinfo", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0].startswith("listenq_request_v"):
                total += int(words[14]) * int(words[5]) * PAGE
    return total


def slabs_are_plain():
    """No kernel that surrounds each object with something, and keeps what was freed (KASAN)."""
    with open("/proc/slabinfo", encoding="ascii") as file:
        return not any(line.startswith("listenq_request_v4") and int(line.split()[3]) > 64
                       for line in file)


class Watch:
    """The most that was seen while something ran."""

    def __init__(self, listener):
        self.listener, self.base = listener, lq.requests_in_memory()
        self.syn, self.accept, self.bytes = 0, 0, 0

    def look(self):
        """Once."""
        info = lq.Info(self.listener)
        self.syn = max(self.syn, info.syn_qlen)
        self.accept = max(self.accept, info.accept_qlen)
        if self.base is not None:
            self.bytes = max(self.bytes, slab_bytes())


def ran(process):
    """Its end; how many it wrote."""
    lq.equal(process.wait(), 0, "inject")
    return int(process.stdout.read())


def adds_up(moved, syns):
    """SYNs in = requests + cookies + duplicates + drops, by reason."""
    drops = {name: moved("Drop" + name) for name in SYN_DROPS}
    parts = {"requests": moved("RequestCreated"), "cookies": moved("CookieSent"),
             "duplicates": moved("SynDuplicate")}
    lq.equal(moved("SynReceived"), syns, "SYNs in")
    lq.equal(sum(parts.values()) + sum(drops.values()), syns, f"{parts} {drops}")
    return {**parts, **{name: value for name, value in drops.items() if value}}


def serve(listener, v6):
    """A client that tries again when it is told to: a policy that evicts may have chosen its
    request, before its ACK came."""
    while True:
        try:
            return lq.expect_serves(listener, v6)
        except ConnectionResetError:
            for child in lq.accept_all(listener):
                child.close()


@lq.each_version("cookies", v4_only=("no_cookies", "freebsd", "solaris"), timeout=280)
def spoofed_syns(mode, v6):
    """A SYN flood, with and without cookies, and with policies that evict."""
    tun = tun_for_all()
    lq.sysctl("net.listenq.max_syn_backlog", 1024)
    lq.sysctl("net.listenq.syncookies", 0 if mode == "no_cookies" else 1)
    if mode in ("freebsd", "solaris"):
        lq.sysctl("net.listenq.policy", mode)
        lq.sysctl("net.listenq.syncookies", 0)
    listener = lq.listener(backlog=128, v6=v6)
    limit = lq.Info(listener).syn_limit
    watch = Watch(listener)
    begin = time.monotonic()
    served, slowest = 0, 0.0
    with lq.Counted() as moved:
        flood = inject(tun, "syn", lq.port_of(listener), v6=v6)
        while flood.poll() is None or not served:
            if mode in ("cookies", "freebsd", "solaris"):
                start = time.monotonic()
                serve(listener, v6)
                slowest = max(slowest, time.monotonic() - start)
                served += 1
            else:
                served = -1
            watch.look()
        seconds = time.monotonic() - begin
        lq.equal(ran(flood), COUNT)
        # A client's own SYN may have been sent twice.
        syns = moved("SynReceived")
        assert COUNT + moved("Accepted") <= syns <= COUNT + 20 * max(served, 0), (syns, served)
        parts = adds_up(moved, syns)

        def ends():
            return (moved("Accepted") - moved("CookieReceived") + moved("DropRequestExpired")
                    + moved("DropRequestUnserved") + moved("DropRequestEvicted")
                    + lq.Info(listener).syn_qlen)

        # Requests expire while one counts.
        lq.wait_for(lambda: ends() == moved("RequestCreated"), 30,
                    "requests and what became of them do not add up")
    lq.diag(f"{COUNT} SYNs in {seconds:.1f} s: {parts}; {max(served, 0)} clients served, the "
            f"slowest in {slowest * 1000:.0f} ms; at most {watch.syn} requests of {limit}, "
            f"{watch.bytes} bytes")
    assert 0 < watch.syn <= limit, (watch.syn, limit)
    if watch.base is not None and slabs_are_plain():
        # 96 bytes each at most, and what each CPU keeps at hand.
        assert watch.bytes <= (limit + 129) * 96 + os.cpu_count() * (128 << 10), watch.bytes
    listener.close()
    if watch.base is not None:
        lq.equal(lq.requests_in_memory(), watch.base)


@lq.each_version(timeout=280)
@lq.counts_failed_cookies(60)
def guessed_cookies(v6):
    """ACKs that bring cookies which nobody sent: none gets in, nothing is allocated."""
    tun = tun_for_all()
    lq.sysctl("net.listenq.syncookies", 2)
    listener = lq.listener(backlog=128, v6=v6)
    lq.expect_serves(listener, v6)  # so that cookies are out
    base = lq.requests_in_memory()
    begin = time.monotonic()
    with lq.Counted() as moved, lq.Counted(lq.mib) as kernel:
        lq.equal(ran(inject(tun, "ack", lq.port_of(listener), v6=v6)), COUNT)
        seconds = time.monotonic() - begin
        # The chance that one is right is less than one in ten thousand at a million.
        lq.equal((moved("CookieFailed"), moved("CookieReceived")), (COUNT, 0))
        lq.equal(kernel("TcpExtSyncookiesFailed"), COUNT)
        lq.equal(moved("RequestCreated") + moved("Established"), 0)
        lq.equal(kernel("TcpOutRsts"), COUNT, "each is answered with RST")
    lq.equal(lq.requests_in_memory(), base)
    lq.equal(lq.Info(listener).accept_qlen, 0)
    lq.expect_serves(listener, v6)
    lq.diag(f"{COUNT} ACKs in {seconds:.1f} s")


@lq.each_version(timeout=280)
def resets(v6):
    """RSTs: the exact ones end their requests, all others do nothing."""
    tun = tun_for_all()
    lq.no_timer()
    half = min(COUNT, 16384)
    lq.sysctl("net.listenq.max_syn_backlog", 65536)
    listener = lq.listener(backlog=4096, v6=v6)
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 65536)
    lq.sysctl("net.core.somaxconn", 65535)
    listener.listen(65535)
    port = lq.port_of(listener)
    with lq.Counted() as moved:
        ran(inject(tun, "syn", port, half, v6, seed=5))
        created = moved("RequestCreated")
        lq.equal(created, half)
        lq.equal(lq.Info(listener).syn_qlen, half)
        begin = time.monotonic()
        ran(inject(tun, "rst", port, COUNT, v6, seed=6))  # other peers
        lq.equal(lq.Info(listener).syn_qlen, half)
        ran(inject(tun, "rst", port, half, v6, seed=5))
        seconds = time.monotonic() - begin
        lq.equal(moved("DropRequestReset"), half)
        lq.equal(lq.Info(listener).syn_qlen, 0)
    lq.diag(f"{COUNT + half} RSTs in {seconds:.1f} s, {half} of them exact")
    lq.expect_serves(listener, v6)


def many_files():
    """As many descriptors as a flood takes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (SLOW + 8000, SLOW + 8000))


def connect_many(port, count, keep):
    """Real clients over lo that say nothing; the first @keep are held, older ones may be reset."""
    clients = []
    for n in range(count):
        client = socket.socket()
        client.setblocking(False)
        # A port is used once for each address.
        client.bind((f"127.0.{n // 20000 + 1}.1", 0))
        client.connect_ex(("127.0.0.1", port))
        clients.append(client)
        if len(clients) > keep:
            clients.pop(0).close()
    return clients


@lq.case("httpready", "dataready", "tlsready", timeout=280)
def slow_clients(name):
    """Clients that connect and never send, with an accept filter: the oldest go, a client that
    has something to say gets in."""
    many_files()
    listener = lq.listener(backlog=64)
    lq.set_filter(listener, name)
    limit = lq.Info(listener).filter_limit
    port = lq.port_of(listener)
    saying = {"httpready": b"GET / HTTP/1.0\r\n\r\n", "dataready": b"x",
              "tlsready": b"\x16\x03\x01\x00\x05hello"}[name]
    most, silent = 0, []
    with lq.Counted() as moved:
        done = 0
        while done < SLOW:
            # They live on, until they were reset long since: the end of data is something said.
            silent = silent[-4000:] + connect_many(port, 50, 50)
            done += 50
            most = max(most, lq.Info(listener).filter_qlen)
            with lq.connect_to(listener) as good:
                good.send(saying)
                with lq.accept(listener) as child:
                    lq.equal(child.getpeername(), good.getsockname())
        lq.wait_for(lambda: moved("FilterHeld") - moved("FilterPassed") - moved("DropFilterGone")
                    - moved("DropFilterOverflow") == lq.Info(listener).filter_qlen)
        lq.equal(moved("Accepted"), SLOW // 50)
        assert moved("DropFilterOverflow") >= SLOW - 2 * limit, moved("DropFilterOverflow")
    assert most <= limit, (most, limit)
    listener.close()


@lq.case("close", "hold", timeout=280)
def never_accepted(how):
    """Connections that nobody accepts: as many as the limit, whatever their clients do."""
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.synack_retries", 1)
    lq.sysctl("net.listenq.max_syn_backlog", 256)
    many_files()
    listener = lq.listener(backlog=32)
    limit, port = lq.Info(listener).accept_limit, lq.port_of(listener)
    watch = Watch(listener)
    with lq.Counted() as moved:
        clients = []
        for _ in range(max(SLOW // 100, 3)):
            clients += connect_many(port, 100, 100 if how == "hold" else 0)
            watch.look()
            lq.equal(lq.ss_queues(port)[0] <= limit, True)
        lq.equal(lq.Info(listener).accept_qlen, limit)
        lq.equal(moved("Established"), limit)
        assert watch.accept <= limit, watch.accept
        for client in clients:
            client.close()
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 60)
        for child in lq.accept_all(listener):
            child.close()
        lq.expect_serves(listener)
        adds_up(moved, moved("SynReceived"))
    listener.close()
    if watch.base is not None:
        lq.equal(lq.requests_in_memory(), watch.base)


@lq.case(timeout=120)
def fifo_after_a_flood():
    """What waited before a flood is first in line after it, with its data."""
    tun = tun_for_all()
    lq.sysctl("net.listenq.syncookies", 1)
    listener = lq.listener(backlog=64)
    peers = [Peer(tun, lq.port_of(listener)).connect() for _ in range(10)]
    for peer in peers:
        peer.send(b"%d" % peer.sport)
        peer.expect(ACK)
    ran(inject(tun, "syn", lq.port_of(listener), min(COUNT, 20000)))
    for peer in peers:
        child = lq.accept(listener)
        lq.equal(lq.read_all(child, 5), b"%d" % peer.sport)
    assert not select.select([listener], [], [], 0)[0]
    peers[0].segment(RST, ack=0)


lq.main()
