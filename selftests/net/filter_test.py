#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Accept filters: what they hold back, what lets it go, and what becomes of a connection that
ends meanwhile.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import ctypes
import errno
import select
import socket
import struct

import lq
from rawtcp import ACK, MSS, PSH, RST, Peer, Tun

GET = b"GET /index.html HTTP/1.1\r\nHost: example\r\n\r\n"
TLS = b"\x16\x03\x01\x00\x20" + b"c" * 32
DNS = b"\x00\x0c" + b"q" * 12
WHOLE = {"dataready": b"x", "httpready": GET, "dnsready": DNS, "tlsready": TLS}



def readable(sock):
    """Whether accept() would find something."""
    return bool(select.select([sock], [], [], 0)[0])


def filtered(name, backlog=8, v6=False, **more):
    """A listener with a filter."""
    listener = lq.listener(backlog=backlog, v6=v6, **more)
    lq.set_filter(listener, name)
    return listener


def held(listener):
    """How many its filter holds back."""
    return lq.Info(listener).filter_qlen


def connect_held(listener, v6=False):
    """A client that is connected and held."""
    before = held(listener)
    client = lq.connect_to(listener, v6=v6)
    lq.wait_for(lambda: held(listener) == before + 1)
    return client


# --- setting it ---


@lq.case()
def errors_of_setsockopt():
    """Those of FreeBSD's accept_filter(9)."""
    idle = lq.stream("lq")
    with lq.fails_with(errno.EINVAL):
        lq.set_filter(idle, "dataready")
    lq.remove_filter(idle)
    listener = lq.listener()
    for name in ("nonsense", "bpf", ""):
        with lq.fails_with(errno.ENOENT):
            lq.set_filter(listener, name)
    with lq.fails_with(errno.EINVAL):  # its name does not end
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER, b"x" * 256)
    with lq.fails_with(errno.EINVAL):  # nobody takes an argument
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER,
                            struct.pack("16s240s", b"dataready", b"now"))
    for length in (1, 16, 255, 257, 4096):
        with lq.fails_with(errno.EINVAL):
            listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER, b"dataready".ljust(length))
    with lq.fails_with(errno.EINVAL):
        listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER, 256)
    lq.equal(lq.Info(listener).accept_filter, "")
    lq.equal(lq.Info(listener).filter_limit, 0)

    lq.set_filter(listener, "dataready")
    for name in ("httpready", "nonsense"):
        with lq.fails_with(errno.EINVAL):  # one at a time
            lq.set_filter(listener, name)
    got = listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER, 256)
    lq.equal(got, b"dataready".ljust(256, b"\0"))
    lq.equal(lq.Info(listener).accept_filter, "dataready")
    lq.equal(lq.Info(listener).filter_limit, lq.Info(listener).accept_limit)
    lq.remove_filter(listener)
    lq.remove_filter(listener)
    lq.set_filter(listener, "tlsready")
    client = lq.connect_to(listener)
    lq.wait_for(lambda: held(listener))
    child = lq.connect_to(lq.listener("tcp"))
    with lq.fails_with(errno.ENOPROTOOPT):  # plain TCP knows nothing of it
        lq.set_filter(child, "dataready")
    client.close()


# --- what each waits for ---


@lq.each_version(*WHOLE)
def holds_until_whole(name, v6):
    """Not before the last byte; then all of it can be read."""
    whole = WHOLE[name]
    listener = filtered(name, v6=v6)
    with lq.Counted() as moved:
        client = connect_held(listener, v6)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(whole) - 1):
            client.send(whole[at:at + 1])
        # What was sent is what the child has: nothing more will come by itself.
        lq.never(lambda: readable(listener))
        lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 8))
        lq.equal(held(listener), 1)
        client.send(whole[-1:])
        child = lq.accept(listener)
        lq.equal(lq.read_all(child, len(whole)), whole)
        lq.equal((moved("FilterHeld"), moved("FilterPassed"), moved("Accepted")), (1, 1, 1))
    child.send(b"and back")
    lq.equal(lq.read_all(client, 8), b"and back")
    lq.equal(held(listener), 0)


