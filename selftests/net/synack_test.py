#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""The SYN-ACK: byte for byte that of a plain TCP listener in the same namespace, whatever the
sysctls, the peer's options, the socket's and the route's settings. And the child: it says the
same as plain TCP's from its first segment on.

    stack under test --- tun0 --- the peer, played by this program
"""
import itertools
import socket

import lq
from rawtcp import ACK, CWR, ECE, MSS, PSH, SACK_OK, SYN, WSCALE, Peer, Tun, timestamp

TS = timestamp(0x12345678)
PORT = 8080


def answer(tun, kind, options, v6=False, setup=None, **more):
    """The SYN-ACK of a fresh listener to one SYN, without what differs by chance."""
    listener = lq.listener(kind, port=PORT, v6=v6, backlog=8, options=setup or ())
    peer = Peer(tun, PORT, v6=v6, sport=3000)
    peer.syn(options, **more)
    segment = peer.receive()
    assert segment is not None, "no answer"
    assert segment.good_checksum, "bad checksum"
    peer.seq = peer.isn + 1
    peer.reset()
    listener.close()
    return segment


def compare(tun, what, options, v6=False, **more):
    """Ours is like TCP's."""
    wanted = answer(tun, "tcp", options, v6, **more)
    got = answer(tun, "lq", options, v6, **more)
    if got.without_chance() != wanted.without_chance():
        raise AssertionError(
            f"{what}:\n  tcp {wanted.without_chance()} {wanted}\n"
            f"  lq  {got.without_chance()} {got}"
        )


PEER_OPTIONS = [
    b"",
    MSS,
    MSS + SACK_OK,
    MSS + WSCALE,
    MSS + b"\x01\x01" + TS,
    MSS + SACK_OK + TS,
    MSS + SACK_OK + TS + b"\x01" + WSCALE,
    MSS + SACK_OK + WSCALE,
    b"\x02\x04\x02\x18",  # MSS 536
    b"\x02\x04\x00\x40",  # MSS 64
    b"\x02\x04\x00\x00",  # MSS 0
    b"\x02\x04\x23\x00" + WSCALE,  # MSS 8960
    MSS + b"\x03\x03\x0f",  # window scale beyond 14
    MSS + b"\x22\x02" + SACK_OK,  # asks for a Fast Open cookie
    MSS + b"\x08\x0a\x00",  # cut off
    b"\xfe\x04\xf9\x89" + MSS,  # experimental
]


@lq.each_version()
def options_of_the_peer(v6):
    """Every set of options that a peer may offer."""
    tun = Tun()
    for options in PEER_OPTIONS:
        compare(tun, options.hex(), options, v6=v6)


@lq.each_version(timeout=120)
def sysctls(v6):
    """tcp_timestamps, tcp_sack, tcp_window_scaling and tcp_ecn, each on and off."""
    tun = Tun()
    everything = MSS + SACK_OK + TS + b"\x01" + WSCALE
    names = ("tcp_timestamps", "tcp_sack", "tcp_window_scaling", "tcp_ecn")
    for values in itertools.product("01", "01", "01", "012"):
        for name, value in zip(names, values):
            lq.sysctl(f"net.ipv4.{name}", value)
        for flags in (0, ECE | CWR):
            compare(tun, f"{values} {flags}", everything, v6=v6, flags=flags)


@lq.each_version()
def ecn(v6):
    """ECN is granted by the flags, the IP header and the reserved bits."""
    tun = Tun()
    granted = 0
    lq.sysctl("net.ipv4.tcp_ecn", 1)
    for flags, tos, reserved in itertools.product(
        (0, ECE, CWR, ECE | CWR), (0, 1, 2, 3), (0, 8)
    ):
        words = f"flags {flags:#x}, tos {tos}, reserved {reserved}"
        v6 = v6
        compare(tun, words, MSS, v6=v6, flags=flags, tos=tos, reserved=reserved)
        granted += bool(
            answer(tun, "lq", MSS, v6, flags=flags, tos=tos, reserved=reserved).flags & ECE
        )
    assert granted > 0


@lq.each_version()
def type_of_service(v6):
    """The SYN's DS field is not simply repeated; tcp_reflect_tos repeats it."""
    tun = Tun()
    for reflect in (0, 1):
        lq.sysctl("net.ipv4.tcp_reflect_tos", reflect)
        for tos in (0, 0x10, 0xB8, 0xBA):
            compare(tun, f"reflect {reflect} tos {tos:#x}", MSS, v6=v6, tos=tos)


@lq.each_version()
def settings_of_the_socket(v6):
    """TCP_MAXSEG, SO_RCVBUF, TCP_WINDOW_CLAMP, IP_TOS, IP_TTL, SO_PRIORITY, SO_MARK."""
    tun = Tun()
    everything = MSS + SACK_OK + TS + b"\x01" + WSCALE
    maxseg = [[(socket.IPPROTO_TCP, socket.TCP_MAXSEG, n)] for n in (536, 1000, 1460, 4000)]
    buffers = [[(socket.SOL_SOCKET, socket.SO_RCVBUF, n)] for n in (1, 5000, 65536, 1 << 22)]
    clamp = [[(socket.IPPROTO_TCP, 10, n)] for n in (2000, 70000)]
    if v6:
        ip = [[(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x20)],
              [(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 7)]]
    else:
        ip = [[(socket.IPPROTO_IP, socket.IP_TOS, 0x20)], [(socket.IPPROTO_IP, socket.IP_TTL, 7)]]
    for setup in maxseg + buffers + clamp + ip + [maxseg[0] + buffers[1]]:
        for options in (everything, b"\x02\x04\x02\x18"):
            compare(tun, f"{setup} {options.hex()}", options, v6=v6, setup=setup)


