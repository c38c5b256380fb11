#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""The handshake, segment by segment, beside TCP's: options and flags of the SYN, options of the listener,
unexpected segments in each state, full queues. differential.py says how they are compared.
"""
import itertools
import struct

import lq
from differential import (FULL, PORT, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP, TS, Pair,
                          handshake, in_syn_recv)
from rawtcp import (ACK, CWR, ECE, FIN, MSS, PEER, PSH, RST, SACK_OK, SYN, URG, WSCALE, Peer,
                    flag_names, padded, timestamp)

# --- the handshake ---

SYN_OPTIONS = {
    "none": b"",
    "mss": MSS,
    "full": FULL,
    "no mss": SACK_OK + TS + b"\x01" + WSCALE,
    "wscale": MSS + b"\x01" + WSCALE,
    "sack": MSS + SACK_OK,
    "timestamp": MSS + TS,
    "timestamp 0": MSS + timestamp(0),
    "tsecr": MSS + timestamp(1000, 77),
    "mss 0": b"\x02\x04\0\0",
    "mss 1": b"\x02\x04\0\x01",
    "mss 64": b"\x02\x04\0\x40",
    "mss 65535": b"\x02\x04\xff\xff",
    "two mss": MSS + b"\x02\x04\x02\0",
    "wscale 14": MSS + b"\x03\x03\x0e",
    "wscale 15": MSS + b"\x03\x03\x0f",
    "wscale 255": MSS + b"\x03\x03\xff",
    "bad length 0": MSS + b"\x04\x00",
    "bad length 1": MSS + b"\x04\x01\x01\x01",
    "beyond": b"\x01\x01\x02\x08",
    "mss of 3": b"\x02\x03\x05\x01",
    "end": b"\0" + MSS,
    "unknown": b"\xfd\x06abcd" + MSS,
    "mptcp": MSS + b"\x1e\x0c\0\x81" + b"k" * 8,
    "fast open": MSS + b"\x22\x02",
    "fast open cookie": MSS + b"\x22\x0a" + b"k" * 8,
    "md5": b"\x13\x12" + b"m" * 16,
    "md5 of 17": b"\x13\x11" + b"m" * 15,
    "two md5": (b"\x13\x12" + b"m" * 16) * 2,
    "ao": MSS + b"\x1d\x10\x01\x01" + b"a" * 12,
    "ao of 3": MSS + b"\x1d\x03\x01",
    "md5 and ao": b"\x13\x12" + b"m" * 16 + b"\x1d\x10\x01\x01" + b"a" * 12,
    "sack blocks": MSS + b"\x05\x0a" + b"s" * 8,
    "40 bytes": b"\x01" * 40,
}


@lq.each_version(mapped=True, timeout=300)
def syn_options(v6, v6_listener):
    """Every option that a SYN may carry, well formed and not."""
    pair = Pair(v6, v6_listener)
    for name, options in SYN_OPTIONS.items():
        pair.compare(name, handshake, {"options": options}, {}, name in ("none", "full"))
    pair.end()


@lq.each_version(timeout=300)
def syn_options_that_are_off(v6):
    """The same with TCP's own options off, and with timestamps that do not start at random."""
    for sysctls in ({"net__ipv4__tcp_timestamps": 0, "net__ipv4__tcp_sack": 0,
                     "net__ipv4__tcp_window_scaling": 0}, {"net__ipv4__tcp_timestamps": 2}):
        pair = Pair(v6, **sysctls)
        for name in ("none", "full", "timestamp", "wscale", "sack"):
            pair.compare(f"{name} {sysctls}", handshake, {"options": SYN_OPTIONS[name]}, {}, False)
        pair.end()


@lq.each_version(timeout=300)
def syn_flags(v6):
    """SYNs with other flags, with and without ECN."""
    for ecn in (0, 1, 2):
        pair = Pair(v6, net__ipv4__tcp_ecn=ecn, net__ipv4__tcp_ecn_fallback=0)
        for flags in (0, PSH, URG, ECE, CWR, ECE | CWR, ECE | CWR | PSH, FIN, FIN | PSH, RST, ACK,
                      ACK | FIN, FIN | URG | PSH, 0xFF & ~SYN):
            for tos in (0, 1, 2, 3, 0x48):
                if tos and not flags & (ECE | CWR):
                    continue
                pair.compare(f"SYN|{flag_names(flags)} tos {tos} ecn {ecn}", handshake,
                             {"options": FULL, "flags": flags, "tos": tos}, {}, False)
        pair.compare("reserved bits", handshake,
                     {"options": FULL, "flags": ECE | CWR, "reserved": 7}, {}, False)
        pair.end()


