#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Where a policy is set, and what its change does to a listener that holds connections.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import errno
import itertools
import os
import select
import socket
import subprocess

import lq
from rawtcp import Peer, Tun

# --- where a policy is set ---


@lq.case()
def policy_of_a_namespace():
    """Each has its own, and a new one begins with the default."""
    lq.equal(lq.sysctl("net.listenq.policy"), "linux")
    lq.sysctl("net.listenq.policy", "aix")
    here = lq.listener(backlog=4)
    with lq.Netns() as other:
        lq.equal(lq.sysctl("net.listenq.policy"), "linux")
        there = lq.listener(backlog=4)
        lq.sysctl("net.listenq.policy", "xnu")
        lq.equal((lq.Info(there).policy, lq.Info(there).accept_limit), ("xnu", 4))
    lq.equal(lq.sysctl("net.listenq.policy"), "aix")
    lq.equal((lq.Info(here).policy, lq.Info(here).accept_limit), ("aix", 7))
    there.close()
    other.close()


@lq.case()
def policy_of_a_socket():
    """Before listen() and after it; it beats the sysctl until an empty name ends it."""
    lq.sysctl("net.listenq.policy", "aix")
    sock = lq.stream("lq")
    lq.set_policy(sock, "xnu")
    name = sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, 16)
    lq.equal((len(name), name.rstrip(b"\0")), (16, b"xnu"))
    sock.listen(6)
    lq.equal((lq.Info(sock).policy, lq.Info(sock).accept_limit), ("xnu", 6))
    for policy, limit in (("hpux", 9), ("bsd", 5), ("linux-2.4", 7)):
        lq.set_policy(sock, policy)
        lq.equal((lq.Info(sock).policy, lq.Info(sock).accept_limit), (policy, limit))
    lq.sysctl("net.listenq.policy", "freebsd")
    lq.equal(lq.Info(sock).policy, "linux-2.4")
    sock.listen(7)
    lq.equal((lq.Info(sock).policy, lq.Info(sock).accept_limit), ("linux-2.4", 8))
    sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, b"\0")
    lq.equal((lq.Info(sock).policy, lq.Info(sock).accept_limit), ("freebsd", 11))


UNKNOWN = ("nonsense", "Linux", "linu", "linux2", "linux-2.4x", "free", "x" * 15, "x" * 16,
           "linux\x01", " linux", "x" * 100)


@lq.case("new", "listening")
def unknown_policy_of_a_socket(state):
    """EINVAL, and nothing changes."""
    sock = lq.stream("lq")
    lq.set_policy(sock, "berkeley")
    if state == "listening":
        sock.listen(3)
    for name in UNKNOWN:
        with lq.fails_with(errno.EINVAL):
            lq.set_policy(sock, name)
    with lq.fails_with(errno.EINVAL):
        sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, b"")
    lq.equal(sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, 16).rstrip(b"\0"), b"berkeley")
    # With a NUL, without one, and with something behind it.
    for name in (b"bsd", b"bsd\0", b"bsd\0junk"):
        sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, name)
        lq.equal(sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_POLICY, 16).rstrip(b"\0"), b"bsd")
        lq.set_policy(sock, "aix")


@lq.case()
def unknown_policy_of_a_namespace():
    """EINVAL from the sysctl; lqctl says which there are."""
    lq.sysctl("net.listenq.policy", "aix")
    for name in UNKNOWN[:8]:
        if name == " linux":
            continue
        with lq.fails_with(errno.EINVAL):
            lq.sysctl("net.listenq.policy", name)
    lq.equal(lq.sysctl("net.listenq.policy"), "aix")
    done = subprocess.run(["lqctl", "set", "policy=nonsense"], capture_output=True, text=True,
                          check=False)
    lq.equal((done.returncode, done.stdout), (1, ""))
    assert '"nonsense"' in done.stderr, done.stderr
    for policy in lq.POLICIES:
        assert policy in done.stderr, done.stderr
    lq.equal(lq.sysctl("net.listenq.policy"), "aix")
    for policy in lq.POLICIES:
        lq.equal(lq.run("lqctl", "set", f"policy={policy}"), f"net.listenq.policy = {policy}\n")
        lq.equal(lq.sysctl("net.listenq.policy"), policy)


# --- changes of a listener that holds connections ---


@lq.case(*lq.POLICIES)
def second_listen(policy):
    """It grows and shrinks; what is queued stays, in its order."""
    lq.quiet()
    tun = Tun()
    listener = lq.listener(backlog=5)
    lq.set_policy(listener, policy)
    waiting = [Peer(tun, lq.port_of(listener)).connect() for _ in range(3)]
    half = [Peer(tun, lq.port_of(listener)) for _ in range(2)]
    for peer in half:
        peer.half_open()
    for backlog in (500, 0, -1, 1, 4096, 5):
        lq.listen(listener, backlog)
        info = lq.Info(listener)
        lq.equal((info.accept_qlen, info.syn_qlen), (3, 2), str(backlog))
        lq.equal(lq.ss_queues(lq.port_of(listener)), (3, info.accept_limit - 1), str(backlog))
    for peer in half:
        peer.final_ack()
    lq.equal(lq.Info(listener).accept_qlen, 5)
    lq.listen(listener, 0)
    lq.equal([child.getpeername()[1] for child in lq.accept_all(listener)],
             [peer.sport for peer in waiting + half])


