#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Loading and unloading the module: when it may go, what stays behind, and what works without it.

Each case leaves the module loaded as it was.
"""
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys

import lq
from rawtcp import SYN, Peer, Tun


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


@lq.each_version(timeout=90)
def no_request_is_leaked(v6):
    """Each way that a request can end gives its memory back."""
    before = lq.requests_in_memory()
    if before is None:
        raise lq.Skip("the kernel merged the caches of requests; boot with slab_nomerge")
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=256, v6=v6)
    port = lq.port_of(listener)
    peers = [Peer(tun, port, v6=v6) for _ in range(60)]
    for peer in peers:
        peer.half_open()
    lq.equal(lq.requests_in_memory(), before + 60, "requests of half-open peers")
    for peer in peers[:30]:
        peer.final_ack()
    for peer in peers[30:50]:
        peer.reset()
    for peer in peers[50:]:
        peer.segment(SYN, seq=peer.isn + 1, options=b"")  # inside the window: ends it
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 30)
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0)
    lq.equal(lq.requests_in_memory(), before + 30, "entries of the accept queue")
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    lq.sysctl("net.listenq.synack_retries", 1)
    with lq.Counted() as moved, lq.listener(backlog=256, v6=v6) as expiring:
        for _ in range(40):
            Peer(tun, lq.port_of(expiring), v6=v6).half_open()
        lq.wait_for(lambda: moved("DropRequestExpired") == 40, 30)
        lq.equal(lq.requests_in_memory(), before + 30, "after the last timeout")
    for _ in range(20):
        lq.accept(listener).close()
    lq.equal(lq.requests_in_memory(), before + 10, "after accept()")
    for peer in peers[:10]:
        Peer(tun, port, v6=v6).half_open()
    listener.close()
    lq.equal(lq.requests_in_memory(), before, "after close()")


@lq.case("unbound", "listening", "second process")
def module_in_use(state):
    """rmmod is refused while any socket of the family lives that may listen, and nothing happens to
    that."""
    sock = lq.stream("lq")
    if state in ("listening", "second process"):
        sock = lq.listener()
    if state == "second process":
        pid = os.fork()
        if pid == 0:
            lq.until_killed()
        fd = sock.detach()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=os.dup(fd))
        os.close(fd)
    done = rmmod()
    assert done.returncode != 0 and "in use" in done.stderr, done
    if state == "listening":
        lq.expect_serves(sock)
    elif state == "second process":
        sock.close()
        assert "in use" in rmmod().stderr
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    sock.close()
    with without_module():
        pass
    lq.expect_serves(lq.listener())


@lq.case()
def module_goes_and_comes():
    """Out and in, many times, each time after use; it always works."""
    for _ in range(5):
        for v6 in (False, True):
            listener = lq.listener(v6=v6)
            lq.expect_serves(listener, v6)
            clients = [lq.connect_to(listener, v6=v6) for _ in range(3)]
            listener.close()
            del clients
        with without_module():
            with lq.fails_with(errno.EAFNOSUPPORT):
                lq.stream("lq")
            assert not os.path.exists("/proc/sys/net/listenq"), "sysctls are left"
            assert not os.path.exists("/proc/self/net/listenq"), "/proc/net/listenq is left"
            lq.expect_serves(lq.listener("tcp"))
    listener = lq.listener(v6=True)
    lq.expect_serves(listener, True)


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
    lq.no_timer()
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
            lq.expect_serves(lq.listener())
    with without_module():
        for space in spaces:
            with space:
                assert not os.path.exists("/proc/sys/net/listenq")
                lq.expect_serves(lq.listener("tcp"))
    for space in spaces:
        with space:
            assert lq.sysctl("net.listenq.max_syn_backlog") != "77"
            lq.expect_serves(lq.listener())
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
            lq.expect_serves(sock, v6)
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
            assert "resource busy" in done.stderr, done.stderr
            assert f"address family {number} is taken" in lq.run("dmesg"), "no message says why"
        else:
            assert "Invalid" in done.stderr, done.stderr
        lq.equal(lq.module_users(), None)
        assert not os.path.exists("/proc/sys/net/listenq")
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    lq.expect_serves(lq.listener())


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
        assert "the listenq module is not loaded" in done.stderr, done.stderr
        done = subprocess.run(["lqrun", "--strict", sys.executable, "-c", script],
                              capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "listens" not in done.stdout, done
        assert "the listenq module is not loaded" in done.stderr, done.stderr


lq.main()
