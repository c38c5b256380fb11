#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""The border to TCP's other parts: whose a socket is, whatever calls it makes, in whatever order.

A socket of AF_LISTENQ that connects, by whatever call, is TCP's own from then on; kTLS never sees
anything of ours; what a listener had is gone with it, and the module can go.

    clients --- lo --- sockets
"""
import contextlib
import ctypes
import errno
import os
import socket
import struct
import threading

import ktls
import lq
from kprobes import Hits

MSG_FASTOPEN, SCHED_IDLE = 0x20000000, 5


# --- helpers ---


def loopback(v6, v6_socket):
    """The address of lo for this version, as a socket of that one has it."""
    if v6:
        return "::1"
    return "::ffff:127.0.0.1" if v6_socket else "127.0.0.1"


def unspec(sock):
    """connect(AF_UNSPEC)"""
    address = struct.pack("=H14x", socket.AF_UNSPEC)
    if lq.libc.connect(sock.fileno(), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "connect")


def closed_port(family):
    """A port where nobody listens."""
    with socket.socket(family) as sock:
        sock.bind(("", 0))
        return sock.getsockname()[1]


def deaf_port():
    """A port where SYNs go unanswered: a plain TCP listener whose queue is full; and what keeps it so."""
    listener = lq.listener("tcp", backlog=0, addr="127.0.0.1")
    keep = [listener]
    for _ in range(3):
        keep.append(lq.begin_connect(listener))
    lq.wait_for(lambda: (lq.ss_queues(lq.port_of(listener)) or (0,))[0] >= 1)
    return lq.port_of(listener), keep


def no_users():
    """The module can go: sockets that left gave up their reference, if not at once."""
    lq.wait_for(lambda: lq.module_users() == 0, 60, f"{lq.module_users()} users of the module")


def nothing_of_others_is_left():
    """What other tests left parked (grace_ms) keeps its namespace, and our handlers, until the
    module goes."""
    no_users()
    with lq.unloaded():
        pass


def nothing_of_ours_is_left():
    """No listener, no handler before TCP's, no user; and after rmmod TCP works as before."""
    lq.equal(lq.lqctl_listeners(), [])
    plain = lq.listener("tcp")
    with Hits("lq_hook_v4") as hits:
        lq.expect_serves(plain)
        lq.equal(hits(), 0, "our handler ran while nobody of ours listens")
    no_users()
    with lq.unloaded():
        lq.expect_serves(plain)
        v6 = lq.listener("tcp", v6=True)
        lq.expect_serves(v6, v6=True)


# --- a listener's sock, and connect() ---


@lq.case(timeout=120)
def a_connect_that_fails_puts_nothing_back():
    """One thread waits in a v4-mapped connect(), another ends that and listens: close() ends what
    listens, whatever the first one finds when it wakes."""
    nothing_of_others_is_left()
    port, keep = deaf_port()

    def attack():
        for turn in range(3):
            sock = lq.stream("lq", v6=True)
            sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, -1)

            def connect(sock=sock):
                os.sched_setscheduler(0, SCHED_IDLE, os.sched_param(0))
                with contextlib.suppress(OSError):
                    sock.connect(("::ffff:127.0.0.1", port))

            thread = threading.Thread(target=connect)
            thread.start()
            lq.wait_for(lambda: lq.run("ss", "-Htn", "state", "syn-sent", f"dport = :{port}"))
            unspec(sock)
            sock.bind(("::", 4242 + turn))
            sock.listen(5)
            thread.join()
            sock.close()

    lq.as_user(attack)
    del keep
    nothing_of_ours_is_left()


@lq.each_version("connect", "fastopen", mapped=True)
def what_a_listener_had_goes_before_it_connects(how, v6, v6_listener):
    """listen(), shutdown(), then connect() or sendto(MSG_FASTOPEN) to a port where nobody listens:
    no listener is left, nor a handler."""
    nothing_of_others_is_left()
    to = (loopback(v6, v6_listener), closed_port(socket.AF_INET6 if v6 else socket.AF_INET))

    def attack():
        for _ in range(20):
            sock = lq.stream("lq", v6=v6_listener)
            sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SHARDS, 16)
            sock.listen(4096)
            with lq.fails_with(errno.EISCONN):
                if how == "connect":
                    sock.connect(to)
                else:
                    sock.sendto(b"x", MSG_FASTOPEN, to)
            sock.shutdown(socket.SHUT_RD)
            with contextlib.suppress(ConnectionRefusedError, BrokenPipeError):
                if how == "connect":
                    sock.connect(to)
                else:
                    sock.sendto(b"x", MSG_FASTOPEN, to)
            sock.close()

    lq.as_user(attack)
    nothing_of_ours_is_left()


