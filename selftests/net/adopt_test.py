#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""A TCP socket becomes listenq's: setsockopt(TCP_ULP, "listenq"), before it listens and while it does.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import ctypes
import errno
import os
import socket

import bpf
import ktls
import lq
from rawtcp import ACK, RST, SYN, Peer, Tun

MPTCP = 262
TCP_SAVE_SYN = 27


def accept_some(listener, count):
    """So many connections, and no more."""
    children = [lq.accept(listener) for _ in range(count)]
    lq.nothing_to_accept(listener)
    return children


# --- who may be adopted, and what it is then ---


@lq.each_version("before", "after")
def a_socket_of_tcp(when, v6):
    """It has our options, limits and names, serves, and closes, and nothing of it stays."""
    sock = lq.stream("tcp", v6)
    sock.bind(("::" if v6 else "0.0.0.0", 0))
    if when == "after":
        sock.listen(3)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.Info(sock)
    lq.adopt(sock)
    if when == "before":
        lq.equal(lq.Info(sock).id, 0)
        sock.listen(3)
    info = lq.Info(sock)
    lq.equal((info.policy, info.backlog_asked), ("linux", 3))
    row = lq.row_of(sock)
    lq.equal((row["id"], row["backlog"], row["accept_limit"]),
             (info.id, info.backlog, info.accept_limit))
    lq.equal(lq.ss_queues(lq.port_of(sock)), (0, info.accept_limit - 1))
    sock.setblocking(False)
    with lq.Counted() as moved:
        lq.expect_serves(sock, v6)
        lq.equal((moved("SynReceived"), moved("Established"), moved("Accepted")), (1, 1, 1))
    lq.set_policy(sock, "bsd")
    lq.equal(lq.Info(sock).policy, "bsd")
    sock.listen(1)
    lq.equal(lq.Info(sock).backlog_asked, 1)
    lq.expect_serves(sock, v6)
    sock.close()
    lq.equal(lq.lqctl_listeners(), [])
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")


@lq.each_version("before", "after")
def without_privileges(when, v6):
    """Whoever has the descriptor may do it, once the module is there."""
    def opt_in():
        sock = lq.stream("tcp", v6)
        if when == "after":
            sock.listen()
        lq.adopt(sock)
        sock.listen(5)
        lq.equal(lq.Info(sock).backlog_asked, 5)

    lq.as_user(opt_in)


@lq.each_version()
def twice(v6):
    """It is ours already: TCP's answer to a second upper layer. Also of socket(AF_LISTENQ)."""
    for kind, listens in (("tcp", False), ("tcp", True), ("lq", False), ("lq", True)):
        sock = lq.stream(kind, v6)
        if listens:
            sock.listen()
        if kind == "tcp":
            lq.adopt(sock)
        with lq.fails_with(errno.EEXIST):
            lq.adopt(sock)
        with lq.fails_with(errno.ENOTCONN, errno.EEXIST, errno.ENOENT):
            sock.setsockopt(socket.SOL_TCP, lq.TCP_ULP, b"tls")
        sock.listen()
        sock.setblocking(False)
        lq.expect_serves(sock, v6)


@lq.each_version()
def what_cannot_be_adopted(v6):
    """TCP's it stays, whole: it listens, serves, and takes what it took before."""
    address = "::1" if v6 else "127.0.0.1"
    signed = lq.listener("tcp", v6=v6)
    signed.setsockopt(socket.SOL_TCP, socket.TCP_MD5SIG if hasattr(socket, "TCP_MD5SIG") else 14,
                      lq.md5_key("2001:db8::9" if v6 else "192.0.2.9"))
    saves = lq.listener("tcp", v6=v6)
    saves.setsockopt(socket.SOL_TCP, TCP_SAVE_SYN, 1)
    for sock in (signed, saves):
        with lq.fails_with(errno.EOPNOTSUPP):
            lq.adopt(sock)
        with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            lq.Info(sock)
        lq.expect_serves(sock, v6)
    saves.setsockopt(socket.SOL_TCP, TCP_SAVE_SYN, 0)
    lq.adopt(saves)
    lq.expect_serves(saves, v6)

    # Connected, half-open, connecting.
    plain = lq.listener("tcp", v6=v6)
    client = lq.connect_to(plain, v6=v6)
    child = lq.accept(plain)
    tun = Tun()
    waiting = socket.socket(client.family, socket.SOCK_STREAM)
    waiting.setblocking(False)
    waiting.connect_ex(("2001:db8::7" if v6 else "192.0.2.7", 9))
    for sock in (client, child, waiting):
        with lq.fails_with(errno.EISCONN):
            lq.adopt(sock)
    del tun
    client.send(b"still")
    lq.equal(lq.read_all(child, 5), b"still")
    # Not TCP, or not alone.
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.adopt(socket.socket(client.family, socket.SOCK_DGRAM))
    try:
        mptcp = socket.socket(client.family, socket.SOCK_STREAM, MPTCP)
    except OSError:
        lq.diag("no MPTCP here")
    else:
        mptcp.bind((address, 0))
        mptcp.listen()
        mptcp.setblocking(False)
        with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            lq.adopt(mptcp)
        lq.expect_serves(mptcp, v6)
    for name in (b"", b"listenq2", b"listenqlistenqlistenq", b"nothing"):
        with lq.fails_with(errno.ENOENT, errno.EINVAL, errno.EFAULT):
            plain.setsockopt(socket.SOL_TCP, lq.TCP_ULP, name)
    lq.expect_serves(plain, v6)
    lq.equal([row["port"] for row in lq.lqctl_listeners()], [lq.port_of(saves)])


