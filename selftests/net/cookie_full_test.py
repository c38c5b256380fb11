#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""SYN cookies at an accept queue that is full: what becomes of the ACK of one, and of its peer.

    peers, played by this program --- tun0 --- listener
"""
import lq
import rawtcp
from cookies import FULL, as_tcp, cookies, half_open, reply
from rawtcp import ACK, RST, SYN, Peer, Tun


def full_at_the_ack(tun, kind, v6):
    """Cookies were sent while there was room; then their ACKs come."""
    cookies(2, kind)
    listener = lq.listener(kind, backlog=0, v6=v6)
    peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(3)]
    for peer in peers:
        half_open(peer, FULL)
    answers = []
    names = ("TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtSyncookiesRecv",
             "TcpExtSyncookiesFailed", "TcpPassiveOpens")
    with lq.Counted(lq.mib) as mib:
        for peer in peers:
            peer.final_ack()
            answers.append((reply(peer), [mib(name) for name in names]))
        lq.equal(lq.ss_queues(lq.port_of(listener)), (1, 0))
        lq.accept(listener).close()
        peers[1].send(b"patience")  # the peer believed it, and tries again
        lq.equal(lq.read_all(lq.accept(listener), 8), b"patience")
    return answers


@lq.each_version()
@lq.counts_failed_cookies()
def accept_queue_full_at_the_ack(v6):
    """Silence, as TCP has it; the peer's data is served."""
    got = as_tcp(full_at_the_ack, v6)
    lq.equal([answer for answer, _ in got], ["nothing"] * 3)
    lq.equal(got[-1][1], [2, 2, 3, 0, 1])


def full_with_one(tun, v6, timeout_ms):
    """A listener whose accept queue one fills, and a peer whose cookie's ACK found no room."""
    cookies(2)
    lq.sysctl("net.listenq.synack_timeout_ms", timeout_ms)
    listener = lq.listener(backlog=0, v6=v6)
    first, late = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(2)]
    for peer in first, late:
        half_open(peer, FULL)
    first.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    late.final_ack()
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 1)
    return listener, late


@lq.each_version()
def kept_until_there_is_room(v6):
    """A peer that says nothing is asked again with what its cookie agreed on, and has its place."""
    with lq.Counted() as moved:
        listener, late = full_with_one(Tun(), v6, 500)
        for _ in range(2):
            again = late.expect(SYN | ACK)
            lq.equal((again.seq, again.ack, again.window), (late.synack.seq, late.synack.ack,
                                                            late.synack.window))
            lq.equal([again.option(kind) for kind in (2, 3, 4)],
                     [late.synack.option(kind) for kind in (2, 3, 4)])
            lq.equal(again.tsecr, late.tsval)
            late.final_ack()  # what an established peer says to that
        lq.accept(listener).close()
        late.expect(SYN | ACK)
        late.final_ack()
        lq.accept(listener).send(b"welcome")
        segment = late.receive()
        while segment.flags & SYN:
            segment = late.receive()
        lq.equal((segment.seq, segment.data), (late.ack, b"welcome"))
        lq.equal([moved(name) for name in ("CookieSent", "CookieReceived", "RequestCreated",
                                           "Established", "DropAcceptQueueFullAck")],
                 [2, 2, 0, 2, 3])


@lq.each_version()
def kept_and_told(v6):
    """Nobody accepts: it hears of that in the end, as others do whose ACK found no room."""
    lq.sysctl("net.listenq.synack_retries", 1)
    with lq.Counted() as moved:
        listener, late = full_with_one(Tun(), v6, 200)
        late.expect(SYN | ACK)
        answer = late.expect(RST | ACK)
        lq.equal((answer.seq, answer.ack, lq.Info(listener).syn_qlen), (late.ack, late.seq, 0))
        lq.equal(moved("DropRequestUnserved"), 1)


@lq.each_version()
def kept_real_clients(v6):
    """Who waits for the server's first word gets it, though it came when there was no room."""
    cookies(2)
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    # No cookie is sent while the queue is full: all SYNs are there before the first ACK is.
    lq.run("modprobe", "sch_netem", check=False)
    lq.run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "200ms")
    listener = lq.listener(backlog=0, v6=v6)
    clients = [lq.begin_connect(listener, v6=v6) for _ in range(4)]
    lq.wait_for(lambda: lq.counters()["DropAcceptQueueFullAck"] >= 3, 30)
    children = [lq.accept(listener, 60) for _ in clients]
    for child in children:
        child.send(b"welcome")
    for client in clients:
        client.settimeout(30 * lq.SCALE)
        lq.equal(lq.read_all(client, 7), b"welcome")


@lq.case()
def kept_in_place_of_the_silent():
    """The SYN queue is full of a flood: one of it gives way, and nobody else."""
    cookies(1)
    lq.sysctl("net.listenq.synack_timeout_ms", 3000)
    tun = Tun()
    listener = lq.listener(backlog=5)
    port = lq.port_of(listener)
    limit = lq.Info(listener).syn_limit
    rawtcp.syn_flood(tun, port, [(f"192.0.2.{10 + n}", 1024) for n in range(limit)])
    peers = [Peer(tun, port) for _ in range(7)]
    with lq.Counted() as moved:
        for peer in peers:
            half_open(peer, FULL)
        lq.equal(moved("CookieSent"), 7)
        for peer in peers[:6]:
            peer.final_ack()
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 6)
        peers[6].final_ack()
        lq.wait_for(lambda: moved("DropAcceptQueueFullAck") == 1)
        lq.equal((moved("DropRequestEvicted"), lq.Info(listener).syn_qlen), (0, limit))
        lq.wait_for(lambda: lq.Info(listener).syn_young == 0, 20)
        peers[6].final_ack()
        lq.wait_for(lambda: moved("DropRequestEvicted") == 1)
        lq.equal((moved("CookieReceived"), lq.Info(listener).syn_qlen), (7, limit))
        for _ in range(6):
            lq.accept(listener).close()
        peers[6].send(b"patience")
        lq.equal(lq.read_all(lq.accept(listener), 8), b"patience")


@lq.case()
def accept_queue_full_at_the_syn():
    """No cookie is sent to whom could not get in."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(backlog=0)
    half_open(first := Peer(tun, lq.port_of(listener)))
    first.final_ack()
    with lq.Counted() as moved:
        late = Peer(tun, lq.port_of(listener))
        late.syn()
        late.silent()
        lq.equal((moved("DropAcceptQueueFullSyn"), moved("CookieSent")), (1, 0))


lq.main()
