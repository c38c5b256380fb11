#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""Who gets a segment: we, TCP, or somebody before both. And that the SYN-ACK, which is built
in the SYN's own memory and sent by a remembered route, is none the worse for it.

    stack under test --- tun0, tun1 --- the peers, played by this program
"""
import os
import socket
import subprocess

import lq
from kprobes import Hits
from rawtcp import ACK, MSS, PEER, SACK_OK, SYN, WSCALE, Peer, Segment, Tun, timestamp

FULL = MSS + SACK_OK + timestamp(1000) + b"\x01" + WSCALE
ETH_P_ALL, SO_RCVBUFFORCE = 3, 33


def served(tun, listener, v6=False, options=FULL):
    """A peer's connection is accepted, and what it sends arrives."""
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    if options is FULL:
        peer.tsval = 1000
    peer.connect(options)
    child = lq.accept(listener)
    peer.send(b"hello")
    lq.equal(lq.read_all(child, 5), b"hello")
    lq.equal(peer.expect(ACK).ack, peer.seq)
    child.close()
    return peer


@lq.each_version()
def answered_in_its_own_memory(v6):
    """Twice in a row, whatever was in the SYN: options of every length, data, a DS field."""
    tun = Tun()
    listener = lq.listener(v6=v6)
    first = None
    for options in (b"", MSS, FULL, MSS + b"\x01" * 36, FULL):
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.syn(options, tos=0xB8, data=b"early")
        synack = peer.expect(SYN | ACK)
        lq.equal(synack.data, b"")
        lq.equal(synack.tos, 0)
        assert synack.df and synack.ip_id == 0
        lq.equal((synack.src, synack.dst), (peer.local, peer.addr))
        if options is FULL:
            lq.equal(first or len(synack.packet), len(synack.packet))
            first = len(synack.packet)


@lq.case("request", "cookie")
def one_flow_label(kind):
    """SYN-ACK and connection have the same, so that routers keep them on one path (RFC 6437)."""
    lq.sysctl("net.ipv6.auto_flowlabels", 1)
    lq.sysctl("net.listenq.syncookies", 2 if kind == "cookie" else 0)
    tun = Tun()
    listener = lq.listener(v6=True)

    def label(segment):
        return int.from_bytes(segment.packet[1:4], "big") & 0xFFFFF

    labels = set()
    for _ in range(4):
        peer = Peer(tun, lq.port_of(listener), v6=True)
        synack = peer.half_open()
        peer.final_ack()
        child = lq.accept(listener)
        peer.send(b"hello")
        lq.equal(label(peer.expect(ACK)), label(synack))
        labels.add(label(synack))
        child.close()
    lq.equal(len(labels), 4)


@lq.each_version()
def seen_by_a_packet_socket(v6):
    """Whoever taps the device holds the SYN, too: it stays as it was."""
    tun = Tun()
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    tap.bind(("tun0", ETH_P_ALL))
    listener = lq.listener(v6=v6)
    peer = served(tun, listener, v6=v6)
    tap.settimeout(5)
    flags = []
    while len(flags) < 2:
        packet = tap.recv(2000)
        if packet[0] >> 4 == (6 if v6 else 4) and packet[6 if v6 else 9] == 6:
            segment = Segment(packet)
            if peer.sport in (segment.sport, segment.dport):
                assert segment.good_checksum, segment
                flags.append(segment.flags)
    lq.equal(flags, [SYN, SYN | ACK])


@lq.each_version()
def seen_by_a_raw_socket(v6):
    """A raw socket gets every segment that TCP gets, SYNs among them."""
    tun = Tun()
    raw = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                        socket.IPPROTO_TCP)
    raw.settimeout(5)
    listener = lq.listener(v6=v6)
    served(tun, listener, v6=v6)
    packet = raw.recv(2000)
    lq.equal(packet[13 if v6 else 20 + 13], SYN)


