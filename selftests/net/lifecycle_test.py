#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""From listen() to the end: every way out of LISTEN, for the queues, for who waits, for the
namespace. Nothing leaks, nothing hangs.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import threading

import lq
import rtnl
from rawtcp import ACK, RST, Peer, Tun, fill, syn_flood

WAITING = {str(lq.CALLS[name]) for name in ("accept", "accept4", "poll", "epoll_wait")}


# --- helpers ---


def unspec(sock):
    """connect(AF_UNSPEC)"""
    address = struct.pack("=H14x", socket.AF_UNSPEC)
    if lq.libc.connect(sock.fileno(), address, len(address)) != 0:
        raise OSError(lq.ctypes.get_errno(), "connect")


def destroy(sock):
    """What an administrator can do to another's socket, where the kernel can
    (CONFIG_INET_DIAG_DESTROY; Debian's have it)."""
    port = lq.port_of(sock)
    lq.run("ss", "-K", "-H", "-l", "-t", "-n", f"sport = :{port}")
    if lq.ss_queues(port):
        raise lq.Skip("ss -K does nothing")


ENDS = {
    "close": lambda sock: sock.close(),
    "shutdown_rd": lambda sock: sock.shutdown(socket.SHUT_RD),
    "shutdown_rdwr": lambda sock: sock.shutdown(socket.SHUT_RDWR),
    "unspec": unspec,
    "destroy": destroy,
}
ENDS_OF_OPEN = [name for name in ENDS if name != "close"]


def sockets():
    """All TCP sockets of this namespace, but for those in TIME_WAIT."""
    return lq.run("ss", "-H", "-t", "-a", "-n", "exclude", "time-wait").splitlines()


class Blocked:
    """A thread that is inside a system call; its result, or its error, afterwards."""

    def __init__(self, call):
        self.error, self.value, self.tid = None, None, None
        self.thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self.thread.start()
        lq.wait_for(lambda: self.tid)
        lq.wait_for(self._asleep, what="the thread did not block")

    def _run(self, call):
        self.tid = threading.get_native_id()
        try:
            self.value = call()
        except OSError as error:
            self.error = error.errno

    def _asleep(self):
        """In a call that waits; a thread that waits for the interpreter is in futex()."""
        with open(f"/proc/self/task/{self.tid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] in WAITING

    def result(self, seconds=10):
        """Wait for the end of the call."""
        self.thread.join(seconds * lq.SCALE)
        assert not self.thread.is_alive(), f"still blocked after {seconds} s"
        return errno.errorcode[self.error] if self.error else self.value


def blocking(kind, v6=False):
    """A listener whose accept() waits."""
    listener = lq.listener(kind, v6=v6)
    # None of Python's own poll() before accept().
    listener.setblocking(True)
    listener.settimeout(None)
    return listener


# --- somebody waits while a listener ends ---


@lq.each_version(*ENDS_OF_OPEN)
def accept_ends_with_the_listener(end, v6):
    """A blocked accept() returns with the same error as TCP's."""
    results = {}
    for kind in ("tcp", "lq"):
        listener = blocking(kind, v6)
        # connect(AF_UNSPEC) wakes but one, on TCP as well: sock_def_error_report().
        count = 1 if end == "unspec" else 3
        waiting = [Blocked(listener.accept) for _ in range(count)]
        ENDS[end](listener)
        results[kind] = [one.result() for one in waiting]
        with lq.fails_with(errno.EINVAL):
            listener.accept()
    lq.equal(results["lq"], results["tcp"])
    lq.equal(set(results["lq"]), {"EINVAL"})


@lq.each_version()
def close_while_accept_waits(v6):
    """accept() holds the file: it goes on waiting, as on TCP, and takes the next connection."""
    for kind in ("tcp", "lq"):
        listener = blocking(kind, v6)
        port = lq.port_of(listener)
        fd = listener.fileno()
        waiting = Blocked(lambda fd=fd: lq.libc.accept(fd, None, None))
        listener.close()
        client = socket.create_connection(("::1" if v6 else "127.0.0.1", port), 10)
        child = waiting.result()
        assert child >= 0, kind
        # With it the last reference went.
        with lq.fails_with(errno.ECONNREFUSED):
            socket.create_connection(("::1" if v6 else "127.0.0.1", port), 10)
        os.close(child)
        client.close()


@lq.case(*ENDS_OF_OPEN)
def poll_ends_with_the_listener(end):
    """poll() and epoll that wait are woken, and see the same as on TCP."""
    results = {}
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind)
        poller = select.poll()
        poller.register(listener, select.POLLIN | select.POLLRDHUP)
        epoll = select.epoll()
        epoll.register(listener, select.EPOLLIN | select.EPOLLRDHUP)
        waiting = Blocked(poller.poll), Blocked(epoll.poll)
        ENDS[end](listener)
        results[kind] = [one.result()[0][1] for one in waiting]
    lq.equal(results["lq"], results["tcp"])