@lq.each_version(mapped=True, timeout=300)
def syn_with(v6, v6_listener):
    """Windows, data, TTL, and sequence numbers at their ends."""
    pair = Pair(v6, v6_listener)
    for window in (0, 1, 1000, 65535):
        pair.compare(f"window {window}", handshake, {"window": window}, {"window": window}, False)
    for data in (b"x", b"x" * 500):
        pair.compare(f"{len(data)} bytes of data", handshake, {"data": data}, {}, False)
    for isn in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF):
        pair.compare(f"ISN {isn}", handshake, {"options": FULL}, {}, False, isn=isn)
    for ttl in (1, 255):
        pair.compare(f"ttl {ttl}", handshake, {"ttl": ttl}, {"ttl": ttl})
    pair.compare("tos", handshake, {"tos": 0xB8}, {"tos": 0x28})
    pair.compare("checksum", handshake, {"bad_checksum": True}, {})
    pair.end()


@lq.each_version(mapped=True, timeout=300)
def reflected_tos(v6, v6_listener):
    """net.ipv4.tcp_reflect_tos"""
    pair = Pair(v6, v6_listener, net__ipv4__tcp_reflect_tos=1)
    for tos in (0, 0xB8, 0x2B):
        pair.compare(f"tos {tos}", handshake, {"tos": tos}, {"tos": 0x48})
    pair.end()


LISTENER_OPTIONS = {
    "maxseg": [(SOL_TCP, 2, 700)],
    "rcvbuf": [(SOL_SOCKET, 8, 4096)],
    "sndbuf": [(SOL_SOCKET, 7, 4096)],
    "window clamp": [(SOL_TCP, 10, 3000)],
    "keepalive": [(SOL_SOCKET, 9, 1), (SOL_TCP, 4, 77), (SOL_TCP, 5, 7), (SOL_TCP, 6, 3)],
    "nodelay": [(SOL_TCP, 1, 1)],
    "cork": [(SOL_TCP, 3, 1)],
    "linger2": [(SOL_TCP, 8, 7)],
    "quickack": [(SOL_TCP, 12, 0)],
    "user timeout": [(SOL_TCP, 18, 12345)],
    "notsent": [(SOL_TCP, 25, 1000)],
    "congestion": [(SOL_TCP, 13, b"reno")],
    "priority, mark": [(SOL_SOCKET, 12, 5), (SOL_SOCKET, 36, 9)],
    "oobinline, lowat": [(SOL_SOCKET, 10, 1), (SOL_SOCKET, 18, 5)],
    "defer accept": [(SOL_TCP, 9, 5)],
    "tos, ttl": [(SOL_IP, 1, 0x48), (SOL_IP, 2, 33)],
    "recverr, pktinfo": [(SOL_IP, 11, 1), (SOL_IP, 8, 1), (SOL_IP, 12, 1)],
    "bind no port, freebind": [(SOL_IP, 15, 1), (SOL_IP, 24, 1)],
    "max pacing": [(SOL_SOCKET, 47, 100000)],
    "txrehash": [(SOL_SOCKET, 74, 0)],
    "dontroute": [(SOL_SOCKET, 5, 1)],
}
LISTENER_OPTIONS_V6 = {
    "tclass, hops": [(SOL_IPV6, 67, 0x48), (SOL_IPV6, 16, 33)],
    "recv": [(SOL_IPV6, 49, 1), (SOL_IPV6, 51, 1), (SOL_IPV6, 66, 1), (SOL_IPV6, 25, 1)],
    "dontfrag, autoflow": [(SOL_IPV6, 62, 1), (SOL_IPV6, 70, 0)],
    "flow info": [(SOL_IPV6, 11, 1), (SOL_IPV6, 33, 1)],
}


@lq.each_version(mapped=True, timeout=300)
def options_of_the_listener(v6, v6_listener):
    """What the child inherits."""
    pair = Pair(v6, v6_listener)
    options = {**LISTENER_OPTIONS, **(LISTENER_OPTIONS_V6 if v6_listener else {})}
    for name, value in options.items():
        pair.compare(name, handshake, {"options": FULL}, {}, options=value)
    pair.end()


