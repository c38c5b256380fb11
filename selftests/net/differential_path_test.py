#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""Other ways to a listener, segment by segment, beside TCP's: cookies, a pair in TIME_WAIT, ICMP errors,
fragments, tunnels, a program that chooses. differential.py says how they are compared.
"""
import contextlib
import itertools
import os
import socket
import struct
import tempfile

import bpf
import lq
import rtnl
from differential import FULL, TS, Pair, handshake, in_syn_recv
from rawtcp import (ACK, FIN, LOCAL, MSS, PEER, PSH, RST, SACK_OK, SYN, WSCALE, Segment, checksum,
                    icmp_error, timestamp)


@lq.each_version(mapped=True, timeout=300)
def cookies(v6, v6_listener):
    """syncookies=2. The MSS is one that TCP's cookies and ours both can say; and TCP forgets which
    MSS of its own its SYN-ACK's window was a multiple of."""
    pair = Pair(v6, v6_listener, net__ipv4__tcp_syncookies=2)
    pair.windows = False
    with pair.sides[1].space:
        lq.sysctl("net.listenq.syncookies", 2)
    mss = b"\x02\x04\x05\xa0"  # 1440
    for name, options in (("mss", mss), ("full", mss + FULL[4:]), ("timestamp", mss + TS),
                          ("wscale", mss + b"\x01" + WSCALE), ("sack", mss + SACK_OK)):
        pair.compare(name, handshake, {"options": options}, {})
    pair.compare("data", handshake, {"options": mss + FULL[4:]}, {"data": b"data"})
    pair.compare("wrong", wrong_cookie)
    pair.compare("RST", in_syn_recv, [(RST, 1, 0, {})], mss + FULL[4:])
    pair.end()


def wrong_cookie(side):
    """An ACK of another number."""
    side.syn(FULL)
    side.send(ACK, ack=side.peer.ack + 7)
    side.end(side.accepted(False))


def time_wait(side, isn, options, flags):
    """A connection that the server ends, and a SYN of the same pair."""
    side.syn(FULL)
    first = side.answered().seq
    side.send(ACK, "final ACK")
    lq.accept(side.listener).close()
    side.answers("FIN")
    side.peer.ack += 1
    side.send(ACK | FIN)
    side.peer.tsval = None
    side.renew = True
    side.send(SYN | flags, "SYN again", seq=side.peer.isn + isn, options=options)
    if side.isn != first:
        # Whether the number is TCP's choice, by the last of the old connection: SYN and FIN; ours
        # is the next one from there on whose low bits are the listener's (LQ_ISN_TAGS).
        side.note("ISN", 0 <= (side.isn - first & 0xFFFFFFFF) - (65535 + 2 + 2) < 1024)
    side.peer.seq = side.peer.isn + isn + 1
    side.send(ACK, "final ACK")
    side.end(side.accepted(False))


@lq.each_version(mapped=True, timeout=300)
def reuse_of_time_wait(v6, v6_listener):
    """A pair in TIME_WAIT, with numbers and timestamps before and after the old ones."""
    pair = Pair(v6, v6_listener)
    port = itertools.count(21000)
    for isn in (0, 1, 2, 10, 100000, -10):
        for options in (MSS, MSS + timestamp(5000), MSS + timestamp(500)):
            pair.compare(f"SYN at {isn:+d} {options.hex()}", time_wait, isn, options, 0,
                         sport=port)
    pair.compare("SYN|FIN", time_wait, 100000, MSS, FIN, sport=port)
    pair.end()


def with_icmp(side, kind, code, offset, length, established):
    """An error for the SYN-ACK, or for what was never sent, and then the ACK."""
    side.syn(FULL)
    if established:
        side.send(ACK, "final ACK")
    quoted = bytearray(side.answered().packet)
    start = 40 if side.v6 else 20
    quoted[start + 4 : start + 8] = struct.pack("!I", (side.isn + offset) & 0xFFFFFFFF)
    # No MTU below what the SYN-ACK has.
    info = 1280 if (kind, code) in ((3, 4), (2, 0)) else 0
    side.raw(icmp_error(kind, code, bytes(quoted[: start + length]), info),
             f"ICMP {kind} {code}")
    side.send(ACK, "final ACK", data=b"data")
    side.end(side.accepted(False))


