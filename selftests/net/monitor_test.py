#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=600
"""Netlink events: each kind provoked for real, and read from a socket of the group and from
lqctl monitor.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import errno
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

import lq
from genl import attrs
from rawtcp import Peer, Tun

AF_NETLINK, NETLINK_GENERIC, SOL_NETLINK = 16, 16, 270
ADD_MEMBERSHIP, NO_ENOBUFS = 1, 5
CMD_EVENT = 4
TYPES = ("none started stopped truncated overflow_began overflow_ended cookies_began"
         " cookies_ended").split()
DROP_SYN_QUEUE_FULL, DROP_ACCEPT_QUEUE_FULL_SYN = 1, 2
# A policy that has no half-open request while the accept queue is full.
DROPS_SYNS = ((lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern"),)
GENEROUS = 30  # seconds


def group_of():
    """The numbers of the family and of its group "events"."""
    with socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as sock:
        name = b"listenq\0"
        body = struct.pack("=BBHHH", 3, 1, 0, 4 + len(name), 2) + name
        sock.send(struct.pack("=IHHII", 16 + len(body), 16, 1, 1, 0) + body)
        found = attrs(sock.recv(65536)[20:])
    for group in attrs(found[7]).values():
        group = attrs(group)
        if group[1] == b"events\0":
            return struct.unpack("=H", found[1])[0], struct.unpack("=I", group[2])[0]
    raise AssertionError("no group")


class Event:  # pylint: disable=too-few-public-methods
    """One message of the group."""

    NUMBERS = {2: "time", 3: "type", 4: "listener", 5: "family", 7: "port", 8: "ifindex",
               9: "v6only", 12: "backlog", 13: "accept_qlen", 14: "accept_limit", 15: "syn_qlen",
               16: "syn_limit", 17: "reason", 18: "count", 19: "untold"}
    FORMATS = {1: "=B", 2: "=H", 4: "=I", 8: "=Q"}

    def __init__(self, body):
        lq.equal(body[0], CMD_EVENT)
        found = attrs(body[4:])
        for number, name in self.NUMBERS.items():
            data = found.get(number)
            setattr(self, name, data and struct.unpack(self.FORMATS[len(data)], data)[0])
        self.kind = TYPES[self.type]
        self.addr = found[6]
        self.policy = found[10].rstrip(b"\0").decode()
        (self.backlog_asked,) = struct.unpack("=i", found[11])


class Reader:
    """A socket that has joined the group of the namespace that it was made in."""

    def __init__(self):
        self.family, group = group_of()
        self.sock = socket.socket(AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
        self.sock.setblocking(False)
        self.got = []

    def poll(self):
        """All events so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.sock.recv(65536)
                length, family = struct.unpack_from("=IH", data)
                lq.equal((length, family), (len(data), self.family))
                self.got.append(Event(data[16:]))
        return self.got

    def of(self, kind):
        """Those of one kind."""
        return [event for event in self.poll() if event.kind == kind]

    def wait(self, kind, count=1):
        """So many of one kind, and the last of them."""
        lq.wait_for(lambda: len(self.of(kind)) >= count, GENEROUS, f"no {count} {kind}")
        return self.of(kind)[count - 1]

    def kinds(self):
        """The kinds of all, in order."""
        return [event.kind for event in self.poll()]


def overflow_drops():
    """What the namespace's counters know of full queues."""
    counters = lq.counters()
    return sum(counters["Drop" + name] for name in (
        "SynQueueFull", "AcceptQueueFullSyn", "SynLastQuarter", "AcceptQueueFullAck",
        "AbortOnOverflow", "RequestEvicted"))


def fill(listener):
    """Connect until the accept queue is full; the clients."""
    limit = lq.Info(listener).accept_limit
    clients = [lq.connect_to(listener) for _ in range(limit)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == limit)
    return clients


def overflow(listener):
    """One SYN more than a full accept queue takes, or some: TCP asks again."""
    before = overflow_drops()
    client = lq.begin_connect(listener)
    lq.wait_for(lambda: overflow_drops() > before, GENEROUS)
    return client