@lq.each_version()
def through_conntrack(v6):
    """A firewall that only knows states: the SYN's connection is confirmed before it is answered."""
    tun = Tun()
    lq.run("nft", """
        table inet filter {
            chain input {
                type filter hook input priority 0; policy drop;
                ct state established accept
                ct state new tcp flags syn / fin,syn,rst,ack accept
            }
            chain output {
                type filter hook output priority 0; policy drop;
                ct state established accept
                meta l4proto icmpv6 accept
            }
        }""")
    listener = lq.listener(v6=v6)
    for _ in range(2):
        served(tun, listener, v6=v6)


@lq.each_version()
def route_changes(v6):
    """A remembered route is forgotten with the route."""
    tun, other = Tun(), Tun(name="tun1", addresses=False)
    for path in ("all", "tun0", "tun1"):
        lq.sysctl(f"net.ipv4.conf.{path}.rp_filter", 0)
    listener = lq.listener(v6=v6)
    port = lq.port_of(listener)
    host = PEER[v6] + ("/128" if v6 else "/32")
    for device, command in ((tun, "show"), (other, "replace"), (tun, "del"), (other, "replace")):
        if command != "show":
            lq.run("ip", "-6" if v6 else "-4", "route", command, host, "dev", "tun1")
        for _ in range(2):
            peer = Peer(tun, port, v6=v6)
            peer.syn()
            assert device.receive(peer.sport, 5), f"no SYN-ACK by the device after {command}"
            peer.reset()
    lq.ip("link set tun1 down")
    peer = Peer(tun, port, v6=v6)
    peer.syn()
    assert tun.receive(peer.sport, 5)


@lq.each_version()
def policy_routing(v6):
    """With rules that look at ports no route is remembered: each SYN has its own way."""
    family = "-6" if v6 else "-4"
    tun, other = Tun(), Tun(name="tun1", addresses=False)
    first, second = lq.listener(v6=v6), lq.listener(v6=v6)
    for path in ("all", "tun0", "tun1"):
        lq.sysctl(f"net.ipv4.conf.{path}.rp_filter", 0)
    lq.run("ip", family, "rule", "add", "sport", str(lq.port_of(second)), "ipproto", "tcp",
           "lookup", "100")
    lq.run("ip", family, "route", "add", "default", "dev", "tun1", "table", "100")
    for _ in range(3):
        for listener, device in ((first, tun), (second, other)):
            peer = Peer(tun, lq.port_of(listener), v6=v6)
            peer.syn()
            assert device.receive(peer.sport, 5), "the SYN-ACK went another way"
            peer.reset()


@lq.case()
def ports_that_look_alike():
    """Ports that share a slot of the hook's table, families, addresses: each ACK finds its own."""
    tun = Tun()
    listeners = [
        (lq.listener(port=1000), False),
        (lq.listener(port=1256), False),
        (lq.listener(port=1512, addr="192.0.2.1"), False),
        (lq.listener(port=1512, v6=True, addr="2001:db8::1"), True),
        (lq.listener(port=2024, v6=True), True),
        (lq.listener(port=2280, v6=True), False),
        (lq.listener(port=1768, v6=True, options=((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1),)),
         True),
        (lq.listener(port=1768, addr="192.0.2.1"), False),
    ]
    for listener, v6 in listeners + listeners[::-1]:
        served(tun, listener, v6=v6)
    listeners[0][0].close()
    for listener, v6 in listeners[1:]:
        served(tun, listener, v6=v6)


@lq.case()
def beside_plain_tcp():
    """A plain TCP listener at an address of its own keeps its segments, and its cookies."""
    tun = Tun()
    ours, theirs = lq.listener(port=1000), lq.stream("tcp")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    lq.add_address("tun0", "192.0.2.3", 24)
    ours.close()
    ours = lq.listener(port=1000, addr="192.0.2.1")
    theirs.bind(("192.0.2.3", 1000))
    theirs.listen(8)
    theirs.setblocking(False)
    for cookies in (0, 2):
        lq.sysctl("net.ipv4.tcp_syncookies", cookies)
        lq.sysctl("net.listenq.syncookies", cookies)
        served(tun, ours)
        peer = Peer(tun, 1000)
        peer.local = socket.inet_aton("192.0.2.3")
        with lq.Counted() as moved:
            peer.connect(MSS)
            child = lq.accept(theirs)
        lq.equal(moved("CookieFailed"), 0)
        child.close()


