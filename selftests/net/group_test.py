#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SO_REUSEPORT: the listener that an ACK selects need not be the one that has the request.

    peers, played by this program --- tun0 --- a group of listeners
"""
import errno

import lq
from rawtcp import ACK, LOCAL, RST, Peer, Tun
from reuseport import REUSEPORT, choose, member

@lq.each_version()
def group_grows_between_syn_and_ack(v6):
    """The ACK selects a member that came later; the request is found all the same."""
    lq.no_timer()
    tun = Tun()
    members = [member(v6=v6)]
    port = lq.port_of(members[0])
    peers = [Peer(tun, port, v6=v6) for _ in range(24)]
    for peer in peers:
        peer.half_open()
    members += [member(port, v6) for _ in range(3)]
    for peer in peers:
        peer.final_ack(b"data")
        peer.expect(ACK)
    lq.wait_for(lambda: lq.Info(members[0]).accept_qlen == 24)
    lq.equal([lq.Info(one).accept_qlen for one in members], [24, 0, 0, 0])
    for child in lq.accept_all(members[0]):
        lq.equal(lq.read_all(child, 4), b"data")


@lq.each_version()
def group_shrinks_between_syn_and_ack(v6):
    """The requests of those that stay are found wherever their ACK goes; of the one that ends, with
    nobody to go to, they end (heir_test.py has the other way)."""
    lq.no_timer()
    lq.sysctl("net.listenq.migrate", 0)
    tun = Tun()
    members = [member(v6=v6)]
    port = lq.port_of(members[0])
    members += [member(port, v6) for _ in range(3)]
    peers = [Peer(tun, port, v6=v6) for _ in range(32)]
    for peer in peers:
        peer.half_open()
    held = [lq.Info(one).syn_qlen for one in members]
    lq.equal(sum(held), 32)
    members.pop(0).close()  # the last takes its place in the group, so all selections change
    lost = held.pop(0)
    for peer in peers:
        peer.final_ack()
    lq.wait_for(lambda: sum(lq.Info(one).accept_qlen for one in members) == 32 - lost)
    lq.equal([lq.Info(one).accept_qlen for one in members], held)
    lq.equal([lq.Info(one).syn_qlen for one in members], [0, 0, 0])
    answers = [peer.receive(0.05) for peer in peers]
    lq.equal(sum(1 for answer in answers if answer and answer.flags & RST), lost)


@lq.each_version()
def program_changes_between_syn_and_ack(v6):
    """A program sends SYNs to the first member and ACKs to the second."""
    lq.no_timer()
    tun = Tun()
    first = member(v6=v6)
    second = member(lq.port_of(first), v6)
    choose(first, 0)
    peers = [Peer(tun, lq.port_of(first), v6=v6) for _ in range(8)]
    for peer in peers:
        peer.half_open()
    lq.equal((lq.Info(first).syn_qlen, lq.Info(second).syn_qlen), (8, 0))
    choose(first, 1)
    for peer in peers:
        peer.final_ack()
    lq.wait_for(lambda: lq.Info(first).accept_qlen == 8)
    lq.equal(lq.Info(second).accept_qlen, 0)
    Peer(tun, lq.port_of(first), v6=v6).connect()
    lq.wait_for(lambda: lq.Info(second).accept_qlen == 1)


@lq.each_version(mapped=True)
def a_listener_with_an_address_of_its_own(v6, v6_listener):
    """It opens beside one for all addresses, whose half-open requests are found all the same;
    and it closes again, the same the other way round."""
    lq.no_timer()
    tun = Tun()
    wild = member(v6=v6_listener)
    port = lq.port_of(wild)
    before = [Peer(tun, port, v6=v6) for _ in range(4)]
    for peer in before:
        peer.half_open()
    own = lq.listener(port=port, addr=LOCAL[v6], v6=v6, options=[REUSEPORT])
    before[0].reset()
    lq.wait_for(lambda: lq.Info(wild).syn_qlen == 3, what="the RST did not find its request")
    for peer in before[1:]:
        peer.final_ack(b"data")
        peer.expect(ACK)
    lq.equal([(lq.Info(one).accept_qlen, lq.Info(one).syn_qlen) for one in (wild, own)],
             [(3, 0), (0, 0)])
    for child in lq.accept_all(wild):
        lq.equal(lq.read_all(child, 4), b"data")
    after = Peer(tun, port, v6=v6)
    after.half_open()
    lq.equal([lq.Info(one).syn_qlen for one in (wild, own)], [0, 1])
    after.final_ack()
    lq.wait_for(lambda: lq.Info(own).accept_qlen == 1)
    # An ACK of nothing is nobody's.
    stranger = Peer(tun, port, v6=v6)
    stranger.segment(ACK, ack=1)
    stranger.expect(RST)


@lq.case()
def a_tcp_member_is_selected():
    """The ACK goes to TCP's own listener of the group; ours still has the request."""
    lq.no_timer()
    tun = Tun()
    first = member()
    choose(first, 0)
    peer = Peer(tun, lq.port_of(first))
    peer.half_open()
    tcp = lq.listener("tcp", port=lq.port_of(first),
                      options=[REUSEPORT])
    choose(first, 1)
    peer.final_ack()
    lq.wait_for(lambda: lq.Info(first).accept_qlen == 1)
    with lq.fails_with(errno.EAGAIN):
        tcp.accept()


lq.main()