@lq.each_version()
def accept_goes_on_after_listening_again(v6):
    """One more listen() does not disturb who waits in accept()."""
    listener = blocking("lq", v6)
    waiting = Blocked(listener.accept)
    for backlog in (100, 0, 5):
        listener.listen(backlog)
    client = lq.connect_to(listener, v6=v6)
    lq.equal(waiting.result()[0].getpeername()[:2], client.getsockname()[:2])


# --- the ways out of LISTEN, with both queues full ---


@lq.each_version(*ENDS)
def end_with_full_queues(end, v6):
    """Who is connected gets RST, who is half-open gets RST for an ACK, and nothing is left."""
    lq.no_timer()
    tun = Tun()
    users = lq.module_users()
    listener = lq.listener(backlog=5, v6=v6)
    lq.equal(lq.module_users(), users + 1)
    done, half = fill(tun, listener, 6, 10, v6)
    info = lq.Info(listener)
    lq.equal((info.accept_qlen, info.accept_limit, info.syn_qlen), (6, 6, 10))
    with lq.Counted() as moved:
        ENDS[end](listener)
        lq.equal(moved("DropListenerClosed"), 16)
    for peer in done:
        reset = peer.expect(RST | ACK)
        lq.equal(reset.seq, peer.ack)
    for peer in half:
        peer.silent(0.02)
        peer.final_ack()
        peer.expect(RST)
    if end == "close":
        lq.equal(lq.module_users(), users)
    else:
        lq.equal(lq.ss_queues(0), None)
        listener.close()
    lq.wait_for(lambda: not sockets(), what=f"sockets are left: {sockets()}")
    lq.equal(lq.module_users(), users)


