#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""Listeners and accepted connections in a BPF sockmap: they serve as before, end as before, and
nothing of the module stays behind in what BPF keeps.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import os
import select
import socket

import bpf
import lq
from rawtcp import RST, Peer, Tun, fill



def kill(sock, listening=False):
    """ss -K, and the socket is gone."""
    words = ["-H", "-t", "-n", *(["-l"] if listening else []), "sport", "=",
             f":{lq.port_of(sock)}"]
    lq.run("ss", "-K", *words)
    if lq.run("ss", *words):
        raise lq.Skip("ss -K does nothing")


def talk(one, other):
    """Data both ways."""
    for data in (b"there", b"and back"):
        one.send(data)
        lq.equal(lq.read_all(other, len(data)), data)
        one, other = other, one


def let_go(client, child):
    """Of the map, which echoed. The kernel's worker (sk_psock_backlog()) that did holds the map's part
    of it for a moment more; until then that takes what comes, and finds nobody to give it to."""
    def arrives():
        client.send(b".")
        return select.select([child], [], [], 0.05 * lq.SCALE)[0]
    lq.wait_for(arrives, what="it did not get its data")
    client.send(b"!")
    data = b""
    while not data.endswith(b"!"):
        data += child.recv(100)
    lq.equal(set(data[:-1]), set(b"."))


def echoes(client):
    """What a client sends comes back, by the map's program; nobody else reads it."""
    for data in (b"once", b"again and more"):
        client.send(data)
        lq.equal(lq.read_all(client, len(data)), data)


class PlainTcp:
    """TCP's own connection in a sockmap: it shares what BPF makes of a struct proto with ours."""

    def __init__(self, v6):
        server = lq.listener("tcp", v6=v6)
        self.client = lq.connect_to(server, v6=v6)
        self.child = lq.accept(server)
        self.sockmap = bpf.Sockmap()
        self.sockmap[0] = self.child

    def end(self):
        """It works, and is destroyed."""
        talk(self.client, self.child)
        kill(self.child)
        with lq.fails_with(errno.ECONNRESET):
            self.client.recv(1)


# --- a connection that accept() returned ---


@lq.each_version("close", "destroy", "delete", "unload")
def accepted(end, v6):
    """It is TCP's: the map's program has its data, and it outlives listener and module."""
    users = lq.module_users()
    sockmap = bpf.Sockmap()
    program = bpf.echo(sockmap)
    sockmap.attach(program, bpf.SK_SKB_STREAM_VERDICT)
    listener = lq.listener(v6=v6)
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    talk(client, child)
    sockmap[0] = child
    sockmap.detach(program, bpf.SK_SKB_STREAM_VERDICT)
    echoes(client)
    lq.expect_serves(listener, v6)
    listener.close()
    echoes(client)
    lq.equal(lq.module_users(), users)
    if end == "delete":
        del sockmap[0]
        let_go(client, child)
        talk(client, child)
    elif end == "destroy":
        kill(child)
        with lq.fails_with(errno.ECONNRESET):
            client.recv(1)
    elif end == "unload":
        with lq.unloaded():
            echoes(client)
            child.close()
            lq.equal(client.recv(1), b"")
    child.close()
    if end == "close":
        lq.equal(client.recv(1), b"")
    assert 0 not in sockmap


@lq.each_version()
def accepted_while_a_map_goes(v6):
    """Let go of by a map whose last descriptor is closed, it is plain TCP again."""
    listener = lq.listener(v6=v6)
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    for _ in range(3):
        sockmap = bpf.Sockmap()
        # One map may still be at it when the next one comes.
        sockmap[0] = child
        talk(client, child)
        sockmap.close()
        talk(client, child)


# --- a listener ---


