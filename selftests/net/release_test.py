#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""A socket of ours becomes TCP's again: LQ_RELEASE.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import ctypes
import errno
import socket
import threading
import time

import ktls
import lq
from rawtcp import ACK, SYN, Peer, Tun

LAST_COOKIE = 16  # seconds that a released listener waits for its last cookie: uapi/linux/listenq.h


def made(kind, v6, **options):
    """A listener of ours: from socket(AF_LISTENQ), or adopted."""
    if kind == "born":
        return lq.listener(v6=v6, **options)
    listener = lq.listener("tcp", v6=v6, **options)
    lq.adopt(listener)
    return listener


def becomes_tcp(sock, seconds=20):
    """It knows no option of ours any more."""
    lq.wait_for(lambda: not lq.is_ours(sock), seconds, "it is not TCP's")


def nothing_of_ours(sock):
    """It is TCP's to whoever looks, and nothing holds the module."""
    becomes_tcp(sock)
    port = lq.port_of(sock)
    lq.equal([row for row in lq.lqctl_listeners() if row["port"] == port], [])
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")


# --- with nothing to drain ---


@lq.each_version("born", "adopted")
def an_idle_listener(kind, v6):
    """It is TCP's soon, with TCP's limits, serves, and can come and go again."""
    listener = made(kind, v6, backlog=7)
    lq.set_policy(listener, "solaris")
    lq.release(listener)
    nothing_of_ours(listener)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 7))
    with lq.Counted() as moved:
        lq.expect_serves(listener, v6)
        lq.equal(moved("SynReceived"), 0)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.release(listener)
    for _ in range(20):
        lq.adopt(listener)
        with lq.Counted() as moved:
            lq.expect_serves(listener, v6)
            lq.equal(moved("Accepted"), 1)
        lq.equal(lq.Info(listener).policy, "linux")
        lq.release(listener)
        becomes_tcp(listener)
        lq.expect_serves(listener, v6)
    listener.close()
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")


@lq.each_version("born", "adopted", "an option")
def a_socket_that_does_not_listen(kind, v6):
    """It is TCP's when the call returns: it connects, listens, takes kTLS as such."""
    sock = lq.stream("tcp" if kind == "adopted" else "lq", v6)
    if kind == "adopted":
        lq.adopt(sock)
    if kind == "an option":
        lq.set_policy(sock, "bsd")
    lq.release(sock, 0)  # nothing is under way
    assert lq.is_ours(sock)
    lq.release(sock)
    assert not lq.is_ours(sock)
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    server = lq.listener("tcp", v6=v6)
    sock.connect(("::1" if v6 else "127.0.0.1", lq.port_of(server)))
    ktls.talk(sock, lq.accept(server))
    other = lq.stream("lq", v6)
    lq.release(other)
    other.bind(("::" if v6 else "0.0.0.0", 0))
    other.listen(4)
    other.setblocking(False)
    lq.expect_serves(other, v6)
    lq.equal(lq.lqctl_listeners(), [])


@lq.each_version()
def bad_values(v6):
    """They change nothing."""
    listener = lq.listener(v6=v6)
    for value in (-1, 2, 1 << 30):
        with lq.fails_with(errno.EINVAL):
            lq.release(listener, value)
    with lq.fails_with(errno.EINVAL):
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_RELEASE, b"\1\0\0")
    lq.equal(lq.libc.setsockopt(listener.fileno(), lq.SOL_LISTENQ, lq.LQ_RELEASE,
                                ctypes.c_void_p(1), 4), -1)
    lq.equal(ctypes.get_errno(), errno.EFAULT)
    lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_RELEASE), 0)
    plain = lq.listener("tcp", v6=v6)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.release(plain)
    lq.expect_serves(listener, v6)


# --- what drains ---


