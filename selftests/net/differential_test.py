#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""The same segments at a TCP and at an AF_LISTENQ listener: every answer is the same byte for byte,
every counter of the kernel moves as much, and the accepted sockets cannot be told apart.

    one namespace with TCP's listener      the same with ours
    stack under test --- tun0 --- peers    stack under test --- tun0 --- peers

What a scenario sends has been answered, if it is answered at all, when write() to the device
returns: the kernel handles it there. So nothing is waited for. What timers do would be no part of
it; a scenario that took longer than they do is done again, and what differs has to do so each time.

What may differ is in the tables MASKED_*, each with its reason; everything else must not.
"""
import itertools
import socket
import struct
import time

import lq
from rawtcp import (ACK, CWR, ECE, FIN, MSS, PEER, PSH, RST, SACK_OK, SYN, URG, WSCALE, Peer, Tun,
                    checksum, flag_names, icmp_error, padded, timestamp)

# The first timer is that of a SYN-ACK, after a second.
TOO_LONG = 0.7
PORT = 8080

# Counters that need not move alike, by what their names begin with.
MASKED_COUNTERS = {
    # The kernel joins groups of multicast on its own, by random timers.
    "Icmp6OutMLDv2Reports": "MLD", "Icmp6OutType143": "MLD", "Icmp6OutMsgs": "MLD",
    "Ip6OutMcast": "MLD", "Ip6OutRequests": "MLD", "Ip6OutOctets": "MLD", "Ip6OutTransmits": "MLD",
    "Ip6OutNoRoutes": "MLD",
    # There is no Fast Open, so nobody asks for its cookie.
    "TcpExtTCPFastOpenCookieReqd": "Fast Open",
    # An ACK with TCP-AO is dropped: its request has none, or the listener has no key.
    "TcpExtTCPAOBad": "TCP-AO", "TcpExtTCPAOKeyNotFound": "TCP-AO",
    # The kernel's own, of the whole machine.
    "TcpMaxConn": "a setting", "TcpRto": "a setting", "IpDefaultTTL": "a setting",
    "IpForwarding": "a setting",
}

# Fields of struct tcp_info that hold times, or what is reckoned from them.
MASKED_TCP_INFO = {"rto", "ato", "last_data_sent", "last_ack_sent", "last_data_recv",
                   "last_ack_recv", "rtt", "rttvar", "rcv_rtt", "pacing_rate", "min_rtt",
                   "delivery_rate", "busy_time"}

SOL_SOCKET, SOL_IP, SOL_TCP, SOL_IPV6 = 1, 0, 6, 41
# TCP_SAVE_SYN (27) is refused, and so is set on neither side.
MASKED_OPTIONS = {
    (SOL_SOCKET, 49): "SO_INCOMING_CPU: where the test ran",
    (SOL_SOCKET, 57): "SO_COOKIE: one number for each socket",
    (SOL_SOCKET, 71): "SO_NETNS_COOKIE: one number for each namespace",
    (SOL_TCP, 11): "TCP_INFO: by its fields",
    (SOL_TCP, 24): "TCP_TIMESTAMP: the clock",
    (SOL_TCP, 26): "TCP_CC_INFO: the clock",
}

TCP_INFO_FIELDS = (
    "B:state B:ca_state B:retransmits B:probes B:backoff B:options B:wscale B:flags I:rto I:ato"
    " I:snd_mss I:rcv_mss I:unacked I:sacked I:lost I:retrans I:fackets I:last_data_sent"
    " I:last_ack_sent I:last_data_recv I:last_ack_recv I:pmtu I:rcv_ssthresh I:rtt I:rttvar"
    " I:snd_ssthresh I:snd_cwnd I:advmss I:reordering I:rcv_rtt I:rcv_space I:total_retrans"
    " Q:pacing_rate Q:max_pacing_rate Q:bytes_acked Q:bytes_received I:segs_out I:segs_in"
    " I:notsent_bytes I:min_rtt I:data_segs_in I:data_segs_out Q:delivery_rate Q:busy_time"
    " Q:rwnd_limited Q:sndbuf_limited I:delivered I:delivered_ce Q:bytes_sent Q:bytes_retrans"
    " I:dsack_dups I:reord_seen I:rcv_ooopack I:snd_wnd"
).split()


def tcp_info(sock):
    """{field: value} of what does not depend on the time."""
    names = [field.partition(":")[2] for field in TCP_INFO_FIELDS]
    form = "=" + "".join(field[0] for field in TCP_INFO_FIELDS)
    values = struct.unpack(form, sock.getsockopt(SOL_TCP, 11, struct.calcsize(form)))
    return {name: value for name, value in zip(names, values) if name not in MASKED_TCP_INFO}


def socket_options(sock, v6):
    """{(level, number): value or errno} of every option there may be."""
    found = {}
    for level in (SOL_SOCKET, SOL_IP, SOL_TCP) + ((SOL_IPV6,) if v6 else ()):
        for number in range(1, 90):
            if (level, number) in MASKED_OPTIONS:
                continue
            try:
                found[level, number] = sock.getsockopt(level, number, 256).hex()
            except OSError as error:
                found[level, number] = error.errno
    return found


def counters():
    """Every counter of the kernel in this namespace that is not masked."""
    found = lq.mib()
    with open("/proc/self/net/snmp6", encoding="ascii") as file:
        found.update((name, int(value)) for name, value in map(str.split, file))
    return {name: value for name, value in found.items()
            if not name.startswith(tuple(MASKED_COUNTERS))}


class Side:
    """One of the two stacks, and the peer of one scenario."""

    def __init__(self, kind, version):
        self.kind, self.version = kind, version
        self.v6 = version == "v6"  # what the segments are
        self.space = lq.Netns()
        with self.space:
            lq.sysctl("net.ipv6.conf.default.router_solicitations", 0)
            self.tun = Tun()
        self.listener = self.peer = self.isn = self.log = None
        self.synack, self.isns = None, {}
        self.windows = True  # whether they are looked at
        self.renew = False  # the next SYN-ACK is another connection's

    def begin(self, options=(), sport=20000, isn=1000):
        """A listener and a peer for a scenario."""
        self.log, self.isn, self.synack, self.renew = [], None, None, False
        self.isns = {}  # by the peers' ports
        self.listener = lq.listener(self.kind, backlog=8, port=PORT, v6=self.version != "v4",
                                    options=options)
        self.peer = Peer(self.tun, PORT, v6=self.v6, sport=sport, isn=isn)

    def note(self, *what):
        """Something that must be the same on both sides."""
        self.log.append(what)

    def answers(self, what):
        """Note what the stack sent since."""
        self.tun._read()  # pylint: disable=protected-access
        sent, self.tun.waiting = self.tun.waiting, []
        for segment in sent:
            if segment.flags & SYN and (segment.dport not in self.isns or self.renew):
                self.renew = False
                self.isns[segment.dport] = segment.seq
                self.isn, self.synack = segment.seq, segment
                self.peer.synack, self.peer.ack = segment, (segment.seq + 1) & 0xFFFFFFFF
                self.peer.seq = self.peer.isn + 1
                if segment.tsval is not None:
                    self.peer.tsval = 2000
        self.note(what, [self.masked(segment) for segment in sent])

    def masked(self, segment):
        """The packet, but for what is random: our numbers count from our first."""
        packet = bytearray(segment.packet)
        start = 40 if segment.v6 else (packet[0] & 15) * 4
        if segment.v6:
            packet[1] &= 0xF0
            packet[2:4] = b"\0\0"  # flow label
        else:
            if segment.ip_id:
                packet[4:6] = b"id"
            packet[10:12] = b"\0\0"
        # An RST that answers a segment without ACK has no number.
        isn = self.isns.get(segment.dport)
        if isn is not None and (segment.seq or not segment.flags & RST):
            packet[start + 4 : start + 8] = struct.pack("!I", (segment.seq - isn) & 0xFFFFFFFF)
        if not self.windows:
            packet[start + 14 : start + 16] = b"WW"
        if not segment.good_checksum:
            packet[start + 16 : start + 18] = b"!!"
        else:
            packet[start + 16 : start + 18] = b"\0\0"
        if segment.option(8):
            at = packet.index(b"\x08\x0a", start + 20)
            packet[at + 2 : at + 6] = b"TIME"
        return f"{flag_names(segment.flags)} {packet.hex(' ', 4)}"

    def send(self, flags, what=None, **more):
        """A segment, and what it is answered with."""
        self.peer.segment(flags, **more)
        self.answers(what or flag_names(flags))

    def raw(self, packet, what):
        """A packet as it is."""
        self.tun.send(packet)
        self.answers(what)

    def syn(self, options=MSS, flags=0, **more):
        """The peer's SYN."""
        self.send(SYN | flags, seq=self.peer.isn, options=options, **more)

    def accepted(self, options=True):
        """accept(), and all that can be seen of the child."""
        try:
            child = self.listener.accept()[0]
        except BlockingIOError:
            self.note("accept", "nothing")
            return None
        child.setblocking(False)
        try:
            self.note("names", child.getsockname(), child.getpeername())
        except OSError as error:
            self.note("names", error.errno)
        info = tcp_info(child)
        if not self.windows:
            del info["rcv_ssthresh"], info["rcv_space"]
        self.note("info", info)
        if options:
            self.note("options", socket_options(child, self.version != "v4"))
        try:
            self.note("data", child.recv(4096))
        except OSError as error:
            self.note("data", error.errno)
        return child

    def end(self, *children):
        """Nothing is left."""
        for child in children:
            if child:
                child.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                child.close()
        self.listener.close()
        self.answers("end")


