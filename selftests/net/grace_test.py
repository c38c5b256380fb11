#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Grace: what a listener had as it ended is parked for whoever of its owner listens there next.

    clients --- lo --- a listener that ends, and the next     or: peers, played by this program --- tun0
"""
import errno
import os
import signal
import socket
import time

import lq
from rawtcp import ACK, RST, SYN, Peer, Tun
from reuseport import choose, member

PORT = 8181
LONG = 300000  # ms: no deadline comes in the test


def grace(milliseconds=LONG):
    """What is parked is kept for so long."""
    lq.sysctl("net.listenq.grace_ms", milliseconds)


def serve(v6=False, **more):
    """A listener at the port that restarts."""
    return lq.listener(port=PORT, v6=v6, **{"backlog": 32, **more})


def begin(v6=False):
    """A client that connects while nobody listens."""
    client = lq.stream("tcp", v6)
    client.setblocking(False)
    client.connect_ex(("::1" if v6 else "127.0.0.1", PORT))
    return client


def told(client):
    """The reset that the client gets."""
    client.setblocking(True)
    client.settimeout(20 * lq.SCALE)
    with lq.fails_with(errno.ECONNRESET):
        client.recv(1)


def again(peer, data):
    """The segment once more with which the peer's data came first."""
    peer.seq -= len(data)
    peer.final_ack(data)


def reset(peer):
    """Whether an RST came for the peer, looking at what is there."""
    while (segment := peer.receive(0.05)) is not None:
        if segment.flags & RST:
            return True
    return False


def nothing_parked():
    """No segment for the port comes to us any more: a SYN is refused as TCP does."""
    client = lq.stream("tcp")
    client.settimeout(20 * lq.SCALE)
    with lq.fails_with(errno.ECONNREFUSED):
        client.connect(("127.0.0.1", PORT))


