#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""Servers that nobody started for listenq are adopted under load, and released, again and again: not
one connection fails, and not one SYN is lost. The last is an upgrade of the module under load.

    load: HTTP clients --- lo --- the server          this program: takes its listening sockets
"""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import held
import lq
from load import Load, count_segments, expect_no_loss, segments_seen
from nginx import serving

# Of the first; the others make a quarter. 100 take two minutes.
ROUNDS = int(os.environ.get("LQ_ADOPT_ROUNDS", "16"))
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438


def inodes_of(port):
    """The inodes of the sockets that listen at the port in this namespace."""
    found = set()
    for path in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with open(path, encoding="ascii") as file:
            for words in map(str.split, file.readlines()[1:]):
                if words[3] == "0A" and int(words[1].split(":")[1], 16) == port:
                    found.add(int(words[9]))
    return found


def call(number, *args):
    """A system call that Python has no name for."""
    result = lq.libc.syscall(number, *args)
    if result < 0:
        raise OSError(lq.ctypes.get_errno(), f"system call {number}")
    return result


def listening_sockets(pid, port):
    """Descriptors of ours for the sockets by which the process listens at the port."""
    wanted = inodes_of(port)
    handle = call(SYS_PIDFD_OPEN, pid, 0)
    sockets = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # a connection that it has closed
        inode = re.fullmatch(r"socket:\[(\d+)\]", link)
        if inode and int(inode[1]) in wanted:
            wanted.remove(int(inode[1]))
            sockets.append(socket.socket(fileno=call(SYS_PIDFD_GETFD, handle, int(name), 0)))
    os.close(handle)
    assert sockets and not wanted, f"sockets {wanted} of port {port} are not the process's"
    return sockets


def served_by(whose, count):
    """Until so many connections more were made by our queues ("ours") or by TCP's ("tcp")."""
    with lq.Counted() as ours, lq.Counted(lq.mib) as all_of_them:
        def come():
            mine = ours("Established")
            return (mine if whose == "ours" else all_of_them("TcpPassiveOpens") - mine) >= count
        lq.wait_for(come, 30, f"no {count} connections by {whose}")


