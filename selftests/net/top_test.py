#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lqctl top in a real terminal: tmux, whose screen is read and whose keys are pressed.

    clients --- lo --- listeners          lqctl top --- tmux
"""
import os
import re
import subprocess
import tempfile

import lq

SECONDS = 20


class Tmux:
    """lqctl top in a window of a size."""

    count = 0

    def __init__(self, columns, lines, *words, **env):
        # Of its own: a server that was killed may still be going.
        Tmux.count += 1
        self.name = f"lqctl-{os.getpid()}-{Tmux.count}"
        env = {"XDG_CONFIG_HOME": f"/tmp/{self.name}", **env}
        command = ["env", *[f"{name}={value}" for name, value in env.items()], "lqctl", "top", "-n",
                   "-i", "0.2", *words]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  "; ".join([" ".join(command) + "; echo status=$?", "read _"]))

    def tmux(self, *words):
        """One command to it; what it says."""
        done = subprocess.run(["tmux", "-u", "-L", self.name, *words], capture_output=True,
                              text=True, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})
        return done.stdout

    def screen(self, *words):
        """Its lines."""
        return self.tmux("capture-pane", "-p", *words)

    def keys(self, *words):
        """Press them."""
        self.tmux("send-keys", *words)

    def until(self, *patterns, rows=None):
        """The screen, once it has each of these, and these rows' ports.

        It may be seen half drawn: what belongs together is waited for together.
        """
        seen = [""]

        def look():
            seen[0] = self.screen()
            return (all(re.search(pattern, seen[0], re.M) for pattern in patterns)
                    and rows in (None, ports(seen[0])))

        try:
            lq.wait_for(look, SECONDS)
        except AssertionError as error:
            raise AssertionError(f"not {patterns!r} with {rows}:\n{seen[0]}") from error
        return seen[0]

    def clock(self):
        """The time in the first line, or nothing of a screen half drawn."""
        return (re.findall(r"^lqctl (\d\d:\d\d:\d\d) ", self.screen()) or [""])[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")


def some():
    """Three listeners, one of which overflows."""
    lq.no_timer()
    listeners = [lq.listener(port=8080, backlog=4), lq.listener(port=8081, backlog=9),
                 lq.listener(port=8082, backlog=99, addr="127.0.0.1")]
    clients = [lq.begin_connect(listeners[1]) for _ in range(20)]
    clients.append(lq.connect_to(listeners[0]))
    lq.wait_for(lambda: lq.Info(listeners[1]).drops)
    return listeners, clients


def ports(screen):
    """Of the rows, in their order."""
    return [int(port) for port in re.findall(r"[*\d.\]]+:(80\d\d)$", screen, re.M)]


@lq.case()
def keys_sort_and_filter():
    """Each key does what its help says."""
    listeners, clients = some()
    with Tmux(110, 20, LC_ALL="C.UTF-8") as top:
        screen = top.until(r"10/10 .* 0\.0\.0\.0:8081$", r"\[█\.{7}\]", "q quit",
                           rows=[8081, 8080, 8082])  # by load
        lq.diag(screen)
        assert "[████████]" in screen, screen
        for _ in range(4):
            top.keys("s")
        top.until("by port", rows=[8080, 8081, 8082])
        top.keys("r")
        top.until("by -port", rows=[8082, 8081, 8080])
        top.keys("/", "drops > 0", "Enter")
        top.until("1 of 3", rows=[8081])
        top.keys("/", "BSpace", "BSpace", "x", "Enter")
        top.until("where a number belongs", rows=[8081])  # the last filter stays
        top.keys("/", "C-u", "Enter")
        top.until("3 of 3")
        top.keys("h")
        top.until("reverse the order")
        top.keys("h")
        top.until("3 of 3")
        # It is live: rates, and the queue that empties, though clients try again.
        lq.wait_for(lambda: (lq.accept_all(listeners[1]),
                             re.search(r" 0/10 .*:8081$", top.screen(), re.M))[1], SECONDS)
        top.keys("Space")
        top.until("paused")
        listeners[2].close()
        lq.never(lambda: "of 2" in top.screen(), 1)
        top.keys("Space")
        top.until("2 of 2")
        top.keys("q")
        top.until("^status=0")
    del clients


@lq.case()
def the_mouse_and_what_is_kept():
    """A title sorts, twice in reverse; the wheel scrolls; the next top begins with that order."""
    keep = [lq.listener(port=8080 + n) for n in range(10)]
    with tempfile.TemporaryDirectory() as home:
        def press(button, column, row):
            """And let go (3), but for the wheel, as terminals say it."""
            for what in (button, 3) if button < 64 else (button,):
                top.keys("-H", *(f"{byte:x}" for byte in (27, ord("["), ord("M"), 32 + what, 33 + column,
                                                          33 + row)))

        with Tmux(110, 8, XDG_CONFIG_HOME=home) as top:
            titles = top.until(r"^Accept .* Last minute .*Address:Port$", "by load",
                               rows=[8080, 8081, 8082, 8083, 8084]).splitlines()[1]
            press(0, titles.index("Address"), 1)
            top.until("by port")
            press(0, titles.index("Address"), 1)
            top.until("by -port", rows=[8089, 8088, 8087, 8086, 8085])
            press(65, 0, 3)
            top.until("by -port", rows=[8086, 8085, 8084, 8083, 8082])
            press(64, 0, 3)
            top.until("by -port", rows=[8089, 8088, 8087, 8086, 8085])
            press(0, 0, 4)  # no title
            top.keys("q")
            top.until("^status=0")
        with open(f"{home}/lqctl/top", encoding="ascii") as file:
            lq.equal(file.read(), "sort port\nreversed 1\nnumeric 0\n")
        with Tmux(110, 8, XDG_CONFIG_HOME=home) as top:
            top.until("by -port", rows=[8089, 8088, 8087, 8086, 8085])
            top.keys("s", "q")
            top.until("^status=0")
        with open(f"{home}/lqctl/top", encoding="ascii") as file:
            lq.equal(file.read(), "sort load\nreversed 1\nnumeric 0\n")
        with Tmux(110, 8, XDG_CONFIG_HOME="/proc/nowhere") as top:  # it says so as it ends
            top.until("q quit")
            top.keys("r", "q")
            assert "the settings of top are not kept" in top.until("^status=1")
    del keep


@lq.case("C.UTF-8", "C")
def forty_columns_and_resizes(locale):
    """What fits is there, in any locale; a resize brings the rest."""
    listeners, clients = some()
    with Tmux(40, 8, LC_ALL=locale) as top:
        screen = top.until(r"10/10 .* 0\.0\.0\.0:8081$")
        lq.diag(screen)
        assert all(len(line) <= 40 for line in screen.splitlines()), screen
        full = "████████" if locale == "C.UTF-8" else "########"
        assert f"[{full}] 10/10 " in screen, screen
        top.tmux("resize-window", "-x", "120", "-y", "20")
        screen = top.until(r"Policy", rows=[8081, 8080, 8082])
        assert ("█" in screen) == (locale == "C.UTF-8"), screen
        assert ("#" in screen) == (locale == "C"), screen
        top.tmux("resize-window", "-x", "20", "-y", "3")
        lq.wait_for(lambda: max(map(len, top.screen().splitlines() or [""])) <= 20, SECONDS)
        top.tmux("resize-window", "-x", "100", "-y", "20")
        top.until(r":8082$")
        top.keys("q")
        top.until("^status=0")
    del listeners, clients


@lq.case()
def nothing_flickers():
    """A refresh writes what changed, not the screen."""
    keep = [lq.listener(port=8080 + n) for n in range(10)]
    with Tmux(100, 20) as top:
        top.until(r":8089$", "q quit")
        log = f"/tmp/top-{os.getpid()}"
        top.tmux("pipe-pane", f"cat >{log}")
        for _ in range(2):
            began = top.clock()
            lq.wait_for(lambda: top.clock() not in ("", began), SECONDS)
        lq.wait_for(lambda: os.path.getsize(log), SECONDS)
        with open(log, "rb") as file:
            written = file.read()
        assert b"\033[2J" not in written and b"\033[J" not in written, written
        assert b"8085" not in written, written
        # Each frame has its time of day; every five seconds the last minute of each row moves on.
        frames = len(re.findall(rb"\x1b\[1;\d+H", written))
        assert len(written) < 300 + 250 * max(frames, 2), (len(written), written)
    del keep


@lq.case()
def ends_as_it_should():
    """Without a terminal, with an unknown one, and after so many frames."""
    keep = lq.listener(port=8080)
    done = subprocess.run(["lqctl", "top"], capture_output=True, text=True, check=False)
    lq.equal((done.returncode, done.stdout), (1, ""))
    assert "--batch" in done.stderr, done.stderr
    out = lq.run("lqctl", "top", "-nbc", "2", "-i", "0.1", "sport = :8080")
    lq.equal(len(re.findall(r"^lqctl .* 1 of 1 by load", out, re.M)), 2)
    lq.equal(ports(out), [8080, 8080])
    with Tmux(80, 20, "-c", "2") as top:
        top.until("^status=0")
    with Tmux(80, 20, TERM="nonsense") as top:
        assert "does not know the terminal" in top.until("^status=1")
    keep.close()


lq.main()
