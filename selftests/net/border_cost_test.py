#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""The border to TCP's other parts: who pays for a listener. A segment of a connection is no business of
the listener's, wherever early demux found no socket for it, and a stranger's segment costs the same
however many members a group has.

    peers, played by this program --- tun0 --- listeners
    clients in one namespace --- veth --- listeners in the other
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import tempfile

import lq
import rtnl
from kprobes import Hits
from rawtcp import ACK, RST, SYN, Peer, Tun, checksum

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
SIOCETHTOOL, ETHTOOL_STSO, ETHTOOL_SGRO = 0x8946, 0x1F, 0x2C
CLONE_NEWNS = 0x20000
MEMBERS = 100
PIECE = 100
TOTAL = 4000


class Fragments:
    """A device to which each packet goes in pieces: the IP layer has to put them together."""

    def __init__(self, tun):
        self.tun = tun
        self.ident = 1

    def send(self, packet):
        """Three fragments or more."""
        self.ident += 1
        v6 = packet[0] >> 4 == 6
        head, rest = (packet[:40], packet[40:]) if v6 else (packet[:20], packet[20:])
        for offset in range(0, len(rest), 48):
            more = offset + 48 < len(rest)
            piece = rest[offset:offset + 48]
            if v6:
                piece = struct.pack("!BBHI", 6, 0, offset | more, self.ident) + piece
                self.tun.send(head[:4] + struct.pack("!HB", len(piece), 44) + head[7:] + piece)
            else:
                own = head[:2] + struct.pack("!HHH", 20 + len(piece), self.ident,
                                             more << 13 | offset // 8) + head[8:10]
                own += struct.pack("!H", checksum(own + head[12:])) + head[12:]
                self.tun.send(own + piece)

    def receive(self, dport, seconds):
        """As Tun.receive()."""
        return self.tun.receive(dport, seconds)


def attach(sock, length):
    """A program of one instruction: so many bytes of each segment, from the TCP header on."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, length), 8)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("@HP", 1, ctypes.addressof(program)))


def member(port=0, v6=False):
    """One of a group."""
    return lq.listener(backlog=512, port=port, v6=v6,
                       options=[(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)])


def without_early_demux(how):
    """For segments that come by a device."""
    if how in ("ip_early_demux", "tcp_early_demux"):
        lq.sysctl(f"net.ipv4.{how}", 0)


@lq.each_version("default", "ip_early_demux", "tcp_early_demux", "fragments", mapped=True)
def a_connection_s_segments_pass_the_listener(how, v6, v6_listener):
    """Neither its lock nor its socket filter, which would cut them, is in their way."""
    tun = Tun()
    listener = lq.listener(v6=v6_listener)
    peer = Peer(tun, lq.port_of(listener), v6=v6).connect()
    child = lq.accept(listener)
    without_early_demux(how)
    if how == "fragments":
        peer.tun = Fragments(tun)
    for length in (48, 0):  # the child, accepted before, has none
        attach(listener, length)
        with Hits("lq_ack_try") as asked:
            for _ in range(TOTAL // PIECE):
                peer.send(b"x" * PIECE)
            lq.equal(lq.read_all(child, TOTAL), b"x" * TOTAL)
            lq.equal(asked(), 0, f"calls of lq_ack_try() for {TOTAL // PIECE} segments")
    peer.segment(ACK | RST)
    with lq.fails_with(lq.errno.ECONNRESET):
        lq.read_all(child, 1)


@lq.each_version(mapped=True)
def a_connection_s_segments_pass_the_listener_on_lo(v6, v6_listener):
    """There they bring a route and no socket."""
    listener = lq.listener(v6=v6_listener)
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    attach(listener, 48)
    with Hits(f"lq_receive_{'v6' if v6 else 'v4'}") as came, \
            Hits("lq_ack_try") as asked:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(TOTAL // PIECE):
            client.sendall(b"x" * PIECE)
        lq.equal(lq.read_all(child, TOTAL), b"x" * TOTAL)
        assert came() > 0, "no segment came to receive.c"
        lq.equal(asked(), 0, "calls of lq_ack_try()")


def offload(device, command, on):
    """ethtool -K"""
    value = ctypes.create_string_buffer(struct.pack("II", command, on), 8)
    with socket.socket() as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP8x", device, ctypes.addressof(value)))


def napi_pair(clients):
    """A device here that has NAPI and batches, and its other end there."""
    lq.run("modprobe", "veth", check=False)
    lq.run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns",
           f"/proc/{os.getpid()}/fd/{clients.fd}")
    rtnl.link_up("here")
    with clients:
        rtnl.link_up("there")
        lq.add_address("there", "10.9.0.2", 24)
        lq.add_address("there", "2001:db8:9::2", 64)
        offload(b"there", ETHTOOL_STSO, 0)
    lq.add_address("here", "10.9.0.1", 24)
    lq.add_address("here", "2001:db8:9::1", 64)
    offload(b"here", ETHTOOL_SGRO, 1)
    # The device of this namespace is only in a sysfs that was mounted here.
    lq.libc.unshare(CLONE_NEWNS)
    lq.run("mount", "--make-rprivate", "/")
    where = tempfile.mkdtemp()
    lq.run("mount", "-t", "sysfs", "sysfs", where)
    with open(f"{where}/class/net/here/threaded", "w", encoding="ascii") as file:
        file.write("1")


def send_all_at_once(sockets, children, size):
    """@size bytes by each of @sockets; each child reads as many."""
    left = {sock.fileno(): (sock, size) for sock in sockets}
    poller = select.poll()
    for sock in sockets:
        sock.setblocking(False)
        poller.register(sock, select.POLLOUT)
    for child in children:
        child.setblocking(False)
        poller.register(child, select.POLLIN)
    reading = {child.fileno(): (child, size) for child in children}
    while left or reading:
        ready = poller.poll(10000 * lq.SCALE)
        assert ready, "nothing moves"
        for fd, _ in ready:
            if fd in left:
                sock, more = left.pop(fd)
                more -= sock.send(b"x" * min(more, 1000))
                if more:
                    left[fd] = sock, more
                else:
                    poller.unregister(fd)
            else:
                child, more = reading.pop(fd)
                got = len(child.recv(65536))
                assert got, "end of file"
                if more > got:
                    reading[fd] = child, more - got
                else:
                    poller.unregister(fd)


@lq.each_version(timeout=120)
def a_batch_s_segments_pass_the_listener(v6):
    """The second and later segments of a batch take the first one's route, and early demux does not run."""
    clients = lq.Netns()
    napi_pair(clients)
    listener = lq.listener(backlog=64, v6=v6)
    to = ("2001:db8:9::1" if v6 else "10.9.0.1", lq.port_of(listener))
    sockets, children = [], []
    with clients:
        for _ in range(8):
            sockets.append(socket.create_connection(to, 20 * lq.SCALE))
            sockets[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in sockets:
        children.append(lq.accept(listener))
    attach(listener, 48)
    with Hits(f"lq_receive_{'v6' if v6 else 'v4'}") as came, Hits("lq_ack_try") as asked:
        for _ in range(20):
            send_all_at_once(sockets, children, 50000)
            if came() >= 50:
                break
        lq.diag(f"{came()} segments came in batches")
        lq.equal(asked(), 0, f"calls of lq_ack_try() for {came()} segments")
        if not came():
            raise lq.Skip("no batch of two")


@lq.each_version("ACK", "RST", mapped=True)
def a_stranger_costs_a_group_two_looks(kind, v6, v6_listener):
    """However many members: the selected one, and whoever sent what the ACK acknowledges."""
    tun = Tun()
    members = [member(v6=v6_listener)]
    port = lq.port_of(members[0])
    members += [member(port, v6_listener) for _ in range(MEMBERS - 1)]
    count = 10
    with Hits(f"lq_hook_{'v6' if v6 else 'v4'}") as came, Hits("lq_ack_try") as asked:
        for turn in range(count):
            peer = Peer(tun, port, v6=v6)
            if kind == "ACK":
                peer.segment(ACK, ack=turn * 0x12345678 & 0xFFFFFFFF)
                peer.expect(RST)
            else:
                peer.reset()
        lq.wait_for(lambda: came() >= count)
        assert asked() <= 2 * count, f"{asked()} calls of lq_ack_try() for {count} segments"


@lq.each_version(mapped=True)
def members_come_and_go_between_syn_and_ack(v6, v6_listener):
    """Whichever member the ACK selects then, each that still listens gets the ACKs of its own SYNs."""
    lq.no_timer()
    tun = Tun()
    members = [member(v6=v6_listener)]
    port = lq.port_of(members[0])
    members += [member(port, v6_listener) for _ in range(6)]
    peers = [Peer(tun, port, v6=v6) for _ in range(40)]
    for peer in peers:
        peer.half_open()
    for _ in range(3):
        more = [member(port, v6_listener) for _ in range(5)]
        members.pop(1).close()
        more.pop(2).close()
        members += more[:1]
        for sock in more[1:]:
            sock.close()
    held = [lq.Info(sock).syn_qlen for sock in members]
    for peer in peers:
        peer.final_ack(b"hello")
    lq.wait_for(lambda: sum(lq.Info(sock).accept_qlen for sock in members) == sum(held))
    lq.equal([lq.Info(sock).accept_qlen for sock in members], held)
    lq.equal(sum(lq.Info(sock).syn_qlen for sock in members), 0)
    for sock in members:
        for child in lq.accept_all(sock):
            lq.equal(lq.read_all(child, 5), b"hello")
    # And an answer for those whose listener has gone.
    flags = [peer.receive(5 * lq.SCALE).flags for peer in peers]
    lq.equal(sum(bool(flag & RST) for flag in flags), len(peers) - sum(held))
    assert not any(flag & SYN for flag in flags)


lq.main()