# --- unexpected segments in SYN_RECV ---


@lq.each_version(timeout=400)
def unexpected_segments_in_syn_recv(v6):
    """All flags at all places of the window."""
    pair = Pair(v6)
    places = (0, 1, 2, -1, 64240, 64241, 65535, 65536, 1 << 31)
    for flags in (0, FIN, SYN, SYN | FIN, SYN | PSH, SYN | URG, SYN | ECE | CWR, SYN | FIN | PSH,
                  RST, RST | ACK, RST | SYN, RST | FIN, SYN | ACK, SYN | ACK | FIN, ACK, ACK | FIN,
                  ACK | PSH, PSH, URG, 0xFF):
        for seq in places:
            if flags & ACK and seq == 1 and not flags & (SYN | RST):
                continue  # an ACK that is right
            pair.compare(f"{flag_names(flags)} at {seq:+d}", in_syn_recv,
                         [(flags, seq, 0, {})], MSS)
    pair.end()


@lq.each_version(timeout=400)
def unexpected_numbers_in_syn_recv(v6):
    """Acknowledgements of what was never sent, data at all places, old timestamps."""
    pair = Pair(v6)
    for ack in (-1, 1, 100000, 1 << 31):
        for flags in (ACK, ACK | FIN, RST | ACK, SYN | ACK):
            pair.compare(f"{flag_names(flags)} of {ack:+d}", in_syn_recv,
                         [(flags, 1, ack, {})], MSS)
    for seq in (0, -4, -5, 1000, 64240, 65530, 70000):
        for flags in (ACK, SYN, SYN | ACK, RST, FIN, 0):
            pair.compare(f"{flag_names(flags)} of data at {seq:+d}", in_syn_recv,
                         [(flags, seq, 0, {"data": b"data5"})], MSS)
    for tsval in (999, 0, 1 << 31, 1000):
        for flags in (ACK, SYN, SYN | ACK, RST, SYN | FIN):
            pair.compare(f"{flag_names(flags)} with TSval {tsval}", in_syn_recv,
                         [(flags, 0, 0, {"options": timestamp(tsval)})], FULL)
    pair.end()


@lq.each_version(timeout=400)
def rate_of_replies(v6):
    """net.ipv4.tcp_invalid_ratelimit, for whatever is odd."""
    pair = Pair(v6)
    odd = {"SYN": (SYN, 0, 0, {}), "SYN|FIN": (SYN | FIN, 0, 0, {}), "ACK": (ACK, -1, 0, {}),
           "RST": (RST, 2, 0, {}), "data": (ACK, -9, 0, {"data": b"data"}),
           "SYN|ACK": (SYN | ACK, -9, 0, {}), "elsewhere": (SYN, 1 << 30, 0, {})}
    for (first, one), (second, two) in itertools.product(odd.items(), repeat=2):
        pair.compare(f"{first}, {second}", in_syn_recv, [one, two, two], MSS)
    pair.end()


@lq.each_version(mapped=True, timeout=300)
def final_acks(v6, v6_listener):
    """ACKs that are right, with this and that."""
    pair = Pair(v6, v6_listener)
    acks = {
        "plain": {}, "data": {"data": b"x" * 100}, "window 0": {"window": 0},
        "no timestamp": {"options": b""}, "tos": {"tos": 0xB9}, "ttl": {"ttl": 3},
        "checksum": {"bad_checksum": True},
        "md5": {"options": b"\x13\x12" + b"m" * 16},
        "ao": {"options": b"\x1d\x10\x01\x01" + b"a" * 12},
        "mss": {"options": MSS}, "bad option": {"options": b"\x08\x0b" + b"x" * 10},
    }
    for name, ack in acks.items():
        for syn in (MSS, FULL):
            pair.compare(f"{name}, SYN {syn.hex()}", handshake, {"options": syn}, ack)
    for flags in (FIN, PSH, URG, ECE, CWR, FIN | PSH):
        pair.compare(flag_names(flags), final_ack_with, flags)
    pair.end()


def final_ack_with(side, flags):
    """A final ACK with another flag and data."""
    side.syn(FULL)
    side.send(ACK | flags, data=b"data")
    side.end(side.accepted(False))


