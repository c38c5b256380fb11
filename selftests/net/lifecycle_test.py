#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""From socket() to rmmod: every way a listener, a namespace and the module can end. Nothing leaks,
nothing hangs, nobody is left waiting.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import lq
from rawtcp import ACK, RST, SYN, Peer, Tun

LONG = 60000  # ms: the timer stays out of it
SO_ATTACH_REUSEPORT_CBPF = 51
WAITING = {"43", "288", "7", "232"}  # accept(), accept4(), poll(), epoll_wait() of x86-64


# --- helpers ---


def unspec(sock):
    """connect(AF_UNSPEC)"""
    address = struct.pack("=H14x", socket.AF_UNSPEC)
    if lq.libc.connect(sock.fileno(), address, len(address)) != 0:
        raise OSError(lq.ctypes.get_errno(), "connect")


ENDS = {
    "close": lambda sock: sock.close(),
    "shutdown_rd": lambda sock: sock.shutdown(socket.SHUT_RD),
    "shutdown_rdwr": lambda sock: sock.shutdown(socket.SHUT_RDWR),
    "unspec": unspec,
}
ENDS_OF_OPEN = [name for name in ENDS if name != "close"]
ENDS_BY_VERSION = [f"{name} {version}" for name in ENDS for version in ("v4", "v6")]


def fill(tun, listener, connections, half_open, v6=False):
    """Peers on the accept queue, and half-open ones."""
    port = lq.port_of(listener)
    # These first: a full accept queue lets only two more in.
    half = [Peer(tun, port, v6=v6) for _ in range(half_open)]
    for peer in half:
        peer.half_open()
    done = [Peer(tun, port, v6=v6).connect() for _ in range(connections)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == connections)
    lq.equal(lq.Info(listener).syn_qlen, half_open)
    return done, half


def sockets():
    """All TCP sockets of this namespace, but for those in TIME_WAIT."""
    return lq.run("ss", "-H", "-t", "-a", "-n", "exclude", "time-wait").splitlines()


def kept_quiet():
    """The stack's own timer stays out of it, and no cookies."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.ipv4.tcp_syncookies", 0)


def expect_serves(listener, v6=False):
    """A client connects, its connection is accepted and works."""
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    client.send(b"well?")
    lq.equal(lq.read_all(child, 5), b"well?")
    child.send(b"well")
    lq.equal(lq.read_all(client, 4), b"well")
    child.close()
    client.close()


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
        self.thread.join(seconds)
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


@lq.case(*[f"{name} {version}" for name in ENDS_OF_OPEN for version in ("v4", "v6")])
def accept_ends_with_the_listener(what):
    """A blocked accept() returns with the same error as TCP's."""
    end, version = what.split()
    results = {}
    for kind in ("tcp", "lq"):
        listener = blocking(kind, version == "v6")
        # connect(AF_UNSPEC) wakes but one, on TCP as well: sock_def_error_report().
        count = 1 if end == "unspec" else 3
        waiting = [Blocked(listener.accept) for _ in range(count)]
        ENDS[end](listener)
        results[kind] = [one.result() for one in waiting]
        with lq.fails_with(errno.EINVAL):
            listener.accept()
    lq.equal(results["lq"], results["tcp"])
    lq.equal(set(results["lq"]), {"EINVAL"})


@lq.case("v4", "v6")
def close_while_accept_waits(version):
    """accept() holds the file: it goes on waiting, as on TCP, and takes the next connection."""
    v6 = version == "v6"
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


@lq.case("v4", "v6")
def accept_goes_on_after_listening_again(version):
    """One more listen() does not disturb who waits in accept()."""
    v6 = version == "v6"
    listener = blocking("lq", v6)
    waiting = Blocked(listener.accept)
    for backlog in (100, 0, 5):
        listener.listen(backlog)
    client = lq.connect_to(listener, v6=v6)
    lq.equal(waiting.result()[0].getpeername()[:2], client.getsockname()[:2])