@lq.case(*WHOLE)
def whole_in_one_segment(name):
    """With the final ACK, even."""
    listener = filtered(name)
    tun = Tun()
    peer = Peer(tun, lq.port_of(listener))
    peer.half_open()
    peer.final_ack(WHOLE[name], PSH)
    child = lq.accept(listener)
    lq.equal(lq.read_all(child, len(WHOLE[name])), WHOLE[name])


@lq.case()
def out_of_order():
    """What comes in the wrong order is read in the right one."""
    listener = filtered("httpready")
    tun = Tun()
    peer = Peer(tun, lq.port_of(listener)).connect()
    start = peer.seq
    for at in (20, 10, 30):
        peer.segment(ACK | PSH, seq=start + at, data=GET[at:at + 10])
        peer.expect(ACK)
    lq.never(lambda: readable(listener))
    peer.segment(ACK | PSH, seq=start, data=GET[:10])
    peer.segment(ACK | PSH, seq=start + 40, data=GET[40:])
    lq.equal(lq.read_all(lq.accept(listener), len(GET)), GET)


@lq.case("httpready:POST / HTTP/1.1", "httpready:SSH-2.0-x", "httpready:get / HTTP/1.1",
         "tlsready:GET / HTTP/1.1")
def passes_all_else(param):
    """A request of another kind is the server's to answer."""
    name, _, data = param.partition(":")
    listener = filtered(name)
    client = connect_held(listener)
    client.send(data.encode())
    child = lq.accept(listener)
    lq.equal(lq.read_all(child, len(data)), data.encode())


# --- other ways to go on ---


@lq.case(*WHOLE)
def end_of_data(name):
    """A peer that has no more to say."""
    listener = filtered(name)
    client = connect_held(listener)
    if name != "dataready":
        client.send(WHOLE[name][:1])
    client.shutdown(socket.SHUT_WR)
    child = lq.accept(listener)
    child.settimeout(10)
    want = b"" if name == "dataready" else WHOLE[name][:1]
    lq.equal(lq.read_all(child, len(want)), want)
    lq.equal(child.recv(1), b"")


@lq.case("small", "usual")
def full_buffer(size):
    """Nobody can wait for more than the buffer holds."""
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)] if size == "small" else []
    listener = filtered("httpready", options=options)
    client = connect_held(listener)
    client.setblocking(False)
    sent = client.send(b"GET /")
    # More than any buffer holds; not all of it will go.
    more = b"a" * 65536
    deadline = 400
    while not readable(listener) and deadline:
        try:
            sent += client.send(more)
        except BlockingIOError:
            select.select([listener], [client], [], 1)
            deadline -= 1
    child = lq.accept(listener)
    lq.equal(lq.read_all(child, 5), b"GET /")
    assert sent > 5


@lq.each_version()
def removal_completes(v6):
    """What it held can be accepted, oldest first; what comes later is not held."""
    listener = filtered("httpready", v6=v6)
    clients = [connect_held(listener, v6) for _ in range(5)]
    clients[3].send(b"GET")
    lq.remove_filter(listener)
    lq.equal(held(listener), 0)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (5, 8))
    for client in clients:
        child = lq.accept(listener)
        lq.equal(child.getpeername()[:2], client.getsockname()[:2])
        client.send(b"late")
        child.settimeout(10)
        assert child.recv(100)
    client = lq.connect_to(listener, v6=v6)
    lq.accept(listener)
    client.close()


@lq.case()
def a_waiting_accept_is_woken():
    """By the request, and by nothing before it."""
    listener = filtered("httpready")
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN | select.EPOLLET)
    client = connect_held(listener)
    client.send(GET[:10])
    lq.equal(poll.poll(0.3), [])
    client.send(GET[10:])
    lq.equal(poll.poll(10), [(listener.fileno(), select.EPOLLIN)])
    listener.accept()


# --- those that do not come so far ---


@lq.each_version()
def reset_while_held(v6):
    """It is gone at once, and nobody is woken."""
    listener = filtered("httpready", v6=v6)
    with lq.Counted() as moved:
        clients = [connect_held(listener, v6) for _ in range(3)]
        lq.reset(clients[1])
        lq.wait_for(lambda: held(listener) == 2)
        lq.equal(moved("DropFilterGone"), 1)
        assert not readable(listener)
    for client in (clients[0], clients[2]):
        client.send(GET)
        lq.equal(lq.accept(listener).getpeername()[:2], client.getsockname()[:2])