@lq.each_version()
def a_socket_that_connects_instead(v6):
    """It was adopted and is a client in the end: TCP's, with nothing of ours, and free for kTLS."""
    server = lq.listener("tcp", v6=v6)
    sock = lq.stream("tcp", v6)
    lq.adopt(sock)
    sock.connect(("::1" if v6 else "127.0.0.1", lq.port_of(server)))
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    child = lq.accept(server)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.Info(sock)
    ktls.talk(sock, child)


# --- what TCP has at the time ---


@lq.each_version()
def the_queues_of_tcp(v6):
    """Connections on TCP's queue, half-open requests and SYN cookies are all served, with their data,
    beside ours."""
    tun = Tun()
    listener = lq.listener("tcp", backlog=20, v6=v6)
    port = lq.port_of(listener)
    peers = {number: Peer(tun, port, v6=v6) for number in range(9)}
    for number in range(3):
        peers[number].connect()
    for number in range(3, 6):
        peers[number].half_open()
    lq.sysctl("net.ipv4.tcp_syncookies", 2)
    for number in range(6, 8):
        peers[number].half_open()
    lq.sysctl("net.ipv4.tcp_syncookies", 1)  # which our listener will follow
    lq.wait_for(lambda: lq.ss_queues(port)[0] == 3)
    with lq.Counted(lq.mib) as moved:
        lq.adopt(listener)
        peers[8].connect()
        for number in range(3, 8):
            peers[number].final_ack()
        for number, peer in peers.items():
            peer.send(b"%d" % number)
        lq.wait_for(lambda: lq.ss_queues(port)[0] == 9)
        children = accept_some(listener, 9)
        lq.equal({lq.read_all(child, 1) for child in children}, {b"%d" % n for n in range(9)})
        lq.equal((moved("TcpExtListenDrops"), moved("TcpExtListenOverflows"),
                  moved("TcpExtSyncookiesRecv")), (0, 0, 2))
    lq.equal(lq.Info(listener).established, 1)


