# SPDX-License-Identifier: GPL-2.0
"""TCP segments by hand: a TUN device in this namespace, and peers behind it.

    stack under test                      this process
    192.0.2.1, 2001:db8::1  --- tun0 ---  any peer of 192.0.2.0/24, 2001:db8::/64

Nothing answers for a peer: what the stack sends is read from the device.
"""
import fcntl
import ipaddress
import os
import select
import stat
import struct
import time

import lq
import rtnl

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
LOCAL = {False: "192.0.2.1", True: "2001:db8::1"}
PEER = {False: "192.0.2.2", True: "2001:db8::2"}

# A SYN's options as Linux sends them, without the timestamp.
MSS, SACK_OK, WSCALE = b"\x02\x04\x05\xb4", b"\x04\x02", b"\x03\x03\x07"


def timestamp(tsval, tsecr=0):
    """A timestamp option."""
    return b"\x08\x0a" + struct.pack("!II", tsval & 0xFFFFFFFF, tsecr & 0xFFFFFFFF)


def padded(options):
    """To a multiple of four bytes."""
    return options + b"\x01" * (-len(options) % 4)


def checksum(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def flag_names(flags):
    """For messages."""
    names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
    return "|".join(name for bit, name in enumerate(names) if flags >> bit & 1) or "none"


class Segment:
    """A TCP segment that the stack sent."""

    def __init__(self, packet):
        self.packet = packet
        self.v6 = packet[0] >> 4 == 6
        if self.v6:
            self.tos = (packet[0] & 15) << 4 | packet[1] >> 4
            self.ttl, self.ip_id, self.df = packet[7], 0, True
            self.src, self.dst = packet[8:24], packet[24:40]
            tcp = packet[40:]
        else:
            self.tos, self.ttl = packet[1], packet[8]
            self.ip_id = struct.unpack("!H", packet[4:6])[0]
            self.df = bool(packet[6] & 0x40)
            self.src, self.dst = packet[12:16], packet[16:20]
            tcp = packet[(packet[0] & 15) * 4 : struct.unpack("!H", packet[2:4])[0]]
        self.sport, self.dport, self.seq, self.ack = struct.unpack("!HHII", tcp[:12])
        self.flags = tcp[13]
        self.reserved = tcp[12] & 15
        self.window = struct.unpack("!H", tcp[14:16])[0]
        header = (tcp[12] >> 4) * 4
        self.options = tcp[20:header]
        self.data = tcp[header:]
        self.good_checksum = checksum(pseudo(self.src, self.dst, len(tcp)) + tcp) == 0

    def option(self, kind):
        """The body of an option, or None."""
        rest = self.options
        while rest:
            if rest[0] == 0:
                break
            if rest[0] == 1:
                rest = rest[1:]
                continue
            if rest[0] == kind:
                return rest[2 : rest[1]]
            rest = rest[rest[1] :]
        return None

    @property
    def tsval(self):
        """Of the timestamp option, or None."""
        body = self.option(8)
        return struct.unpack("!II", body)[0] if body else None

    @property
    def tsecr(self):
        """Of the timestamp option, or None."""
        body = self.option(8)
        return struct.unpack("!II", body)[1] if body else None

    def without_chance(self):
        """All that is the same each time: no ISN, TSval, identification, checksums."""
        packet = bytearray(self.packet)
        start = 40 if self.v6 else (packet[0] & 15) * 4
        if self.v6:
            packet[1] &= 0xF0  # flow label
            packet[2:4] = b"\0\0"
        else:
            packet[4:6] = packet[10:12] = b"\0\0"
        packet[start + 4 : start + 8] = b"\0\0\0\0"
        packet[start + 16 : start + 18] = b"\0\0"
        if self.option(8):
            at = packet.index(b"\x08\x0a", start + 20)
            packet[at + 2 : at + 6] = b"\0\0\0\0"
        return bytes(packet).hex(" ", 4)

    def __repr__(self):
        return (
            f"<{flag_names(self.flags)} {self.sport}>{self.dport} seq={self.seq} ack={self.ack}"
            f" win={self.window} options={self.options.hex()} data={len(self.data)}>"
        )


def pseudo(src, dst, length):
    """The pseudo header of the checksum."""
    if len(src) == 16:
        return src + dst + struct.pack("!II", length, 6)
    return src + dst + struct.pack("!BBH", 0, 6, length)


def icmp_error(kind, code, quoted, info=0):
    """An ICMP or ICMPv6 error that quotes a packet of ours, from a router on the way."""
    body = struct.pack("!BBHI", kind, code, 0, info) + quoted
    if quoted[0] >> 4 == 6:
        router = ipaddress.ip_address("2001:db8::77").packed
        local = ipaddress.ip_address(LOCAL[True]).packed
        total = checksum(router + local + struct.pack("!II", len(body), 58) + body)
        head = struct.pack("!IHBB", 6 << 28, len(body), 58, 64) + router + local
        return head + body[:2] + struct.pack("!H", total) + body[4:]
    router = ipaddress.ip_address("192.0.2.77").packed
    local = ipaddress.ip_address(LOCAL[False]).packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0) + router + local
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + body[:2] + struct.pack("!H", checksum(body)) + body[4:]


