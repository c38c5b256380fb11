# SPDX-License-Identifier: GPL-2.0
"""For the tests differential_*: the same segments at a TCP and at an AF_LISTENQ listener. Every answer is the same byte for byte,
every counter of the kernel moves as much, and the accepted sockets cannot be told apart.

    one namespace with TCP's listener      the same with ours
    stack under test --- tun0 --- peers    stack under test --- tun0 --- peers

What a scenario sends has been answered, if it is answered at all, when write() to the device
returns: the kernel handles it there. So nothing is waited for. What timers do would be no part of
it; a scenario that took longer than they do is done again, and what differs has to do so each time.

What may differ is in the tables AS_TCP and MASKED_*, each with its reason; everything else must not.
"""
import ipaddress
import itertools
import struct
import time

import lq
from rawtcp import (ACK, MSS, RST, SACK_OK, SYN, WSCALE, Peer, Tun, flag_names, timestamp)

# The first timer is that of a SYN-ACK, after a second.
TOO_LONG = 0.7
PORT = 8080

# What is not as with TCP unless it is asked for, so that the rest can be compared: a client that is told that
# its request ended, and accept() of connections that are reset.
AS_TCP = {"net.listenq.reset_acked": 0, "net.listenq.accept_dead": "keep"}

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
    # By a timer of 40 ms.
    "TcpExtDelayedACK": "a timer",
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


class NoSynAck(Exception):
    """The SYN has no answer, or a busy machine answers it later."""


class Side:
    """One of the two stacks, and the peer of one scenario."""

    def __init__(self, kind, v6, v6_listener):
        self.kind, self.v6, self.v6_listener = kind, v6, v6_listener
        self.space = lq.Netns()
        with self.space:
            lq.sysctl("net.ipv6.conf.default.router_solicitations", 0)
            self.tun = Tun()
        self.listener = self.peer = self.isn = self.log = None
        self.synack, self.isns = None, {}
        self.windows = True  # whether they are looked at
        self.renew = False  # the next SYN-ACK is another connection's
        self.addresses = {}  # of the peer and of the listener, if not the usual ones: a tunnel's

    def begin(self, options=(), sport=20000, isn=1000):
        """A listener and a peer for a scenario."""
        self.log, self.isn, self.synack, self.renew = [], None, None, False
        self.isns = {}  # by the peers' ports
        self.listener = lq.listener(self.kind, backlog=8, port=PORT, v6=self.v6_listener,
                                    options=options)
        self.peer = Peer(self.tun, PORT, v6=self.v6, sport=sport, isn=isn,
                         addr=self.addresses.get("peer"))
        if self.addresses:
            self.peer.local = ipaddress.ip_address(self.addresses["local"]).packed

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

    def answered(self):
        """The SYN-ACK, without which the scenario cannot go on."""
        if self.synack is None:
            raise NoSynAck
        return self.synack

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
            self.note("options", socket_options(child, self.v6_listener))
        try:
            self.note("data", child.recv(4096))
        except OSError as error:
            self.note("data", error.errno)
        return child

    def end(self, *children):
        """Nothing is left."""
        for child in children:
            if child:
                lq.reset(child)
        self.listener.close()
        self.answers("end")


class Pair:
    """Both sides: segments of IPv6 or IPv4, and a listener of the same unless said otherwise."""

    def __init__(self, v6, v6_listener=None, **sysctls):
        self.windows = True
        self.compared = self.slow = 0
        self.sides = [Side(kind, v6, v6 if v6_listener is None else v6_listener) for kind in ("tcp", "lq")]
        for side in self.sides:
            with side.space:
                lq.sysctl("net.ipv4.tcp_syncookies", 0)
                lq.sysctl("net.ipv4.tcp_invalid_ratelimit", 500)
                for name, value in sysctls.items():
                    lq.sysctl(name.replace("__", "."), value)
        with self.sides[1].space:
            for name, value in AS_TCP.items():
                lq.sysctl(name, value)
        self.differences = []

    def once(self, scenario, *args, **begin):
        """The scenario on both sides: what is not the same, or None: it took too long. @sport may be a count of
        ports: what the last time has left of a pair would be in the way."""
        logs, late = [], False
        if isinstance(begin.get("sport"), itertools.count):
            begin["sport"] = next(begin["sport"])
        for side in self.sides:
            with side.space:
                start = time.monotonic()
                before = counters()
                side.begin(**begin)
                side.windows = self.windows
                try:
                    scenario(side, *args)
                except NoSynAck:
                    side.listener.close()
                    return {f"{side.kind}'s SYN-ACK": "none came"}
                side.listener.close()
                side.answers("late")
                after = counters()
                late |= time.monotonic() - start > TOO_LONG
            moved = {key: value - before.get(key, 0) for key, value in after.items()
                     if value != before.get(key, 0)}
            logs.append(side.log + [("counters", moved)])
        return None if late else dict(differences(*logs))

    def compare(self, name, scenario, *args, **begin):
        """Do the scenario on both sides, and remember what is not the same each time."""
        each = []
        for _ in range(16):
            found = self.once(scenario, *args, **begin)
            if found is not None:
                each.append(found)
            if found == {} or len(each) == 9:
                same = set.intersection(*map(set, each))
                self.differences += [f"{name}: {what}: {found[what]}" for what in found
                                     if what in same]
                self.compared += 1
                return
        lq.diag(f"{name}: this machine is too slow")
        self.slow += 1

    def end(self):
        """All must have been the same."""
        for side in self.sides:
            side.space.close()
        if self.differences:
            raise AssertionError("\n".join(self.differences[:60]))
        if self.slow and not self.compared:
            raise lq.Skip(f"too slow for all of {self.slow}")


def differences(tcp, ours):
    """(what is not the same, how)"""
    for theirs, mine in itertools.zip_longest(tcp, ours):
        if theirs == mine:
            continue
        if theirs and mine and isinstance(theirs[1], dict) and isinstance(mine[1], dict):
            for key in sorted(set(theirs[1]) | set(mine[1]), key=str):
                if theirs[1].get(key) != mine[1].get(key):
                    yield f"{mine[0]} {key}", f"{mine[1].get(key)}, TCP {theirs[1].get(key)}"
        else:
            yield (mine or theirs)[0], f"{mine}, TCP {theirs}"


# --- what scenarios share ---

TS = timestamp(1000)
FULL = MSS + SACK_OK + TS + b"\x01" + WSCALE


def handshake(side, syn, ack, options=True):
    """SYN, ACK, accept()."""
    side.syn(**syn)
    if side.isn is not None:
        side.send(ACK, "final ACK", **ack)
    side.end(side.accepted(options))


def in_syn_recv(side, segments, syn):
    """Unexpected segments, one after the other, then the right ACK."""
    side.syn(syn)
    for flags, seq, ack, more in segments:
        side.send(flags, f"{flag_names(flags)} seq {seq:+d} ack {ack:+d} {more}",
                  seq=side.peer.isn + seq, ack=side.peer.ack + ack if flags & ACK else None, **more)
    side.send(ACK, "final ACK")
    side.end(side.accepted(False))