# --- the kernel's messages ---


@lq.case()
def started_and_stopped():
    """Once each, whatever way it stops; a second listen() starts nothing."""
    reader = Reader()
    for way in ("close", "shutdown", "unspec"):
        reader.got.clear()
        before = time.time_ns()
        listener = lq.listener(backlog=5, addr="127.0.0.1")
        number, port = lq.Info(listener).id, lq.port_of(listener)
        lq.listen(listener, 6)
        client = lq.connect_to(listener)
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
        if way == "close":
            listener.close()
        elif way == "shutdown":
            listener.shutdown(socket.SHUT_RDWR)
        else:
            lq.equal(lq.libc.connect(listener.fileno(), b"\0" * 16, 16), 0)
        lq.equal(reader.kinds(), ["started", "stopped"], way)
        start, stop = reader.got
        lq.equal((start.listener, start.family, start.addr, start.port, start.ifindex),
                 (number, socket.AF_INET, b"\x7f\0\0\1", port, 0))
        lq.equal((start.policy, start.backlog_asked, start.backlog, start.accept_limit,
                  start.accept_qlen, start.syn_qlen, start.reason, start.count),
                 ("linux", 5, 5, 6, 0, 0, None, None))
        assert before <= start.time <= stop.time <= time.time_ns(), "times"
        lq.equal((stop.listener, stop.port, stop.backlog, stop.accept_qlen, stop.accept_limit),
                 (number, port, 6, 1, 7))
        client.close()


@lq.case()
def one_user_s_listens_leave_room_for_others():
    """Of a flood of listen() 100 a second are told, with their ends, and how many were not."""
    reader = Reader()
    made = 0
    began = time.monotonic()

    def listen():
        nonlocal made
        lq.listener().close()
        made += 1
        reader.poll()

    def all_are_accounted_for():
        listen()
        untold = sum(one.untold or 0 for one in reader.got)
        return (untold or slow) and untold + len(reader.of("started")) == made

    for _ in range(600):
        listen()
    kinds = reader.kinds()
    lq.equal(kinds.count("started"), kinds.count("stopped"))
    # What may have been told: in each second that began, and one more.
    room = 100 * (int(time.monotonic() - began) + 2)
    slow = room >= made
    if slow:
        lq.diag(f"this kernel makes no more than {made / (time.monotonic() - began):.0f} a second")
    assert 100 <= kinds.count("started") <= min(room, made - (not slow)), kinds.count("started")
    # The next second has room again.
    lq.wait_for(all_are_accounted_for, GENEROUS)


@lq.case()
def a_listen_that_fails_is_not_told():
    """Nor its end: the address is taken."""
    first = lq.listener(port=8000, options=((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),))
    reader = Reader()
    tcp = lq.stream("lq")
    for sock in (tcp, lq.stream("lq")):
        with contextlib.suppress(OSError):
            sock.bind(("0.0.0.0", 8000))
            sock.listen()
        sock.close()
    # Bound by both before either listens; SO_REUSEADDR lets them.
    pair = [lq.stream("lq") for _ in range(2)]
    for sock in pair:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", 8001))
    pair[0].listen()
    with lq.fails_with(errno.EADDRINUSE):
        pair[1].listen()
    for sock in pair:
        sock.close()
    lq.equal(reader.kinds(), ["started", "stopped"])
    first.close()


@lq.case()
def an_ipv6_listener():
    """Its address is 16 bytes, and V6ONLY is told."""
    reader = Reader()
    for v6only in (0, 1):
        with lq.listener(v6=True, options=((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only),)):
            event = reader.wait("started", v6only + 1)
            lq.equal((event.family, event.addr, event.v6only),
                     (socket.AF_INET6, b"\0" * 16, v6only))