# --- the ways out of LISTEN, with both queues full ---


@lq.case(*ENDS_BY_VERSION)
def end_with_full_queues(what):
    """Who is connected gets RST, who is half-open gets RST for an ACK, and nothing is left."""
    end, version = what.split()
    v6 = version == "v6"
    kept_quiet()
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


@lq.case(*ENDS_BY_VERSION)
def real_clients_see_the_end(what):
    """ECONNRESET at clients whose connection nobody accepted, as from TCP."""
    end, version = what.split()
    v6 = version == "v6"
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


@lq.case(*[f"{name} {version}" for name in ENDS_OF_OPEN for version in ("v4", "v6")])
def listen_again_after_the_end(what):
    """The same port, fresh queues, many times over; what was half-open before is forgotten."""
    end, version = what.split()
    v6 = version == "v6"
    kept_quiet()
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
        expect_serves(listener, v6)
        queued = Peer(tun, port, v6=v6).connect()
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
        ENDS[end](listener)
        queued.expect(RST | ACK)
        lq.equal(lq.ss_queues(port), None)
        listener.listen(backlog)
        old.final_ack()
        old.expect(RST)
        lq.equal(lq.Info(listener).accept_qlen, 0)
    expect_serves(listener, v6)


@lq.case("v4", "v6")
def grow_and_shrink_with_real_clients(version):
    """listen() again and again while clients wait; each is served, in the order they came."""
    v6 = version == "v6"
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


@lq.case("v4", "v6")
def half_open_survive_listening_again(version):
    """Their ACK is as good after a second listen() as before."""
    v6 = version == "v6"
    kept_quiet()
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

    def knock():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as client:
                    client.recv(1)
                counts["connected"] += 1
            except (ConnectionRefusedError, ConnectionResetError):
                counts["refused"] += 1

    threads = [threading.Thread(target=knock) for _ in range(3)]
    listener = first
    for thread in threads:
        thread.start()
    lq.wait_for(lambda: lq.Info(first).accept_qlen)
    for turn in range(60):
        with contextlib.suppress(BlockingIOError):
            while turn % 3 == 0:
                listener.accept()[0].close()
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
    listener.close()
    lq.equal(lq.module_users(), users)


@lq.case()
def kill_a_server():
    """SIGKILL in accept() with both queues full: all of it goes with the process."""
    kept_quiet()
    tun = Tun()
    users = lq.module_users()
    listener = lq.listener(backlog=5)
    done, half = fill(tun, listener, 4, 1)
    pid = os.fork()
    if pid == 0:
        time.sleep(1000)
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
    kept_quiet()
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
    expect_serves(listener)


# --- accepted sockets are the kernel's own ---


@lq.case("v4", "v6")
def accepted_sockets_outlive_their_listener(version):
    """Data flows on in both directions, and they hold no reference on the module."""
    v6 = version == "v6"
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


# --- SO_REUSEPORT: who has the request need not be whom the ACK selects ---


def member(port=0, v6=False, backlog=64):
    """One of a group."""
    option = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return lq.listener(backlog=backlog, port=port, v6=v6, options=[option])


def choose(sock, index):
    """The group's program: always this member."""
    # struct sock_filter: BPF_RET | BPF_K
    program = struct.pack("=HBBI", 0x06, 0, 0, index)
    buffer = lq.ctypes.create_string_buffer(program)
    prog = struct.pack("@HP", 1, lq.ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, prog)


@lq.case("v4", "v6")
def group_grows_between_syn_and_ack(version):
    """The ACK selects a member that came later; the request is found all the same."""
    v6 = version == "v6"
    kept_quiet()
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


@lq.case("v4", "v6")
def group_shrinks_between_syn_and_ack(version):
    """The requests of those that stay are found wherever their ACK goes."""
    v6 = version == "v6"
    kept_quiet()
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


