#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""The scripts in scripts/bpftrace/: each runs, and says what listenq's counters say.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

import lq
from rawtcp import Peer, Tun

# To compile a program under emulation, in a VM with little memory, takes its time.
GENEROUS = 100
SCRIPTS = os.path.join(lq.TOP, "scripts/bpftrace")
MARKER = 7999  # the port of listeners that only show that a script has begun


class Script:
    """A script that runs."""

    def __init__(self, name, *words):
        self.name = name
        self.out = tempfile.NamedTemporaryFile("w+", encoding="utf-8", errors="replace")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(SCRIPTS, name), *words], stdout=self.out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)

    def text(self):
        """All so far."""
        with open(self.out.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def maps(self):
        """Its maps as they are now: bpftrace prints them on SIGUSR1."""
        before = len(self.text())
        self.process.send_signal(signal.SIGUSR1)
        last = ""

        def printed():
            nonlocal last
            text = self.text()[before:]
            whole, last = text == last and text.endswith("\n") and "@" in text, text
            return whole and text

        with contextlib.suppress(AssertionError):
            return lq.wait_for(printed, 5, every=0.1)
        return ""

    def running(self):
        """Fails when it ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended: {self.text()}")
        return True

    def kill(self):
        """Whatever happened."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def script(name, *words):
    """One that has begun: it has seen a listener on the port MARKER, or a connection there."""
    one = Script(name, *words)
    try:
        # Before that, a signal would end it.
        lq.wait_for(lambda: one.running() and one.text().count("\n") >= 2, GENEROUS,
                    f"{name} does not start")

        def begun():
            one.running()
            with lq.listener(port=MARKER) as listener:
                lq.expect_serves(listener)
                # A drop, too.
                lq.connect_to(listener).close()
            return str(MARKER) in one.text() or str(MARKER) in one.maps()

        lq.wait_for(begun, GENEROUS, f"{name} does not begin")
        yield one
    finally:
        one.kill()


def histogram(text, key):
    """The last histogram of that key in the text: {lower end: count}"""
    suffixes = {"": 1, "K": 1 << 10, "M": 1 << 20}
    found = {}
    inside = False
    for line in text.split("\n"):
        if line.startswith("@"):
            inside = line.startswith(key)
            if inside:
                found = {}
        match = re.match(r"[\[(]?(-?\d+)([KM]?)[\],].*? +(\d+) \|", line)
        if inside and match:
            found[int(match[1]) * suffixes[match[2]]] = int(match[3])
    return found


@lq.case(timeout=300)
def lqsynq():
    """One count for each SYN, in the row of the length that it found."""
    lq.no_timer()
    tun = Tun()
    with script("lqsynq.bt") as tracer:
        listener = lq.listener(backlog=8)
        port = lq.port_of(listener)
        for _ in range(6):
            Peer(tun, port).half_open()
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 6)
        found = lq.wait_for(lambda: tracer.running() and
                            histogram(tracer.maps(), f"@syn_qlen[{port}]"), GENEROUS)
        # 0, 1, 2 and 3, 4 and 5
        lq.equal({low: count for low, count in found.items() if count}, {0: 1, 1: 1, 2: 2, 4: 2})


@lq.case(timeout=300)
def lqhandshake():
    """Handshakes that take long are in a row that says so."""
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    tun = Tun()
    listener = lq.listener(backlog=8)
    port = lq.port_of(listener)
    with script("lqhandshake.bt", str(port)) as tracer:
        for wait in (0, 0, 1.1):
            peer = Peer(tun, port)
            before = lq.Info(listener).established
            peer.half_open()
            # What is measured: not a wait for something.
            time.sleep(wait)
            peer.final_ack()
            lq.wait_for(lambda b=before: lq.Info(listener).established == b + 1)
        found = lq.wait_for(lambda: tracer.running() and
                            histogram(tracer.maps(), f"@handshake_us[{port}]"), GENEROUS)
        lq.equal(sum(found.values()), 3)
        assert sum(count for low, count in found.items() if low >= 1 << 20) >= 1, found
        lq.equal("@synack_again" in tracer.text(), False)
        tracer.process.send_signal(signal.SIGINT)
        tracer.process.wait(30 * lq.SCALE)
        # The second of three, and the last, which took 1.1 s at least: each is in its row.
        rows = [low for low, number in sorted(found.items()) for _ in range(number)]
        count, *percentiles = map(int, re.search(
            r"^(\d+) handshakes: p50 (\d+) us, p90 (\d+) us, p99 (\d+) us$", tracer.text(),
            re.M).groups())
        lq.equal(count, 3)
        for low, us in zip((rows[1], rows[2], rows[2]), percentiles):
            assert low <= us < max(2 * low, 1), (rows, percentiles)
        assert percentiles[2] >= 1_100_000 * 15 / 16, percentiles