@lq.case()
def changing_the_policy_loses_nothing():
    """Each policy after each other one, over both queues filled."""
    lq.quiet()
    lq.sysctl("net.core.somaxconn", 20)
    tun = Tun()
    listener = lq.listener(backlog=20)
    waiting = [Peer(tun, lq.port_of(listener)).connect() for _ in range(21)]
    lq.set_policy(listener, "freebsd")  # lets requests in though the accept queue is full
    half = [Peer(tun, lq.port_of(listener)) for _ in range(30)]
    for peer in half:
        peer.half_open()
    for pair in itertools.permutations(lq.POLICIES, 2):
        for policy in pair:
            lq.set_policy(listener, policy)
            info = lq.Info(listener)
            lq.equal((info.policy, info.accept_qlen, info.syn_qlen), (policy, 21, 30))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (21, info.accept_limit - 1))
    lq.set_policy(listener, "linux")
    got = [child.getpeername()[1] for child in lq.accept_all(listener)]
    for peer in half[:21]:
        peer.final_ack()
    got += [child.getpeername()[1] for child in lq.accept_all(listener)]
    for peer in half[21:]:
        peer.final_ack()
    got += [child.getpeername()[1] for child in lq.accept_all(listener)]
    lq.equal(got, [peer.sport for peer in waiting + half])
    info = lq.Info(listener)
    lq.equal((info.accept_qlen, info.syn_qlen, info.syn_young, info.drops), (0, 0, 0, 0))


def switch_policies():
    """A process that sets one policy after the other until it is killed."""
    pid = os.fork()
    if pid == 0:
        for policy in itertools.cycle(lq.POLICIES):
            lq.sysctl("net.listenq.policy", policy)
    return pid


class Visitor:  # pylint: disable=too-few-public-methods
    """A client that sends 4 bytes, shuts down, and reads to the end."""

    def __init__(self, listener):
        self.sock = lq.begin_connect(listener)
        self.sent = False

    def advance(self):
        """None: not done yet; else whether it was served."""
        try:
            if not self.sent:
                error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "connect")
                self.sock.send(b"ping")
                self.sock.shutdown(socket.SHUT_WR)
                self.sent = True
                return None
            return self.sock.recv(10) == b"pong"
        except BlockingIOError:
            return None
        except (ConnectionError, OSError):
            return False


@lq.case(timeout=120)
def switching_under_load():
    """Visitors come and go while policies change: who is established is served, and every request
    is accounted for."""
    lq.sysctl("net.core.somaxconn", 8)
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.syncookies", 0)
    listener = lq.listener(backlog=8)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    visitors, children = {}, {}
    started = served = refused = 0
    with lq.Counted() as moved:
        switcher = switch_policies()
        while served + refused < 600:
            while started < 600 and len(visitors) < 30:
                visitor = Visitor(listener)
                visitors[visitor.sock.fileno()] = visitor
                poller.register(visitor.sock,
                                select.EPOLLIN | select.EPOLLOUT | select.EPOLLONESHOT)
                started += 1
            for fd, _ in poller.poll(5):
                if fd == listener.fileno():
                    child = listener.accept()[0]
                    child.setblocking(False)
                    children[child.fileno()] = child
                    poller.register(child, select.EPOLLIN)
                elif fd in visitors:
                    done = visitors[fd].advance()
                    if done is None:
                        poller.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
                        continue
                    served, refused = served + done, refused + (not done)
                    poller.unregister(fd)
                    visitors.pop(fd).sock.close()
                elif fd in children:
                    poller.unregister(fd)
                    child = children.pop(fd)
                    lq.equal(child.recv(10), b"ping")
                    child.send(b"pong")
                    child.close()
        os.kill(switcher, 9)
        os.waitpid(switcher, 0)
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 30)
        info = lq.Info(listener)
        lq.diag(f"{served} served, {refused} refused")
        lq.equal(info.accept_qlen, 0)
        lq.equal(lq.ss_queues(lq.port_of(listener))[0], 0)
        lq.equal((moved("Established"), moved("Accepted")), (served, served))
        # DropChildFailed is none of these: the request stays, for the next ACK.
        ended = sum(moved(name) for name in (
            "Established", "DropAbortOnOverflow", "DropRequestExpired", "DropRequestUnserved",
            "DropRequestReset", "DropRequestSynInWindow", "DropRequestEvicted"))
        lq.equal(moved("RequestCreated"), ended)
        lq.equal((info.accepted, info.established), (served, served))
        assert served > 0


lq.main()
