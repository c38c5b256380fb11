# SPDX-License-Identifier: GPL-2.0
"""What each case asks of ip(8), by rtnetlink itself: an ip for it takes longer than most cases do. Devices
are those of this namespace; errors are OSErrors.
"""
import errno
import ipaddress
import os
import socket
import struct

NETLINK_ROUTE = 0
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
RTM_NEWLINK, RTM_NEWADDR = 16, 20
IFF_UP = 1
IFLA_MTU = 4
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFA_F_NODAD = 2
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr


def attribute(kind, value):
    """A struct nlattr."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def request(kind, flags, body):
    """One request, and the kernel's word about it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as netlink:
        netlink.bind((0, 0))
        netlink.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0)
                     + body)
        answer = netlink.recv(65536)
    if HEADER.unpack_from(answer)[1] != NLMSG_ERROR:
        raise OSError(errno.EPROTO, "no answer of rtnetlink's")
    error = -struct.unpack_from("=i", answer, HEADER.size)[0]
    if error:
        raise OSError(error, f"rtnetlink: {os.strerror(error)}")


def link_up(name, mtu=None):
    """ip link set NAME up [mtu MTU]"""
    change = attribute(IFLA_MTU, struct.pack("=I", mtu)) if mtu else b""
    request(RTM_NEWLINK, 0, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(name),
                                        IFF_UP, IFF_UP) + change)


def add_address(name, address, length):
    """ip addr add ADDRESS/LENGTH dev NAME; IPv6's without duplicate address detection"""
    address = ipaddress.ip_address(address)
    family, flags = (socket.AF_INET6, IFA_F_NODAD) if address.version == 6 else (socket.AF_INET, 0)
    request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
            struct.pack("=BBBBI", family, length, flags, 0, socket.if_nametoindex(name))
            + attribute(IFA_LOCAL, address.packed) + attribute(IFA_ADDRESS, address.packed))