class Tun:
    """A device of this namespace; without addresses it is only a way out."""

    def __init__(self, mtu=1500, name="tun0", addresses=True):
        try:
            if not os.path.exists("/dev/net/tun"):
                os.makedirs("/dev/net", exist_ok=True)
                os.mknod("/dev/net/tun", 0o600 | stat.S_IFCHR, os.makedev(10, 200))
            # The kernel loads the module for it.
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise lq.Skip(f"/dev/net/tun: {error}") from error
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        lq.sysctl(f"net.ipv6.conf.{name}.accept_dad", 0)
        rtnl.link_up(name, mtu)
        if addresses:
            lq.add_address(name, LOCAL[False], 24)
        if addresses and mtu >= 1280:
            lq.add_address(name, LOCAL[True], 64)
        self.waiting = []

    def send(self, packet):
        """One packet into the stack."""
        os.write(self.fd, packet)

    def packets(self):
        """Every packet that has come out."""
        while True:
            try:
                yield os.read(self.fd, 65535)
            except BlockingIOError:
                return

    def _read(self):
        """Everything that is there; only TCP is kept."""
        for packet in self.packets():
            if packet[0] >> 4 == 4 and packet[9] == 6 or packet[0] >> 4 == 6 and packet[6] == 6:
                self.waiting.append(Segment(packet))

    def receive(self, dport, seconds):
        """The next segment to this port, or None."""
        end = time.monotonic() + seconds
        while True:
            self._read()
            for index, segment in enumerate(self.waiting):
                if segment.dport == dport:
                    return self.waiting.pop(index)
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self.fd], [], [], left)