@lq.each_version()
def connections(v6):
    """Those that waited for accept() are the next listener's, in their order and with their data; and a
    client that came when nobody listened, whose SYN was not answered."""
    grace()
    listener = serve(v6)
    clients = [lq.connect_to(listener, v6=v6) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(b"%04d" % number)
    with lq.Counted() as moved:
        listener.close()
        lq.equal(moved("Parked", "DropListenerClosed"), (10, 0))
        late = begin(v6)
        for number, client in enumerate(clients):
            client.send(b"more")
        lq.never(lambda: lq.connected(late))
        listener = serve(v6)
        lq.equal(moved("Inherited", "Migrated", "DropListenerClosed"), (10, 10, 0))
    children = [lq.accept(listener) for _ in range(10)]
    lq.equal([lq.read_all(child, 8) for child in children],
             [b"%04dmore" % number for number in range(10)])
    for child in children:
        child.send(b"served")
    for client in clients:
        lq.equal(lq.read_all(client, 6), b"served")
    lq.wait_for(lambda: lq.connected(late), 20)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    grace(0)
    listener.close()
    told(late)
    nothing_parked()


@lq.each_version()
def half_open(v6):
    """An ACK that comes meanwhile gets no RST, nor does a SYN; the next listener sends its SYN-ACK again."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    grace()
    tun = Tun()
    listener = serve(v6)
    peers = [Peer(tun, PORT, v6=v6) for _ in range(6)]
    for peer in peers:
        peer.half_open()
    listener.close()
    while any(peer.receive(0.05) for peer in peers):
        pass  # SYN-ACKs that the timer had sent again
    peers[0].final_ack()
    peers[1].final_ack(b"data")
    peers[2].reset()
    peers[3].segment(ACK, ack=peers[3].ack - 77)
    late = Peer(tun, PORT, v6=v6)
    late.syn()
    for peer in (*peers[:3], late):
        peer.silent()
    assert reset(peers[3]), "an ACK of what was never sent"
    listener = serve(v6)
    lq.equal(lq.Info(listener).syn_qlen, 5)
    peers[0].expect(SYN | ACK, 20 * lq.SCALE)
    again(peers[1], b"data")
    for peer in (peers[0], peers[4]):
        peer.final_ack(b"data")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 3)
    lq.equal([lq.read_all(child, 4) for child in lq.accept_all(listener)], [b"data"] * 3)
    late.half_open()


@lq.each_version()
def cookies(v6):
    """An ACK that brings a cookie gets no RST, and is good for the next listener."""
    lq.sysctl("net.listenq.syncookies", 2)
    grace()
    tun = Tun()
    listener = serve(v6)
    good, bad = Peer(tun, PORT, v6=v6), Peer(tun, PORT, v6=v6)
    good.half_open()
    bad.half_open()
    listener.close()
    good.final_ack(b"data")
    good.silent()
    bad.segment(ACK, ack=bad.ack + 12345)
    assert reset(bad)
    listener = serve(v6)
    again(good, b"data")
    good.expect(ACK)
    lq.equal(lq.read_all(lq.accept(listener), 4), b"data")


@lq.each_version()
def deadline(v6):
    """Nobody came: who believes that it is connected is told, and nothing is left."""
    before = lq.requests_in_memory(), lq.module_users()
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    tun = Tun()
    grace(2000 * lq.SCALE)
    listener = serve(v6)
    waits = Peer(tun, PORT, v6=v6).connect()
    acked, young = Peer(tun, PORT, v6=v6), Peer(tun, PORT, v6=v6)
    acked.half_open()
    young.half_open()
    listener.close()
    acked.final_ack()
    acked.silent()
    lq.wait_for(lambda: reset(waits), 20, "the connection was not reset")
    assert reset(acked), "it believes still"
    young.silent()
    lq.wait_for(lambda: (lq.requests_in_memory(), lq.module_users()) == before)
    nothing_parked()


@lq.case("same", "other", "tcp")
def by_whom(who):
    """Another user who listens there gets nothing, and ends it; TCP's listener neither."""
    grace()
    tun = Tun()
    listener = serve()
    client = lq.connect_to(listener)
    peer = Peer(tun, PORT)
    peer.half_open()
    if who == "same":
        os.fchown(listener.fileno(), lq.NOBODY, -1)
    listener.close()
    if who == "tcp":
        other = serve(kind="tcp")
        peer.final_ack()
        lq.never(lambda: reset(peer))
        lq.connect_to(other).close()
        lq.accept(other).close()
        lq.adopt(other)
    elif who == "same":
        other = lq.stream("lq")
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.fchown(other.fileno(), lq.NOBODY, -1)
        other.bind(("0.0.0.0", PORT))
        other.listen(8)
    else:
        other = lq.stream("lq")
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.fchown(other.fileno(), lq.NOBODY, -1)
        other.bind(("0.0.0.0", PORT))
        other.listen(8)
        told(client)
        lq.equal((lq.Info(other).accept_qlen, lq.Info(other).syn_qlen), (0, 0))
        return
    lq.equal((lq.Info(other).accept_qlen, lq.Info(other).syn_qlen), (1, 1))


@lq.case("accept", "syn", "total")
def limits(which):
    """The next listener takes what it has room for; of all no more is parked than grace_total."""
    lq.quiet()
    lq.sysctl("net.listenq.policy", "linux-modern")
    grace()
    if which == "total":
        lq.sysctl("net.listenq.grace_total", 3)
    tun = Tun()
    listener = serve()
    peers = [Peer(tun, PORT) for _ in range(8)]
    for peer in peers:
        peer.half_open() if which == "syn" else peer.connect()
    with lq.Counted() as moved:
        listener.close()
        lq.equal(moved("Parked"), 3 if which == "total" else 8)
        listener = serve(backlog=32 if which == "total" else 2)
        info = lq.Info(listener)
        lq.equal((info.accept_qlen, info.syn_qlen), (0, 3) if which == "syn" else (3, 0))
        lq.equal(moved("Inherited", "DropListenerClosed"), (3, 5))
    lq.equal(sum(map(reset, peers)), 0 if which == "syn" else 5)


@lq.case()
def filters():
    """A connection that an accept filter held is the next listener's, which has none yet, with its data."""
    grace()
    listener = serve()
    lq.set_filter(listener, "httpready")
    passed, held = lq.connect_to(listener), lq.connect_to(listener)
    passed.send(b"GET / HTTP/1.0\r\n\r\n")
    held.send(b"GET ")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    lq.equal(lq.Info(listener).filter_qlen, 1)
    listener.close()
    held.send(b"/x")
    listener = serve()
    lq.equal(lq.Info(listener).accept_qlen, 2)
    lq.equal(sorted(lq.read_all(child, 6) for child in lq.accept_all(listener)),
             [b"GET / ", b"GET /x"])


@lq.case("close", "shutdown", "kill")
def every_end(how):
    """Whatever ends a listener, and whoever listens next."""
    grace()
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    child = os.fork()
    if child == 0:
        first = serve()
        os.write(writer, b"!")
        signal.sigwait([signal.SIGUSR1])
        if how == "close":
            first.close()
        elif how == "shutdown":
            first.shutdown(socket.SHUT_RD)
            # Its own, once more, before others come.
            os.write(writer, b"!")
            signal.sigwait([signal.SIGUSR1])
            first.listen(32)
            for one in lq.accept_all(first):
                one.send(b"served")
        os.write(writer, b"!")
        lq.until_killed()
    os.read(reader, 1)
    clients = []
    for _ in range(6):
        client = lq.stream("tcp")
        client.connect(("127.0.0.1", PORT))
        clients.append(client)
    with lq.Counted() as moved:
        os.kill(child, signal.SIGKILL if how == "kill" else signal.SIGUSR1)
        lq.wait_for(lambda: moved("Parked") == 6)
    if how == "shutdown":
        os.read(reader, 1)
        os.kill(child, signal.SIGUSR1)
    else:
        second = serve()
        for one in lq.accept_all(second):
            one.send(b"served")
    for client in clients:
        client.settimeout(20 * lq.SCALE)
        lq.equal(lq.read_all(client, 6), b"served")
    if how != "kill":
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@lq.each_version()
def a_group(v6):
    """Members that end one after the other leave to the next; the last one's is parked, with all, and
    the ACKs of requests that came to any of them find it."""
    lq.no_timer()
    grace()
    tun = Tun()
    members = [member(PORT, v6) for _ in range(3)]
    choose(members[0], 0)
    peers = [Peer(tun, PORT, v6=v6) for _ in range(8)]
    for peer in peers:
        peer.half_open()
    clients = [lq.connect_to(members[0], v6=v6) for _ in range(4)]
    while members:
        members.pop(0).close()
    peers[0].final_ack(b"data")
    peers[0].silent()
    members = [member(PORT, v6) for _ in range(4)]
    choose(members[0], 3)
    lq.equal([lq.Info(one).syn_qlen for one in members], [8, 0, 0, 0])
    lq.equal([lq.Info(one).accept_qlen for one in members], [4, 0, 0, 0])
    for peer in peers:
        peer.final_ack(b"data")
        peer.expect(ACK)
    lq.equal(lq.Info(members[0]).accept_qlen, 12)
    for client in clients:
        client.close()


@lq.case("v4", "v6", "dual", "address", "elsewhere")
def places(next_at):
    """A dual-stack listener's, by what listens next: those that it serves; who listens elsewhere ends
    nothing."""
    grace()
    listener = serve(v6=True)
    four, six = lq.connect_to(listener), lq.connect_to(listener, v6=True)
    listener.close()
    if next_at == "elsewhere":
        other = lq.listener(port=PORT + 1)
        lq.equal(lq.Info(other).accept_qlen, 0)
        listener = serve(v6=True)
        lq.equal(lq.Info(listener).accept_qlen, 2)
        return
    if next_at == "v6":
        listener = lq.stream("lq", v6=True)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("::", PORT))
        listener.listen(8)
        listener.setblocking(False)
    else:
        listener = serve(v6=next_at == "dual", addr="127.0.0.1" if next_at == "address" else None)
    lq.equal(lq.Info(listener).accept_qlen, 2 if next_at == "dual" else 1)
    if next_at == "v6":
        told(four)
    elif next_at != "dual":
        told(six)