def after(side, segments):
    """Right after the handshake, before and after accept()."""
    side.syn(FULL)
    side.send(ACK, "final ACK")
    children = []
    for turn in range(2):
        for flags, seq, ack, more in segments:
            side.send(flags, f"{flag_names(flags)} {turn}", seq=side.peer.isn + seq,
                      ack=side.peer.ack + ack if flags & ACK else None, **more)
        if not turn:
            children.append(side.accepted(False))
    side.end(*children)


@lq.each_version(timeout=300)
def segments_after_the_handshake(v6):
    """To the child, in the queue and out of it."""
    pair = Pair(v6)
    for flags in (SYN, SYN | FIN, SYN | ACK, ACK, ACK | FIN, RST, RST | ACK, 0, FIN, 0xFF):
        for seq in (0, 1, 2, 70000):
            pair.compare(f"{flag_names(flags)} at {seq:+d}", after, [(flags, seq, 0, {})])
    pair.end()


def to_nobody(side, flags, more):
    """A segment of no connection, at a port where somebody listens."""
    side.send(flags, seq=5000, ack=7000 if flags & ACK else None, **more)
    side.end(side.accepted(False))


@lq.each_version(timeout=300)
def unexpected_segments_in_listen(v6):
    """All that is no SYN."""
    pair = Pair(v6)
    for flags in range(0x40):
        if flags & (SYN | ACK | RST | FIN) != SYN:
            pair.compare(flag_names(flags), to_nobody, flags, {})
    pair.compare("ACK with data", to_nobody, ACK, {"data": b"data"})
    pair.compare("checksum", to_nobody, ACK, {"bad_checksum": True})
    pair.end()


# --- full queues ---


def full_queue(side, abort):
    """More than the accept queue holds."""
    lq.sysctl("net.ipv4.tcp_abort_on_overflow", abort)
    side.listener.listen(0)
    for sport in range(20001, 20004):
        side.isn = None
        side.peer = Peer(side.tun, PORT, v6=side.v6, sport=sport)
        side.syn(FULL)
        if side.isn is not None:
            side.send(ACK, "final ACK")
            side.send(ACK, "data", data=b"data")
    side.end(side.accepted(False))


def two_and_one(side):
    """Two half-open, and room for one."""
    side.listener.listen(0)
    peers = []
    for sport in range(20001, 20003):
        side.isn = None
        side.peer = Peer(side.tun, PORT, v6=side.v6, sport=sport)
        side.syn(FULL)
        peers.append((side.peer, side.isn))
    for side.peer, side.isn in peers:
        if side.isn is not None:
            side.send(ACK, "final ACK")
    side.end(side.accepted(False))


@lq.each_version("linux", "linux-modern", mapped=True, timeout=300)
def full_queues(policy, v6, v6_listener):
    """Overflows, counted as TCP counts them, under the policies that are TCP's; but the SYN queue of one
    holds more than TCP's with so short a backlog."""
    pair = Pair(v6, v6_listener)
    with pair.sides[1].space:
        lq.sysctl("net.listenq.policy", policy)
        lq.sysctl("net.listenq.syncookies", 0)
    for abort in (0, 1):
        with pair.sides[1].space:
            lq.sysctl("net.listenq.abort_on_overflow", abort)
        pair.compare(f"abort_on_overflow {abort}", full_queue, abort)
    if policy == "linux-modern":
        pair.compare("half-open", two_and_one)
    pair.end()


@lq.each_version(mapped=True)
def the_peer_is_who_it_is(v6, v6_listener):
    """The test itself: both sides are what they say."""
    pair = Pair(v6, v6_listener)
    (tcp, ours) = pair.sides
    for side in (tcp, ours):
        with side.space:
            side.begin()
            lq.equal(side.listener.getsockopt(SOL_SOCKET, 3, 4), struct.pack("i", 1), "SO_TYPE")
            with lq.Counted() as moved:
                side.syn(FULL)
                lq.equal(moved("SynReceived"), 1 if side is ours else 0)
            lq.wait_for(lambda side=side: side.answers("late") or side.synack,
                        what=f"no answer from {PEER[side.v6]}'s {side.kind}")
            side.end()
    lq.equal(padded(b"\x02"), b"\x02\x01\x01\x01")
    pair.end()


if __name__ == "__main__":
    lq.main()