@lq.each_version(mapped=True, timeout=400)
def icmp_errors(v6, v6_listener):
    """Each ends what TCP would end, and nothing else."""
    pair = Pair(v6, v6_listener)
    if v6:
        kinds = [(1, code) for code in range(9)] + [(2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (4, 2)]
    else:
        kinds = [(3, code) for code in range(17)] + [(4, 0), (5, 0), (5, 1), (11, 0), (11, 1),
                                                     (12, 0), (12, 1)]
    for kind, code in kinds:
        for offset in (0, 1, -1):
            pair.compare(f"ICMP {kind} {code} of {offset:+d}", with_icmp, kind, code, offset, 20,
                         False)
    pair.compare("of 8 bytes", with_icmp, kinds[1][0], kinds[1][1], 0, 8, False)
    pair.compare("established", with_icmp, kinds[1][0], kinds[1][1], 0, 20, True)
    pair.end()


class Fragments:  # pylint: disable=too-few-public-methods
    """A device that cuts what is sent into two."""

    def __init__(self, tun):
        self.tun, self.waiting = tun, tun.waiting

    def send(self, packet):
        """In the wrong order."""
        if packet[0] >> 4 == 6:
            body = packet[40:]
            cut = 16
            for at, more in ((cut, 0), (0, 1)):
                part = body[at:] if at else body[:cut]
                extension = struct.pack("!BBHI", 6, 0, at | more, 99)
                self.tun.send(packet[:4] + struct.pack("!HB", len(part) + 8, 44) + packet[7:40]
                              + extension + part)
            return
        body = packet[20:]
        for at, more in ((16, 0), (0, 0x2000)):
            part = body[at:] if at else body[:16]
            head = packet[:2] + struct.pack("!HHH", 20 + len(part), 99, at // 8 | more)
            head += packet[8:10] + b"\0\0" + packet[12:20]
            self.tun.send(head[:10] + struct.pack("!H", checksum(head)) + head[12:] + part)


def fragmented(side, which, data):
    """SYN or ACK, in fragments."""
    whole = side.peer.tun
    if which == "SYN":
        side.peer.tun = Fragments(whole)
    side.syn(FULL)
    side.peer.tun = Fragments(whole) if which == "ACK" else whole
    side.send(ACK, "final ACK", data=data)
    side.peer.tun = whole
    side.end(side.accepted(False))


@lq.each_version(timeout=300)
def fragments(v6):
    """A header that is not in the first part."""
    pair = Pair(v6)
    for which in ("SYN", "ACK"):
        for data in (b"", b"x" * 1000):
            pair.compare(f"{which} with {len(data)}", fragmented, which, data)
    pair.end()


# --- tunnels ---

# What `ip link add` wants to know; the outer header's version, and its protocol for each inner one.
TUNNELS = {
    "ipip": ("ipip local {local4} remote {peer4}", 4, {4: 4}),
    "sit": ("sit local {local4} remote {peer4}", 4, {6: 41}),
    "gre": ("gre local {local4} remote {peer4}", 4, {4: 47, 6: 47}),
    "ip6tnl": ("ip6tnl mode any encaplimit none local {local6} remote {peer6}", 6, {4: 4, 6: 41}),
    "ip6gre": ("ip6gre encaplimit none local {local6} remote {peer6}", 6, {4: 47, 6: 47}),
}
INNER = {4: {"local": "10.99.0.1", "peer": "10.99.0.2"},
         6: {"local": "2001:db8:99::1", "peer": "2001:db8:99::2"}}
ETHERTYPES = {4: 0x0800, 6: 0x86DD}


class Tunnel:  # pylint: disable=too-few-public-methods
    """A tunnel to the peer, over tun0: what is sent is wrapped, and what comes back unwrapped."""

    def __init__(self, tun, kind, inner):
        words, self.outer, protocols = TUNNELS[kind]
        self.tun, self.protocol, self.waiting = tun, protocols[inner], []
        self.gre = struct.pack("!HH", 0, ETHERTYPES[inner]) if self.protocol == 47 else b""
        try:
            lq.ip("link add tnl0 type " + words.format(local4=LOCAL[False], peer4=PEER[False],
                                                       local6=LOCAL[True], peer6=PEER[True]))
        except AssertionError as error:
            if "Unknown device type" in str(error):
                raise lq.Skip(f"this kernel has no {kind}") from error
            raise
        rtnl.link_up("tnl0")
        lq.add_address("tnl0", INNER[inner]["local"], 24 if inner == 4 else 64)

    def send(self, packet):
        """One packet into the stack, by the tunnel."""
        packet = self.gre + packet
        v6 = self.outer == 6
        addresses = (socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, PEER[v6])
                     + socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, LOCAL[v6]))
        if v6:
            head = struct.pack("!IHBB", 6 << 28, len(packet), self.protocol, 64) + addresses
        else:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(packet), 1, 0x4000, 64,
                               self.protocol, 0) + addresses
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        self.tun.send(head + packet)

    def _read(self):
        """Everything that came out of it."""
        start = (40 if self.outer == 6 else 20) + len(self.gre)
        for packet in self.tun.packets():
            if packet[0] >> 4 == self.outer and packet[6 if self.outer == 6 else 9] == self.protocol:
                inner = packet[start:]
                if inner[6 if inner[0] >> 4 == 6 else 9] == 6:
                    self.waiting.append(Segment(inner))