@lq.case(timeout=300)
def lqwait():
    """By the process that accepts; the longest is as long as it was."""
    with script("lqwait.bt") as tracer:
        listener = lq.listener(backlog=8)
        port = lq.port_of(listener)
        clients = [lq.connect_to(listener) for _ in range(4)]
        # What is measured: not a wait for something.
        time.sleep(0.3)
        pid = os.fork()
        if pid == 0:
            with open("/proc/self/comm", "w", encoding="ascii") as file:
                file.write("acceptor")
            lq.accept_all(listener)
            os._exit(0)
        os.waitpid(pid, 0)
        key = f"acceptor, {pid}, {port}]"
        found = lq.wait_for(lambda: tracer.running() and
                            histogram(tracer.maps(), f"@wait_us[{key}"), GENEROUS)
        lq.equal(sum(found.values()), 4)
        assert min(low for low, count in found.items() if count) >= 1 << 18, found
        longest = int(re.findall(re.escape(f"@longest_us[{key}") + r": (\d+)", tracer.text())[-1])
        assert longest >= 300_000, longest
        del clients


@lq.each_version(timeout=300)
def lqlatency(v6):
    """A line for each connection that took so long, and none for the others."""
    tun = Tun()
    # The markers are quick or not: their lines do not matter.
    with script("lqlatency.bt", "400") as tracer:
        listener = lq.listener(backlog=8, v6=v6)
        port = lq.port_of(listener)
        quick, slow = Peer(tun, port, v6=v6), Peer(tun, port, v6=v6)
        # What is measured: not waits for something.
        for peer, handshake, wait in ((slow, 0.3, 0.4), (quick, 0, 0)):
            peer.half_open()
            time.sleep(handshake)
            peer.final_ack()
            lq.wait_for(lambda: lq.Info(listener).accept_qlen)
            time.sleep(wait)
            lq.accept(listener).close()
        found = lq.wait_for(lambda: tracer.running() and
                            histogram(tracer.maps(), f"@latency_us[{port}]"), GENEROUS)
        lq.equal(sum(found.values()), 2)
        lines = [line.split() for line in tracer.text().split("\n")
                 if re.match(r"\d\d:\d\d:\d\d", line) and line.split()[3] == str(port)]
        line = lines[0]
        peer = ("2001:db8::2" if v6 else "192.0.2.2")
        lq.equal((line[1], line[3], line[4].rsplit(":", 1)[0]), (str(os.getpid()), str(port), peer))
        assert int(line[5]) >= 300_000 and int(line[6]) >= 400_000, line
        # On a slow machine the quick one may be slow.
        assert all(int(one[5]) + int(one[6]) >= 399_000 for one in lines), lines


@lq.case(timeout=300)
def lqlisten():
    """What was asked for and what was given, by whom."""
    lq.sysctl("net.core.somaxconn", 64)
    with script("lqlisten.bt") as tracer:
        for backlog in (5, 1000):
            lq.listener(port=8000, backlog=backlog).close()

        def lines():
            return [line.split() for line in tracer.text().split("\n")
                    if re.search(r" 8000 ", line)]

        lq.wait_for(lambda: tracer.running() and len(lines()) == 2, GENEROUS)
        lq.equal([[line[1], line[2], *line[3:]] for line in lines()],
                 [[str(os.getpid()), "python3", "8000", "5", "5", "6", "16"],
                  [str(os.getpid()), "python3", "8000", "1000", "64", "65", "128"]])


@lq.case()
def each_says_what_it_is():
    """Purpose, sample output and how to read it stand at the top; all of them are tested."""
    names = sorted(os.listdir(SCRIPTS))
    lq.equal(names, ["lqdrop.bt", "lqhandshake.bt", "lqlatency.bt", "lqlisten.bt", "lqsynq.bt",
                     "lqwait.bt"])
    for name in names:
        with open(os.path.join(SCRIPTS, name), encoding="utf-8") as file:
            head = file.read().split("*/")[0]
        assert head.startswith("#!/usr/bin/env bpftrace\n// SPDX"), name
        assert f" * {name} - " in head and "How to read it:" in head, name
        assert re.search(r"^ \*\t\S", head, re.M), f"{name} shows no output"
        assert os.access(os.path.join(SCRIPTS, name), os.X_OK), name


lq.main()
