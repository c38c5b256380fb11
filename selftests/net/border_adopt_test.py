#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""A socket of TCP's is adopted while other threads are in system calls that found TCP's operations:
connect(), TCP_ULP of kTLS, the end of the listener. Nothing of ours gets into what kTLS keeps for the
whole machine, and the module can go.

    one thread keeps the socket's lock, by memory that comes late; the others queue up behind it
"""
import ctypes
import os
import socket
import struct
import threading

import held
import ktls
import lq
from held import Call, keep_lock


def sockaddr(v6, port):
    """The loopback address, as the kernel has it."""
    if v6:
        return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0,
                           socket.inet_pton(socket.AF_INET6, "::1"), 0)
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port),
                       socket.inet_aton("127.0.0.1"))


def fresh_ktls():
    """kTLS, which has not seen a socket yet."""
    ktls.load()
    if os.path.exists("/sys/module/tls"):
        lq.run("rmmod", "tls", check=False)
    if os.path.exists("/sys/module/tls"):
        raise lq.Skip("kTLS stays: others use it")
    lq.run("modprobe", "tls", check=False)


def talk(v6):
    """kTLS between two sockets of TCP's."""
    server = lq.listener("tcp", v6=v6)
    client = lq.connect_to(server, v6=v6)
    child = lq.accept(server)
    ktls.talk(client, child)
    return client, child


@lq.each_version("closed", "listening", timeout=120)
def a_connect_that_passed_adoption(state, v6):
    """It waits for the lock as the socket is adopted; then kTLS, asked for before that, gets the
    connection."""
    fresh_ktls()
    server = lq.listener("tcp", v6=v6)
    for _ in range(8):
        sock = lq.stream("tcp", v6)
        if state == "listening":
            sock.listen()
        lock, name = held.Page(), held.Page()
        keeper = keep_lock(sock, lock)
        tls = Call("setsockopt", sock, socket.SOL_TCP, lq.TCP_ULP, ctypes.c_void_p(name.address), 4)
        adopts = Call("setsockopt", sock, socket.SOL_TCP, lq.TCP_ULP, b"listenq", 7)
        calls = []
        if state == "listening":
            calls.append(Call("connect", sock, bytes(16), 16))
        address = sockaddr(v6, lq.port_of(server))
        calls.append(Call("connect", sock, address, len(address)))
        lock.fill()
        for call in (keeper, adopts, *calls):
            call.end()
        name.fill(b"tls\0")
        tls.end()
        sock.close()
        for child in lq.accept_all(server):
            child.close()
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    kept = [talk(v6) for v6 in (False, True)]
    with lq.unloaded():
        for one, other in kept:
            one.sendall(b"still")
            lq.equal(lq.read_all(other, 5), b"still")
            one.close()
            other.close()
        for version in (False, True):
            talk(version)


@lq.each_version()
def a_key_that_comes_as_it_is_adopted(v6):
    """TCP_MD5SIG waits for the lock as the listener is adopted: the listener has a key and is ours, and
    no SYN is answered unsigned. Released, it is TCP's, with its key."""
    listener = lq.listener("tcp", v6=v6)
    lock = held.Page()
    keeper = keep_lock(listener, lock)
    adopts = Call("setsockopt", listener, socket.SOL_TCP, lq.TCP_ULP, b"listenq", 7)
    key = lq.md5_key("2001:db8::9" if v6 else "192.0.2.9")
    signs = Call("setsockopt", listener, socket.SOL_TCP, 14, key, len(key))
    lock.fill()
    keeper.end()
    results = adopts.end(), signs.end()
    # Either may be the first.
    assert results in ((0, 0), (-1, 0)), results
    if results[0] == 0:
        client = lq.begin_connect(listener, v6=v6)
        lq.wait_for(lambda: lq.counters()["DropSynSigned"] > 0)
        assert not lq.connected(client)
        lq.release(listener)
        lq.wait_for(lambda: not lq.is_ours(listener))
    lq.expect_serves(listener, v6)


@lq.each_version("adopt", "release")
def the_lock_is_kept_for_ever(what, v6):
    """A user's own: nobody else waits for his works, and his socket changes hands when he lets go."""
    listener = lq.listener("tcp", v6=v6)
    other = lq.listener("tcp", v6=v6)
    if what == "release":
        lq.adopt(listener)
        lq.release(listener)
        listener.listen(5)
        lq.wait_for(lambda: not lq.is_ours(listener))
        lq.adopt(listener)
    lock = held.Page()
    keeper = keep_lock(listener, lock)
    if what == "adopt":
        waits = Call("setsockopt", listener, socket.SOL_TCP, lq.TCP_ULP, b"listenq", 7)
    else:
        on = struct.pack("i", 1)
        waits = Call("setsockopt", listener, lq.SOL_LISTENQ, lq.LQ_RELEASE, on, 4)
    for _ in range(5):
        lq.adopt(other)
        lq.expect_serves(other, v6)
        lq.release(other)
        lq.wait_for(lambda: not lq.is_ours(other))
        lq.expect_serves(other, v6)
    lock.fill()
    keeper.end()
    lq.equal(waits.end(), 0)
    if what == "release":
        lq.wait_for(lambda: not lq.is_ours(listener))
    lq.expect_serves(listener, v6)


@lq.case(timeout=120)
def everybody_at_once():
    """Threads that adopt, release, listen, end and connect one socket, in any order: no call hangs, and
    nothing is left."""
    sock = lq.stream("tcp")
    sock.bind(("127.0.0.1", 0))
    server = lq.listener("tcp")
    port = lq.port_of(server)
    stop = threading.Event()

    def again(function):
        def run():
            while not stop.is_set():
                try:
                    function()
                except OSError:
                    pass
        return run

    unspec = bytes(16)
    work = [lambda: lq.adopt(sock), lambda: lq.adopt(sock), lambda: lq.release(sock),
            lambda: lq.release(sock, 0), lambda: sock.listen(4),
            lambda: sock.shutdown(socket.SHUT_RDWR),
            lambda: lq.libc.connect(sock.fileno(), unspec, 16),
            lambda: lq.libc.connect(sock.fileno(), sockaddr(False, port), 16),
            lambda: sock.setsockopt(socket.SOL_TCP, lq.TCP_ULP, b"tls"),
            lambda: lq.set_policy(sock, "bsd"),
            lambda: lq.connect_to(sock, timeout=1).close(),
            lambda: lq.accept_all(server)]
    sock.setblocking(False)
    threads = [threading.Thread(target=again(function)) for function in work]
    for thread in threads:
        thread.start()
    lq.never(lambda: any(not thread.is_alive() for thread in threads), 5)
    stop.set()
    for thread in threads:
        thread.join(30 * lq.SCALE)
        assert not thread.is_alive()
    sock.close()
    lq.accept_all(server)
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    with lq.unloaded():
        lq.expect_serves(server)


if __name__ == "__main__":
    lq.main()