@lq.case()
def truncated():
    """Each listen() that asks for more than it gets, and only those."""
    lq.sysctl("net.core.somaxconn", 16)
    reader = Reader()
    listener = lq.listener(backlog=16)
    lq.equal(reader.kinds(), ["started"])
    lq.listen(listener, 17)
    lq.listen(listener, -1)
    lq.listen(listener, 3)
    lq.equal(reader.kinds(), ["started", "truncated", "truncated"])
    lq.equal([(event.backlog_asked, event.backlog) for event in reader.got[1:]],
             [(17, 16), (-1, 16)])
    other = lq.listener(backlog=99)
    lq.equal(reader.kinds()[3:], ["started", "truncated"])
    other.close()


@lq.case(timeout=200)
def an_overflow():
    """Of the accept queue: began with the first drop, ended with their number once there is room, and
    once more."""
    reader = Reader()
    listener = lq.listener(backlog=1, options=DROPS_SYNS)
    lq.equal(reader.kinds(), ["started"])
    for turn in (1, 2):
        clients = fill(listener)
        # Long enough for the timer to have stopped: the overflow must start it.
        events = len(reader.poll())
        lq.never(lambda n=events: len(reader.poll()) > n, 1, "an event of nothing")
        before = overflow_drops()
        late = overflow(listener)
        event = reader.wait("overflow_began", turn)
        lq.equal((event.listener, event.reason, event.accept_qlen, event.accept_limit,
                  event.count),
                 (lq.Info(listener).id, DROP_ACCEPT_QUEUE_FULL_SYN, 2, 2, None))
        late.close()
        # While the queue is full it goes on, though nothing comes any more.
        lq.never(lambda n=turn: len(reader.of("overflow_ended")) == n, 2.5, "it ended")
        for child in lq.accept_all(listener):
            child.close()
        # Nothing is half open: the timer alone finds the end.
        event = reader.wait("overflow_ended", turn)
        lq.equal((event.count, event.reason),
                 (overflow_drops() - before, DROP_ACCEPT_QUEUE_FULL_SYN))
        lq.equal(lq.Info(listener).syn_qlen, 0)
    lq.equal(reader.kinds(), ["started"] + ["overflow_began", "overflow_ended"] * 2)
    assert all(end.time - begin.time > 3_000_000_000 for begin, end in
               zip(reader.of("overflow_began"), reader.of("overflow_ended"))), "ended too early"
    lq.equal((lq.Info(listener).overflows, lq.Info(listener).overflow_ago_s > 0), (2, True))
    del clients


@lq.case(timeout=120)
def an_overflow_of_the_syn_queue():
    """It ends a second after there is room for one more."""
    lq.no_timer()
    tun = Tun()
    reader = Reader()
    listener = lq.listener(backlog=5)
    peers = [Peer(tun, lq.port_of(listener)) for _ in range(19)]
    for peer in peers[:16]:
        peer.half_open()
    lq.equal(reader.kinds(), ["started"])
    for peer in peers[16:]:
        peer.syn()
    event = reader.wait("overflow_began")
    lq.equal((event.reason, event.syn_qlen, event.syn_limit), (DROP_SYN_QUEUE_FULL, 16, 16))
    lq.never(lambda: reader.of("overflow_ended"), 2.5, "it ended, and the queue is full")
    peers[0].reset()
    event = reader.wait("overflow_ended")
    lq.equal(event.count, 3)
    lq.equal(lq.Info(listener).syn_qlen, 15)


@lq.case(timeout=200)
def cookies():
    """Began with the first, ended with their number."""
    reader = Reader()
    listener = lq.listener(options=((lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2),))
    for turn in (1, 2):
        before = lq.counters()["CookieSent"]
        for _ in range(3):
            lq.expect_serves(listener)
        event = reader.wait("cookies_began", turn)
        lq.equal((event.reason, event.count), (None, None))
        event = reader.wait("cookies_ended", turn)
        # On a slow machine the time of cookies may have ended between two of them.
        lq.equal(sum(one.count for one in reader.of("cookies_ended")),
                 lq.counters()["CookieSent"])
        assert lq.counters()["CookieSent"] > before
    assert set(reader.kinds()) == {"started", "cookies_began", "cookies_ended"}, reader.kinds()