@lq.case("v4", "v6")
def program_changes_between_syn_and_ack(version):
    """A program sends SYNs to the first member and ACKs to the second."""
    v6 = version == "v6"
    kept_quiet()
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


@lq.case()
def a_tcp_member_is_selected():
    """The ACK goes to TCP's own listener of the group; ours still has the request."""
    kept_quiet()
    tun = Tun()
    first = member()
    choose(first, 0)
    peer = Peer(tun, lq.port_of(first))
    peer.half_open()
    tcp = lq.listener("tcp", port=lq.port_of(first),
                      options=[(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)])
    choose(first, 1)
    peer.final_ack()
    lq.wait_for(lambda: lq.Info(first).accept_qlen == 1)
    with lq.fails_with(errno.EAGAIN):
        tcp.accept()


# --- network namespaces ---


@lq.case("half_open", "queued", "both", "v6")
def namespace_ends(what):
    """Its last process ends, and with it sockets, requests, hooks, and the namespace."""
    users = lq.module_users()
    inside, outside = os.pipe()
    pid = os.fork()
    if pid == 0:
        lq.unshare_net()
        kept_quiet()
        tun = Tun()
        listener = lq.listener(v6=what == "v6")
        fill(tun, listener, 0 if what == "half_open" else 4, 0 if what == "queued" else 2,
             what == "v6")
        os.write(outside, b"x")
        time.sleep(1000)
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
    kept_quiet()
    lq.ip("netns add doomed")
    handle = os.open("/run/netns/doomed", os.O_RDONLY)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    lq.libc.setns(handle, lq.CLONE_NEWNET)
    lq.ip("link set lo up")
    kept_quiet()
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


# --- the module ---


def rmmod():
    """Remove it."""
    return subprocess.run(["rmmod", "listenq"], capture_output=True, text=True, check=False)


def insmod(*parameters):
    """Insert it from where it was loaded first."""
    return subprocess.run(["insmod", lq.module_file(), *parameters], capture_output=True,
                          text=True, check=False)


@contextlib.contextmanager
def without_module():
    """Inside there is no module; afterwards there is, loaded as ever."""
    done = rmmod()
    lq.equal((done.returncode, done.stderr), (0, ""))
    lq.equal(lq.module_users(), None)
    try:
        yield
    finally:
        if lq.module_users() is not None:
            lq.equal(rmmod().returncode, 0, "the module that the test loaded")
        done = insmod()
        lq.equal((done.returncode, done.stderr), (0, ""))


def requests_in_memory():
    """Requests allocated in the whole system, or None where caches are merged."""
    for name in ("listenq_request_v4", "listenq_request_v6"):
        path = f"/sys/kernel/slab/{name}/shrink"
        if os.path.exists(path):
            # Else what lies free on a CPU's own list counts as in use.
            with open(path, "w", encoding="ascii") as file:
                file.write("1")
    with open("/proc/slabinfo", encoding="ascii") as file:
        rows = [line.split() for line in file if line.startswith("listenq_request_v")]
    return sum(int(row[1]) for row in rows) if len(rows) == 2 else None


@lq.case("v4", "v6", timeout=90)
def no_request_is_leaked(version):
    """Each way that a request can end gives its memory back."""
    before = requests_in_memory()
    if before is None:
        raise lq.Skip("the kernel merged the caches of requests; boot with slab_nomerge")
    v6 = version == "v6"
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    lq.sysctl("net.listenq.synack_retries", 1)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=256, v6=v6)
    port = lq.port_of(listener)
    peers = [Peer(tun, port, v6=v6) for _ in range(100)]
    for peer in peers:
        peer.half_open()
    lq.equal(requests_in_memory(), before + 100, "requests of half-open peers")
    for peer in peers[:30]:
        peer.final_ack()
    for peer in peers[30:50]:
        peer.reset()
    for peer in peers[50:60]:
        peer.segment(SYN, seq=peer.isn + 1, options=b"")  # inside the window: ends it
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 30)
    # The others expire.
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 30)
    lq.equal(requests_in_memory(), before + 30, "entries of the accept queue")
    for _ in range(20):
        lq.accept(listener).close()
    lq.equal(requests_in_memory(), before + 10, "after accept()")
    for peer in peers[:10]:
        Peer(tun, port, v6=v6).half_open()
    listener.close()
    lq.equal(requests_in_memory(), before, "after close()")