@lq.each_version()
def settings_of_the_route(v6):
    """advmss, mtu, initrwnd, window and ECN by route."""
    tun = Tun()
    everything = MSS + SACK_OK + TS + b"\x01" + WSCALE
    replace = "-6 route replace 2001:db8::/64" if v6 else "route replace 192.0.2.0/24"
    for metric in ("advmss 1000", "advmss 600 mtu 1400", "mtu 1300", "initrwnd 4", "initrwnd 40",
                   "window 3000", "features ecn"):
        lq.ip(f"{replace} dev tun0 {metric}")
        for flags in (0, ECE | CWR):
            compare(tun, metric, everything, v6=v6, flags=flags)


@lq.case(576, 1280, 1500, 9000, 65535)
def mtu(size):
    """The device's MTU."""
    tun = Tun(mtu=size)
    compare(tun, "v4", MSS + SACK_OK + TS)
    if size >= 1280:
        compare(tun, "v6", MSS + SACK_OK + TS, v6=True)


@lq.case()
def buffers_of_the_namespace():
    """tcp_rmem and the sizes of the host decide the window scale."""
    tun = Tun()
    everything = MSS + SACK_OK + TS + b"\x01" + WSCALE
    for rmem in ("4096 131072 6291456", "4096 4096 4096", "4096 1000000 1000000",
                 "4096 131072 1073741824"):
        lq.sysctl("net.ipv4.tcp_rmem", rmem)
        compare(tun, rmem, everything)


@lq.each_version()
def mapped_and_any(v6):
    """An IPv6 listener answers IPv4 as an IPv4 one does."""
    tun = Tun()
    everything = MSS + SACK_OK + TS + b"\x01" + WSCALE
    replies = []
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, port=PORT, v6=True)
        peer = Peer(tun, PORT, v6=v6, sport=3000)
        replies.append(peer.half_open(everything).without_chance())
        peer.reset()
        listener.close()
    lq.equal(replies[1], replies[0])


@lq.each_version()
def retransmitted_is_the_same(v6):
    """The timer's SYN-ACK and the one for a duplicate SYN are the first one again."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 0)
    tun = Tun()
    listener = lq.listener(port=PORT, v6=v6)
    peer = Peer(tun, PORT, v6=v6)
    options = MSS + SACK_OK + TS + b"\x01" + WSCALE
    first = peer.half_open(options)
    again = peer.expect(SYN | ACK)
    peer.syn(options)
    third = peer.expect(SYN | ACK)
    for segment in (again, third):
        lq.equal(segment.without_chance(), first.without_chance())
        lq.equal(segment.seq, first.seq)
        assert segment.tsval >= first.tsval, "the timestamp went back"
    listener.close()


def first_words(tun, kind, options, v6, setup=()):
    """Connect, let the child talk; its segments, in short."""
    listener = lq.listener(kind, port=PORT, v6=v6, options=setup)
    peer = Peer(tun, PORT, v6=v6, sport=3000)
    synack = peer.half_open(options)
    peer.tsval = 0x12345679 if synack.tsval is not None else None
    peer.final_ack()
    child = lq.accept(listener)
    child.send(b"x" * 3000)
    words = []
    total = 0
    while total < 3000:
        segment = peer.receive()
        assert segment is not None, f"{total} of 3000 bytes"
        assert segment.good_checksum
        lq.equal(segment.seq - peer.ack, total, "sequence")
        if segment.tsval is not None:
            drift = (segment.tsval - synack.tsval) & 0xFFFFFFFF
            assert drift < 20000, f"timestamps jump by {drift}"
        total += len(segment.data)
        # PSH tells how many were sent at once: the more, the shorter the handshake took.
        words.append((segment.flags & ~PSH, segment.window, len(segment.data), segment.ttl, segment.tos,
                      [segment.option(8) is not None, segment.tsecr]))
        peer.segment(ACK, ack=peer.ack + total)
    # It takes a full window and says how it shrinks.
    peer.ack += total
    peer.send(b"y" * 500)
    while (segment := peer.receive()).data:
        pass  # sent again before our ACK came
    words.append((segment.flags, segment.window, segment.ack - peer.seq))
    info = child.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    words.append(("scales, options", info[5:7].hex()))
    peer.reset()
    child.close()
    listener.close()
    return words


@lq.each_version(timeout=120)
def the_child_talks_like_tcps(v6):
    """MSS, window, scale, timestamps, SACK and TOS of the child's first segments."""
    tun = Tun()
    for options in (b"", MSS, MSS + SACK_OK + TS + b"\x01" + WSCALE, MSS + WSCALE,
                    b"\x02\x04\x02\x18" + TS + b"\x01\x01"):
        for setup in ((), [(socket.SOL_SOCKET, socket.SO_RCVBUF, 5000)],
                      [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 700)],
                      [(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)]):
            wanted = first_words(tun, "tcp", options, v6, setup)
            got = first_words(tun, "lq", options, v6, setup)
            lq.equal(got, wanted, f"{options.hex()} {setup}")


lq.main()
