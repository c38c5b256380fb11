#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""lqctl explain of the process that should call accept(): each cause staged, what must be said of it and
what must not, and silence after the remedy that it prints was carried out.

    clients --- lo --- a server, in a process of its own
"""
import contextlib
import ctypes
import os
import resource
import signal
import time

import lq
from explained import PORT, Since, Server, carry_out, clients_of

WRONG = ("syn_flood", "acks_missing", "backlog_small")
CGROUP = "/sys/fs/cgroup"


def oldest_waits():
    """For longer than a second."""
    lq.wait_for(lambda: lq.lqctl_listeners()[0]["accept_oldest_us"] > 1000000, 20,
                "the queue is served")


def served():
    """The queue is empty again."""
    lq.wait_for(lambda: lq.lqctl_listeners()[0]["accept_qlen"] == 0, 20, "it is not served")


def silent_once_served():
    """After the remedy."""
    served()
    after = Since()
    began = time.monotonic()
    for client in clients_of(3):
        lq.wait_for(lambda client=client: lq.connected(client))
        client.close()
    served()
    Since.served(began)
    return after.silent()


@contextlib.contextmanager
def cgroup(name, *controllers):
    """A cgroup with these controllers; its folder."""
    folder = f"{CGROUP}/{name}"
    for controller in controllers:
        with contextlib.suppress(OSError):
            with open(f"{CGROUP}/cgroup.subtree_control", "w", encoding="ascii") as file:
                file.write(f"+{controller}")
    try:
        os.makedirs(folder, exist_ok=True)
        missing = [name for name, needs in (("cpu", "cpu.max"), ("memory", "memory.high"))
                   if name in controllers and not os.path.exists(f"{folder}/{needs}")]
    except OSError as error:
        raise lq.Skip(f"no cgroups of version 2: {error}") from error
    if missing or not os.path.exists(f"{folder}/cgroup.freeze"):
        os.rmdir(folder)
        raise lq.Skip(f"no {missing or 'freezer'} in {CGROUP}")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            with open(f"{folder}/cgroup.kill", "w", encoding="ascii") as file:
                file.write("1")
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        lq.wait_for(lambda: removed(folder), 20, "the cgroup does not go")


def removed(folder):
    """Whether it is away."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return not os.path.exists(folder)


def put(folder, name, text):
    """Write a file of a cgroup's."""
    with open(f"{folder}/{name}", "w", encoding="ascii") as file:
        file.write(str(text))


@lq.case()
def healthy():
    """A server that serves."""
    server = Server()
    since = Since()
    for client in clients_of(5):
        lq.wait_for(lambda client=client: lq.connected(client))
    served()
    lq.equal({code: one for code, one in since.findings().items() if one["severity"] != "note"}, {})
    server.signal(signal.SIGKILL)


@lq.case()
def no_descriptors():
    """accept() is called a hundred times a second, and fails."""

    def few():
        # Without the one that looks.
        now = len(os.listdir("/proc/self/fd")) - 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, now))

    def out_of_them(sock):
        few()
        Server.accept(sock)

    server = Server(loop=out_of_them)
    since = Since()
    clients = clients_of(8)
    oldest_waits()
    found = since.must_say("no_descriptors", never=WRONG + ("accept_stalled", "accept_slow"))
    assert "(EMFILE)" in found["no_descriptors"]["text"], found
    lq.equal(found["no_descriptors"]["severity"], "problem")
    carry_out(found["no_descriptors"])
    silent_once_served()
    server.signal(signal.SIGKILL)
    del clients


@lq.case()
def stopped():
    """By a signal; the command lets it go on."""
    server = Server()
    server.signal(signal.SIGSTOP)
    since = Since()
    clients = clients_of(8)
    oldest_waits()
    found = since.must_say("accept_stalled", never=WRONG + ("no_descriptors",))
    assert f"It is stopped (pid {server.pid})" in found["accept_stalled"]["text"], found
    carry_out(found["accept_stalled"])
    silent_once_served()
    server.signal(signal.SIGKILL)
    del clients