@lq.case()
def no_listener_is_leaked():
    """Hundreds of listeners, with all that belongs to them, leave no trace."""
    users = lq.module_users()
    for v6 in (False, True):
        for _ in range(150):
            listener = lq.listener(backlog=4, v6=v6)
            lq.connect_to(listener, v6=v6).close()
            listener.close()
    lq.equal(lq.module_users(), users)
    lq.equal(lq.lqctl_listeners(), [])
    lq.wait_for(lambda: not sockets())


@lq.case("unbound", "listening", "connected", "second process")
def module_in_use(state):
    """rmmod is refused while any socket of the family lives, and nothing happens to that."""
    server = lq.listener("tcp")
    sock = lq.stream("lq")
    child = None
    if state in ("listening", "second process"):
        sock = lq.listener()
    elif state == "connected":
        sock.connect(("127.0.0.1", lq.port_of(server)))
        child = lq.accept(server)
    if state == "second process":
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        fd = sock.detach()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=os.dup(fd))
        os.close(fd)
    done = rmmod()
    assert done.returncode != 0 and "in use" in done.stderr, done
    if state == "listening":
        expect_serves(sock)
    elif state == "connected":
        sock.send(b"x")
        lq.equal(lq.read_all(child, 1), b"x")
    elif state == "second process":
        sock.close()
        assert "in use" in rmmod().stderr
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    sock.close()
    with without_module():
        pass
    expect_serves(lq.listener())


@lq.case()
def module_goes_and_comes():
    """Out and in, many times, each time after use; it always works."""
    for _ in range(5):
        for v6 in (False, True):
            listener = lq.listener(v6=v6)
            expect_serves(listener, v6)
            clients = [lq.connect_to(listener, v6=v6) for _ in range(3)]
            listener.close()
            del clients
        with without_module():
            with lq.fails_with(errno.EAFNOSUPPORT):
                lq.stream("lq")
            assert not os.path.exists("/proc/sys/net/listenq"), "sysctls are left"
            assert not os.path.exists("/proc/self/net/listenq"), "/proc/net/listenq is left"
            expect_serves(lq.listener("tcp"))
    listener = lq.listener(v6=True)
    expect_serves(listener, True)


@lq.case()
def accepted_sockets_outlive_the_module():
    """rmmod under live connections, accepted from AF_LISTENQ: they are TCP's."""
    listener = lq.listener()
    pairs = []
    for _ in range(5):
        client = lq.connect_to(listener)
        pairs.append((client, lq.accept(listener)))
    listener.close()
    with without_module():
        for client, child in pairs:
            client.send(b"still")
            lq.equal(lq.read_all(child, 5), b"still")
            child.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            child.send(b"here")
            lq.equal(lq.read_all(client, 4), b"here")
            child.shutdown(socket.SHUT_WR)
            lq.equal(client.recv(1), b"")
            child.close()
            client.close()


@lq.case()
def module_goes_right_after_traffic():
    """rmmod at once after listeners closed with requests queued, their timers armed."""
    kept_quiet()
    lq.sysctl("net.listenq.synack_timeout_ms", 20)
    tun = Tun()
    for turn in range(4):
        listeners = [lq.listener(backlog=8, v6=bool(n % 2)) for n in range(6)]
        peers = []
        for n, listener in enumerate(listeners):
            for _ in range(4):
                peers.append(Peer(tun, lq.port_of(listener), v6=bool(n % 2)))
                peers[-1].half_open()
        for peer in peers[:: 2 + turn % 2]:
            peer.final_ack()
        for listener in listeners:
            listener.close()
        with without_module():
            pass
        lq.sysctl("net.listenq.synack_timeout_ms", 20)