def with_data(side):
    """A SYN that comes twice, data with the ACK and after it, the end."""
    side.syn(FULL)
    side.syn(FULL)
    side.send(ACK | PSH, "final ACK", data=b"x" * 600)
    side.peer.seq += 600
    child = side.accepted(False)
    side.send(ACK | PSH, "data", data=b"data")
    side.peer.seq += 4
    child.send(b"answer")
    side.answers("answer")
    side.send(FIN | ACK)
    side.end(child)


@lq.case(*[f"{kind} v{inner}" for kind, (_, _, inners) in TUNNELS.items() for inner in inners],
         timeout=200)
def tunnels(what):
    """Segments that come in by a tunnel device, which early demux has not seen."""
    kind, version = what.split()
    inner = int(version[1])
    pair = Pair(inner == 6)
    for side in pair.sides:
        with side.space:
            side.tun = Tunnel(side.tun, kind, inner)
            side.addresses = INNER[inner]
    for options in (b"", FULL):
        pair.compare(f"SYN {options.hex()}", handshake, {"options": options}, {})
    pair.compare("data", with_data)
    for flags in (RST, SYN, SYN | ACK, ACK | FIN, ACK | RST):
        for seq in (0, 1, 2):
            pair.compare(f"{flags} at {seq}", in_syn_recv, [(flags, seq, 0, {})], FULL)
    pair.end()


# --- a program that gives segments to the listener ---


@contextlib.contextmanager
def assigned(sides):
    """Every segment that comes in by tun0 is given to the side's listener, while it is in the side's sockmap:
    bpf_sk_assign()."""
    with contextlib.ExitStack() as undo:
        place = tempfile.mkdtemp()
        undo.callback(os.rmdir, place)
        lq.run("mount", "-t", "bpf", "bpf", place)
        undo.callback(lq.run, "umount", place)
        for number, side in enumerate(sides):
            side.sockmap = bpf.Sockmap()
            undo.callback(side.sockmap.close)
            program = bpf.assign(side.sockmap)
            bpf.pin(program, f"{place}/{number}")
            os.close(program)
            with side.space:
                lq.run("tc", "qdisc", "add", "dev", "tun0", "clsact")
                lq.run("tc", "filter", "add", "dev", "tun0", "ingress", "bpf", "direct-action",
                       "object-pinned", f"{place}/{number}")
        yield


def given_to_the_listener(side, segments):
    """A cookie's connection, and then more of its segments; last one that is given to nobody."""
    side.sockmap[0] = side.listener
    side.syn(SYN_OF_COOKIE)
    side.send(ACK, "final ACK")
    for flags, data in segments:
        side.send(flags, data=data)
    del side.sockmap[0]
    child = side.accepted(False)
    side.send(ACK | PSH, "by TCP's lookup", data=b"data")
    side.end(child)


SYN_OF_COOKIE = b"\x02\x04\x05\xa0" + FULL[4:]


@lq.each_version(mapped=True)
def a_program_gives_them_to_the_listener(v6, v6_listener):
    """TCP does not look for the connection then. The ACK that came twice proves the cookie once more, and
    is dropped: a connection is there. What proves nothing is answered with RST."""
    pair = Pair(v6, v6_listener, net__ipv4__tcp_syncookies=2)
    pair.windows = False
    with pair.sides[1].space:
        lq.sysctl("net.listenq.syncookies", 2)
    with assigned(pair.sides):
        for name, segments in (("nothing", []), ("the ACK again", [(ACK, b"")] * 2),
                               ("data", [(ACK | PSH, b"data")]), ("RST", [(RST, b"")])):
            pair.compare(name, given_to_the_listener, segments)
    pair.end()


lq.main()
