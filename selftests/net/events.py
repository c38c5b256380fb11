# SPDX-License-Identifier: GPL-2.0
"""Netlink events as a program reads them, and what makes some come."""
import contextlib
import socket
import struct

import lq
from genl import attrs

AF_NETLINK, NETLINK_GENERIC, SOL_NETLINK = 16, 16, 270
ADD_MEMBERSHIP = 1
CMD_EVENT = 4
TYPES = ("none started stopped truncated overflow_began overflow_ended cookies_began"
         " cookies_ended").split()
DROP_SYN_QUEUE_FULL, DROP_ACCEPT_QUEUE_FULL_SYN = 1, 2
# A policy that has no half-open request while the accept queue is full.
DROPS_SYNS = ((lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern"),)
GENEROUS = 30  # seconds


def group_of():
    """The numbers of the family and of its group "events"."""
    with socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        name = b"listenq\0"
        body = struct.pack("=BBHHH", 3, 1, 0, 4 + len(name), 2) + name
        sock.send(struct.pack("=IHHII", 16 + len(body), 16, 1, 1, 0) + body)
        found = attrs(sock.recv(65536)[20:])
    for group in attrs(found[7]).values():
        group = attrs(group)
        if group[1] == b"events\0":
            return struct.unpack("=H", found[1])[0], struct.unpack("=I", group[2])[0]
    raise AssertionError("no group")


class Event:  # pylint: disable=too-few-public-methods
    """One message of the group."""

    NUMBERS = {2: "time", 3: "type", 4: "listener", 5: "family", 7: "port", 8: "ifindex",
               9: "v6only", 12: "backlog", 13: "accept_qlen", 14: "accept_limit", 15: "syn_qlen",
               16: "syn_limit", 17: "reason", 18: "count", 19: "untold"}
    FORMATS = {1: "=B", 2: "=H", 4: "=I", 8: "=Q"}

    def __init__(self, body):
        lq.equal(body[0], CMD_EVENT)
        found = attrs(body[4:])
        for number, name in self.NUMBERS.items():
            data = found.get(number)
            setattr(self, name, data and struct.unpack(self.FORMATS[len(data)], data)[0])
        self.kind = TYPES[self.type]
        self.addr = found[6]
        self.policy = found[10].rstrip(b"\0").decode()
        (self.backlog_asked,) = struct.unpack("=i", found[11])


class Reader:
    """A socket that has joined the group of the namespace that it was made in."""

    def __init__(self):
        self.family, group = group_of()
        self.sock = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
        self.sock.setblocking(False)
        self.got = []

    def poll(self):
        """All events so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.sock.recv(65536)
                length, family = struct.unpack_from("=IH", data)
                lq.equal((length, family), (len(data), self.family))
                self.got.append(Event(data[16:]))
        return self.got

    def of(self, kind):
        """Those of one kind."""
        return [event for event in self.poll() if event.kind == kind]

    def wait(self, kind, count=1):
        """So many of one kind, and the last of them."""
        lq.wait_for(lambda: len(self.of(kind)) >= count, GENEROUS, f"no {count} {kind}")
        return self.of(kind)[count - 1]

    def kinds(self):
        """The kinds of all, in order."""
        return [event.kind for event in self.poll()]


def overflow_drops():
    """What the namespace's counters know of full queues."""
    counters = lq.counters()
    return sum(counters["Drop" + name] for name in (
        "SynQueueFull", "AcceptQueueFullSyn", "SynLastQuarter", "AcceptQueueFullAck",
        "AbortOnOverflow", "RequestEvicted"))


def fill(listener):
    """Connect until the accept queue is full; the clients."""
    limit = lq.Info(listener).accept_limit
    clients = [lq.connect_to(listener) for _ in range(limit)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == limit)
    return clients


def overflow(listener):
    """One SYN more than a full accept queue takes, or some: TCP asks again."""
    before = overflow_drops()
    client = lq.begin_connect(listener)
    lq.wait_for(lambda: overflow_drops() > before, GENEROUS)
    return client
