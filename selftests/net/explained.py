# SPDX-License-Identifier: GPL-2.0
"""lqctl explain, asked by tests: what it says of the time since a mark, however long that took."""
import json
import os
import subprocess
import tempfile
import time

import lq
from tool import valid

PORT = 8080
# What lqctl calls slow is a second by its buckets, which are as coarse as that.
SLOW_S = 0.5


class Since:
    """From now on: lqctl list --json, written to a file. What follows is judged, what was is not."""

    waited_s = 0.0  # since the last of them: how long accept() was late at most, by the test's own clock

    def __init__(self):
        Since.waited_s = 0.0
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(lq.run("lqctl", "list", "--json"))
        self.name = file.name

    def listeners(self, *words):
        """The listeners of lqctl explain --json."""
        said = lq.run("lqctl", "explain", "-j", "--since", self.name, *words)
        return valid("explain", json.loads(said))["listeners"]

    def findings(self, which=f":{PORT}"):
        """{code: finding} of one listener."""
        (one,) = self.listeners(which)
        return {finding["code"]: finding for finding in one["findings"]}

    def text(self, which=f":{PORT}"):
        """In words."""
        return lq.run("lqctl", "explain", "-n", "--since", self.name, which)

    def must_say(self, *codes, never=(), which=f":{PORT}"):
        """What it finds, which has these codes, and none of @never."""
        found = self.findings(which)
        for code in codes:
            assert code in found, f"no {code}: {found}"
        for code in never:
            assert code not in found, f"{code}, which is wrong: {found[code]}"
        return found

    @classmethod
    def served(cls, began):
        """Whoever came since then has been accepted: what it took may be the machine's doing."""
        cls.waited_s = max(cls.waited_s, time.monotonic() - began)

    def silent(self, which=f":{PORT}"):
        """Neither a problem nor a warning, but that accept() was late if it was; the notes."""
        found = self.findings(which)
        if self.waited_s > SLOW_S:
            lq.diag(f"accept() was late by up to {self.waited_s:.1f} s")
            found.pop("accept_slow", None)
        loud = {code: one for code, one in found.items() if one["severity"] != "note"}
        lq.equal(loud, {}, "after the remedy")
        return found


def carry_out(finding, index=0):
    """One of its commands, as it is printed, by a shell."""
    command = finding["commands"][index]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    lq.equal(done.returncode, 0, f"{command}: {done.stderr}")


def knock(listener, count, v6=False):
    """Clients who may not get in."""
    return [lq.begin_connect(listener, v6) for _ in range(count)]


def overflow(listener, count=20, v6=False):
    """Clients who knock until somebody was refused."""
    before = lq.Info(listener).drops
    clients = knock(listener, count, v6)
    lq.wait_for(lambda: lq.Info(listener).drops > before)
    return clients


def serve(listener, count=5, v6=False):
    """Clients who are served at once."""
    for _ in range(count):
        began = time.monotonic()
        lq.expect_serves(listener, v6)
        Since.served(began)


def serve_at_once(listener, count=20, v6=False):
    """So many clients, who find room, and are accepted when all are there."""
    began = time.monotonic()
    clients = knock(listener, count, v6)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen >= count)
    lq.accept_all(listener)
    Since.served(began)
    del clients


class Server:
    """A process with a listener, which accepts when it is told to."""

    def __init__(self, prepare=lambda: None, backlog=4, port=PORT, loop=None):
        ready, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            prepare()
            sock = lq.listener(backlog=backlog, port=port, addr="127.0.0.1")
            os.write(tell, b"x")
            (loop or self.accept)(sock)
            os._exit(0)
        os.close(tell)
        lq.equal(os.read(ready, 1), b"x", "the server")
        os.close(ready)

    @staticmethod
    def accept(sock):
        """For ever; nothing is kept."""
        sock.setblocking(True)
        while True:
            try:
                sock.accept()[0].close()
            except OSError:
                # Out of descriptors: as servers do, it tries again.
                time.sleep(0.01)

    def signal(self, number):
        """Send it one."""
        os.kill(self.pid, number)


def clients_of(count, port=PORT):
    """Connections to a server in another process, begun."""
    clients = []
    for _ in range(count):
        client = lq.stream("tcp")
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        clients.append(client)
    return clients