@lq.each_version("born", "adopted")
def the_accept_queue(kind, v6):
    """Connections wait for accept() as long as it takes; new ones are TCP's meanwhile, and accept()
    has them all."""
    listener = made(kind, v6, backlog=20)
    clients = [lq.connect_to(listener, v6=v6) for _ in range(3)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 3)
    lq.release(listener)
    lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_RELEASE), 1)
    with lq.Counted() as moved:
        clients += [lq.connect_to(listener, v6=v6) for _ in range(4)]
        lq.wait_for(lambda: lq.ss_queues(lq.port_of(listener))[0] == 7)
        lq.equal(moved("SynReceived"), 0)
    lq.never(lambda: not lq.is_ours(listener))
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    children = [lq.accept(listener) for _ in clients]
    lq.equal({lq.read_all(child, 1) for child in children},
             {b"%d" % number for number in range(7)})
    nothing_of_ours(listener)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 20))
    lq.expect_serves(listener, v6)


@lq.each_version("born", "adopted")
def half_open_requests(kind, v6):
    """Ours are answered by us until the end: SYNs that come again, the ACK, data."""
    lq.no_timer()
    tun = Tun()
    listener = made(kind, v6)
    port = lq.port_of(listener)
    peers = [Peer(tun, port, v6=v6) for _ in range(3)]
    for peer in peers:
        peer.half_open()
    lq.release(listener)
    peers[0].syn()
    lq.equal(peers[0].expect(SYN | ACK).seq, peers[0].synack.seq)
    lq.equal(lq.Info(listener).syn_qlen, 3)
    peers[0].final_ack(b"0")
    peers[1].final_ack(b"1")
    new = Peer(tun, port, v6=v6).connect()
    new.send(b"n")
    lq.equal({lq.read_all(lq.accept(listener), 1) for _ in range(3)}, {b"0", b"1", b"n"})
    lq.equal(lq.Info(listener).syn_qlen, 1)
    lq.never(lambda: not lq.is_ours(listener))
    peers[2].final_ack(b"2")
    lq.equal(lq.read_all(lq.accept(listener), 1), b"2")
    nothing_of_ours(listener)
    lq.equal(lq.ss_queues(port), (0, 8))


@lq.each_version()
def a_request_whose_peer_is_gone(v6):
    """Its SYN-ACKs and its end come in time, and then the socket is TCP's."""
    listener = lq.listener(v6=v6)
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.synack_retries", 1)
    tun = Tun()
    gone = Peer(tun, lq.port_of(listener), v6=v6)
    gone.half_open()
    lq.release(listener)
    gone.expect(SYN | ACK)
    nothing_of_ours(listener)


@lq.each_version()
def cookies(v6):
    """The last one is waited for, and proves its connection; TCP's own prove theirs."""
    lq.sysctl("net.listenq.syncookies", 2)
    lq.sysctl("net.ipv4.tcp_syncookies", 2)
    tun = Tun()
    listener = lq.listener(v6=v6)
    ours = Peer(tun, lq.port_of(listener), v6=v6)
    ours.half_open()
    began = time.monotonic()
    lq.release(listener)
    tcps = Peer(tun, lq.port_of(listener), v6=v6)
    tcps.half_open()
    with lq.Counted(lq.mib) as kernel, lq.Counted() as moved:
        for peer in (ours, tcps):
            peer.final_ack(b"cookie")
            lq.equal(lq.read_all(lq.accept(listener), 6), b"cookie")
        lq.equal((moved("CookieReceived"), kernel("TcpExtSyncookiesRecv")), (1, 2))
    assert lq.is_ours(listener) or time.monotonic() - began > LAST_COOKIE - 2
    becomes_tcp(listener, 2 * LAST_COOKIE)
    assert time.monotonic() - began > LAST_COOKIE - 2
    nothing_of_ours(listener)


@lq.each_version()
def an_accept_filter(v6):
    """It holds what it held until its data comes."""
    listener = lq.listener(v6=v6)
    lq.set_filter(listener, "dataready")
    client = lq.connect_to(listener, v6=v6)
    lq.wait_for(lambda: lq.Info(listener).filter_qlen == 1)
    lq.release(listener)
    late = lq.connect_to(listener, v6=v6)  # TCP's: no filter
    lq.accept(listener)
    lq.never(lambda: not lq.is_ours(listener))
    client.send(b"now")
    lq.equal(lq.read_all(lq.accept(listener), 3), b"now")
    nothing_of_ours(listener)
    late.close()


