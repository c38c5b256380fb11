#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The counters of an address do not fall as a member of its group ends.

    clients --- lo --- a group of listeners
"""
import re
import socket
import struct

import lq
from genl import A_ACCEPT_WAIT, A_DROPS, A_EVENTS, A_PORT, Genl, attrs, u64
from reuseport import REUSEPORT, member

FORMER_DROPS, FORMER_EVENTS, FORMER_WAIT, WAIT_US, FORMER_WAIT_US = 51, 52, 53, 54, 55
WAIT_FINE, HANDSHAKE, FORMER_WAIT_FINE, FORMER_HANDSHAKE = 56, 57, 59, 60
ACCEPTED, ESTABLISHED, LISTENER_CLOSED = 7, 6, 18


def added_up(port, own, former, number):
    """A counter of all that listen there and of those that have ended, modulo 2^64."""
    total = 0
    for one in Genl().dump():
        if struct.unpack("=H", one[A_PORT])[0] != port:
            continue
        for kind in own, former:
            if kind in one:
                total += u64(attrs(one[kind])[number])
    return total % (1 << 64)


def accepted(port):
    """So many connections."""
    return added_up(port, A_EVENTS, FORMER_EVENTS, ACCEPTED)


def counted(port, *kinds):
    """The same, of histograms."""
    total = 0
    for one in Genl().dump():
        if struct.unpack("=H", one[A_PORT])[0] == port:
            for kind in kinds:
                buckets = one.get(kind, b"")
                assert len(buckets) <= (256 if kind in (A_ACCEPT_WAIT, FORMER_WAIT) else 1024)
                total += sum(struct.unpack(f"={len(buckets) // 8}Q", buckets))
    return total % (1 << 64)


def waited(port):
    """The same, of those that waited for accept(); each of them had a handshake."""
    total = counted(port, A_ACCEPT_WAIT, FORMER_WAIT)
    lq.equal(counted(port, WAIT_FINE, FORMER_WAIT_FINE), total)
    lq.equal(counted(port, HANDSHAKE, FORMER_HANDSHAKE), total)
    return total


def waits_us(port):
    """How long all of them waited."""
    total = 0
    for one in Genl().dump():
        if struct.unpack("=H", one[A_PORT])[0] == port:
            total += u64(one[WAIT_US]) + (u64(one[FORMER_WAIT_US]) if FORMER_WAIT_US in one else 0)
    return total % (1 << 64)


def serve(members, count, v6):
    """So many connections."""
    for _ in range(count):
        client = lq.connect_to(members[0], v6=v6)
        before = sum(lq.Info(one).accepted for one in members)

        def taken():
            for one in members:
                for child in lq.accept_all(one):
                    child.close()
            return sum(lq.Info(one).accepted for one in members) > before

        lq.wait_for(taken)
        client.close()


@lq.each_version()
def one_after_the_other(v6):
    """Each ends, and new ones come, as at a reload: the sum only grows."""
    members = [member(8080, v6) for _ in range(4)]
    serve(members, 20, v6)
    lq.equal((accepted(8080), waited(8080)), (20, 20))
    us = waits_us(8080)
    assert us > 0, us
    members.pop(0).close()
    lq.equal((accepted(8080), waited(8080), waits_us(8080)), (20, 20, us))
    members.pop().close()
    lq.equal(waits_us(8080), us)
    serve(members, 5, v6)
    members += [member(8080, v6) for _ in range(2)]
    lq.equal((accepted(8080), waited(8080)), (25, 25))
    for _ in range(3):  # what it had of others goes on with what it counted itself
        members.pop(0).close()
        lq.equal((accepted(8080), waited(8080)), (25, 25))
    serve(members, 5, v6)
    lq.equal((accepted(8080), waited(8080)), (30, 30))
    # A listener's own counters are its own.
    lq.equal(lq.Info(members[0]).accepted, 5)
    # The next that listens there, with nobody before it, begins anew.
    members.pop().close()
    members.append(member(8080, v6))
    lq.equal((accepted(8080), waited(8080)), (0, 0))


@lq.case()
def drops_of_the_last_moment():
    """What a listener counts as it ends is its address's, too."""
    lq.sysctl("net.listenq.migrate", 0)
    first, second = member(8080), member(8080)
    clients = [lq.connect_to(first) for _ in range(12)]
    lq.wait_for(lambda: lq.Info(first).accept_qlen + lq.Info(second).accept_qlen == 12)
    waiting = lq.Info(first).accept_qlen
    first.close()
    lq.equal(added_up(8080, A_DROPS, FORMER_DROPS, LISTENER_CLOSED), waiting)
    lq.equal(added_up(8080, A_EVENTS, FORMER_EVENTS, ESTABLISHED), 12)
    del clients


@lq.case()
def who_listens_again():
    """Its counters go on, and the sum has them once."""
    first, second = member(8080), member(8080)
    serve([first, second], 12, False)
    had = lq.Info(first).accepted
    first.shutdown(socket.SHUT_RDWR)
    lq.equal(accepted(8080), 12)
    first.listen(64)
    lq.equal(lq.Info(first).accepted, had)
    lq.equal((accepted(8080), waited(8080)), (12, 12))
    serve([first, second], 4, False)
    lq.equal((accepted(8080), waited(8080)), (16, 16))
    second.close()
    lq.equal((accepted(8080), waited(8080)), (16, 16))


@lq.case()
def another_address_is_another():
    """Neither another address, nor another family, nor another device has what one counted."""
    at_all, six, local, lo = (
        lq.listener(port=8080, options=[REUSEPORT]),
        lq.listener(port=8080, v6=True, options=[REUSEPORT, (socket.IPPROTO_IPV6,
                                                             socket.IPV6_V6ONLY, 1)]),
        lq.listener(port=8080, addr="127.0.0.1", options=[REUSEPORT]),
        lq.listener(port=8080, options=[REUSEPORT, (socket.SOL_SOCKET, socket.SO_BINDTODEVICE,
                                                    b"lo\0")]))
    client = lq.connect_to(local)
    for one in (at_all, six, local, lo):
        if lq.Info(one).accept_qlen:
            break
    lq.accept(one)
    one.close()
    lq.equal(accepted(8080), 0)
    assert not any(FORMER_EVENTS in one for one in Genl().dump())
    client.close()


@lq.case(timeout=200)
def what_is_exported():
    """lqctl export has the sums."""
    members = [member(8080) for _ in range(4)]
    serve(members, 12, False)
    members.pop(0).close()
    text = lq.run("lqctl", "export", "--prometheus")
    for metric, label in (("events_total", ',event="accepted"'),
                          ("accept_wait_seconds_count", ""), ("handshake_seconds_count", "")):
        (value,) = re.findall(rf'^listenq_listener_{metric}{{address="[^"]*",port="8080",'
                              rf'interface=""{label}}} (\d+)$', text, re.M)
        lq.equal(value, "12")


lq.main()
