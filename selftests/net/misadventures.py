# SPDX-License-Identifier: GPL-2.0
"""Segments that are dropped, each for a reason of its own."""
import socket

import lq
from rawtcp import ACK, MSS, SYN, Peer, timestamp

MADE = ("syn_queue_full accept_queue_full_syn syn_last_quarter accept_queue_full_ack"
        " abort_on_overflow request_reset request_syn_in_window ack_bad_seq ack_paws"
        " ack_deferred syn_rate_limited").split()


def listener_of(tun, v6=False):
    """A listener that drops for as many reasons as a few segments can make; its events too."""
    lq.quiet()
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    listener = lq.listener(backlog=10, v6=v6)
    port = lq.port_of(listener)

    def new():
        return Peer(tun, port, v6=v6)

    reset = new()
    reset.half_open()
    reset.reset()  # request_reset
    again = new()
    again.half_open()
    again.segment(SYN, seq=again.isn + 10, options=MSS)  # request_syn_in_window
    odd = new()
    odd.half_open(MSS + timestamp(5000))
    odd.tsval = 4000
    odd.final_ack()  # ack_paws
    odd.tsval = 5001
    odd.segment(ACK, seq=odd.seq + 10000000)  # ack_bad_seq
    odd.segment(ACK, seq=odd.seq, ack=odd.ack + 5)  # RST, and the request stays
    odd.syn(MSS + timestamp(5002))  # a duplicate; after the others: syn_rate_limited
    odd.final_ack()
    listener.setsockopt(socket.IPPROTO_TCP, 9, 30)  # TCP_DEFER_ACCEPT
    patient = new()
    patient.half_open()
    patient.final_ack()  # ack_deferred
    patient.final_ack(b"data")
    listener.setsockopt(socket.IPPROTO_TCP, 9, 0)
    # The accept queue holds two; bring in three more.
    listener.listen(1)
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, b"freebsd")
    late, later = new(), new()
    late.half_open()
    later.half_open()
    lq.set_policy(listener, "linux-classic")
    late.final_ack()  # accept_queue_full_ack
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ABORT_ON_OVERFLOW, 1)
    later.final_ack()  # abort_on_overflow
    new().syn()
    lq.set_policy(listener, "aix")
    new().syn()  # accept_queue_full_syn
    lq.set_policy(listener, "linux-modern")
    lq.accept(listener).close()
    new().syn()  # syn_queue_full
    listener.listen(50)
    for _ in range(12):
        new().syn()  # the last one: syn_last_quarter
    return listener
