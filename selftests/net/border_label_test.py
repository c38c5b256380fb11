#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A security module leaves an IP option in the request (NetLabel). No SYN-ACK of ours carries it, so such
a connection is refused, and the option is freed; and the same when the label comes with the ACK.

    stack under test --- tun0 --- the peers, played by this program

selftests/modules/lq_label.c gives the labels.
"""
import socket
import struct

import lq
from labels import Labels, labels, set_port
from rawtcp import ACK, MSS, RST, SYN, Peer, Tun, timestamp

SO_MEMINFO, OPTMEM = 55, 6


def option_memory(listener):
    """Bytes of options that are charged to it."""
    return struct.unpack("9I", listener.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[OPTMEM]


# What is labelled, in which family; mapped: IPv4 at a listener of IPv6.
@lq.each_version("syn", "ack", "cookie_syn", "cookie_ack", mapped=True)
def refused(when, v6, v6_listener):
    """Silently, as TCP's own allocation failures are; without the label the same peer is served."""
    lq.no_timer()
    lq.sysctl("net.listenq.syncookies", 2 if when.startswith("cookie") else 0)
    tun = Tun()
    listener = lq.listener(v6=v6_listener)
    port = lq.port_of(listener)
    with Labels(), lq.Counted() as moved:
        peer = Peer(tun, port, v6=v6)
        if when.endswith("syn"):
            set_port(port)
            for _ in range(3):
                peer.syn(MSS + timestamp(1))
            peer.silent()
        else:
            peer.half_open(MSS + timestamp(1))
            peer.tsval = 2
            set_port(port)
            for _ in range(3):
                peer.segment(ACK)
            while (segment := peer.receive(0)) is not None:
                assert not segment.flags & RST and segment.flags & SYN, segment
        lq.equal((labels(), moved("DropLsm")), (3, 3))
        lq.nothing_to_accept(listener)
        lq.equal(option_memory(listener), 0)
        set_port(0)
        if when.endswith("syn"):
            peer.half_open(MSS + timestamp(1))
            peer.tsval = 2
        peer.final_ack()
        child = lq.accept(listener)
        peer.send(b"hello")
        lq.equal(lq.read_all(child, 5), b"hello")


@lq.each_version()
def tcp_s_own_are_its_own(v6):
    """The test itself: what TCP makes of a label is freed with the request or the connection."""
    tun = Tun()
    listener = lq.listener("tcp", v6=v6)
    with Labels():
        set_port(lq.port_of(listener))
        Peer(tun, lq.port_of(listener), v6=v6).half_open()
        lq.equal(labels(), 1)
        assert lq.objects_in_memory("lq_label") == 1
        listener.close()


lq.main()