class Pair:
    """Both sides."""

    def __init__(self, version, **sysctls):
        self.windows = True
        self.sides = [Side(kind, version) for kind in ("tcp", "lq")]
        for side in self.sides:
            with side.space:
                lq.sysctl("net.ipv4.tcp_syncookies", 0)
                lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 500)
                for name, value in sysctls.items():
                    lq.sysctl(name.replace("__", "."), value)
        self.differences = []

    def once(self, scenario, *args, **begin):
        """The scenario on both sides: what is not the same, or None: it took too long."""
        logs, late = [], False
        for side in self.sides:
            with side.space:
                start = time.monotonic()
                before = counters()
                side.begin(**begin)
                side.windows = self.windows
                scenario(side, *args)
                side.listener.close()
                side.answers("late")
                after = counters()
                late |= time.monotonic() - start > TOO_LONG
            moved = {key: value - before.get(key, 0) for key, value in after.items()
                     if value != before.get(key, 0)}
            logs.append(side.log + [("counters", moved)])
        return None if late else list(differences(*logs))

    def compare(self, name, scenario, *args, **begin):
        """Do the scenario on both sides, and remember what is not the same each time."""
        done = 0
        for _ in range(10):
            found = self.once(scenario, *args, **begin)
            if found == []:
                return
            done += found is not None
            if done == 3:
                self.differences += [f"{name}: {line}" for line in found]
                return
        if not done:
            lq.diag(f"{name}: this machine is too slow")

    def end(self):
        """All must have been the same."""
        for side in self.sides:
            side.space.close()
        if self.differences:
            raise AssertionError("\n".join(self.differences[:60]))