class Peer:  # pylint: disable=too-many-instance-attributes
    """One side of a connection, played by the test."""

    next_port = 20000

    def __init__(self, tun, port, v6=False, addr=None, sport=None, isn=1000):
        if sport is None:
            sport = Peer.next_port
            Peer.next_port += 1
        self.tun, self.port, self.v6, self.sport, self.isn = tun, port, v6, sport, isn
        self.addr = ipaddress.ip_address(addr or PEER[v6]).packed
        self.local = ipaddress.ip_address(LOCAL[v6]).packed
        self.seq = isn  # what we send next
        self.ack = 0  # what we expect next
        self.synack = None
        self.tsval = None  # ours, when timestamps are agreed

    # pylint: disable-next=too-many-arguments
    def segment(self, flags, seq=None, ack=None, data=b"", options=None, window=64240, *,
                tos=0, ttl=64, bad_checksum=False, reserved=0, extension=b""):
        """Send one segment; what is not given is as it should be."""
        if options is None:
            options = b""
            if self.tsval is not None and not flags & SYN:
                options = timestamp(self.tsval, self.synack.tsval if self.synack else 0)
        options = padded(options)
        tcp = bytearray(
            struct.pack(
                "!HHIIBBHHH",
                self.sport,
                self.port,
                (self.seq if seq is None else seq) & 0xFFFFFFFF,
                (self.ack if ack is None else ack) & 0xFFFFFFFF if flags & ACK or ack else 0,
                (20 + len(options)) // 4 << 4 | reserved,
                flags,
                window,
                0,
                0,
            )
            + options
            + data
        )
        total = checksum(pseudo(self.addr, self.local, len(tcp)) + bytes(tcp))
        tcp[16:18] = struct.pack("!H", total ^ (0x5555 if bad_checksum else 0))
        if self.v6:
            # extension: one hop-by-hop header (RFC 8200 4.3), its first byte to be filled in
            head = struct.pack("!IHBB", 6 << 28 | tos << 20, len(extension) + len(tcp),
                               0 if extension else 6, ttl)
            if extension:
                extension = b"\x06" + extension[1:]
            packet = head + self.addr + self.local + extension + bytes(tcp)
        else:
            head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(tcp), 1, 0x4000, ttl, 6, 0)
            head += self.addr + self.local
            head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
            packet = head + bytes(tcp)
        self.tun.send(packet)

    def receive(self, seconds=5):
        """The next segment to us, or None."""
        return self.tun.receive(self.sport, seconds)

    def expect(self, flags, seconds=5):
        """The next segment to us, which must have these flags (PSH aside)."""
        segment = self.receive(seconds * lq.SCALE)
        if segment is None:
            raise AssertionError(f"no {flag_names(flags)} within {seconds} s")
        if segment.flags & ~PSH != flags & ~PSH:
            raise AssertionError(f"{segment}, not {flag_names(flags)}")
        assert segment.good_checksum, f"bad checksum: {segment}"
        return segment

    def silent(self, seconds=0.3):
        """Nothing comes."""
        segment = self.receive(seconds)
        if segment is not None:
            raise AssertionError(f"{segment} came")

    def syn(self, options=MSS, **more):
        """Send our SYN; no answer is awaited."""
        self.segment(SYN | more.pop("flags", 0), seq=self.isn, options=options, **more)

    def half_open(self, options=MSS, **more):
        """SYN and SYN-ACK."""
        self.syn(options, **more)
        self.synack = self.receive(5 * lq.SCALE)
        if self.synack is None:
            raise AssertionError(f"no SYN-ACK; counted: {lq.all_counted()}")
        lq.equal(flag_names(self.synack.flags & ~ECE), "SYN|ACK", "answer to the SYN")
        assert self.synack.good_checksum, "bad checksum of the SYN-ACK"
        lq.equal(self.synack.ack, (self.isn + 1) & 0xFFFFFFFF, "ACK of the SYN-ACK")
        self.seq = self.isn + 1
        self.ack = (self.synack.seq + 1) & 0xFFFFFFFF
        return self.synack

    def final_ack(self, data=b"", flags=0, **more):
        """The third segment of the handshake."""
        self.segment(ACK | flags, data=data, **more)
        self.seq += len(data) + (1 if flags & FIN else 0)

    def connect(self, options=MSS):
        """The whole handshake."""
        self.half_open(options)
        self.final_ack()
        return self

    def send(self, data):
        """Data, in order."""
        self.segment(ACK | PSH, data=data)
        self.seq += len(data)

    def reset(self):
        """An exact RST."""
        self.segment(RST, ack=0)


def listener_and_peer(v6=False, **options):
    """What most cases begin with: a listener, lq.listener()'s options given, and a peer that faces
    it across a device, peer.tun."""
    tun = Tun()
    listener = lq.listener(v6=v6, **options)
    return listener, Peer(tun, lq.port_of(listener), v6=v6)


def fill(tun, listener, connections, half_open, v6=False):
    """Peers on the accept queue, and half-open ones."""
    port = lq.port_of(listener)
    # These first: a full accept queue lets only two more in.
    half = [Peer(tun, port, v6=v6) for _ in range(half_open)]
    for peer in half:
        peer.half_open()
    done = [Peer(tun, port, v6=v6).connect() for _ in range(connections)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == connections)
    lq.equal(lq.Info(listener).syn_qlen, half_open)
    return done, half


def syn_flood(tun, port, peers, options=MSS):
    """One SYN from each (address, port) of @peers, IPv4; no answer is awaited. Fast: one header
    is made, and the checksums of the others are that one's with the difference."""
    options = padded(options)
    local = ipaddress.ip_address(LOCAL[False]).packed
    tcp = struct.pack("!HHIIBBHHH", 0, port, 1000, 0, (20 + len(options)) // 4 << 4, SYN, 64240,
                      0, 0) + options
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0, b"\0" * 4, local)
    ip_sum = ~checksum(ip) & 0xFFFF
    tcp_sum = ~checksum(pseudo(b"\0" * 4, local, len(tcp)) + tcp) & 0xFFFF
    packet = bytearray(ip + tcp)
    for addr, sport in peers:
        high, low = struct.unpack("!HH", ipaddress.ip_address(addr).packed)
        packet[12:16] = struct.pack("!HH", high, low)
        packet[20:22] = struct.pack("!H", sport)
        for at, start in ((10, ip_sum), (36, tcp_sum + sport)):
            total = start + high + low
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            packet[at : at + 2] = struct.pack("!H", ~total & 0xFFFF)
        tun.send(bytes(packet))