@lq.case()
def reset_by_hand():
    """An exact RST, in the middle of a request."""
    listener = filtered("httpready")
    tun = Tun()
    peer = Peer(tun, lq.port_of(listener)).connect()
    peer.send(GET[:12])
    peer.expect(ACK)
    lq.equal(held(listener), 1)
    peer.segment(RST, ack=0)
    lq.wait_for(lambda: held(listener) == 0)
    lq.equal(lq.run("ss", "-Htan", f"sport = :{lq.port_of(listener)}").count("\n"), 1)


@lq.case("linux", "freebsd")
def overflow_resets_the_oldest(policy):
    """Of more than may be held, the oldest is reset."""
    listener = lq.listener(backlog=4)
    lq.set_policy(listener, policy)
    lq.set_filter(listener, "dataready")
    limit = {"linux": 5, "freebsd": 4}[policy]
    lq.equal(lq.Info(listener).filter_limit, limit)
    with lq.Counted() as moved:
        clients = [connect_held(listener) for _ in range(limit)]
        late = lq.connect_to(listener)
        lq.wait_for(lambda: moved("DropFilterOverflow") == 1)
        lq.equal(held(listener), limit)
        with lq.fails_with(errno.ECONNRESET):
            clients[0].recv(1)
    for client in clients[1:] + [late]:
        client.send(b"x")
        lq.equal(lq.accept(listener).getpeername(), client.getsockname())


@lq.case("close", "shutdown", "unspec")
def listener_ends(how):
    """All that it held is reset; nothing is left."""
    listener = filtered("httpready")
    users = lq.module_users()
    port = lq.port_of(listener)
    clients = [connect_held(listener) for _ in range(6)]
    clients[2].send(GET[:9])
    if how == "close":
        listener.close()
        lq.wait_for(lambda: lq.module_users() == users - 1)
    elif how == "shutdown":
        listener.shutdown(socket.SHUT_RD)
    else:
        lq.equal(lq.libc.connect(listener.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16), 0)
    for client in clients:
        with lq.fails_with(errno.ECONNRESET):
            client.recv(1)
    lq.wait_for(lambda: lq.run("ss", "-Htan", f"sport = :{port}") == "")
    if how == "shutdown":
        listener.listen(4)  # anew, without a filter
        lq.equal(lq.Info(listener).accept_filter, "")
        client = lq.connect_to(listener)
        lq.accept(listener)
        client.close()


# --- beside the rest ---