def differences(tcp, ours):
    """What is not the same, in words."""
    for theirs, mine in itertools.zip_longest(tcp, ours):
        if theirs == mine:
            continue
        if theirs and mine and isinstance(theirs[1], dict) and isinstance(mine[1], dict):
            for key in sorted(set(theirs[1]) | set(mine[1]), key=str):
                if theirs[1].get(key) != mine[1].get(key):
                    yield f"{mine[0]} {key}: {mine[1].get(key)}, TCP {theirs[1].get(key)}"
        else:
            yield f"{mine}, TCP {theirs}"


# --- the handshake ---

TS = timestamp(1000)
FULL = MSS + SACK_OK + TS + b"\x01" + WSCALE
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
VERSIONS = ("v4", "v6", "mapped")


def handshake(side, syn, ack, options=True):
    """SYN, ACK, accept()."""
    side.syn(**syn)
    if side.isn is not None:
        side.send(ACK, "final ACK", **ack)
    side.end(side.accepted(options))


@lq.case(*VERSIONS, timeout=300)
def syn_options(version):
    """Every option that a SYN may carry, well formed and not."""
    pair = Pair(version)
    for name, options in SYN_OPTIONS.items():
        pair.compare(name, handshake, {"options": options}, {}, name in ("none", "full"))
    pair.end()


@lq.case("v4", "v6", timeout=300)
def syn_options_that_are_off(version):
    """The same with TCP's own options off, and with timestamps that do not start at random."""
    for sysctls in ({"net__ipv4__tcp_timestamps": 0, "net__ipv4__tcp_sack": 0,
                     "net__ipv4__tcp_window_scaling": 0}, {"net__ipv4__tcp_timestamps": 2}):
        pair = Pair(version, **sysctls)
        for name in ("none", "full", "timestamp", "wscale", "sack"):
            pair.compare(f"{name} {sysctls}", handshake, {"options": SYN_OPTIONS[name]}, {}, False)
        pair.end()