@lq.each_version()
def a_duplicate_syn_of_tcp_s_request(v6):
    """TCP answers it, with its own number."""
    tun = Tun()
    listener = lq.listener("tcp", v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    first = peer.half_open()
    lq.adopt(listener)
    peer.syn()
    lq.equal(peer.expect(SYN | ACK).seq, first.seq)
    peer.final_ack(b"x")
    lq.equal(lq.read_all(lq.accept(listener), 1), b"x")
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    first = peer.half_open()
    peer.syn()
    lq.equal(peer.expect(SYN | ACK).seq, first.seq)
    lq.equal(lq.Info(listener).syn_qlen, 1)


@lq.each_version("tcp_queue_full", "small_policy")
def full_queues(how, v6):
    """TCP's queue is longer than ours may be: nobody is reset, and clients get in as accept() goes."""
    listener = lq.listener("tcp", backlog=6, v6=v6)
    clients = [lq.connect_to(listener, v6=v6) for _ in range(7)]
    lq.adopt(listener)
    if how == "small_policy":
        lq.set_policy(listener, "bsd")
        listener.listen(1)
    late = [lq.begin_connect(listener, v6=v6) for _ in range(3)]
    for _ in range(10):
        lq.accept(listener, 20).close()
    del clients, late


# --- the children ---


@lq.each_version("before", "after")
def children_are_tcp_s(when, v6):
    """An accepted connection has no upper layer of ours, takes kTLS, and holds no module."""
    sock = lq.stream("tcp", v6)
    sock.bind(("::" if v6 else "0.0.0.0", 0))
    if when == "after":
        sock.listen()
    lq.adopt(sock)
    if when == "before":
        sock.listen()
    sock.setblocking(False)
    client = lq.connect_to(sock, v6=v6)
    child = lq.accept(sock)
    with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
        lq.Info(child)
    sock.close()
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    ktls.talk(client, child)


# --- others that have the socket ---


def enters(sockmap, listener):
    """The map takes the listener, or says that it has an upper layer, which it has for a moment."""
    try:
        sockmap[0] = listener
        return True
    except OSError as error:
        lq.equal(error.errno, errno.EINVAL)
        return False


@lq.each_version("before", "after")
def in_a_sockmap(when, v6):
    """A listener that sk_lookup dispatches to may be in a sockmap, in either order."""
    listener = lq.listener("tcp", v6=v6)
    sockmap = bpf.Sockmap()
    if when == "before":
        sockmap[0] = listener
    lq.adopt(listener)
    if when == "after":
        lq.wait_for(lambda: enters(sockmap, listener), what="no sockmap takes it")
    lq.expect_serves(listener, v6)
    del sockmap[0]
    lq.expect_serves(listener, v6)
    sockmap[0] = listener
    listener.shutdown(socket.SHUT_RDWR)
    listener.listen(3)
    lq.expect_serves(listener, v6)
    listener.close()
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    # What BPF keeps is unhurt: one more, that ends in the map.
    other = lq.listener("tcp", v6=v6)
    sockmap[0] = other
    client = lq.connect_to(other, v6=v6)
    child = lq.accept(other)
    sockmap[1] = child
    client.send(b"?")
    lq.equal(lq.read_all(child, 1), b"?")


@lq.each_version()
def one_member_of_a_group(v6):
    """Of two with SO_REUSEPORT one is ours: clients of both are served."""
    option = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    first = lq.listener("tcp", v6=v6, backlog=50, options=(option,))
    second = lq.listener("tcp", v6=v6, backlog=50, port=lq.port_of(first), options=(option,))
    before = [lq.connect_to(first, v6=v6) for _ in range(10)]
    lq.adopt(first)
    after = [lq.connect_to(first, v6=v6) for _ in range(40)]
    with lq.Counted(lq.mib) as moved:
        got = [len(lq.accept_all(sock)) for sock in (first, second)]
        lq.equal(sum(got), len(before) + len(after))
        lq.equal(moved("TcpExtListenDrops"), 0)
    assert all(got), got
    assert 0 < lq.Info(first).established < 40, lq.Info(first).established
    second.close()
    lq.expect_serves(first, v6)


@lq.case("shutdown", "unspec", "close", "abort")
def ends_as_tcp_s(how):
    """The ways to end a listener end an adopted one; and it may listen, or connect, again."""
    tun = Tun()
    listener = lq.listener("tcp")
    peer = Peer(tun, lq.port_of(listener))
    lq.adopt(listener)
    peer.connect()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    if how == "close":
        listener.close()
    elif how == "shutdown":
        listener.shutdown(socket.SHUT_RD)
    elif how == "unspec":
        unspec = ctypes.create_string_buffer(16)
        lq.equal(lq.libc.connect(listener.fileno(), unspec, 16), 0)
    elif not lq.run("ss", "-K", "-H", "-l", "-t", "-n", f"sport = :{lq.port_of(listener)}"):
        raise lq.Skip("ss -K does nothing")
    peer.expect(RST | ACK)
    if how == "abort":
        listener.close()  # what ended so shuts down whatever it accepts later, with TCP, too
    if how in ("close", "abort"):
        lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
        return
    listener.listen(2)
    lq.equal(lq.Info(listener).backlog_asked, 2)
    lq.expect_serves(listener)


# --- whoever listens ---


@lq.each_version()
def every_listener_of_a_namespace(v6):
    """net.listenq.adopt: who listens from then on, and in this namespace, is ours; nobody else."""
    before = lq.listener("tcp", v6=v6)
    other = lq.Netns()
    lq.equal(lq.sysctl("net.listenq.adopt"), "0")
    lq.sysctl("net.listenq.adopt", 1)
    ours = lq.listener("tcp", v6=v6, backlog=5)
    lq.equal(lq.Info(ours).backlog_asked, 5)
    lq.expect_serves(ours, v6)
    with other:
        elsewhere = lq.listener("tcp", v6=v6)
        assert not lq.is_ours(elsewhere)
    assert not lq.is_ours(before)
    before.listen(3)  # it listens already
    assert not lq.is_ours(before)
    # Where we cannot do what was asked for, TCP goes on.
    saves = lq.stream("tcp", v6)
    saves.setsockopt(socket.SOL_TCP, TCP_SAVE_SYN, 1)
    saves.bind(("::" if v6 else "0.0.0.0", 0))
    saves.listen()
    saves.setblocking(False)
    assert not lq.is_ours(saves)
    lq.expect_serves(saves, v6)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0adopt")
    unix.listen()
    lq.sysctl("net.listenq.adopt", 0)
    assert not lq.is_ours(lq.listener("tcp", v6=v6))
    lq.expect_serves(ours, v6)
    lq.release(ours)
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")


@lq.case()
def who_may_look_at_every_listen():
    """The machine's administrator: all of it pays. A namespace that ends takes it along."""
    def own_namespace():
        lq.equal(lq.sysctl("net.listenq.adopt"), "0")
        for name in ("adopt", "adopt_cgroups"):
            with lq.fails_with(errno.EPERM):
                lq.sysctl(f"net.listenq.{name}", 1)
        lq.sysctl("net.listenq.adopt", 0)
        lq.sysctl("net.listenq.adopt_cgroups", "")

    for value in (2, -1):
        with lq.fails_with(errno.EINVAL):
            lq.sysctl("net.listenq.adopt", value)
    lq.as_user(own_namespace, own_namespaces=True)
    for _ in range(3):
        other = lq.Netns()
        with other:
            for value in (1, 1, 0, 1):
                lq.sysctl("net.listenq.adopt", value)
            assert lq.is_ours(lq.listener("tcp"))
        other.close()
    lq.wait_for(lambda: not watched(), what="it looks still")
    lq.sysctl("net.listenq.adopt", 1)
    assert watched()
    with lq.unloaded():
        assert not watched()


@lq.each_version()
def every_listener_of_a_cgroup(v6):
    """net.listenq.adopt_cgroups: sockets made in a cgroup, or below it, and no others."""
    if not os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        lq.run("mount", "-t", "cgroup2", "c", "/sys/fs/cgroup", check=False)
    if not os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        raise lq.Skip("no cgroups of version 2")
    chosen, below, other = (f"/sys/fs/cgroup/{name}" for name in
                            ("lq-chosen", "lq-chosen/below", "lq-other"))
    for path in (chosen, below, other):
        os.makedirs(path, exist_ok=True)
    number = os.stat(chosen).st_ino

    def listener_in(path):
        with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        return lq.listener("tcp", v6=v6, backlog=5)

    try:
        lq.equal(lq.sysctl("net.listenq.adopt_cgroups"), "")
        lq.sysctl("net.listenq.adopt_cgroups", f" 1234567  {number} ")
        lq.equal(lq.sysctl("net.listenq.adopt_cgroups"), f"1234567 {number}")
        ours = [listener_in(path) for path in (chosen, below)]
        assert not lq.is_ours(listener_in(other))
        for sock in ours:
            lq.equal(lq.Info(sock).backlog_asked, 5)
            lq.expect_serves(sock, v6)
        # It is where the socket was made that counts.
        listener_in(chosen)
        sock = lq.stream("tcp", v6)
        listener_in(other)
        sock.listen()
        assert lq.is_ours(sock)
        for text in ("x", "-1", "1 2 3x", "18446744073709551616",
                     " ".join(str(n) for n in range(1, 18)), " " * 340 + str(number),
                     " " * 5000 + "1"):
            with lq.fails_with(errno.EINVAL):
                lq.sysctl("net.listenq.adopt_cgroups", text)
        lq.equal(lq.sysctl("net.listenq.adopt_cgroups"), f"1234567 {number}")
        longest = " ".join(str(2**64 - n) for n in range(1, 17))
        lq.sysctl("net.listenq.adopt_cgroups", longest)
        lq.equal(lq.sysctl("net.listenq.adopt_cgroups"), longest)
        lq.sysctl("net.listenq.adopt", 1)
        lq.sysctl("net.listenq.adopt_cgroups", "\n")
        assert lq.is_ours(listener_in(other)) and watched()
        lq.sysctl("net.listenq.adopt", 0)
        assert not lq.is_ours(listener_in(chosen)) and not watched()
        lq.sysctl("net.listenq.adopt_cgroups", str(number))  # the namespace ends with it
    finally:
        with open("/sys/fs/cgroup/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        for path in (below, chosen, other):
            os.rmdir(path)


def watched():
    """Whether there is a kprobe at listen()."""
    if not os.path.exists("/sys/kernel/debug/kprobes"):
        lq.run("mount", "-t", "debugfs", "d", "/sys/kernel/debug", check=False)
    with open("/sys/kernel/debug/kprobes/list", encoding="ascii") as file:
        return "security_socket_listen" in file.read()


if __name__ == "__main__":
    lq.main()
