#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""What a listener owes to TCP beside the segments themselves: ICMP errors that end a request, the
hash that chooses a path, the flow label. The tests differential_* have the rest.

    stack under test --- tun0 --- the peers, played by this program
"""
import socket
import struct

import lq
from rawtcp import ACK, FIN, MSS, RST, SACK_OK, SYN, Peer, Tun, icmp_error, timestamp

FULL = MSS + SACK_OK + timestamp(1000)


def label_of(segment):
    """The flow label of an IPv6 segment."""
    return struct.unpack("!I", segment.packet[:4])[0] & 0xFFFFF


@lq.each_version(mapped=True)
def unreachable_ends_the_request(v6, v6_listener):
    """It is counted as a drop of ours and of TCP's, and the ACK is answered with RST."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(v6=v6_listener)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    peer.half_open()
    lq.equal(lq.Info(listener).syn_qlen, 1)
    fatal, harmless = ((1, 4), (1, 3)) if v6 else ((3, 1), (3, 3))
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        tun.send(icmp_error(*harmless, peer.synack.packet))
        lq.equal((lq.Info(listener).syn_qlen, moved("DropRequestUnreachable")), (1, 0))
        wrong = bytearray(peer.synack.packet)
        wrong[(40 if v6 else 20) + 7] ^= 1
        tun.send(icmp_error(*fatal, bytes(wrong)))
        lq.equal((lq.Info(listener).syn_qlen, mib("TcpExtOutOfWindowIcmps")), (1, 1))
        tun.send(icmp_error(*fatal, peer.synack.packet))
        lq.equal(lq.Info(listener).syn_qlen, 0)
        lq.equal(moved("DropRequestUnreachable"), 1)
        lq.equal(mib("TcpExtListenDrops"), 1)
    lq.equal(lq.row_of(listener)["drops"]["request_unreachable"], 1)
    peer.segment(ACK)
    peer.expect(RST)


@lq.each_version()
def unreachable_in_a_group(v6):
    """Whichever member of an SO_REUSEPORT group has the request."""
    lq.no_timer()
    tun = Tun()
    reuseport = [(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)]
    group = [lq.listener(v6=v6, options=reuseport)]
    for _ in range(3):
        group.append(lq.listener(v6=v6, port=lq.port_of(group[0]), options=reuseport))
    peers = [Peer(tun, lq.port_of(group[0]), v6=v6) for _ in range(12)]
    for peer in peers:
        peer.half_open()
    # The members that TCP's lookup would find for most of them are others now.
    group.append(lq.listener(v6=v6, port=lq.port_of(group[0]), options=reuseport))
    for peer in peers:
        tun.send(icmp_error(*((1, 4) if v6 else (3, 0)), peer.synack.packet))
    lq.equal([lq.Info(member).syn_qlen for member in group], [0] * 5)


@lq.each_version()
def errors_of_others(v6):
    """A connection of the same port, and a client of ours, get theirs."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6).connect()
    child = lq.accept(listener)
    other = Peer(tun, lq.port_of(listener), v6=v6)
    other.half_open()
    child.send(b"data")
    data = peer.receive()
    with lq.Counted(lq.counters) as moved:
        # "Packet too big" for the child: it sends smaller ones at once.
        kind = (2, 0) if v6 else (3, 4)
        mtu = 1280 if v6 else 576
        tun.send(icmp_error(*kind, data.packet, mtu))
        lq.wait_for(lambda: child.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) < mtu)
        lq.equal(moved("DropRequestUnreachable"), 0)
    lq.equal(lq.Info(listener).syn_qlen, 1)


@lq.case(0, 1)
def another_hash_for_another_synack(rehash):
    """net.core.txrehash: a SYN-ACK that is sent again may take another path, and the child takes
    that of the last. An automatic flow label shows the hash."""
    lq.no_timer()
    lq.sysctl("net.core.txrehash", rehash)
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    tun = Tun()
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, v6=True)
        peer = Peer(tun, lq.port_of(listener), v6=True)
        labels = [label_of(peer.half_open(FULL))]
        for _ in range(3):
            peer.syn(FULL)
            labels.append(label_of(peer.expect(SYN | ACK)))
        assert all(labels), f"{kind}: {labels}"
        # 2^20 labels: that all four are the same by chance does not happen.
        lq.equal(len(set(labels)) > 1, bool(rehash), f"{kind}: {labels}")
        peer.tsval = 1001
        peer.final_ack()
        child = lq.accept(listener)
        child.send(b"data")
        lq.equal(label_of(peer.receive()), labels[-1], f"{kind}: the child's")


@lq.case()
def reflected_flow_label():
    """net.ipv6.flowlabel_reflect: the SYN-ACK has the SYN's label, and so has one sent again."""
    lq.no_timer()
    lq.sysctl("net.ipv6.flowlabel_reflect", 1)
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    tun = Tun()

    class Labelled:  # pylint: disable=too-few-public-methods
        """A device whose packets have a label."""

        @staticmethod
        def send(packet):
            """Into the stack."""
            tun.send(packet[:1] + b"\x0a\xbc\xde" + packet[4:])

    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, v6=True)
        peer = Peer(Labelled(), lq.port_of(listener), v6=True)
        seen = []
        for _ in range(2):
            peer.syn(FULL)
            peer.synack = tun.receive(peer.sport, 5 * lq.SCALE)
            seen.append(label_of(peer.synack))
        lq.equal([hex(label) for label in seen], ["0xabcde"] * 2, kind)


@lq.each_version()
def syn_again_with_fin(v6):
    """A duplicate SYN that carries FIN is answered as one, and counted as one."""
    lq.no_timer()
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    tun = Tun()
    listener = lq.listener(v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    first = peer.half_open()
    with lq.Counted() as moved:
        peer.syn(flags=FIN)
        lq.equal(peer.expect(SYN | ACK).seq, first.seq)
        lq.equal((moved("SynDuplicate"), moved("SynackSent")), (1, 1))
    peer.final_ack()
    lq.accept(listener)
    # Of no request it is refused, as TCP does.
    other = Peer(tun, lq.port_of(listener), v6=v6)
    other.syn(flags=FIN)
    lq.equal(other.receive(0), None)
    lq.equal(lq.Info(listener).syn_qlen, 0)


if __name__ == "__main__":
    lq.main()