@lq.case("v4", "v6", timeout=300)
def syn_flags(version):
    """SYNs with other flags, with and without ECN."""
    for ecn in (0, 1, 2):
        pair = Pair(version, net__ipv4__tcp_ecn=ecn, net__ipv4__tcp_ecn_fallback=0)
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


@lq.case(*VERSIONS, timeout=300)
def syn_with(version):
    """Windows, data, TTL, and sequence numbers at their ends."""
    pair = Pair(version)
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


@lq.case(*VERSIONS, timeout=300)
def reflected_tos(version):
    """net.ipv4.tcp_reflect_tos"""
    pair = Pair(version, net__ipv4__tcp_reflect_tos=1)
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


@lq.case(*VERSIONS, timeout=300)
def options_of_the_listener(version):
    """What the child inherits."""
    pair = Pair(version)
    options = {**LISTENER_OPTIONS, **(LISTENER_OPTIONS_V6 if version != "v4" else {})}
    for name, value in options.items():
        pair.compare(name, handshake, {"options": FULL}, {}, options=value)
    pair.end()


# --- odd segments in SYN_RECV ---


def in_syn_recv(side, segments, syn):
    """Odd segments, one after the other, then the right ACK."""
    side.syn(syn)
    for flags, seq, ack, more in segments:
        side.send(flags, f"{flag_names(flags)} seq {seq:+d} ack {ack:+d} {more}",
                  seq=side.peer.isn + seq, ack=side.peer.ack + ack if flags & ACK else None, **more)
    side.send(ACK, "final ACK")
    side.end(side.accepted(False))


@lq.case("v4", "v6", timeout=400)
def odd_segments_in_syn_recv(version):
    """All flags at all places of the window."""
    pair = Pair(version)
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


@lq.case("v4", "v6", timeout=400)
def odd_numbers_in_syn_recv(version):
    """Acknowledgements of what was never sent, data at all places, old timestamps."""
    pair = Pair(version)
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


@lq.case("v4", "v6", timeout=400)
def rate_of_replies(version):
    """net.ipv4.tcp_invalid_ratelimit, for whatever is odd."""
    pair = Pair(version)
    odd = {"SYN": (SYN, 0, 0, {}), "SYN|FIN": (SYN | FIN, 0, 0, {}), "ACK": (ACK, -1, 0, {}),
           "RST": (RST, 2, 0, {}), "data": (ACK, -9, 0, {"data": b"data"}),
           "SYN|ACK": (SYN | ACK, -9, 0, {}), "elsewhere": (SYN, 1 << 30, 0, {})}
    for (first, one), (second, two) in itertools.product(odd.items(), repeat=2):
        pair.compare(f"{first}, {second}", in_syn_recv, [one, two, two], MSS)
    pair.end()


@lq.case(*VERSIONS, timeout=300)
def final_acks(version):
    """ACKs that are right, with this and that."""
    pair = Pair(version)
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


@lq.case("v4", "v6", timeout=300)
def segments_after_the_handshake(version):
    """To the child, in the queue and out of it."""
    pair = Pair(version)
    for flags in (SYN, SYN | FIN, SYN | ACK, ACK, ACK | FIN, RST, RST | ACK, 0, FIN, 0xFF):
        for seq in (0, 1, 2, 70000):
            pair.compare(f"{flag_names(flags)} at {seq:+d}", after, [(flags, seq, 0, {})])
    pair.end()


def to_nobody(side, flags, more):
    """A segment of no connection, at a port where somebody listens."""
    side.send(flags, seq=5000, ack=7000 if flags & ACK else None, **more)
    side.end(side.accepted(False))


@lq.case("v4", "v6", timeout=300)
def odd_segments_in_listen(version):
    """All that is no SYN."""
    pair = Pair(version)
    for flags in range(0x40):
        if flags & (SYN | ACK | RST | FIN) != SYN:
            pair.compare(flag_names(flags), to_nobody, flags, {})
    pair.compare("ACK with data", to_nobody, ACK, {"data": b"data"})
    pair.compare("checksum", to_nobody, ACK, {"bad_checksum": True})
    pair.end()


# --- cookies, TIME_WAIT, ICMP errors, fragments ---