@lq.case(timeout=120)
def close_ends_what_began():
    """The end is told before the stop, and not a second later."""
    reader = Reader()
    listener = lq.listener(backlog=0, options=DROPS_SYNS)
    clients = fill(listener)
    late = overflow(listener)
    reader.wait("overflow_began")
    number = lq.Info(listener).id
    listener.close()
    lq.equal(reader.kinds()[-2:], ["overflow_ended", "stopped"])
    lq.equal(reader.got[-1].listener, number)
    assert reader.got[-2].count >= 1
    late.close()
    del clients


@lq.case(timeout=200)
def not_more_than_one_a_second():
    """A flood is two events, however long it takes."""
    reader = Reader()
    listener = lq.listener(backlog=0, options=DROPS_SYNS)
    clients = fill(listener)
    start = time.monotonic()
    while time.monotonic() - start < 4:
        lq.begin_connect(listener).close()
    lq.equal((len(reader.of("overflow_began")), reader.of("overflow_ended")), (1, []))
    lq.accept_all(listener)
    reader.wait("overflow_ended", len(reader.of("overflow_began")))
    drops = overflow_drops()
    seconds = time.monotonic() - start
    began, ended = reader.of("overflow_began"), reader.of("overflow_ended")
    lq.diag(f"{drops} drops in {seconds:.1f} s, {len(began)} + {len(ended)} events")
    lq.equal(sum(event.count for event in ended), drops)
    for events in (began, ended):
        assert all(b.time - a.time > 900_000_000 for a, b in zip(events, events[1:])), "too many"
    assert drops > 20 * len(began), (drops, len(began))
    del clients


@lq.case()
def not_of_another_namespace():
    """Neither way."""
    here = Reader()
    with lq.Netns():
        there = Reader()
        lq.listener(port=8000).close()
    lq.equal((here.kinds(), there.kinds()), ([], ["started", "stopped"]))
    lq.listener(port=8000).close()
    lq.equal((len(here.kinds()), len(there.kinds())), (2, 2))


@lq.case()
def needs_no_privilege():
    """As all that only looks."""

    def look():
        reader = Reader()
        lq.listener().close()
        lq.equal(reader.kinds(), ["started", "stopped"])

    lq.as_user(look)


@lq.case()
def a_reader_that_is_too_slow():
    """ENOBUFS once, then it goes on; nobody else suffers."""
    slow, other = Reader(), Reader()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(50):
        lq.listener().close()
        other.poll()
    with lq.fails_with(errno.ENOBUFS):
        slow.poll()
    slow.poll()
    assert len(slow.got) < 100
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    lq.equal(len(other.poll()), 100)
    before = len(slow.got)
    lq.listener().close()
    assert len(slow.poll()) > before, "it went deaf"


@lq.case()
def readers_and_namespaces_go_away():
    """Nothing is left that would keep the module or a namespace."""
    users = lq.module_users()
    for _ in range(20):
        with lq.Netns() as other:
            reader = Reader()
            listener = lq.listener()
        reader.poll()
        listener.close()
        other.close()
        if reader.kinds() != ["started", "stopped"]:
            raise AssertionError(reader.kinds())
        reader.sock.close()
    lq.wait_for(lambda: lq.module_users() == users, GENEROUS)


# --- lqctl monitor ---