@lq.each_version(mapped=True)
def a_socket_that_connects_is_tcp_s(v6, v6_socket):
    """It has none of our options any more, holds no reference on the module, and outlives that."""
    server = lq.listener("tcp", v6=v6)
    client = lq.stream("lq", v6=v6_socket)
    client.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
    client.connect((loopback(v6, v6_socket), lq.port_of(server)))
    child = lq.accept(server)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        client.getsockopt(lq.SOL_LISTENQ, lq.LQ_INFO, 8)
    no_users()
    with lq.unloaded():
        client.sendall(b"after all")
        lq.equal(lq.read_all(child, 9), b"after all")
        client.close()


@lq.each_version("alone", "shared", mapped=True)
def a_socket_that_failed_to_connect_listens(who, v6, v6_socket):
    """By us, with its settings, if nobody else has it; else by TCP, for another thread may be on its
    way into an upper layer of TCP's."""
    port = closed_port(socket.AF_INET6 if v6 else socket.AF_INET)
    sock = lq.stream("lq", v6=v6_socket)
    sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
    other = sock.dup() if who == "shared" else None
    with lq.fails_with(errno.ECONNREFUSED):
        sock.connect((loopback(v6, v6_socket), port))
    sock.listen(8)
    sock.setblocking(False)
    lq.equal(len(lq.lqctl_listeners()), 1 if who == "alone" else 0)
    if who == "alone":
        lq.equal(sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES), 2)
        lq.expect_serves(sock, v6=v6_socket)
    client = lq.connect_to(sock, v6=v6, addr=loopback(v6, v6))
    lq.accept(sock).close()
    client.close()
    sock.close()
    if other:
        other.close()
    no_users()


@lq.each_version()
def an_address_without_a_family_connects_nothing(v6):
    """Bad calls leave the socket as it was: it still listens by us."""
    sock = lq.stream("lq", v6=v6)
    sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 0)
    lq.equal(lq.libc.connect(sock.fileno(), b"\2", 1), -1)
    lq.equal(ctypes.get_errno(), errno.EINVAL)
    unspec(sock)
    lq.sysctl("net.ipv4.tcp_fastopen", 0)
    with lq.fails_with(errno.EOPNOTSUPP):
        sock.sendto(b"x", MSG_FASTOPEN, (loopback(v6, v6), 9))
    with lq.fails_with(errno.EPIPE):
        sock.send(b"x")
    sock.listen(8)
    sock.setblocking(False)
    lq.equal(len(lq.lqctl_listeners()), 1)
    lq.equal(sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES), 0)
    lq.expect_serves(sock, v6=v6)


# --- kTLS ---


@lq.each_version()
def no_upper_layer_before_a_connection(v6):
    """TCP_ULP on a socket that is not connected: as kTLS answers, and kTLS is not asked."""
    ktls.load()
    fresh, chosen, listener = lq.stream("lq", v6), lq.stream("lq", v6), lq.listener(v6=v6)
    chosen.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, -1)
    for sock in (fresh, chosen, listener):
        for name in (b"tls", b"mptcp", b"smc", b"nonesuch"):
            with lq.fails_with(errno.ENOTCONN):
                sock.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, name)
        with lq.fails_with(errno.EINVAL):
            sock.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, b"")
        lq.equal(lq.libc.setsockopt(sock.fileno(), 6, lq.TCP_ULP, ctypes.c_void_p(1), 3), -1)
        lq.equal(ctypes.get_errno(), errno.EFAULT)
    lq.expect_serves(listener, v6=v6)


def outlive_the_module(listener, one, other):
    """Two connected sockets, when the only listener of ours has gone, and the module with it."""
    listener.close()
    no_users()
    with lq.unloaded():
        one.sendall(b"still")
        lq.equal(lq.read_all(other, 5), b"still")
        one.close()
        other.close()


def plain_ktls(server, v6):
    """A client and a child of AF_INET or AF_INET6 that do kTLS."""
    client = lq.connect_to(server, v6=v6)
    child = lq.accept(server)
    ktls.talk(client, child)
    return client, child


def refused_ktls(v6, chosen):
    """An unprivileged lq.TCP_ULP on sockets of ours, fresh or with a listener."""
    for _ in range(3):
        sock = lq.stream("lq", v6)
        if chosen:
            sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, -1)
        with lq.fails_with(errno.ENOTCONN):
            sock.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, b"tls")
        sock.close()


