#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=600
"""The servers of examples/servers: each serves clients of IPv4 and IPv6, one after the other and at once, by
listenq and by plain TCP, and says what is wrong where listenq is not to be had.

    clients --- lo --- an example
"""
import os
import select
import socket
import subprocess

import lq

PORT = 8100
SERVERS = ("iterative", "threads", "pool", "reuseport", "events", "uring")
CLIENT = os.path.join(lq.TESTS, "example_client")
HOSTS = {False: "127.0.0.1", True: "::1"}


class Server:
    """An example that runs, started by @launcher."""

    def __init__(self, name, *words, env=None, launcher=()):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*launcher, os.path.join(lq.TESTS, f"example_{name}"), *words, str(PORT)], text=True,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        lq.wait_for(self.listens, 30, f"{name} does not listen")

    def listens(self):
        """Fails when it has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"ended: {self.process.stderr.read()}")
        return lq.ss_queues(PORT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        running = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        assert running, f"it ended: {self.process.stderr.read()}"


def ours():
    """The rows of lqctl list at its port."""
    return [row for row in lq.lqctl_listeners() if row["port"] == PORT]


def tell(client, words):
    """Say something, and hear it again."""
    client.sendall(words)
    lq.equal(lq.read_all(client, len(words)), words)


def connect(v6):
    """A client of Python's."""
    client = lq.stream("tcp", v6)
    client.settimeout(30 * lq.SCALE)
    client.connect((HOSTS[v6], PORT))
    return client


def serve_both():
    """The client of the examples, and ours."""
    for v6 in (False, True):
        out = lq.run(CLIENT, "-c", "5", HOSTS[v6], str(PORT))
        assert out.startswith("5 connections, each answered, in "), out
        # More than a buffer holds of it.
        client = connect(v6)
        tell(client, b"0123456789" * 1000)
        tell(client, b"again")
        client.close()


@lq.case(*SERVERS)
def by_listenq(name):
    """As it is."""
    with Server(name, "-w", "3"):
        lq.equal([row["backlog"] for row in ours()], [511] * (3 if name == "reuseport" else 1))
        serve_both()
        lq.wait_for(lambda: sum(row["events"]["accepted"] for row in ours()) == 12)


@lq.case(*SERVERS)
def by_tcp(name):
    """With -t none of it is listenq's; -b and $LISTENQ say the backlog."""
    with Server(name, "-t", "-w", "2", "-b", "7"):
        lq.equal((ours(), lq.ss_queues(PORT)), ([], (0, 7)))
        serve_both()
    with Server(name, "-b", "7", env={"LISTENQ": "9"}):
        lq.equal(ours()[0]["backlog"], 9)


@lq.case(*(name for name in SERVERS if name != "iterative"))
def several_at_once(name):
    """Who says nothing keeps nobody out: reuseport has threads enough for these."""
    with Server(name, "-w", "64"):
        silent = [connect(v6=number % 2 == 1) for number in range(3)]
        if name == "reuseport":
            # Two may be given to one thread.
            for client in silent:
                tell(client, b"one after the other")
                client.close()
            return
        late = connect(False)
        tell(late, b"served")
        for client in silent:
            tell(client, b"served, too")


@lq.case(*SERVERS)
def a_client_that_reads_late(name):
    """What a client does not take yet is kept for it, whole and in order."""
    said = b"".join(number.to_bytes(4, "big") for number in range(1 << 18))
    for buffer in ("rmem", "wmem"):
        lq.sysctl(f"net.ipv4.tcp_{buffer}", "4096 16384 32768")
    with Server(name, "-w", "2"):
        client = connect(False)
        client.setblocking(False)
        sent = 0
        # Until neither side's buffers take any more.
        while sent < len(said):
            if not select.select([], [client], [], 1)[1]:
                break
            sent += client.send(said[sent:])
        assert sent < len(said), "the buffers hold it all"
        client.settimeout(30 * lq.SCALE)
        lq.equal(lq.read_all(client, sent) == said[:sent], True)
        tell(client, b"again")


@lq.case(*SERVERS)
def started_again(name):
    """At once, with a connection of the one before in TIME_WAIT."""
    with Server(name):
        client = connect(False)
        tell(client, b"served")
    lq.equal(client.recv(1), b"")
    client.close()
    lq.wait_for(lambda: lq.run("ss", "-Htn", "state", "time-wait", f"sport = :{PORT}"))
    with Server(name):
        serve_both()