@lq.case("option", "netlink")
def of_a_listener(how):
    """The setting of one listener: by its program, and by lqctl."""
    listener = serve()
    if how == "option":
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_GRACE_MS, LONG)
        lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_GRACE_MS), LONG)
    else:
        lq.run("lqctl", "set", "-l", f":{PORT}", f"grace_ms={LONG}")
    lq.equal(lq.Info(listener).grace_ms, LONG)
    client = lq.connect_to(listener)
    listener.close()
    listener = serve()
    lq.equal((lq.Info(listener).accept_qlen, lq.Info(listener).grace_ms), (1, 0))
    listener.close()
    told(client)


@lq.case(0, 1)
def adopted(always):
    """A server of TCP's that was adopted: the next one, as it is; or at its listen(), by net.listenq.adopt."""
    grace()
    listener = serve(kind="tcp")
    lq.adopt(listener)
    client = lq.connect_to(listener)
    listener.close()
    if always:
        lq.sysctl("net.listenq.adopt", 1)
    listener = serve(kind="tcp")
    if not always:
        lq.adopt(listener)
    assert lq.is_ours(listener)
    lq.equal(lq.Info(listener).accept_qlen, 1)
    child = lq.accept(listener)
    child.send(b"served")
    lq.equal(lq.read_all(client, 6), b"served")


