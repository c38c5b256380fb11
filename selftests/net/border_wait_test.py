#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Nobody waits for what a user can hold: neither another user's listen(), nor the administrator's
sysctl, nor whoever looks at listeners. And listen() waits for no grace period.

The user's process keeps the lock of his own socket for ever: a system call on it copies from memory
that never comes (held.py).
"""
import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import threading

import held
import kprobes
import lq

SO_ATTACH_FILTER, TCP_CONGESTION, TCP_MD5SIG = 26, 13, 14

# --- the user ---


def attach_filter(sock, address):
    """SOL_SOCKET copies the program under the socket's lock."""
    program = struct.pack("HxxxxxxP", 8, address)
    lq.libc.setsockopt(sock.fileno(), socket.SOL_SOCKET, SO_ATTACH_FILTER, program, len(program))


def our_option(number):
    """SOL_LISTENQ's own."""

    def call(sock, address):
        lq.libc.setsockopt(sock.fileno(), lq.SOL_LISTENQ, number, ctypes.c_void_p(address), 256)

    return call


def our_program(sock, address):
    """The program of an accept filter."""
    program = struct.pack("HxxxxxxP", 8, address)
    lq.libc.setsockopt(sock.fileno(), lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF, program, len(program))


def our_answer(sock, address):
    """getsockopt() writes to it."""
    lq.libc.getsockopt(sock.fileno(), lq.SOL_LISTENQ, lq.LQ_INFO, ctypes.c_void_p(address),
                       struct.pack("i", 8))


def sends(sock, address):
    """A connection's send() copies under the lock."""
    lq.libc.send(sock.fileno(), ctypes.c_void_p(address), 16, 0)


CALLS = {
    "filter": attach_filter,
    "policy": our_option(lq.LQ_POLICY),
    "setting": our_option(lq.LQ_ABORT_ON_OVERFLOW),
    "accept_filter": our_option(lq.LQ_ACCEPT_FILTER),
    "program": our_program,
    "info": our_answer,
    "send": sends,
}


def system_call(pid, tid):
    """The number of the one that a thread waits in, or None; a wait of Python's own is in futex()."""
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as file:
            word = file.read().split()[0]
    except OSError:
        return None
    return None if word in ("running", "202", "-1") else int(word)


@contextlib.contextmanager
def somebody_keeps(how, also):
    """A process of nobody's keeps the lock of his listener by one thread, and another thread of his calls
    shutdown(), listen(), ... on the same socket."""
    held.page()  # skips where the kernel has none
    code = f"""
import ctypes, os, socket, sys, threading
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import held, border_wait_test as test, lq
address = held.page()  # before: userfaultfd may be the administrator's
if {how!r} != "filter":  # Debian lets nobody else attach one
    os.setgid(65534); os.setuid(65534)
listener = lq.listener("lq", backlog=5)
sock = listener
if {how!r} == "send":
    sock = lq.stream("lq"); plain = lq.listener("tcp")
    sock.connect(("127.0.0.1", lq.port_of(plain)))
def keep():
    print(threading.get_native_id(), flush=True)
    test.CALLS[{how!r}](sock, address)
def also():
    print(threading.get_native_id(), flush=True)
    {also}
threading.Thread(target=keep).start()
sys.stdin.readline()
threading.Thread(target=also).start()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "LQ_IMPORT": "1"})
    try:
        tid = process.stdout.readline().strip()
        assert tid, "the user's process did not come up"
        lq.wait_for(lambda: system_call(process.pid, tid) is not None, what="nothing is kept")
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30 * lq.SCALE)


def returns(what, *command):
    """The command ends by itself, and well."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        out = process.communicate(timeout=15 * lq.SCALE)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{what} waits for what a user keeps") from None
    lq.equal(process.returncode, 0, f"{what}: {out}")


LISTEN = ("import socket; s = socket.socket(18, 1, 0); s.listen(5); s.shutdown(2); s.listen(5)")


# Those that keep the lock itself, with each call that then waits for it; of the others one.
@lq.case(*[f"{how} {also}" for how in CALLS for also in ("shutdown", "listen", "unspec")
           if also == "shutdown" or how in ("filter", "send")], timeout=120)
def others_do_not_wait(what):
    """listen(), shutdown(), sysctls, settings of another's listener, lqctl's looks, and those at the
    very listener: each returns."""
    how, also = what.split()
    victim = lq.listener()
    actions = {
        "shutdown": "lq.libc.shutdown(listener.fileno(), 2)",
        "listen": "lq.libc.listen(listener.fileno(), 7)",
        "unspec": "lq.libc.connect(listener.fileno(), b'\\0' * 16, 16)",
    }
    with somebody_keeps(how, actions[also]):
        returns("another's listen()", sys.executable, "-c", LISTEN)
        returns("the administrator's sysctl", "sysctl", "-w", "net.listenq.abort_on_overflow=1")
        returns("LISTENER_SET", "lqctl", "set", "--listener", f":{lq.port_of(victim)}", "policy=bsd",
                "accept_filter=dataready")
        lq.equal(lq.Info(victim).policy, "bsd")
        for words in (("list", "-e"), ("explain",), ("show",), ("stats",)):
            returns(f"lqctl {words[0]}", "lqctl", *words)
        for row in lq.lqctl_listeners():
            returns("LISTENER_SET of the user's own listener", "lqctl", "set", "--listener",
                    f":{row['port']}", "syncookies=1")
            returns("lqctl requests", "lqctl", "requests", f":{row['port']}")
    lq.remove_filter(victim)
    lq.set_policy(victim, "linux")
    lq.expect_serves(victim)