@lq.case(*range(1, 5))
def shards(count):
    """All of them drain."""
    listener = lq.listener(backlog=100, options=((lq.SOL_LISTENQ, lq.LQ_SHARDS, count),))
    clients = [lq.connect_to(listener) for _ in range(20)]
    lq.release(listener)
    clients += [lq.connect_to(listener) for _ in range(20)]
    for _ in clients:
        lq.accept(listener)
    nothing_of_ours(listener)


# --- what comes in between ---


@lq.each_version()
def taken_back(v6):
    """0 ends the release: new SYNs are ours again."""
    listener = lq.listener(v6=v6)
    client = lq.connect_to(listener, v6=v6)
    lq.release(listener)
    lq.release(listener)
    lq.release(listener, 0)
    lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_RELEASE), 0)
    lq.accept(listener).close()
    client.close()
    lq.never(lambda: not lq.is_ours(listener))
    with lq.Counted() as moved:
        lq.expect_serves(listener, v6)
        lq.equal(moved("Accepted"), 1)
    for _ in range(5):
        lq.release(listener, 0)
        lq.release(listener, 1)
    nothing_of_ours(listener)
    lq.expect_serves(listener, v6)


@lq.each_version("close", "shutdown", "unspec", "listen", "adopt", "set")
def while_it_drains(what, v6):
    """Whatever the program does meanwhile does what it does with TCP's listener."""
    listener = lq.listener(v6=v6)
    client = lq.connect_to(listener, v6=v6)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    lq.release(listener)
    if what == "listen":
        listener.listen(3)
        lq.equal(lq.Info(listener).backlog_asked, 3)
    elif what == "adopt":
        with lq.fails_with(errno.EEXIST):
            lq.adopt(listener)
    elif what == "set":
        lq.set_policy(listener, "freebsd")
        lq.run("lqctl", "set", "-l", f":{lq.port_of(listener)}", "syncookies=0")
    else:
        if what == "close":
            listener.close()
        elif what == "shutdown":
            listener.shutdown(socket.SHUT_RDWR)
        else:
            lq.equal(lq.libc.connect(listener.fileno(), bytes(16), 16), 0)
        with lq.fails_with(errno.ECONNRESET):
            client.recv(1)
        lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
        return
    lq.accept(listener).close()
    nothing_of_ours(listener)
    lq.expect_serves(listener, v6)


@lq.each_version()
def who_waits_in_accept(v6):
    """It goes on waiting, in TCP's accept(), and gets TCP's next connection; the module can go."""
    listener = lq.listener(v6=v6)
    listener.setblocking(True)
    got = []
    threads = [threading.Thread(target=lambda: got.append(listener.accept())) for _ in range(3)]
    for thread in threads:
        thread.start()
    lq.wait_for(lambda: lq.accept_waiters() >= 3, what="nobody waits")
    lq.release(listener)
    nothing_of_ours(listener)
    with lq.unloaded():
        clients = [lq.connect_to(listener, v6=v6) for _ in range(3)]
        for thread in threads:
            thread.join(20 * lq.SCALE)
        lq.equal(len(got), 3)
    del clients


@lq.each_version()
def the_module_goes(v6):
    """Everything is TCP's, without the module; and ours again with the next one."""
    listener = lq.listener(v6=v6, backlog=9)
    lq.expect_serves(listener, v6)
    lq.release(listener)
    nothing_of_ours(listener)
    kept = lq.connect_to(listener, v6=v6)
    with lq.unloaded():
        lq.accept(listener).close()
        lq.expect_serves(listener, v6)
        with lq.fails_with(errno.ENOENT):
            lq.adopt(listener)
    lq.adopt(listener)
    lq.equal(lq.Info(listener).backlog_asked, 9)
    lq.expect_serves(listener, v6)
    kept.close()


if __name__ == "__main__":
    lq.main()