@lq.case("whole", "sharded")
def a_long_queue_closes_in_parts(how):
    """Every request is counted and freed, though the lock is let go in between."""
    lq.no_timer()
    lq.sysctl("net.core.somaxconn", 8192)
    lq.sysctl("net.listenq.max_syn_backlog", 8192)
    tun = Tun()
    before = lq.requests_in_memory()
    shards = ((lq.SOL_LISTENQ, lq.LQ_SHARDS, 4),) if how == "sharded" else ()
    for _ in range(2):
        listener = lq.listener(backlog=8191, options=shards)
        peers = [(f"192.0.2.{2 + n % 200}", 1024 + n // 200) for n in range(5000)]
        syn_flood(tun, lq.port_of(listener), peers)
        lq.equal(lq.Info(listener).syn_qlen, 5000)  # 512 are taken out at a time
        with lq.Counted() as moved:
            listener.close()
            lq.equal(moved("DropListenerClosed"), 5000)
        if before is not None:
            lq.wait_for(lambda: lq.requests_in_memory() == before)


@lq.case("whole", "sharded", timeout=120)
def a_long_queue_is_rehashed_in_parts(how):
    """The table grows while peers send, and listen() takes other limits: each SYN meets the request
    that is there, and each ACK makes a connection of it."""
    lq.no_timer()
    lq.sysctl("net.core.somaxconn", 65536)
    lq.sysctl("net.listenq.max_syn_backlog", 65536)
    tun = Tun()
    shards = ((lq.SOL_LISTENQ, lq.LQ_SHARDS, 4),) if how == "sharded" else ()
    listener = lq.listener(backlog=8191, options=shards)
    port = lq.port_of(listener)
    some = [Peer(tun, port) for _ in range(50)]
    for peer in some:
        peer.half_open()
    peers = [(f"192.0.2.{3 + n % 200}", 1024 + n // 200) for n in range(5000)]
    sizes = {lq.Info(listener).syn_buckets}
    rounds = 5 if lq.SCALE == 1 else 1  # on the debug kernel one takes long enough
    with lq.Counted() as moved:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in range(1 + rounds):
                    syn_flood(tun, port, peers)
                code = 0
            finally:
                os._exit(code)
        ended = (0, 0)
        while ended == (0, 0):
            for backlog in (40000, 8191):
                listener.listen(backlog)
                sizes.add(lq.Info(listener).syn_buckets)
            ended = os.waitpid(pid, os.WNOHANG)
        lq.equal(ended, (pid, 0))
        lq.equal((moved("SynReceived"), moved("RequestCreated")), ((1 + rounds) * 5000, 5000))
        lq.equal(moved("SynDuplicate"), rounds * 5000)
    assert len(sizes) >= 2, sizes
    lq.equal(lq.Info(listener).syn_qlen, 5050)
    for peer in some:
        peer.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 50)
    lq.equal(lq.Info(listener).syn_qlen, 5000)


@lq.each_version(*ENDS)
def real_clients_see_the_end(end, v6):
    """ECONNRESET at clients whose connection nobody accepted, as from TCP."""
    results = {}
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, backlog=10, v6=v6)
        clients = [lq.connect_to(listener, v6=v6) for _ in range(5)]
        clients[0].send(b"unread")
        lq.wait_for(lambda one=listener: lq.ss_queues(lq.port_of(one)) == (5, 10))
        ENDS[end](listener)
        seen = []
        for client in clients:
            try:
                seen.append(client.recv(1))
            except ConnectionError as error:
                seen.append(errno.errorcode[error.errno])
        results[kind] = seen
    lq.equal(results["tcp"], ["ECONNRESET"] * 5)
    lq.equal(results["lq"], results["tcp"])


# TCP leaves a destroyed socket shut down for good: tcp_done().
@lq.each_version(*[name for name in ENDS_OF_OPEN if name != "destroy"])
def listen_again_after_the_end(end, v6):
    """The same port, fresh queues, many times over; what was half-open before is forgotten."""
    lq.no_timer()
    tun = Tun()
    # A port that was asked for is kept: tcp_set_state().
    port, ids = 7000, set()
    listener = lq.listener(backlog=5, port=port, v6=v6)
    for backlog in (5, 50, 0, 1):
        listener.listen(backlog)
        info = lq.Info(listener)
        lq.equal((info.backlog, info.accept_qlen, info.syn_qlen), (backlog, 0, 0))
        lq.equal(lq.port_of(listener), port)
        lq.equal(lq.ss_queues(port), (0, backlog))
        assert info.id not in ids, "a listener's number came again"
        ids.add(info.id)
        old = Peer(tun, port, v6=v6)
        old.half_open()
        lq.expect_serves(listener, v6)
        queued = Peer(tun, port, v6=v6).connect()
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
        ENDS[end](listener)
        queued.expect(RST | ACK)
        lq.equal(lq.ss_queues(port), None)
        listener.listen(backlog)
        old.final_ack()
        old.expect(RST)
        lq.equal(lq.Info(listener).accept_qlen, 0)
    lq.expect_serves(listener, v6)


@lq.each_version()
def grow_and_shrink_with_real_clients(v6):
    """listen() again and again while clients wait; each is served, in the order they came."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    listener = lq.listener(backlog=3, v6=v6)
    served, clients = [], []
    for backlog in (0, 7, 1, 4096, 2, 30, 0, 128):
        listener.listen(backlog)
        lq.equal(lq.Info(listener).backlog, backlog)
        client = lq.connect_to(listener, v6=v6)
        client.send(b"x")
        clients.append(client)
        if backlog > 2:
            served += [child.getpeername() for child in lq.accept_all(listener)]
    while len(served) < len(clients):
        served.append(lq.accept(listener).getpeername())
    lq.equal(sorted(served), sorted(client.getsockname() for client in clients))


@lq.each_version()
def half_open_survive_listening_again(v6):
    """Their ACK is as good after a second listen() as before."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(backlog=20, v6=v6)
    _, half = fill(tun, listener, 2, 8, v6)
    for backlog, peer in zip((1000, 10, 4000, 9, 12, 600, 20, 21), half):
        listener.listen(backlog)
        peer.final_ack()
        lq.wait_for(lambda: lq.Info(listener).syn_qlen < 8)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 10)
    lq.equal(len(lq.accept_all(listener)), 10)


@lq.case()
def a_listener_that_never_listened():
    """Options make a listener of a socket that only connects, or does nothing."""
    users = lq.module_users()
    server = lq.listener()
    for _ in range(50):
        sock = lq.stream("lq")
        sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 5)
        sock.close()
        sock = lq.stream("lq")
        sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 5)
        sock.connect(("127.0.0.1", lq.port_of(server)))
        lq.accept(server).close()
        sock.close()
    server.close()
    lq.equal(lq.module_users(), users)


