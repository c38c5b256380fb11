#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Bad networks: delay, loss, reordering and duplication; nothing is stuck, nothing is lost.

    clients in one namespace --- veth, netem both ways --- listener in the other

LQ_BADNET: how many connections each, 60 if unset. Data of a length that the connection's number
gives goes both ways, and its checksum with it.
"""
import hashlib
import os
import random
import select
import socket
import struct
import time

import lq

COUNT = int(os.environ.get("LQ_BADNET", "60"))
AT_ONCE = 100
LIMIT = max(150, COUNT)  # seconds, for the slowest of machines


def network(percent):
    """The other namespace; netem on both ends."""
    other = lq.Netns()
    lq.run("modprobe", "veth", check=False)
    lq.run("modprobe", "sch_netem", check=False)
    with other:
        pid = os.readlink("/proc/self/ns/net")
        fd = os.open("/proc/self/ns/net", os.O_RDONLY)
    assert pid
    lq.run("ip", "link", "add", "left", "type", "veth", "peer", "name", "right", "netns",
           f"/proc/{os.getpid()}/fd/{fd}")
    os.close(fd)
    netem = ("delay 10ms 4ms loss {0}% duplicate {0}% reorder {0}% 50% limit 20000"
             .format(percent))
    for space, name, last in ((None, "left", 1), (other, "right", 2)):
        if space:
            space.__enter__()
        lq.sysctl(f"net.ipv6.conf.{name}.accept_dad", 0)
        lq.ip(f"link set {name} address 02:00:00:00:00:0{last} up")
        lq.add_address(name, f"10.9.0.{last}", 24)
        lq.add_address(name, f"2001:db8:9::{last}", 64)
        # Neither ARP nor neighbour discovery is to be lost: they give up before TCP does.
        for address in (f"10.9.0.{3 - last}", f"2001:db8:9::{3 - last}"):
            lq.ip(f"neigh add {address} lladdr 02:00:00:00:00:0{3 - last} dev {name} nud permanent")
        try:
            lq.run("tc", "qdisc", "add", "dev", name, "root", "netem", *netem.split())
        except AssertionError as error:
            raise lq.Skip(f"no netem: {error}") from error
        if space:
            space.__exit__()
    return other


def payload(number, side):
    """What a side of a connection says: length, checksum, bytes."""
    chance = random.Random(number * 2 + side)
    data = chance.randbytes(chance.choice((0, 1, 100, 1448, 3000, 9000)))
    return struct.pack("!II", number, len(data)) + hashlib.md5(data).digest() + data


class End:
    """One side of a connection: it says its piece, reads the other's, and the end."""

    def __init__(self, sock, number=None):
        self.sock, self.number, self.got = sock, number, bytearray()
        self.said = payload(number, 0) if number is not None else b""
        self.ended, self.shut = False, False
        sock.setblocking(False)

    def wants(self):
        """Of epoll."""
        return select.EPOLLIN | (select.EPOLLOUT if self.said or not self.shut else 0)

    def move(self, events):
        """Whether it is done. Raises what goes wrong."""
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            data = self.sock.recv(65536)
            self.got += data
            self.ended = not data
            if self.number is None and len(self.got) >= 4:
                self.number = struct.unpack("!I", self.got[:4])[0]
                self.said = payload(self.number, 1)
        if events & select.EPOLLOUT and self.number is not None and not self.shut:
            self.said = self.said[self.sock.send(self.said):] if self.said else b""
            if not self.said:
                self.sock.shutdown(socket.SHUT_WR)
                self.shut = True
        return self.ended and self.shut

    def right(self, side):
        """What it heard is what the other said."""
        lq.equal(bytes(self.got), payload(self.number, side), f"connection {self.number}")


def play(listener, connect):
    """All connections, to their ends; how long each took."""
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    ends, started, finished, heard = {}, 0, {}, set()
    begin = time.monotonic()
    starts = {}
    while len(finished) < COUNT or len(heard) < COUNT:
        while started < COUNT and started - len(finished) < AT_ONCE:
            end = End(connect(), started)
            starts[started] = time.monotonic()
            started += 1
            ends[end.sock.fileno()] = (end, 1)
            epoll.register(end.sock, end.wants())
        if time.monotonic() - begin > LIMIT:
            raise AssertionError(f"stuck: {len(finished)} and {len(heard)} of {COUNT} are done")
        for fd, events in epoll.poll(1):
            if fd == listener.fileno():
                for child in lq.accept_all(listener):
                    ends[child.fileno()] = (End(child), 0)
                    epoll.register(child, select.EPOLLIN)
                continue
            end, side = ends[fd]
            try:
                done = end.move(events)
            except BlockingIOError:
                continue
            if not done:
                epoll.modify(end.sock, end.wants() if end.number is not None else select.EPOLLIN)
                continue
            end.right(side)
            if side:
                finished[end.number] = time.monotonic() - starts[end.number]
            else:
                assert end.number not in heard, "accepted twice"
                heard.add(end.number)
            epoll.unregister(fd)
            del ends[fd]
            end.sock.close()
    return finished.values()


@lq.each_version("1", "20", *(("5", "10") if COUNT > 60 else ()), timeout=2 * LIMIT)
def bad_network(percent, v6):
    """Each connection is accepted once, and every byte arrives in both directions."""
    other = network(percent)
    listener = lq.listener(backlog=50, v6=v6)  # less than are under way at once
    address = ("2001:db8:9::1" if v6 else "10.9.0.1", lq.port_of(listener))

    def connect():
        with other:
            client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        client.setblocking(False)
        client.connect_ex(address)
        return client

    begin = time.monotonic()
    took = play(listener, connect)
    seconds = time.monotonic() - begin
    counts = lq.counters()
    lq.equal((counts["Accepted"], counts["Established"]), (COUNT, COUNT))
    lq.equal(counts["RequestCreated"] + counts["CookieReceived"],
             COUNT + counts["DropRequestExpired"] + counts["DropRequestUnserved"]
             + counts["DropRequestReset"])
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 70)
    lq.diag(f"{percent} %: {COUNT} connections in {seconds:.1f} s, the slowest in {max(took):.1f} "
            f"s; {counts['SynackRetrans']} SYN-ACKs again, {counts['SynDuplicate']} duplicate SYNs,"
            f" {counts['DropAcceptQueueFullAck']} ACKs at a full queue")


lq.main()
