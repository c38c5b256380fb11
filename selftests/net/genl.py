# SPDX-License-Identifier: GPL-2.0
"""The generic netlink family "listenq", spoken by hand."""
import errno
import os
import socket
import struct

import lq

CMD_LISTENER_GET, CMD_STATS_GET, CMD_REQUEST_GET = 1, 2, 5
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 1, 2, 4, 0x10, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS, NLMSGERR_ATTR_MISS_TYPE = 1, 2, 5
A_ID, A_PORT, A_BACKLOG, A_DROPS, A_EVENTS, A_ACCEPT_WAIT = 1, 5, 12, 23, 24, 25


def attr(kind, payload):
    """One netlink attribute."""
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def attrs(data):
    """{type: payload}"""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


class NetlinkError(OSError):
    """What the kernel answered, and what it said about it."""

    def __init__(self, number, extended):
        super().__init__(number, os.strerror(number))
        self.extended = extended
        self.text = extended.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()


class Genl:
    """A socket of the family "listenq"."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.settimeout(20)
        for option in (10, 11):  # NETLINK_CAP_ACK, NETLINK_EXT_ACK
            self.sock.setsockopt(270, option, 1)
        self.seq = 0
        (reply,) = self.ask(16, 3, attr(2, b"listenq\0"), version=1)
        self.family = struct.unpack("=H", attrs(reply)[1])[0]

    def send(self, family, command, body=b"", flags=0, *, version=1, reserved=0):
        """One request."""
        self.seq += 1
        payload = struct.pack("=BBH", command, version, reserved) + body
        self.sock.send(struct.pack("=IHHII", 16 + len(payload), family,
                                   NLM_F_REQUEST | flags, self.seq, 0) + payload)

    def receive(self):
        """One datagram: [(type, flags, body)]"""
        data = self.sock.recv(1 << 20)
        messages = []
        while len(data) >= 16:
            length, kind, flags, seq, _ = struct.unpack_from("=IHHII", data)
            if seq == self.seq:
                messages.append((kind, flags, data[16:length]))
            data = data[(length + 3) & ~3 :]
        return messages

    def ask(self, family, command, body=b"", flags=NLM_F_ACK, **more):
        """The bodies of all that is answered, after the genl header."""
        self.send(family, command, body, flags, **more)
        replies = []
        while True:
            for kind, flags, body in self.receive():
                if kind == NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    if number:
                        raise NetlinkError(number, attrs(body[20:]) if flags & NLM_F_ACK_TLVS
                                           else {})
                    return replies
                if kind == NLMSG_DONE:
                    return replies
                replies.append(body[4:])

    def get(self, number):
        """The attributes of one listener."""
        (reply,) = self.ask(self.family, CMD_LISTENER_GET, attr(A_ID, struct.pack("=Q", number)))
        return attrs(reply)

    def dump(self):
        """The attributes of all listeners."""
        return [attrs(body) for body in
                self.ask(self.family, CMD_LISTENER_GET, flags=NLM_F_DUMP)]

    def refused(self, number, *args, **more):
        """The request must fail with this error, and then the error."""
        try:
            self.ask(self.family, *args, **more)
        except NetlinkError as error:
            lq.equal(errno.errorcode[error.errno], errno.errorcode[number], str(args))
            return error
        raise AssertionError(f"{args}: no error")


def u64(data):
    """An attribute's number."""
    return struct.unpack("=Q", data)[0]
