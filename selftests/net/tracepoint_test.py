#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=700
"""Tracepoints, and the bpftrace script on them: they say what happened, as all else does.

    peers, played by this program --- tun0 --- listener
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import lq
import misadventures
from rawtcp import Peer, Tun

LONG = 60000  # ms: the timer stays out of it

PROGRAM = os.path.join(lq.TOP, "scripts/bpftrace/lqdrop.bt")
TRACING = "/sys/kernel/tracing"


class Trace:
    """An instance of tracefs of its own: with Trace() as trace: ...; trace.events()"""

    LINE = re.compile(r"\d+\.\d+: (\w+): (.*)$")

    def __init__(self):
        self.path = f"{TRACING}/instances/listenq-{os.getpid()}"

    def write(self, name, text):
        """Into one of its files."""
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def __enter__(self):
        if not os.path.isdir(f"{TRACING}/events/listenq"):
            raise lq.Skip("no tracefs here")
        os.mkdir(self.path)
        self.write("events/listenq/enable", "1")
        return self

    def __exit__(self, *_):
        self.write("events/listenq/enable", "0")
        os.rmdir(self.path)

    def events(self, listener):
        """[(event, {field: text})] of one listener so far; its id, or the socket."""
        number = listener if isinstance(listener, int) else lq.Info(listener).id
        found = []
        with open(f"{self.path}/trace", encoding="ascii", errors="replace") as file:
            for line in file:
                match = self.LINE.search(line)
                if line.startswith("#") or not match:
                    continue
                fields = dict(re.findall(r"(\w+)=(\S+)", match[2]))
                if fields["id"] == str(number):
                    found.append((match[1], fields))
        return found


def addr_text(peer):
    """As the tracepoints print it."""
    return ":".join(f"{byte:02x}" for byte in peer.addr)


def names_of(events):
    """Their names alone."""
    return [name for name, _ in events]


@lq.each_version()
def tracepoints_of_a_connection(v6):
    """listen, syn, request, synack, established, accept, close: in order, with their fields."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.core.somaxconn", 50)
    tun = Tun()
    with Trace() as trace:
        listener = lq.listener(backlog=100, v6=v6)
        info = lq.Info(listener)
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.half_open()
        time.sleep(0.05)  # how old the request is, and below, how long it waits
        peer.final_ack()
        time.sleep(0.05)
        lq.accept(listener).close()
        listener.close()
        lq.wait_for(lambda: "close" in names_of(trace.events(info.id)))
        events = trace.events(info.id)
    lq.equal(names_of(events),
             ["listen", "syn", "request", "synack", "established", "accept", "close"])
    fields = dict(events)
    for name, one in events:
        lq.equal(one["lport"], str(peer.port), name)
        if name not in ("listen", "close"):
            lq.equal((one["raddr"], one["rport"]), (addr_text(peer), str(peer.sport)), name)
    lq.equal([fields["listen"][name] for name in ("asked", "backlog", "accept_limit", "syn_limit")],
             [str(info.backlog_asked), "50", "51", str(info.syn_limit)])
    lengths = [(one["accept_qlen"], one["syn_qlen"]) for name, one in events[1:5]]
    lq.equal(lengths, [("0", "0"), ("0", "1"), ("0", "1"), ("1", "0")])
    lq.equal(fields["synack"]["retrans"], "0")
    lq.equal(fields["established"]["retrans"], "0")
    assert int(fields["established"]["age_us"]) >= 50000, fields["established"]
    assert int(fields["accept"]["wait_us"]) >= 50000, fields["accept"]
    lq.equal(fields["accept"]["accept_qlen"], "0")


@lq.case()
def tracepoint_of_a_second_listen():
    """It says the new limits; the id stays."""
    with Trace() as trace:
        listener = lq.listener(backlog=5)
        listener.listen(7)
        lq.listen(listener, -1)
        events = trace.events(listener)
    lq.equal(names_of(events), ["listen"] * 3)
    lq.equal([one["accept_limit"] for _, one in events],
             ["6", "8", str(int(lq.sysctl("net.core.somaxconn")) + 1)])


@lq.case()
def tracepoint_of_retransmissions():
    """synack says how often, and how old the request is; then it expires."""
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.synack_retries", 2)
    tun = Tun()
    with Trace() as trace:
        listener = lq.listener()
        peer = Peer(tun, lq.port_of(listener))
        peer.half_open()
        lq.wait_for(lambda: lq.Info(listener).drops == 1, 20)
        events = lq.wait_for(lambda: [e for e in trace.events(listener) if "drop" == e[0]]
                             and trace.events(listener))
    lq.equal(names_of(events), ["listen", "syn", "request", "synack", "synack", "synack", "drop"])
    lq.equal([one["retrans"] for name, one in events if name == "synack"], ["0", "1", "2"])
    ages = [int(one["age_us"]) for name, one in events if name == "synack"]
    assert ages[1] >= 90000 and ages[2] >= ages[1] + 180000, ages
    lq.equal((events[-1][1]["reason"], events[-1][1]["rport"]),
             ("request_expired", str(peer.sport)))