@lq.each_version("fresh", "chosen", timeout=120)
def the_first_ktls_is_on_ours(what, v6):
    """Nobody has used kTLS since it was loaded, and its copies of a socket's operations are made of the first
    one's: sockets of AF_INET have nothing of ours, neither references nor, after rmmod, what they call."""
    if os.path.exists("/sys/module/tls"):
        lq.run("rmmod", "tls", check=False)
    if os.path.exists("/sys/module/tls"):
        raise lq.Skip("kTLS is not a module, or in use")
    lq.run("modprobe", "tls", check=False)
    if not os.path.exists("/sys/module/tls"):
        raise lq.Skip("no kTLS")
    listener = lq.listener()
    lq.as_user(lambda: refused_ktls(v6, what == "chosen"))
    lq.equal(lq.module_users(), 1)
    server = lq.listener("tcp", v6=v6)
    for _ in range(3):
        for sock in plain_ktls(server, v6):
            sock.close()
    lq.equal(lq.module_users(), 1)
    kept = plain_ktls(server, v6)
    outlive_the_module(listener, *kept)


@lq.each_version("fresh", "chosen", timeout=120)
def ktls_that_is_there_has_nothing_of_ours(what, v6):
    """Nor have those that were there before: all of them use the copies."""
    ktls.load()
    server = lq.listener("tcp", v6=v6)
    closed, kept = plain_ktls(server, v6), plain_ktls(server, v6)
    listener = lq.listener()
    lq.equal(lq.module_users(), 1)
    lq.as_user(lambda: refused_ktls(v6, what == "chosen"))
    for sock in closed:
        sock.close()
    lq.equal(lq.module_users(), 1)
    outlive_the_module(listener, *kept)


@lq.each_version(timeout=120)
def ktls_on_ours(v6):
    """A client of AF_LISTENQ and an accepted connection do kTLS, and the module may go meanwhile."""
    ktls.load()
    listener = lq.listener(v6=v6)
    client = lq.stream("lq", v6)
    client.connect((loopback(v6, v6), lq.port_of(listener)))
    child = lq.accept(listener)
    ktls.talk(client, child)
    outlive_the_module(listener, client, child)


# --- what others destroy ---


@lq.each_version("destroy", "shutdown", "unspec")
def a_listener_that_others_end_is_emptied(end, v6):
    """Whoever ends TCP's listener: queued clients are reset, sk_ack_backlog is right, the kernel has
    nothing to warn of, and the socket may listen again."""
    listener = lq.listener(v6=v6)
    for _ in range(3):
        port = lq.port_of(listener)
        clients = [lq.connect_to(listener, v6=v6) for _ in range(4)]
        lq.wait_for(lambda: (lq.ss_queues(port) or (0,))[0] == 4, what="Recv-Q is not 4")
        if end == "destroy":
            lq.run("ss", "-K", "-H", "-l", "-t", "-n", f"sport = :{port}")
            if lq.ss_queues(port):
                raise lq.Skip("ss -K does nothing")
        elif end == "shutdown":
            listener.shutdown(socket.SHUT_RD)
        else:
            unspec(listener)
        for client in clients:
            with lq.fails_with(errno.ECONNRESET):
                client.recv(1)
        lq.wait_for(lambda: not lq.lqctl_listeners(), what="a listener is left")
        if end == "destroy":  # tcp_done() shuts it down for good: children would be, too
            break
        with contextlib.suppress(OSError):
            listener.bind(("::" if v6 else "0.0.0.0", port))
        listener.listen(8)
        lq.expect_serves(listener, v6=v6)
    listener.close()
    lq.wait_for(lambda: lq.objects_in_memory("listenq_guard") in (None, 0))


@lq.case(timeout=120)
def others_end_it_while_it_serves():
    """ss -K, shutdown() and listen() at once, under traffic: it serves in the end, and nothing is left."""
    nothing_of_others_is_left()
    listener = lq.listener()
    port = lq.port_of(listener)
    stop = threading.Event()

    def knock():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()

    def listens():
        while not stop.is_set():
            lq.libc.listen(listener.fileno(), 8)

    def destroys():
        for _ in range(12):
            lq.run("ss", "-K", "-H", "-l", "-t", "-n", f"sport = :{port}")
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RD)

    threads = [threading.Thread(target=function) for function in (knock, knock, listens, listens)]
    for thread in threads:
        thread.start()
    destroys()
    stop.set()
    for thread in threads:
        thread.join()
    lq.libc.listen(listener.fileno(), 8)
    for child in lq.accept_all(listener):
        child.close()
    lq.expect_serves(listener)
    listener.close()
    nothing_of_ours_is_left()


lq.main()