@lq.case()
def released():
    """One that goes back to TCP parks nothing, and its SYNs are TCP's."""
    grace()
    listener = serve()
    lq.release(listener)
    lq.wait_for(lambda: not lq.is_ours(listener), 40)
    lq.connect_to(listener).close()
    lq.accept(listener)


@lq.case()
def peers_that_leave():
    """A parked connection that its peer resets is not the next one's; one that it closes is."""
    grace()
    tun = Tun()
    listener = serve()
    peers = [Peer(tun, PORT).connect() for _ in range(3)]
    listener.close()
    peers[0].reset()
    peers[1].send(b"data")
    listener = serve()
    lq.equal(lq.Info(listener).accept_qlen, 2)
    assert reset(peers[0]) is False


@lq.case()
def again_and_again():
    """Restarts under a stream of clients: none sees an error."""
    grace()
    listener = serve(backlog=128)
    clients = []
    for _ in range(30):
        clients += [lq.begin_connect(listener) for _ in range(4)]
        listener.close()
        for _ in range(2):
            clients.append(begin())
        listener = serve(backlog=256)
    served = 0
    deadline_at = time.monotonic() + 40 * lq.SCALE
    while served < len(clients) and time.monotonic() < deadline_at:
        for child in lq.accept_all(listener):
            child.send(b"!")
            child.close()
            served += 1
        time.sleep(0.01)
    for client in clients:
        client.setblocking(True)
        client.settimeout(20 * lq.SCALE)
        lq.equal(client.recv(1), b"!")
    lq.equal(served, len(clients))


@lq.case()
def namespace_ends():
    """Nobody can come any more: all is freed at the deadline, and the namespace with it."""
    before = lq.requests_in_memory(), lq.module_users()
    namespace = lq.Netns()
    with namespace:
        grace(1000)
        listener = serve()
        client = lq.connect_to(listener)
        listener.close()
        client.close()
    namespace.close()
    lq.wait_for(lambda: (lq.requests_in_memory(), lq.module_users()) == before, 30)


@lq.case()
def module_goes():
    """Nothing that is parked keeps the module: it ends before."""
    tun = Tun()
    grace()
    listener = serve()
    waits = Peer(tun, PORT).connect()
    acked = Peer(tun, PORT)
    acked.half_open()
    listener.close()
    acked.final_ack()
    acked.silent()
    lq.wait_for(lambda: lq.module_users() == 0)
    with lq.unloaded():
        assert reset(waits) and reset(acked)


lq.main()