@lq.each_version()
def tracepoint_of_each_drop(v6):
    """As many drops as the counters say, each with its reason's name and its peer."""
    tun = Tun()
    with Trace() as trace:
        listener = misadventures.listener_of(tun, v6)
        info, row = lq.Info(listener), lq.row_of(listener)
        # What is left when it closes is dropped, too.
        listener.close()
        closed = info.accept_qlen + info.syn_qlen
        lq.wait_for(lambda: lq.counters()["DropListenerClosed"] == closed)
        events = trace.events(info.id)
    drops = {}
    for name, one in events:
        if name == "drop":
            drops[one["reason"]] = drops.get(one["reason"], 0) + 1
            lq.equal(one["lport"], str(row["port"]))
            lq.equal(one["raddr"], addr_text(Peer(tun, 1, v6=v6)))
            assert int(one["rport"]) >= 20000, one
    want = {name: count for name, count in row["drops"].items() if count}
    want["listener_closed"] = closed
    lq.equal(drops, want)
    for name, event in (("syn", "syn_received"), ("request", "request_created"),
                        ("synack", "synack_sent"), ("established", "established"),
                        ("accept", "accepted")):
        lq.equal(names_of(events).count(name), row["events"][event], name)


@lq.case()
def tracepoint_of_an_eviction():
    """drop names the request that left, not the SYN that came."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.syncookies", 0)
    tun = Tun()
    with Trace() as trace:
        listener = lq.listener(backlog=0)
        lq.set_policy(listener, "solaris")
        limit = lq.Info(listener).syn_limit
        for n in range(limit + 1):
            Peer(tun, lq.port_of(listener), sport=1000 + n).syn()
        (drop,) = [one for name, one in trace.events(listener) if name == "drop"]
    lq.equal(drop["reason"], "request_evicted")
    assert 1000 <= int(drop["rport"]) < 1000 + limit, drop


@lq.case()
def tracepoints_are_a_stable_surface():
    """The fields that scripts read, and the reason's number beside its name."""
    folder = f"{TRACING}/events/listenq"
    if not os.path.isdir(folder):
        raise lq.Skip("no tracefs here")
    common = {"id", "family", "lport", "accept_qlen", "syn_qlen"}
    peer = common | {"rport", "raddr", "laddr"}
    request = peer | {"num_timeout", "num_retrans", "age_us"}
    want = {
        "listen": common | {"asked", "backlog", "accept_limit", "syn_limit"},
        "close": common,
        "syn": peer,
        "request": request,
        "synack": request,
        "established": request,
        "filter_hold": request,
        "filter_pass": peer | {"wait_us"},
        "accept": peer | {"wait_us"},
        "drop": peer | {"reason", "name"},
    }
    got = {}
    for name in os.listdir(folder):
        if os.path.isdir(f"{folder}/{name}"):
            with open(f"{folder}/{name}/format", encoding="ascii") as file:
                found = re.findall(r"field:.*?(\w+)(?:\[\d+\])?;", file.read())
            got[name] = {field for field in found if not field.startswith("common_")}
    lq.equal(got, want)


@lq.each_version(timeout=500)
def bpftrace_script(v6):
    """lqdrop.bt prints each drop as it happens, and a table at the end."""
    tun = Tun()
    with tempfile.TemporaryFile("w+") as out:
        tracer = subprocess.Popen(  # pylint: disable=consider-using-with
            ["bpftrace", "-B", "line", PROGRAM], stdout=out, stderr=subprocess.STDOUT)

        def text():
            size = os.fstat(out.fileno()).st_size
            return os.pread(out.fileno(), size, 0).decode()

        try:
            # BEGIN runs before the tracepoints are attached: wait for the first line of a drop.
            lq.wait_for(lambda: "REASON" in text() or tracer.poll() is not None, 90)
            if tracer.poll() is not None:
                raise lq.Skip(f"bpftrace does not run: {text()}")
            listener = lq.listener(v6=v6)
            lq.wait_for(lambda: reset_one(tun, listener, v6) and "request_reset" in text(), 60)
            os.kill(tracer.pid, 0)
            marker = text().count("request_reset")
            misadventures.listener_of(tun, v6)
            want = {name: count for name, count in
                    json.loads(lq.run("lqctl", "stats", "-j"))["drops"].items() if count}
            lq.wait_for(lambda: "syn_last_quarter" in text())
            tracer.send_signal(signal.SIGINT)
            try:
                lq.equal(tracer.wait(60), 0)
            except subprocess.TimeoutExpired:
                lq.diag("bpftrace does not end: no table to look at")
        finally:
            if tracer.poll() is None:
                tracer.kill()
                tracer.wait()
        lines = text()
    table = {}
    for port, name, count in re.findall(r"@drops\[(\d+), (\w+)\]: (\d+)", lines):
        table[name] = table.get(name, 0) + int(count)
    printed = re.findall(r"^\d\d:\d\d:\d\d +(\d+) +(\w+) +(\S+):(\d+) +\d+ +\d+$", lines, re.M)
    assert marker >= 1
    counts = {name: len([one for one in printed if one[1] == name]) for name in want}
    for name in misadventures.MADE:
        if name != "request_reset":
            lq.equal(counts[name], want[name], name)
    if tracer.returncode == 0:
        lq.equal(table, {one[1]: [two[1] for two in printed].count(one[1]) for one in printed})
    lq.equal({one[2] for one in printed}, {"2001:db8::2" if v6 else "192.0.2.2"})
    assert all(20000 <= int(one[3]) < 20100 for one in printed), lines


def reset_one(tun, listener, v6):
    """A drop that has no consequence."""
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    peer.half_open()
    peer.reset()
    time.sleep(0.2)  # for its line, which is not to be taken for a later one's
    return True


lq.main()