@lq.case(*VERSIONS, timeout=300)
def cookies(version):
    """syncookies=2. The MSS is one that TCP's cookies and ours both can say; and TCP forgets which
    MSS of its own its SYN-ACK's window was a multiple of."""
    pair = Pair(version, net__ipv4__tcp_syncookies=2)
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
    side.send(ACK, "final ACK")
    child = side.listener.accept()[0]
    child.close()
    side.answers("FIN")
    side.peer.ack += 1
    side.send(ACK | FIN)
    side.peer.tsval = None
    first, side.renew = side.isn, True
    side.send(SYN | flags, "SYN again", seq=side.peer.isn + isn, options=options)
    if side.isn != first:
        # Whether the number is TCP's choice, by the last of the old connection: SYN and FIN; ours
        # is the next one from there on whose low bits are the listener's (LQ_ISN_TAGS).
        side.note("ISN", 0 <= (side.isn - first & 0xFFFFFFFF) - (65535 + 2 + 2) < 1024)
    side.peer.seq = side.peer.isn + isn + 1
    side.send(ACK, "final ACK")
    side.end(side.accepted(False))


@lq.case(*VERSIONS, timeout=300)
def reuse_of_time_wait(version):
    """A pair in TIME_WAIT, with numbers and timestamps before and after the old ones."""
    pair = Pair(version)
    port = itertools.count(21000)
    for isn in (0, 1, 2, 10, 100000, -10):
        for options in (MSS, MSS + timestamp(5000), MSS + timestamp(500)):
            pair.compare(f"SYN at {isn:+d} {options.hex()}", time_wait, isn, options, 0,
                         sport=next(port))
    pair.compare("SYN|FIN", time_wait, 100000, MSS, FIN, sport=next(port))
    pair.end()


def with_icmp(side, kind, code, offset, length, established):
    """An error for the SYN-ACK, or for what was never sent, and then the ACK."""
    side.syn(FULL)
    if established:
        side.send(ACK, "final ACK")
    quoted = bytearray(side.synack.packet)
    start = 40 if side.v6 else 20
    quoted[start + 4 : start + 8] = struct.pack("!I", (side.isn + offset) & 0xFFFFFFFF)
    # No MTU below what the SYN-ACK has.
    info = 1280 if (kind, code) in ((3, 4), (2, 0)) else 0
    side.raw(icmp_error(kind, code, bytes(quoted[: start + length]), info),
             f"ICMP {kind} {code}")
    side.send(ACK, "final ACK", data=b"data")
    side.end(side.accepted(False))


@lq.case(*VERSIONS, timeout=400)
def icmp_errors(version):
    """Each ends what TCP would end, and nothing else."""
    pair = Pair(version)
    if version == "v6":
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


@lq.case("v4", "v6", timeout=300)
def fragments(version):
    """A header that is not in the first part."""
    pair = Pair(version)
    for which in ("SYN", "ACK"):
        for data in (b"", b"x" * 1000):
            pair.compare(f"{which} with {len(data)}", fragmented, which, data)
    pair.end()


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


@lq.case(*VERSIONS, timeout=300)
def full_queues(version):
    """Overflows, counted as TCP counts them, under the policy that is TCP's."""
    pair = Pair(version)
    with pair.sides[1].space:
        lq.sysctl("net.listenq.policy", "linux-modern")
        lq.sysctl("net.listenq.syncookies", 0)
    for abort in (0, 1):
        with pair.sides[1].space:
            lq.sysctl("net.listenq.abort_on_overflow", abort)
        pair.compare(f"abort_on_overflow {abort}", full_queue, abort)
    pair.compare("half-open", two_and_one)
    pair.end()


@lq.case(*VERSIONS)
def the_peer_is_who_it_is(version):
    """The test itself: both sides are what they say."""
    pair = Pair(version)
    (tcp, ours) = pair.sides
    for side in (tcp, ours):
        with side.space:
            side.begin()
            lq.equal(side.listener.getsockopt(SOL_SOCKET, 3, 4), struct.pack("i", 1), "SO_TYPE")
            with lq.Counted() as moved:
                side.syn(FULL)
                lq.equal(moved("SynReceived"), 1 if side is ours else 0)
            assert side.synack, f"no answer from {PEER[side.v6]}'s {side.kind}"
            side.end()
    lq.equal(padded(b"\x02"), b"\x02\x01\x01\x01")
    pair.end()


if __name__ == "__main__":
    lq.main()