@lq.case("threads", "pool", "events", "uring")
def out_of_descriptors(name):
    """Who comes when no descriptor is free waits, and is served when one is."""
    with Server(name, "-w", "64", launcher=("prlimit", "--nofile=16")) as server:
        silent = [connect(False) for _ in range(20)]
        fds = f"/proc/{server.process.pid}/fd"
        lq.wait_for(lambda: len(os.listdir(fds)) == 16)
        late = connect(True)
        late.sendall(b"late")
        lq.wait_for(lambda: ours()[0]["accept_qlen"] > 1)
        lq.never(lambda server=server: server.process.poll() is not None, 0.5, "it ended")
        for client in silent:
            client.close()
        lq.equal(lq.read_all(late, 4), b"late")


@lq.case()
def one_after_the_other():
    """iterative: the second waits on the accept queue until the first is gone."""
    with Server("iterative"):
        first, second = connect(False), connect(True)
        tell(first, b"first")
        second.sendall(b"second")
        lq.wait_for(lambda: ours()[0]["accept_qlen"] == 1)
        first.close()
        lq.equal(lq.read_all(second, 6), b"second")


@lq.case(*SERVERS, timeout=90)
def a_peer_that_resets(name):
    """Ends its connection and not the server: to write to one that sent FIN before is SIGPIPE."""
    # Else the buffers take all that the server has to say.
    lq.sysctl("net.ipv4.tcp_wmem", "4096 16384 16384")
    with Server(name, "-w", "2"):
        for closes in (False, True):
            rude = lq.stream("tcp")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            rude.connect((HOSTS[False], PORT))
            rude.sendall(b"x" * 50000)
            if closes:
                rude.shutdown(socket.SHUT_WR)
                lq.wait_for(lambda: lq.run("ss", "-Htn", "state", "close-wait", f"sport = :{PORT}"))
            lq.reset(rude)
        serve_both()


def failed(*words):
    """The one line on stderr of a program that ends with status 1."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    lq.equal((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1), done.stderr)
    return done.stderr


@lq.case(*SERVERS, "client", timeout=120)
def without_the_module(name):
    """An error that names the remedy; with -f it is TCP's, and says nothing."""
    with lq.unloaded():
        said = failed(os.path.join(lq.TESTS, f"example_{name}"),
                      *(["127.0.0.1"] if name == "client" else []), str(PORT))
        assert "the listenq module is not loaded" in said and "modprobe listenq" in said, said
        with Server("pool" if name == "client" else name, "-f"):
            for v6 in (False, True):
                lq.run(CLIENT, "-f", HOSTS[v6], str(PORT))


@lq.case("another", "less", "nothing")
def a_server_that_is_wrong(what):
    """The client says so."""
    with lq.stream("tcp", False) as listener:
        listener.bind(("127.0.0.1", PORT))
        listener.listen()
        with subprocess.Popen([CLIENT, "127.0.0.1", str(PORT)], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as client:
            served, _ = listener.accept()
            words = served.recv(100)
            served.sendall({"another": words.upper(), "less": words[:-1], "nothing": b""}[what])
            served.shutdown(socket.SHUT_WR)
            lq.equal((client.communicate(timeout=60), client.returncode),
                     (("", "connection 0 got no answer\n"), 1))
            served.close()


@lq.case()
def what_is_wrong_is_said():
    """Arguments, a port that is taken, nobody there."""
    def example(name):
        return os.path.join(lq.TESTS, f"example_{name}")

    for words in ((), ("8100", "x"), ("-q", "8100")):
        done = subprocess.run([example("pool"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "usage: " in done.stderr, done
    for words in (("x",), ("65536",), ("-1",), ("-b", "many", "80"), ("-w", "1025", "80")):
        lq.equal(subprocess.run([example("pool"), *words], capture_output=True,
                                check=False).returncode, 1, words)
    assert "Connection refused" in failed(CLIENT, "127.0.0.1", str(PORT))
    with Server("pool"):
        assert "bind to port 8100: Address already in use" in failed(example("events"), str(PORT))


lq.main()