@lq.case()
def with_a_full_accept_queue():
    """What is held leaves as there is room; who comes later waits."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    listener = lq.listener(backlog=0)
    lq.set_policy(listener, "linux-modern")
    lq.set_filter(listener, "dataready")
    first = connect_held(listener)
    second = lq.connect_to(listener)  # the first makes room
    lq.wait_for(lambda: lq.counters()["DropFilterOverflow"] == 1)
    second.send(b"x")
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    third = lq.begin_connect(listener)
    lq.wait_for(lambda: lq.counters()["DropAcceptQueueFullSyn"])
    lq.accept(listener)
    lq.wait_for(lambda: lq.connected(third))
    first.close()


@lq.case()
def with_cookies():
    """A connection that a cookie proved is held like any other."""
    listener = filtered("httpready")
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
    with lq.Counted() as moved:
        client = connect_held(listener)
        lq.equal(moved("CookieReceived"), 1)
        client.send(GET)
        lq.equal(lq.read_all(lq.accept(listener), len(GET)), GET)


@lq.case()
def with_defer_accept():
    """TCP_DEFER_ACCEPT first, then the filter."""
    listener = filtered("httpready",
                        options=[(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)])
    client = lq.connect_to(listener)
    lq.never(lambda: held(listener))
    client.send(GET[:8])
    lq.wait_for(lambda: held(listener) == 1)
    client.send(GET[8:])
    lq.equal(lq.read_all(lq.accept(listener), len(GET)), GET)


@lq.case()
def many_at_once():
    """Hundreds of requests in pieces, in any order: each comes through whole."""
    listener = filtered("httpready", backlog=512)
    clients = [lq.connect_to(listener) for _ in range(300)]
    for piece in range(0, len(GET), 7):
        for client in clients[::-1] if piece % 2 else clients:
            client.send(GET[piece:piece + 7])
    got = 0
    while got < len(clients):
        child = lq.accept(listener)
        lq.equal(lq.read_all(child, len(GET)), GET)
        child.close()
        got += 1
    lq.equal(held(listener), 0)


# --- a program of the user's ---

LD_LEN, LD_B, JEQ, RET = 0x80, 0x30, 0x15, 0x06
WAIT, ACCEPT, DROP = 0, 1, 2


def set_program(sock, program):
    """setsockopt(LQ_ACCEPT_FILTER_BPF); program: (code, jt, jf, k)"""
    code = b"".join(struct.pack("=HBBI", *op) for op in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF,
                    struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer)))


# The fourth byte: "A" accept, "D" drop, anything else wait.
FOURTH = [(LD_B, 0, 0, 3), (JEQ, 0, 1, ord("A")), (RET, 0, 0, ACCEPT), (JEQ, 0, 1, ord("D")),
          (RET, 0, 0, DROP), (RET, 0, 0, WAIT)]


@lq.case()
def bpf_errors():
    """A program that the kernel refuses, no program, no listener, two filters."""
    idle = lq.stream("lq")
    with lq.fails_with(errno.EINVAL):
        set_program(idle, FOURTH)
    listener = lq.listener()
    with lq.fails_with(errno.EINVAL):  # does not end
        set_program(listener, FOURTH[:1])
    with lq.fails_with(errno.EINVAL):
        set_program(listener, [])
    with lq.fails_with(errno.EINVAL):
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF, b"x")
    set_program(listener, FOURTH)
    lq.equal(lq.Info(listener).accept_filter, "bpf")
    with lq.fails_with(errno.EINVAL):
        set_program(listener, FOURTH)
    with lq.fails_with(errno.EINVAL):
        lq.set_filter(listener, "dataready")
    lq.remove_filter(listener)
    lq.set_filter(listener, "dataready")


@lq.each_version()
def bpf_says(v6):
    """Wait until the byte has come, then accept or drop."""
    listener = lq.listener(v6=v6)
    set_program(listener, FOURTH)
    with lq.Counted() as moved:
        good, bad, slow = (connect_held(listener, v6) for _ in range(3))
        for client in (good, bad, slow):
            client.send(b"abc")
        lq.never(lambda: readable(listener))
        bad.send(b"D")
        with lq.fails_with(errno.ECONNRESET):
            bad.recv(1)
        lq.wait_for(lambda: held(listener) == 2)
        lq.equal(moved("DropFilterRefused"), 1)
        good.send(b"A")
        child = lq.accept(listener)
        lq.equal(child.getpeername()[:2], good.getsockname()[:2])
        lq.equal(lq.read_all(child, 4), b"abcA")
        slow.send(b"w" * 4000)
        lq.never(lambda: readable(listener))
        slow.send(b"w" * 200)  # beyond what a program may look at
        lq.equal(len(lq.read_all(lq.accept(listener), 4203)), 4203)


@lq.case()
def bpf_sees_the_length():
    """BPF_LEN is how much has come, however many segments it came in."""
    listener = lq.listener()
    set_program(listener, [(LD_LEN, 0, 0, 0), (JEQ, 0, 1, 30), (RET, 0, 0, ACCEPT),
                           (RET, 0, 0, WAIT)])
    tun = Tun()
    peer = Peer(tun, lq.port_of(listener)).connect(MSS)
    for _ in range(3):
        lq.never(lambda: readable(listener), 0.1)
        peer.send(b"0123456789")
        peer.expect(ACK)
    lq.equal(lq.read_all(lq.accept(listener), 30), b"0123456789" * 3)


@lq.case()
def bpf_drops_many():
    """Those that are refused are reset, and counted once, even when the listener closes."""
    listener = lq.listener(backlog=256)
    set_program(listener, FOURTH)
    with lq.Counted() as moved:
        clients = [lq.connect_to(listener) for _ in range(100)]
        for client in clients:
            client.send(b"xxxD")
        lq.wait_for(lambda: moved("DropFilterRefused") == 100)
        listener.close()
        for client in clients:
            with lq.fails_with(errno.ECONNRESET):
                client.recv(1)
        lq.equal(moved("DropListenerClosed"), 0)


lq.main()