@lq.case()
def stopped_by_a_debugger():
    """Who it is that holds it."""

    def traced():
        lq.libc.ptrace(0, 0, None, None)  # PTRACE_TRACEME

    lq.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    server = Server(prepare=traced)
    server.signal(signal.SIGUSR1)  # as it is traced, any signal stops it
    os.waitpid(server.pid, 0)
    since = Since()
    clients = clients_of(8)
    oldest_waits()
    found = since.must_say("accept_stalled", never=WRONG)
    assert f"stopped by a debugger, pid {os.getpid()}" in found["accept_stalled"]["text"], found
    lq.libc.ptrace(17, server.pid, None, None)  # PTRACE_DETACH, without the signal
    silent_once_served()
    server.signal(signal.SIGKILL)
    del clients


@lq.case()
def sleeps_somewhere_else():
    """In what, says the kernel."""
    server = Server(loop=lambda sock: (signal.sigtimedwait([signal.SIGUSR1], 600),
                                       Server.accept(sock)),
                    prepare=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]))
    since = Since()
    clients = clients_of(8)
    oldest_waits()
    found = since.must_say("accept_stalled", never=WRONG + ("no_descriptors",))
    text = found["accept_stalled"]["text"]
    assert "no accept() in the last" in text and "does not call" not in text, text
    with open(f"/proc/{server.pid}/wchan", encoding="ascii") as file:
        wchan = file.read()
    if wchan != "0":
        assert f"sleeps in {wchan}." in text, text
    server.signal(signal.SIGUSR1)
    silent_once_served()
    server.signal(signal.SIGKILL)
    del clients


@lq.case()
def frozen():
    """With its cgroup; the command thaws it."""
    with cgroup("lq_frozen") as folder:
        server = Server()
        put(folder, "cgroup.procs", server.pid)
        put(folder, "cgroup.freeze", 1)
        lq.wait_for(lambda: "frozen 1" in open(f"{folder}/cgroup.events", encoding="ascii").read())
        since = Since()
        clients = clients_of(8)
        oldest_waits()
        found = since.must_say("accept_stalled", never=WRONG + ("no_descriptors",))
        assert "frozen, with the cgroup /lq_frozen" in found["accept_stalled"]["text"], found
        carry_out(found["accept_stalled"])
        silent_once_served()
        del clients


@lq.case(timeout=120)
def cpu_throttled():
    """By cpu.max; without a limit nothing is said."""

    def busy(sock):
        sock.setblocking(False)
        while True:
            with contextlib.suppress(OSError):
                sock.accept()[0].close()

    with cgroup("lq_cpu", "cpu") as folder:
        server = Server(loop=busy, backlog=50)
        put(folder, "cpu.max", "10000 100000")
        put(folder, "cgroup.procs", server.pid)

        def said():
            out = lq.json.loads(lq.run("lqctl", "explain", "-j", "-i", "1.5", f":{PORT}"))
            return {one["code"]: one for one in out["listeners"][0]["findings"]}

        found = lq.wait_for(lambda: said().get("cpu_throttled"), 60, "it is not throttled")
        assert "its cgroup /lq_cpu was held back for" in found["text"], found
        lq.equal(found["commands"], [f"cat {CGROUP}/lq_cpu/cpu.max"])
        put(folder, "cpu.max", "max 100000")
        lq.wait_for(lambda: "cpu_throttled" not in said(), 60, "it is said for ever")


@lq.case(timeout=120)
def memory_pressure():
    """memory.high slows it down; raised, nothing is said."""

    def hungry(sock):
        sock.setblocking(False)
        while True:
            memory = bytearray(24 << 20)
            for at in range(0, len(memory), 4096):
                memory[at] = 1
            with contextlib.suppress(OSError):
                sock.accept()[0].close()
            time.sleep(0.02)

    with cgroup("lq_memory", "memory") as folder:
        server = Server(loop=hungry, backlog=50)
        put(folder, "memory.high", 8 << 20)
        put(folder, "cgroup.procs", server.pid)

        def said():
            out = lq.json.loads(lq.run("lqctl", "explain", "-j", "-i", "1.5", f":{PORT}"))
            return {one["code"]: one for one in out["listeners"][0]["findings"]}

        found = lq.wait_for(lambda: said().get("memory_pressure"), 60, "it is not said")
        assert "/lq_memory" in found["text"], found
        put(folder, "memory.high", "max")
        # The stall of the last 10 s is over after as long.
        lq.wait_for(lambda: "memory_pressure" not in said(), 90, "it is said for ever")


lq.main()