def to_and_fro(sockets, rounds=max(ROUNDS // 4, 1)):
    """Adopted, released, adopted again; at least how many connections there were."""
    for _ in range(rounds):
        for sock in sockets:
            lq.adopt(sock)
        served_by("ours", 3)
        for sock in sockets:
            lq.release(sock)
        for sock in sockets:
            lq.wait_for(lambda: not lq.is_ours(sock), 30, "it is not TCP's")
        served_by("tcp", 3)
    return 6 * rounds


@contextlib.contextmanager
def server(*command, stdin=None):
    """A server that says "ready PORT"; that, and its process."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=stdin, text=True) as process:
        try:
            words = process.stdout.readline().split()
            lq.equal(words[:1], ["ready"])
            yield int(words[1]), process
            assert process.poll() is None, f"the server ended: {process.returncode}"
        finally:
            process.kill()


def no_users():
    """Nothing is left of it all."""
    lq.wait_for(lambda: lq.module_users() == 0, what="the module is used")
    lq.equal(lq.lqctl_listeners(), [])


@lq.case("threads", "epoll", "uring", "worker", "static threads", "static epoll", "go", timeout=300)
def under_load(kind):
    """Servers of every kind, unmodified, with connections all the time."""
    words = kind.split()
    program = {"static": "server_static", "go": "server_go"}.get(words[0], "server")
    if not os.path.exists(f"{lq.TESTS}/{program}"):
        raise lq.Skip(f"no {program}")
    with server(f"{lq.TESTS}/{program}", *(words[-1:] if kind != "go" else [])) as (port, process):
        sockets = listening_sockets(process.pid, port)
        with lq.Counted(lq.mib) as moved, Load(port) as load:
            least = to_and_fro(sockets, ROUNDS if kind == "threads" else max(ROUNDS // 4, 1))
        expect_no_loss(load, moved, least)
        for sock in sockets:
            sock.close()
    no_users()


@lq.case(timeout=300)
def nginx_with_reuseport():
    """A socket for each worker, in one group: some are ours for a moment, and others TCP's."""
    lines = "listen 0.0.0.0:8080 reuseport backlog=128; listen [::]:8080 reuseport backlog=128;"
    with serving(lines, []) as (_, process):
        sockets = listening_sockets(process.pid, 8080)
        lq.equal(len(sockets), 2)
        with lq.Counted(lq.mib) as moved, Load(8080) as load:
            least = to_and_fro(sockets)
        expect_no_loss(load, moved, least)
        for sock in sockets:
            sock.close()
    no_users()


@lq.case(timeout=300)
def by_systemd_socket_activate():
    """systemd makes the socket, and starts the server when the first client comes."""
    if not shutil.which("systemd-socket-activate"):
        raise lq.Skip("no systemd-socket-activate")
    port = 8081
    with subprocess.Popen(["systemd-socket-activate", "-l", f"[::]:{port}",
                           f"{lq.TESTS}/server_static", "inherit"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            lq.wait_for(lambda: inodes_of(port), what="it does not listen")
            sockets = listening_sockets(process.pid, port)
            for sock in sockets:
                lq.adopt(sock)  # before there is a server
            with lq.Counted(lq.mib) as moved, Load(port) as load:
                served_by("ours", 3)
                for sock in sockets:
                    lq.release(sock)
                    lq.wait_for(lambda: not lq.is_ours(sock), 30, "it is not TCP's")
                least = to_and_fro(sockets)
            expect_no_loss(load, moved, least)
        finally:
            process.kill()
    for sock in sockets:
        sock.close()
    no_users()


@lq.case(timeout=300)
def what_is_lost_is_seen():
    """A server that stops, with room for two: the SYNs of the others are dropped, and no client fails."""
    with server(f"{lq.TESTS}/server", "threads") as (port, process):
        lq.run("lqctl", "adopt", "--all")
        lq.run("lqctl", "set", "-l", f":{port}", "backlog=1")
        with lq.Counted() as moved, Load(port) as load:
            process.send_signal(signal.SIGSTOP)
            # Those of the load may all be connected by then, or have reason to think so, and so may any number
            # of others whose SYNs came before the first ACK. The others say nothing, and the server would wait
            # for it with all its threads: they are gone before it goes on.
            with contextlib.ExitStack() as others:
                def dropped_one_more():
                    other = others.enter_context(socket.socket())
                    other.setblocking(False)
                    other.connect_ex(("127.0.0.1", port))
                    return moved("DropAcceptQueueFullSyn") >= 4
                lq.wait_for(dropped_one_more, 30, "no SYN is dropped", every=0.1)
            process.send_signal(signal.SIGCONT)
            served_by("ours", 3)
        dropped = moved("DropAcceptQueueFullSyn")
        _, failed, lost = load.result
        lq.equal(failed, 0, "failed connections")
        # nft misses one now and then, as its table is made anew.
        assert dropped // 2 <= lost <= dropped, f"{lost} seen of {dropped}"
    no_users()


@lq.case()
def a_pair_that_comes_too_soon():
    """Not taken for lost: TCP's, without us, as the last connection's socket is in its owner's hands."""
    def connect(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 5555))
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", lq.port_of(listener)))

    page = held.Page()
    count_segments()
    listener = lq.listener("tcp", v6=True)
    with socket.socket() as first, socket.socket() as second:
        connect(first)
        child = lq.accept(listener)
        owner = held.keep_lock(child, page)
        lq.reset(first)
        with lq.Counted(lq.mib) as moved:
            connect(second)
            page.fill()
            owner.end()
            lq.accept(listener)
            lq.equal([moved(f"TcpExt{name}") for name in ("TCPSynRetrans", "TCPSYNChallenge", "ListenDrops")],
                     [1, 0, 0])
    seen = segments_seen()
    if seen is None:
        raise lq.Skip("no nft")
    lq.equal((seen["syn"], seen["unanswered"]), (2, 0))


@lq.case(timeout=300)
def an_upgrade_of_the_module():
    """lqctl release --all, rmmod, insmod, lqctl adopt --all: connections go on, by TCP meanwhile."""
    with server(f"{lq.TESTS}/server", "threads") as (port, _):
        with lq.Counted(lq.mib) as moved, Load(port) as load:
            for _ in range(10):
                lq.run("lqctl", "adopt", "--all")
                served_by("ours", 5)
                lq.run("lqctl", "release", "--all")
                with lq.unloaded():
                    with lq.Counted(lq.mib) as opened:
                        lq.wait_for(lambda: opened("TcpPassiveOpens") >= 5, 30, "nothing by TCP")
        expect_no_loss(load, moved, 100)
    no_users()


if __name__ == "__main__":
    lq.main()