# --- races, in the small ---


@lq.case("close", "shutdown_rd", "unspec", timeout=90)
def end_while_clients_connect(end):
    """A listener comes and goes under clients: they connect or are refused, none waits forever."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    users = lq.module_users()
    stop = threading.Event()
    port = 7000
    first = lq.listener(backlog=4, port=port)
    counts = {"connected": 0, "refused": 0}
    stuck = []

    def knock():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as client:
                    client.recv(1)
                counts["connected"] += 1
            except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
                counts["refused"] += 1
            except OSError as error:  # nobody else sees what a thread dies of
                stuck.append(error)

    threads = [threading.Thread(target=knock) for _ in range(3)]
    listener = first
    for thread in threads:
        thread.start()
    for turn in range(60):
        with contextlib.suppress(BlockingIOError):
            while turn % 3 == 0:
                listener.accept()[0].close()
        if turn % 3 == 1:
            lq.wait_for(lambda: lq.Info(listener).accept_qlen)
        ENDS[end](listener)
        if end == "close":
            listener = lq.listener(backlog=4, port=port)
        else:
            listener.listen(4)
    lq.wait_for(lambda: [child.close() for child in lq.accept_all(listener)]
                and counts["connected"] and counts["refused"])
    stop.set()
    for thread in threads:
        while thread.is_alive():
            for child in lq.accept_all(listener):
                child.close()
            thread.join(0.02)
    lq.equal(stuck, [], "clients that waited for nothing")
    listener.close()
    lq.equal(lq.module_users(), users)


@lq.case()
def kill_a_server():
    """SIGKILL in accept() with both queues full: all of it goes with the process."""
    lq.no_timer()
    tun = Tun()
    users = lq.module_users()
    listener = lq.listener(backlog=5)
    done, half = fill(tun, listener, 4, 1)
    pid = os.fork()
    if pid == 0:
        lq.until_killed()
    listener.close()
    done[0].silent(0.1)
    lq.equal(lq.module_users(), users + 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for peer in done:
        peer.expect(RST | ACK)
    half[0].final_ack()
    half[0].expect(RST)
    lq.equal(lq.module_users(), users)


@lq.case()
def outlives_the_process_that_made_it():
    """Passed to a second process, a listener survives the first one's end, with its queues."""
    lq.no_timer()
    tun = Tun()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        listener = lq.listener(backlog=5)
        socket.send_fds(theirs, [b"x"], [listener.fileno()])
        ours.close()
        theirs.recv(1)
        os._exit(0)  # without a close()
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fds[0])
    listener.setblocking(False)
    _, half = fill(tun, listener, 3, 2)
    ours.send(b"x")
    lq.equal(os.waitpid(pid, 0)[1], 0)
    half[0].final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 4)
    lq.equal(len(lq.accept_all(listener)), 4)
    lq.expect_serves(listener)