@lq.case("filter", "setting", timeout=120)
def a_setting_reaches_a_listener_whose_lock_is_kept(how):
    """A changed sysctl is in force for its next segment, whoever has its lock."""
    with somebody_keeps(how, "pass"):
        (row,) = lq.lqctl_listeners()
        lq.equal(row["policy"], "linux")
        lq.sysctl("net.listenq.policy", "freebsd")
        lq.sysctl("net.listenq.syncookies", 2)
        (row,) = lq.lqctl_listeners()
        lq.equal((row["policy"], row["syncookies"]), ("freebsd", 2))
        with lq.Counted() as moved:
            client = socket.create_connection(("127.0.0.1", row["port"]), 10)
            lq.equal(moved("CookieSent"), 1)
            client.close()


class Traced:
    """Calls of a kernel function by this process."""

    def __init__(self, function):
        self.function = function

    def __enter__(self):
        kprobes.add(f"p:traced {self.function}")
        kprobes.write("events/kprobes/traced/filter", f"common_pid == {os.getpid()}")
        kprobes.write("trace")
        kprobes.turn(True, "traced")
        return self

    def __call__(self):
        return sum("traced:" in line for line in kprobes.lines("trace"))

    def __exit__(self, *_):
        kprobes.turn(False, "traced")
        kprobes.remove("traced")


@lq.case("synchronize_rcu", "synchronize_rcu_tasks")
def listen_waits_for_no_grace_period(function):
    """listen(), again after shutdown(), again with another backlog, close(): others would wait, too."""
    listener = lq.listener()
    with Traced(function) as calls:
        for backlog in range(5, 25):
            lq.listen(listener, backlog)
            listener.shutdown(socket.SHUT_RDWR)
            lq.listen(listener, backlog)
            lq.expect_serves(listener)
            lq.listener().close()
        lq.equal(calls(), 0, f"calls of {function}()")
        lq.libc.syscall(324, 1, 0, 0)  # membarrier(GLOBAL): the probe sees what there is to see
        assert function != "synchronize_rcu" or calls() == 1, calls()


# --- a key that comes while listen() waits ---


def md5_key(v6):
    """struct tcp_md5sig: a key for the loopback address."""
    if v6:
        address = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, b"\0" * 15 + b"\1", 0)
    else:
        address = struct.pack("=HH4s", socket.AF_INET, 0, b"\x7f\0\0\1")
    return struct.pack("=128sBBHi80s", address, 0, 0, 3, 0, b"key")


class Call(threading.Thread):
    """A call that waits for the socket's lock, and its result: 0 or an errno."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.result = None
        self.function = function
        self.start()
        lq.wait_for(self.waits, what="the call does not wait for the lock")

    def waits(self):
        """Whether it does."""
        with open(f"/proc/self/task/{self.native_id}/wchan", encoding="ascii") as file:
            return "lock_sock" in file.read()

    def run(self):
        self.result = self.function() and ctypes.get_errno()


def listen_and_sign(sock, key):
    """listen() and TCP_MD5SIG, which wait for the lock that another process keeps. TCP_MD5SIG has seen
    that nobody listens, and goes on after listen(), or in the middle of it. What became of both."""
    code = f"""
import socket, sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import held, border_wait_test as test
test.attach_filter(socket.socket(fileno={sock.fileno()}), held.page())
"""
    with subprocess.Popen([sys.executable, "-c", code], pass_fds=[sock.fileno()],
                          env={**os.environ, "LQ_IMPORT": "1"}) as keeper:
        try:
            lq.wait_for(lambda: system_call(keeper.pid, keeper.pid) == lq.CALLS["setsockopt"],
                        what="nothing is kept")
            calls = (Call(lambda: lq.libc.listen(sock.fileno(), 5)),
                     Call(lambda: lq.libc.setsockopt(sock.fileno(), socket.IPPROTO_TCP,
                                                     TCP_MD5SIG, key, len(key))))
        finally:
            keeper.kill()
    for call in calls:
        call.join(10 * lq.SCALE)
    return tuple(call.result for call in calls)


@lq.each_version(timeout=120)
def a_key_that_comes_during_listen(v6):
    """No SYN is answered without a signature, whoever was first; and who was is seen by listen()."""
    held.page()
    key = md5_key(v6)
    for _ in range(20):
        sock = lq.stream("lq", v6=v6)
        sock.bind(("::1" if v6 else "127.0.0.1", 0))
        results = listen_and_sign(sock, key)
        if results == (0, 0):
            break
        lq.equal(results, (errno.EOPNOTSUPP, 0))
        sock.close()
    else:
        raise lq.Skip("the key was always first")
    with lq.Counted() as moved:
        client = lq.begin_connect(sock, v6=v6)
        lq.wait_for(lambda: moved("DropSynSigned"))
        assert not lq.connected(client)
        lq.nothing_to_accept(sock)
        lq.equal((moved("RequestCreated"), moved("SynackSent")), (0, 0))
        client.close()
    # Without keys it is a listener like any.
    sock.shutdown(socket.SHUT_RDWR)
    with lq.fails_with(errno.EOPNOTSUPP):
        sock.listen(5)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, key[:130] + b"\0\0" + key[132:])
    sock.listen(5)
    sock.setblocking(False)
    lq.expect_serves(sock, v6)


if not os.environ.get("LQ_IMPORT"):
    lq.main()