@lq.each_version()
def listener_comes_and_goes(v6):
    """In the map and out of it, the queues go on."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(backlog=4, v6=v6)
    sockmap, other = bpf.Sockmap(), bpf.Sockmap()
    _, half = fill(tun, listener, 0, 4, v6)
    for turn, peer in enumerate(half):
        waiting = lq.connect_to(listener, v6=v6)
        sockmap[0] = listener
        if turn % 2:  # of two maps
            other[1] = listener
        lq.accept(listener).close()
        waiting.close()
        lq.expect_serves(listener, v6)
        peer.final_ack()
        lq.accept(listener).close()
        lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 4))
        assert 0 in sockmap
        if turn % 2:
            del other[1]
            lq.expect_serves(listener, v6)
        del sockmap[0]
        assert 0 not in sockmap
        lq.expect_serves(listener, v6)
        listener.listen(4)
        lq.equal(lq.Info(listener).syn_qlen, 3 - turn)


@lq.each_version("close", "shutdown", "map")
def listener_ends_in_the_map(end, v6):
    """With both queues full; and what BPF made of its struct proto serves without the module."""
    lq.no_timer()
    users, requests = lq.module_users(), lq.requests_in_memory()
    tun = Tun()
    plain = PlainTcp(v6)
    sockmap = bpf.Sockmap()
    listener = lq.listener(backlog=3, v6=v6)
    port = lq.port_of(listener)
    early = Peer(tun, port, v6=v6).connect()
    sockmap[0] = listener
    # Cloned of a socket that is BPF's, and accepted before the end.
    lq.accept(listener).close()
    while early.receive(0.02):
        pass
    client = lq.connect_to(listener, v6=v6)
    child = lq.accept(listener)
    done, half = fill(tun, listener, 4, 3, v6)
    with lq.Counted() as moved:
        if end == "shutdown":
            listener.shutdown(socket.SHUT_RDWR)
            lq.equal(lq.ss_queues(port), None)
            assert 0 in sockmap
        elif end == "map":
            sockmap.close()
        listener.close()
        lq.equal(moved("DropListenerClosed"), 7)
    for peer in done:
        assert peer.receive(5 * lq.SCALE).flags & RST
    half[0].final_ack()
    half[0].expect(RST)
    assert end == "map" or 0 not in sockmap
    lq.wait_for(lambda: (lq.module_users(), lq.requests_in_memory()) == (users, requests))
    with lq.unloaded() if end == "close" else contextlib.nullcontext():
        talk(client, child)
        plain.end()
        PlainTcp(v6).end()
        kill(child)


@lq.each_version()
def listener_is_destroyed_in_the_map(v6):
    """BPF's operations are TCP's own: its queues live on until close(), and no longer."""
    lq.no_timer()
    users, requests = lq.module_users(), lq.requests_in_memory()
    tun = Tun()
    sockmap = bpf.Sockmap()
    listener = lq.listener(backlog=3, v6=v6)
    sockmap[0] = listener
    lq.expect_serves(listener, v6)
    # Of children that are queued TCP warns here: docs/architecture.md, "Known limits".
    _, half = fill(tun, listener, 0, 3, v6)
    port = lq.port_of(listener)
    kill(listener, listening=True)
    half[0].final_ack()
    Peer(tun, port, v6=v6).syn()
    with lq.fails_with(errno.EINVAL):
        listener.accept()
    listener.close()
    half[1].final_ack()
    half[1].expect(RST)
    lq.wait_for(lambda: (lq.module_users(), lq.requests_in_memory()) == (users, requests))
    lq.wait_for(lambda: 0 not in sockmap)


@lq.each_version()
def listener_gets_what_a_program_steers(v6):
    """BPF_SK_LOOKUP: its own port is ours as ever; connections to other ports are TCP's."""
    users = lq.module_users()
    sockmap = bpf.Sockmap()
    listener = lq.listener(backlog=8, v6=v6)
    sockmap[0] = listener
    link = bpf.steer(sockmap)
    address = "::1" if v6 else "127.0.0.1"
    pairs = []
    for port in (lq.port_of(listener), 81, 443):
        with lq.Counted() as moved:
            client = socket.create_connection((address, port), 10 * lq.SCALE)
            child = lq.accept(listener)
            lq.equal(moved("RequestCreated"), int(port == lq.port_of(listener)))
        lq.equal(child.getsockname()[1], port)
        talk(client, child)
        pairs.append((client, child))
    waiting = [socket.create_connection((address, port), 10 * lq.SCALE)
               for port in (81, lq.port_of(listener), 82)]
    lq.wait_for(lambda: lq.ss_queues(lq.port_of(listener)) == (3, 8))
    lq.equal(len(lq.accept_all(listener)), 3)
    waiting += [socket.create_connection((address, 83), 10 * lq.SCALE)]
    listener.close()
    for client in waiting:
        with contextlib.suppress(ConnectionError):
            lq.equal(client.recv(1), b"")
    os.close(link)
    lq.wait_for(lambda: lq.module_users() == users)
    with lq.unloaded():
        for client, child in pairs:
            talk(client, child)
            kill(child)
            with lq.fails_with(errno.ECONNRESET):
                client.recv(1)


lq.main()