@lq.case()
def no_listener_is_leaked():
    """Hundreds of listeners, with all that belongs to them, leave no trace."""
    # A client that one CPU brings to FIN_WAIT2 while its RST comes on another misses that, as of
    # any listener (tcp_time_wait()): it is there for so long, then.
    lq.sysctl("net.ipv4.tcp_fin_timeout", 1)
    users = lq.module_users()
    for v6 in (False, True):
        for _ in range(150):
            listener = lq.listener(backlog=4, v6=v6)
            lq.connect_to(listener, v6=v6).close()
            listener.close()
    lq.equal(lq.module_users(), users)
    lq.equal(lq.lqctl_listeners(), [])
    lq.wait_for(lambda: not sockets(), what=f"sockets are left: {sockets()}")


# --- accepted sockets are the kernel's own ---


@lq.each_version()
def accepted_sockets_outlive_their_listener(v6):
    """Data flows on in both directions, and they hold no reference on the module."""
    users = lq.module_users()
    listener = lq.listener(v6=v6)
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    lq.equal(lq.module_users(), users + 1)
    listener.close()
    lq.equal(lq.module_users(), users)
    for _ in range(10):
        client.send(b"there")
        lq.equal(lq.read_all(child, 5), b"there")
        child.send(b"back")
        lq.equal(lq.read_all(client, 4), b"back")
    child.close()
    lq.equal(client.recv(1), b"")


# --- network namespaces ---


@lq.case("half_open", "queued", "both", "v6")
def namespace_ends(what):
    """Its last process ends, and with it sockets, requests, hooks, and the namespace."""
    users = lq.module_users()
    inside, outside = os.pipe()
    pid = os.fork()
    if pid == 0:
        lq.unshare_net()
        lq.no_timer()
        tun = Tun()
        listener = lq.listener(v6=what == "v6")
        fill(tun, listener, 0 if what == "half_open" else 4, 0 if what == "queued" else 2,
             what == "v6")
        os.write(outside, b"x")
        lq.until_killed()
    assert select.select([inside], [], [], 30)[0], "the namespace did not get ready"
    lq.equal(lq.module_users(), users + 1)
    link = os.readlink(f"/proc/{pid}/ns/net")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    lq.equal(lq.module_users(), users)
    # cleanup_net() ran through once a later namespace can be made and ended, too.
    lq.Netns().close()
    assert link not in lq.run("lsns", "-t", "net", "-o", "NS", "-n", check=False)


@lq.case()
def named_namespace_is_deleted():
    """ip netns delete while a listener with both queues full lives: its sockets keep it alive."""
    lq.no_timer()
    lq.ip("netns add doomed")
    handle = os.open("/run/netns/doomed", os.O_RDONLY)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    lq.libc.setns(handle, lq.CLONE_NEWNET)
    rtnl.link_up("lo")
    lq.no_timer()
    tun = Tun()
    listener = lq.listener()
    _, half = fill(tun, listener, 3, 2)
    lq.libc.setns(here, lq.CLONE_NEWNET)
    os.close(handle)
    lq.ip("netns delete doomed")
    half[0].final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 4)
    lq.equal(len(lq.accept_all(listener)), 4)
    users = lq.module_users()
    listener.close()
    lq.equal(lq.module_users(), users - 1)
    os.close(tun.fd)



lq.main()