@lq.case()
def module_goes_with_namespaces():
    """Each namespace has sysctls, counters and hooks; rmmod takes all of them away."""
    spaces = [lq.Netns() for _ in range(4)]
    for space in spaces:
        with space:
            lq.sysctl("net.listenq.max_syn_backlog", 77)
            expect_serves(lq.listener())
    with without_module():
        for space in spaces:
            with space:
                assert not os.path.exists("/proc/sys/net/listenq")
                expect_serves(lq.listener("tcp"))
    for space in spaces:
        with space:
            assert lq.sysctl("net.listenq.max_syn_backlog") != "77"
            expect_serves(lq.listener())
        space.close()


def free_family():
    """The number of a family that nothing implements."""
    for number in (22, 14, 27, 28):  # AF_SNA, AF_SECURITY, AF_IB, AF_MPLS
        try:
            socket.socket(number, socket.SOCK_STREAM).close()
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                return number
    raise lq.Skip("every family number is taken")


@lq.case()
def another_family_number():
    """insmod family=N: socket(N) is ours and socket(18) is nobody's; lqrun -f N finds it."""
    number = free_family()
    with without_module():
        done = insmod(f"family={number}")
        lq.equal((done.returncode, done.stderr), (0, ""))
        with open("/sys/module/listenq/parameters/family", encoding="ascii") as file:
            lq.equal(int(file.read()), number)
        with lq.fails_with(errno.EAFNOSUPPORT):
            lq.stream("lq")
        for v6 in (False, True):
            made = socket.socket(number, socket.SOCK_STREAM, int(v6))
            family = socket.AF_INET6 if v6 else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM, 0, fileno=made.detach())
            sock.listen(5)
            lq.equal(lq.Info(sock).backlog, 5)
            expect_serves(sock, v6)
            sock.close()
        script = "import socket; s = socket.socket(); s.listen(3); print(s.getsockopt(0x4c51, 4))"
        lq.equal(lq.run("lqrun", "-f", str(number), "-s", sys.executable, "-c", script), "-1\n")


@lq.case("0", "-1", "46", "1000", "x", "2", "10", "1", "16")
def bad_family_number(number):
    """Out of range, no number, or taken by another protocol: refused, and nothing half-loaded."""
    with without_module():
        done = insmod(f"family={number}")
        assert done.returncode != 0, "it was loaded"
        if number in ("2", "10", "1", "16"):
            assert "File exists" in done.stderr, done.stderr
            assert f"address family {number} is taken" in lq.run("dmesg"), "no message says why"
        else:
            assert "Invalid" in done.stderr, done.stderr
        lq.equal(lq.module_users(), None)
        assert not os.path.exists("/proc/sys/net/listenq")
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    expect_serves(lq.listener())


@lq.case()
def tools_without_the_module():
    """lqctl and lqrun say what is missing, and what to do."""
    with without_module():
        for words in (("list",), ("stats",), ("list", "--json")):
            done = subprocess.run(["lqctl", *words], capture_output=True, text=True, check=False)
            lq.equal(done.returncode, 2, str(words))
            assert "not loaded" in done.stderr and "modprobe listenq" in done.stderr, done.stderr
            lq.equal(done.stdout, "")
        script = "import socket; s = socket.socket(); s.listen(3); print('listens')"
        done = subprocess.run(["lqrun", sys.executable, "-c", script], capture_output=True,
                              text=True, check=False)
        lq.equal((done.returncode, done.stdout), (0, "listens\n"))
        assert "is the listenq module loaded?" in done.stderr, done.stderr
        done = subprocess.run(["lqrun", "--strict", sys.executable, "-c", script],
                              capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "listens" not in done.stdout, done
        assert "is the listenq module loaded?" in done.stderr, done.stderr


lq.main()
