#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""TPROXY brings a listener connections to addresses that are not ours: to its own port, which are
the listener's like any, and to another, which are TCP's own until accept().

    peers, played by this program --- tun0 --- nft tproxy to :3128 --- listener
        to 198.51.100.9, 2001:db8:5::9, ports 81 and 3128
"""
import contextlib
import errno
import ipaddress
import select
import socket
import threading

import lq
from rawtcp import ACK, FIN, MSS, RST, Peer, Tun

IP_TRANSPARENT = 19
PORT, OTHER = 3128, 81
FOREIGN = {False: "198.51.100.9", True: "2001:db8:5::9"}
RULES = """
    table {family} proxy {{
        chain prerouting {{
            type filter hook prerouting priority mangle;
            {family} daddr {foreign} tcp dport {{ 81, 3128 }} tproxy to :3128 meta mark set 1 accept
        }}
    }}"""


class Proxy:
    """The listener, the rules that bring connections to it, and a device for the peers."""

    def __init__(self, v6, v6_listener, backlog=8):
        self.v6 = v6
        self.mapped = v6_listener and not v6
        lq.no_timer()
        self.tun = Tun()
        lq.run("nft", RULES.format(family="ip6" if self.v6 else "ip", foreign=FOREIGN[self.v6]))
        lq.run("ip", "-6" if self.v6 else "-4", "rule", "add", "fwmark", "1", "lookup", "100")
        lq.run("ip", "-6" if self.v6 else "-4", "route", "add", "local", "default", "dev", "lo",
               "table", "100")
        self.listener = lq.listener(backlog=backlog, port=PORT, v6=v6_listener,
                                    options=((socket.IPPROTO_IP, IP_TRANSPARENT, 1),))

    def peer(self, port):
        """Of a connection to the foreign address."""
        peer = Peer(self.tun, port, v6=self.v6)
        peer.local = ipaddress.ip_address(FOREIGN[self.v6]).packed
        return peer

    def local_name(self, port):
        """What getsockname() says of an accepted connection."""
        return (("::ffff:" if self.mapped else "") + FOREIGN[self.v6], port)

    def accept(self, peer):
        """Its connection, which must be the next."""
        child = lq.accept(self.listener)
        lq.equal(child.getpeername()[1], peer.sport)
        lq.equal(child.getsockname()[:2], self.local_name(peer.port))
        return child


def talk(peer, child):
    """Data both ways."""
    peer.send(b"hello")
    lq.equal(lq.read_all(child, 5), b"hello")
    child.send(b"welcome")
    while True:
        segment = peer.receive(5 * lq.SCALE)
        assert segment and segment.flags & ACK and not segment.flags & RST, segment
        lq.equal((segment.src, segment.sport), (peer.local, peer.port))
        if segment.data:
            break
    lq.equal((segment.data, segment.seq), (b"welcome", peer.ack))
    peer.ack += len(segment.data)
    peer.segment(ACK)


@lq.each_version(PORT, OTHER, mapped=True)
def is_accepted(port, v6, v6_listener):
    """Twice: who keeps the request, who is waiting, the names, the data, the end."""
    proxy = Proxy(v6, v6_listener)
    ours = int(port == PORT)
    for _ in range(2):
        with lq.Counted() as moved:
            peer = proxy.peer(port)
            synack = peer.half_open(MSS)
            lq.equal((synack.src, synack.sport), (peer.local, port))
            lq.equal(lq.Info(proxy.listener).syn_qlen, ours)
            assert not select.select([proxy.listener], [], [], 0)[0]
            peer.final_ack()
            lq.wait_for(lambda: select.select([proxy.listener], [], [], 0)[0])
            lq.equal(lq.ss_queues(PORT), (1, 8))
            child = proxy.accept(peer)
            lq.equal((moved("SynReceived"), moved("RequestCreated")), (ours, ours))
        lq.equal(lq.ss_queues(PORT), (0, 8))
        talk(peer, child)
        child.close()
        lq.wait_for(lambda one=peer: (segment := one.receive(0)) and segment.flags & FIN)


@lq.each_version(mapped=True)
def who_waits_in_accept_is_woken(v6, v6_listener):
    """By a connection to either port."""
    proxy = Proxy(v6, v6_listener)
    proxy.listener.setblocking(True)
    proxy.listener.settimeout(None)
    for port in (OTHER, PORT, OTHER):
        got = []
        waiting = threading.Thread(target=lambda: got.append(proxy.listener.accept()[0]),
                                   daemon=True)
        waiting.start()
        peer = proxy.peer(port).connect(MSS)
        waiting.join(10 * lq.SCALE)
        lq.equal([child.getsockname()[:2] for child in got], [proxy.local_name(port)])
        talk(peer, got[0])


@lq.each_version(mapped=True)
def both_ports_at_once(v6, v6_listener):
    """Half-open and queued ones of both: each is accepted once, and works."""
    proxy = Proxy(v6, v6_listener)
    half = [proxy.peer(port) for port in (OTHER, PORT) * 2]
    for peer in half:
        peer.half_open(MSS)
    done = [proxy.peer(port).connect(MSS) for port in (PORT, OTHER, OTHER)]
    lq.wait_for(lambda: lq.ss_queues(PORT) == (3, 8))
    for peer in half:
        peer.final_ack()
    lq.wait_for(lambda: lq.ss_queues(PORT) == (7, 8))
    children = {child.getpeername()[1]: child for child in lq.accept_all(proxy.listener)}
    lq.equal(sorted(children), sorted(peer.sport for peer in half + done))
    for peer in half + done:
        talk(peer, children[peer.sport])
        lq.equal(children[peer.sport].getsockname()[:2], proxy.local_name(peer.port))
    lq.equal(lq.ss_queues(PORT), (0, 8))


@lq.each_version("close", "shutdown", "destroy", mapped=True)
def listener_ends(end, v6, v6_listener):
    """With connections of both ports, half-open, queued, accepted; these outlive the module."""
    users, requests = lq.module_users(), lq.requests_in_memory()
    proxy = Proxy(v6, v6_listener)
    listener = proxy.listener
    accepted = []
    for port in (OTHER, PORT):
        peer = proxy.peer(port).connect(MSS)
        accepted.append((peer, proxy.accept(peer)))
    half = [proxy.peer(port) for port in (OTHER, PORT)]
    for peer in half:
        peer.half_open(MSS)
    queued = [proxy.peer(port).connect(MSS) for port in (OTHER, PORT)]
    lq.wait_for(lambda: lq.ss_queues(PORT) == (2, 8))
    if end == "shutdown":
        listener.shutdown(socket.SHUT_RDWR)
    elif end == "destroy":
        lq.run("ss", "-K", "-H", "-l", "-t", "-n", f"sport = :{PORT}")
    if end != "close":
        if lq.ss_queues(PORT):
            raise lq.Skip("ss -K does nothing")
        with lq.fails_with(errno.EINVAL):
            listener.accept()
    listener.close()
    for peer in queued:
        peer.expect(RST | ACK)
    # Nobody is there for the rule to bring them to: for a host that does not forward that is all.
    for peer in half:
        while peer.receive(0):  # SYN-ACKs again, until then
            pass
        peer.final_ack()
    half.append(proxy.peer(OTHER))
    half[-1].syn()
    for peer in half:
        segment = peer.receive(0.1)
        assert segment is None or segment.flags & RST, segment
    lq.equal(len(lq.run("ss", "-H", "-t", "-a", "-n").splitlines()), len(accepted))
    lq.wait_for(lambda: (lq.module_users(), lq.requests_in_memory()) == (users, requests))
    with lq.unloaded() if end == "close" else contextlib.nullcontext():
        for peer, child in accepted:
            talk(peer, child)
        # By TCP's own operations: those of the listener went with the module.
        lq.run("ss", "-K", "-H", "-t", "-n", "state", "established")
        for peer, child in accepted:
            with contextlib.suppress(ConnectionError):
                lq.equal(child.recv(1), b"")
            assert peer.receive(5 * lq.SCALE).flags & RST
            child.close()


lq.main()