@lq.each_version()
def only_while_somebody_listens(v6):
    """TCP's receive path is the kernel's own before, between and after: nothing of ours is in it."""
    plain = lq.listener("tcp", v6=v6)

    def calls_of_a_connection():
        before = calls()
        client = lq.connect_to(plain, v6=v6)
        child = lq.accept(plain)
        client.sendall(b"hello")
        lq.equal(lq.read_all(child, 5), b"hello")
        child.close()
        client.close()
        return calls() - before

    with Hits(f"lq_hook_{'v6' if v6 else 'v4'}") as calls:
        lq.equal(calls_of_a_connection(), 0)
        for _ in range(2):
            one, other = lq.listener(v6=v6), lq.listener(v6=v6)
            assert calls_of_a_connection() > 3
            one.close()
            assert calls_of_a_connection() > 3
            other.close()
            lq.equal(calls_of_a_connection(), 0)


@lq.each_version()
def another_module_comes_before_us(v6):
    """Listeners go and come, and both handlers serve; the module it calls cannot be unloaded."""
    tun = Tun()
    wrap = lq.test_module_file("lq_wrap")
    warning = "another module stands before TCP's receive handler"
    warned = lq.run("dmesg").count(warning)
    listener = lq.listener(v6=v6)
    lq.run("insmod", wrap)
    try:
        served(tun, listener, v6=v6)
        listener.close()
        lq.equal(lq.run("dmesg").count(warning), warned + 1)
        # Nobody listens, and it still calls us.
        with Hits(f"lq_hook_{'v6' if v6 else 'v4'}") as calls:
            plain = lq.listener("tcp", v6=v6)
            client = lq.connect_to(plain, v6=v6)
            lq.accept(plain).close()
            client.close()
            assert calls() > 0
        done = subprocess.run(["rmmod", "listenq"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "in use" in done.stderr, done
        listener = lq.listener(v6=v6)
        served(tun, listener, v6=v6)
    finally:
        lq.run("rmmod", "lq_wrap")
    served(tun, listener, v6=v6)
    listener.close()
    lq.equal(lq.module_users(), 0)


@lq.each_version()
def listens_again(v6):
    """After shutdown() and another listen() it is found again."""
    tun = Tun()
    listener = lq.listener(v6=v6)
    for _ in range(3):
        served(tun, listener, v6=v6)
        listener.shutdown(socket.SHUT_RDWR)
        lq.listen(listener, 8)


@lq.case()
def unbound():
    """listen() itself finds the port."""
    tun = Tun()
    listener = lq.stream("lq")
    listener.listen(8)
    listener.setblocking(False)
    served(tun, listener)


@lq.case("md5", "ao")
def signed_syn(kind):
    """As TCP: a SYN with a signature that nobody asked for is not answered; a kernel that does not
    know TCP-AO takes no notice of that."""
    tun = Tun()
    option = {"md5": b"\x13\x12" + os.urandom(16), "ao": b"\x1d\x10\x01\x01" + os.urandom(12)}[kind]
    tcp = lq.listener("tcp")
    peer = Peer(tun, lq.port_of(tcp))
    peer.syn(MSS + option)
    answered = peer.receive(0.3) is not None
    tcp.close()
    if kind == "md5":
        assert not answered, "the kernel does not know TCP-MD5"
    listener = lq.listener()
    peer = Peer(tun, lq.port_of(listener))
    with lq.Counted() as moved:
        peer.syn(MSS + option)
        if answered:
            peer.expect(SYN | ACK)
        else:
            peer.silent()
    lq.equal(moved("DropSynSigned"), 0 if answered else 1)
    lq.equal(moved("RequestCreated"), 1 if answered else 0)
    lq.equal(lq.Info(listener).syn_qlen, 1 if answered else 0)
    served(tun, listener)


lq.main()
