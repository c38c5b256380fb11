#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""lqctl monitor, whose events event_test.py has.

    clients --- lo --- listener
"""
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile

import lq
from events import DROPS_SYNS, GENEROUS, fill, overflow, overflow_drops


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