class Monitor:
    """A lqctl monitor that is ready, and what it has said."""

    def __init__(self, *options, json_lines=True, env=None, stdout=subprocess.PIPE):
        words = ["lqctl", "monitor", *(["-j"] if json_lines else []), *options]
        self.json = json_lines
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})})
        self.text = b""
        lq.wait_for(self.has_joined, GENEROUS, "it did not join")

    def has_joined(self):
        """Whether its socket is a member: the groups of netlink sockets, in hexadecimal."""
        if self.process.poll() is not None:
            raise AssertionError(self.process.stderr.read().decode())
        mine = set()
        for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                mine.add(os.readlink(f"/proc/{self.process.pid}/fd/{fd}"))
        if "anon_inode:[signalfd]" not in mine:
            return False
        # It has told what is so already, and waits.
        with open(f"/proc/{self.process.pid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] == str(lq.CALLS["poll"])

    def lines(self):
        """All so far."""
        while self.process.stdout and select.select([self.process.stdout], [], [], 0)[0]:
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                break
            self.text += more
        lines = self.text.decode().split("\n")[:-1]
        return [json.loads(line) for line in lines] if self.json else lines

    def events(self):
        """The names of all."""
        return [line["event"] for line in self.lines()]

    def wait(self, event):
        """The last event, once it is this."""
        return lq.wait_for(lambda: [line for line in self.lines() if line["event"] == event],
                           GENEROUS, f"no {event} in {self.events()}")[-1]

    def end(self, number=signal.SIGTERM):
        """Its exit status and what it complained of."""
        if number:
            self.process.send_signal(number)
        status = self.process.wait(GENEROUS * lq.SCALE)
        return status, self.process.stderr.read().decode()


@contextlib.contextmanager
def journal():
    """A socket where systemd's would be, and a function that takes an entry from it: its fields."""
    path = "/run/systemd/journal/socket"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(GENEROUS * lq.SCALE)
        yield lambda: dict(line.split("=", 1) for line in sock.recv(65536).decode().splitlines())
    os.unlink(path)


@lq.case()
def monitor_into_the_journal():
    """Each event with its fields; what the journal does not take is on stderr; without one it says so."""
    with journal() as entry:
        # Its stdout has no reader, as after a restart of the journal that it belonged to.
        reader, its = os.pipe()
        os.close(reader)
        monitor = Monitor("--journal", "--numeric", json_lines=False, stdout=its)
        os.close(its)
        listener = lq.listener(backlog=5, addr="127.0.0.1")
        port = lq.port_of(listener)
        started = entry()
        row = lq.row_of(listener)
        lq.equal({name: started[name] for name in (
            "PRIORITY", "SYSLOG_IDENTIFIER", "LISTENQ_EVENT", "LISTENQ_PORT", "LISTENQ_ADDRESS",
            "LISTENQ_ID", "LISTENQ_BACKLOG")},
                 {"PRIORITY": "6", "SYSLOG_IDENTIFIER": "listenq",
                  "LISTENQ_EVENT": "listener_started", "LISTENQ_PORT": str(port),
                  "LISTENQ_ADDRESS": "127.0.0.1", "LISTENQ_ID": str(row["id"]),
                  "LISTENQ_BACKLOG": "5"})
        assert f"listener_started 127.0.0.1:{port} @{row['id']}" in started["MESSAGE"], started
        clients = fill(listener)
        clients.append(overflow(listener))
        began = entry()
        lq.equal((began["PRIORITY"], began["LISTENQ_EVENT"]), ("4", "overflow_began"))
        assert began["LISTENQ_REASON"].startswith("accept_queue_full"), began
    listener.close()
    stopped = lq.wait_for(lambda: select.select([monitor.process.stderr], [], [], 0)[0] and
                          os.read(monitor.process.stderr.fileno(), 65536).decode(), GENEROUS)
    assert "lqctl: the journal does not take it (No such file or directory): " in stopped, stopped
    lq.equal(monitor.end()[0], 0)
    for words, want in ((["--journal"], "lqctl: no journal at /run/systemd/journal/socket: "
                                        "No such file or directory\n"),
                        (["--journal", "--json"], "--json excludes --journal")):
        done = subprocess.run(["lqctl", "monitor", *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 1 and want in done.stderr, done


@lq.case(timeout=200)
def monitor_tells_everything():
    """In JSON lines, each at once."""
    lq.sysctl("net.core.somaxconn", 16)
    monitor = Monitor()
    listener = lq.listener(backlog=1, addr="127.0.0.1", options=DROPS_SYNS)
    number, port = lq.Info(listener).id, lq.port_of(listener)
    event = monitor.wait("listener_started")
    lq.equal({name: event[name] for name in ("id", "family", "address", "port", "interface",
                                             "policy", "backlog_asked", "backlog")},
             {"id": number, "family": "inet", "address": "127.0.0.1", "port": port,
              "interface": None, "policy": "linux-modern", "backlog_asked": 1, "backlog": 1})
    lq.listen(listener, 99)
    event = monitor.wait("backlog_truncated")
    lq.equal((event["backlog_asked"], event["backlog"], event["accept_limit"]), (99, 16, 17))
    lq.listen(listener, 1)
    clients = fill(listener)
    overflow(listener).close()
    lq.equal(monitor.wait("overflow_began")["reason"], "accept_queue_full_syn")
    lq.accept_all(listener)
    event = monitor.wait("overflow_ended")
    lq.equal((event["count"], event["accept_qlen"], event["accept_limit"]),
             (overflow_drops(), 0, 2))
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
    lq.expect_serves(listener)
    monitor.wait("cookies_began")
    lq.equal(monitor.wait("cookies_ended")["count"], lq.counters()["CookieSent"])
    listener.close()
    monitor.wait("listener_stopped")
    lq.equal(monitor.events(), ["listener_started", "backlog_truncated", "overflow_began",
                                "overflow_ended", "cookies_began", "cookies_ended",
                                "listener_stopped"])
    lq.equal(monitor.end(), (0, ""))
    del clients


@lq.case()
def monitor_in_words_and_with_a_filter():
    """One line each, and only of those that are asked for."""
    monitor = Monitor("-n", ":8000", json_lines=False)
    lq.listener(port=8001).close()
    lq.listener(port=8000, addr="127.0.0.1", backlog=5).close()
    lines = lq.wait_for(lambda: len(monitor.lines()) >= 2 and monitor.lines(), GENEROUS)
    lq.equal([line.split(" ", 2)[1] for line in lines], ["listener_started", "listener_stopped"])
    for line in lines:
        assert " 127.0.0.1:8000 @" in line and " linux backlog 5 accept 0/6 syn 0/" in line, line
    lq.equal(monitor.end(signal.SIGINT), (0, ""))


@lq.case(timeout=120)
def monitor_tells_the_state_first():
    """Who listens already, and whose overflow goes on."""
    listener = lq.listener(backlog=1, options=DROPS_SYNS)
    lq.listener(port=8001)
    clients = fill(listener)
    overflow(listener).close()
    monitor = Monitor(f":{lq.port_of(listener)}")
    lq.wait_for(lambda: len(monitor.lines()) >= 2, GENEROUS)
    lq.equal([(line["event"], line["id"], line["seq"]) for line in monitor.lines()],
             [("listener_state", lq.Info(listener).id, 1),
              ("overflow_goes_on", lq.Info(listener).id, 2)])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", monitor.lines()[0]["time"])
    lq.accept_all(listener)
    monitor.wait("overflow_ended")
    lq.equal(monitor.end(), (0, ""))
    del clients


@lq.case()
def monitor_ends_with_its_reader():
    """At once, and not with the next event only."""
    ours, its = os.pipe()
    monitor = Monitor(stdout=its)
    os.close(its)
    os.close(ours)
    lq.equal(monitor.end(None), (0, ""))


@lq.case()
def monitor_of_nobody():
    """It needs no privilege, and hears of no other namespace."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with lq.Netns() as other:
                there = lq.listener(port=8000)
            os.setuid(lq.NOBODY)
            monitor = Monitor()
            there.close()
            other.close()
            lq.listener(port=8001).close()
            event = monitor.wait("listener_stopped")
            lq.equal((event["port"], len(monitor.lines())), (8001, 2))
            lq.equal(monitor.end(), (0, ""))
            code = 0
        finally:
            os._exit(code)
    lq.equal(os.waitpid(pid, 0)[1], 0)


@lq.case()
def monitor_that_is_stopped_meanwhile():
    """It says that events were lost, and goes on."""
    monitor = Monitor()
    monitor.process.send_signal(signal.SIGSTOP)
    for _ in range(2000):
        lq.listener().close()
    monitor.process.send_signal(signal.SIGCONT)
    monitor.wait("events_lost")
    assert len(monitor.lines()) < 4000

    def told():
        """While it still reads what was queued, more is lost."""
        lq.listener(port=8000).close()
        return [line for line in monitor.lines() if line.get("port") == 8000]

    lq.wait_for(told, GENEROUS)
    lq.equal(monitor.end(), (0, ""))


@lq.case(timeout=120)
def monitor_warns():
    """A queue that fills is told once, and once when it is empty again."""
    listener = lq.listener(backlog=9)
    monitor = Monitor("--warn", "50%")
    clients = [lq.connect_to(listener) for _ in range(8)]
    event = monitor.wait("accept_queue_above")
    lq.equal(event["id"], lq.Info(listener).id)
    assert event["accept_qlen"] >= 5, event
    lq.accept_all(listener)
    event = monitor.wait("accept_queue_below")
    lq.equal(event["accept_limit"], 10)
    assert event["accept_qlen"] < 5, event
    lq.equal(monitor.events(), ["listener_state", "accept_queue_above", "accept_queue_below"])
    lq.equal([line["seq"] for line in monitor.lines()], [1, 2, 3])
    lq.equal(monitor.end(), (0, ""))
    for words in (("--warn", "0"), ("--warn", "x"), (":nothing",)):
        done = subprocess.run(["lqctl", "monitor", *words], capture_output=True, check=False)
        lq.equal((done.returncode, done.stdout), (1, b""), words)
    del clients


@lq.case(timeout=120)
def monitor_runs_a_command():
    """For each event, with its words in the environment, one listener's in order; one that hangs holds
    no other listener's up."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "out")
        command = ('echo "$LISTENQ_EVENT $LISTENQ_ADDRESS $LISTENQ_PORT $LISTENQ_ID" >>"$OUT";'
                   'echo x; [ "$LISTENQ_EVENT$LISTENQ_PORT" != listener_started8000 ] ||'
                   ' exec sleep 1000')
        monitor = Monitor("--exec", command, env={"OUT": out})
        numbers = []
        for port in (8000, 8001):
            listener = lq.listener(port=port, addr="127.0.0.1")
            numbers.append(lq.Info(listener).id)
            listener.close()
        monitor.wait("listener_stopped")

        def said():
            with contextlib.suppress(FileNotFoundError), open(out, encoding="ascii") as file:
                return sorted(file.read().splitlines())
            return []

        def line(port, what):
            return f"listener_{what} 127.0.0.1 {port} {numbers[port - 8000]}"

        lq.wait_for(lambda: len(said()) == 3, GENEROUS)
        lq.equal(said(), [line(8000, "started"), line(8001, "started"), line(8001, "stopped")])

        def children():
            # Zombies are listed, too.
            return lq.run("ps", "-o", "pid=", "--ppid", str(monitor.process.pid),
                          check=False).split()

        # Those that ended are no zombies, and what happened to that listener next waits.
        lq.wait_for(lambda: len(children()) == 1, GENEROUS, "not reaped")
        lq.equal(len(said()), 3)
        (hanging,) = children()
        # Nothing but events on stdout.
        lq.equal(len(monitor.lines()), 4)
        os.kill(int(hanging), signal.SIGKILL)
        lq.wait_for(lambda: line(8000, "stopped") in said(), GENEROUS)
        lq.wait_for(lambda: not children(), GENEROUS, "not reaped")
        monitor.process.send_signal(signal.SIGTERM)
        lq.equal(monitor.process.wait(GENEROUS), 0)


@lq.case(timeout=120)
def monitor_without_the_module():
    """Exit status 2 at once; one that runs ends when the module is unloaded."""
    monitor = Monitor("--warn", "80%")
    lq.wait_for(lambda: lq.module_users() == 0, GENEROUS, "somebody uses the module")
    lq.run("rmmod", "listenq")
    try:
        status, words = monitor.end(None)
        lq.equal(status, 2)
        assert "unloaded" in words, words
        done = subprocess.run(["lqctl", "monitor"], capture_output=True, text=True, check=False)
        lq.equal((done.returncode, done.stdout), (2, ""))
        assert "module is not loaded" in done.stderr, done.stderr
    finally:
        lq.run("insmod", lq.module_file())


lq.main()
