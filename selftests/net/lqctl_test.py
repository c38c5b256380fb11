#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""What lqctl says of real listeners: list, show, explain, stats, reset, export; and its JSON
against its schema.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import tempfile
import termios

import lq
from rawtcp import Peer, Tun
from tool import lqctl, refused, valid


def findings(*words):
    """{code: finding} of one listener."""
    (one,) = valid("explain", json.loads(lq.run("lqctl", "explain", "-j", *words)))["listeners"]
    return {finding["code"]: finding for finding in one["findings"]}


def overflow(listener, clients=12):
    """Clients that knock until the accept queue is full and some were refused."""
    began = [lq.begin_connect(listener) for _ in range(clients)]
    lq.wait_for(lambda: lq.Info(listener).drops)
    return began


@lq.each_version()
def json_is_as_the_schema_says(v6):
    """Every command's, with something in every queue."""
    lq.sysctl("net.core.somaxconn", 64)
    tun = Tun()
    listener = lq.listener(backlog=500, v6=v6, port=8080)
    small = lq.listener(backlog=1, v6=v6, port=8081)
    lq.set_filter(small, "httpready")
    lq.set_policy(small, "hpux")
    client = lq.connect_to(listener, v6=v6)
    lq.accept(listener)
    lq.connect_to(listener, v6=v6)
    Peer(tun, 8080, v6=v6).half_open()
    (one,) = valid("list", json.loads(lqctl("list", "-jp", ":8080")[1]))["listeners"]
    lq.equal((one["backlog_given"], one["own"]), (64, []))
    mine = [p for p in one["processes"] if p["pid"] == os.getpid()]
    lq.equal([p["fd"] for p in mine], [listener.fileno()])
    valid("list", json.loads(lqctl("list", "-j")[1]))
    both = valid("show", json.loads(lqctl("show", "-j")[1]))["listeners"]
    lq.equal([row["why"]["backlog"]["cause"] for row in both], ["somaxconn", "backlog"])
    lq.equal(both[1]["own"], ["policy"])
    valid("explain", json.loads(lqctl("explain", "-j", "-i", "0")[1]))
    lq.equal(len(valid("requests", json.loads(lqctl("requests", "-j")[1]))["requests"]), 1)
    valid("stats", json.loads(lqctl("stats", "-j")[1]))
    for line in lqctl("stats", "-j", "-i", "0.1", "-c", "2")[1].splitlines():
        valid("stats", json.loads(line))
    valid("settings", json.loads(lqctl("get", "-j")[1]))
    valid("settings", json.loads(lqctl("set", "-j", "syncookies=1")[1]))
    valid("list", json.loads(lqctl("set", "-j", "-l", ":8080", "syncookies=1")[1]))
    valid("list", json.loads(lqctl("reset", "-j", ":8080")[1]))
    valid("probe", json.loads(lqctl("probe", "-j", "-b", "0-1", "-t", "bsd")[1]))
    client.close()


@lq.case()
def monitor_is_as_the_schema_says():
    """One object in a line."""
    with subprocess.Popen(["lqctl", "monitor", "-jw", "80%", "sport = :8080"], text=True,
                          stdout=subprocess.PIPE) as monitor:
        events = set()

        def told():
            """A listener that overflows, until it was told of once."""
            one = lq.listener(backlog=1, port=8080)
            other = lq.listener(backlog=1, port=8081)
            lq.set_policy(one, "linux-modern")
            overflow(one, 6)
            one.close()
            other.close()
            while select.select([monitor.stdout], [], [], 0.3)[0]:
                event = valid("monitor", json.loads(monitor.stdout.readline()))
                lq.equal(event["port"], 8080)
                events.add(event["event"])
            return {"listener_started", "overflow_began", "listener_stopped"} <= events

        lq.wait_for(told, 30)
        monitor.send_signal(signal.SIGTERM)
        lq.equal(monitor.wait(), 0)


@lq.case()
def filters_as_in_ss():
    """What each leaves."""
    lq.listener(port=80)
    keep = [lq.listener(port=80), lq.listener(port=443, addr="127.0.0.1"),
            lq.listener(port=8080, v6=True)]
    lq.set_policy(keep[1], "aix")
    lq.connect_to(keep[0])

    def ports(*words):
        code, out, err = lqctl("list", "-nH", *words)
        lq.equal((code, err), (0, ""), words)
        return [int(line.split()[8].rsplit(":", 1)[1]) for line in out.splitlines()]

    lq.equal(ports(), [80, 443, 8080])
    lq.equal(ports("sport", "=", ":80"), [80])
    lq.equal(ports("sport = :http or policy = aix"), [80, 443])
    lq.equal(ports("not ( :80 or :443 )"), [8080])
    lq.equal(ports("src 127.0.0.0/8"), [443])
    lq.equal(ports("recv-q > 0"), [80])
    lq.equal(ports("drops > 0"), [])
    with open("/proc/self/comm", encoding="ascii") as file:
        name = file.read().strip()
    lq.equal(ports("name", "=", name), [80, 443, 8080])
    lq.equal(ports("name != " + name), [])
    for words in ("list dport = :80", "list sport = :x", "list sport", "list ( :80", "show @0",
                  "requests policy > 3", "explain :80 :81", "monitor name = x", "export",
                  "reset", "stats -s -i 1", "stats -c 3", "stats -i 0", "explain -i -1"):
        refused(*words.split())
    for words in ("show :9", "explain -i 0 @9999", "requests :9", "show @99999999", "reset :9"):
        assert "no listener matches" in refused(*words.split()), words


@lq.case()
def netstat_as_freebsd_has_it():
    """netstat -L: qlen/incqlen/maxqlen"""
    listeners = [lq.listener(port=443, backlog=9), lq.listener(port=8081, addr="127.0.0.1"),
                 lq.listener(port=8082, v6=True), lq.listener(port=8083, addr="::1", v6=True)]
    lq.set_filter(listeners[0], "dataready")
    clients = [lq.connect_to(listeners[0]), lq.connect_to(listeners[1])]
    lq.wait_for(lambda: lq.Info(listeners[0]).filter_qlen == 1)
    lq.equal(lqctl("list", "-Ln")[1].splitlines(), [
        "Current listen queue sizes (qlen/incqlen/maxqlen)",
        "Proto Listen                           Local Address",
        "tcp4  0/1/9                            *.443",
        "tcp4  1/0/8                            127.0.0.1.8081",
        "tcp46 0/0/8                            *.8082",
        "tcp6  0/0/8                            ::1.8083"])
    del clients


@lq.case()
def show_says_why():
    """The clamp that was in force then, the bars, the reasons."""
    lq.sysctl("net.core.somaxconn", 4)
    lq.no_timer()
    listener = lq.listener(backlog=500, port=8080)
    lq.sysctl("net.core.somaxconn", 4096)
    overflow(listener)
    out = lqctl("show", "-n", ":8080")[1]
    assert "backlog             500        4 net.core.somaxconn was 4 when it was set" in out, out
    assert "accept queue  [####################] 5 of 5, peak 5, the oldest waits " in out, out
    assert re.search(r"accept_queue_full_syn +\d+ #+ +SYN: the accept queue is full", out), out
    lq.accept_all(listener)
    out = lqctl("show", "-n", ":8080")[1]
    assert re.search(r"waited for accept\(\): \d+ connections, p50 \d.*, p90 \d.*, p99 \d", out), out
    lqctl("set", "policy=freebsd", "soacceptqueue=3")
    out = lqctl("show", "-n", ":8080")[1]
    assert re.search(r"backlog +500 +3 net.listenq.soacceptqueue is 3", out), out


@lq.case()
def explain_nothing():
    """A listener that does well."""
    listener = lq.listener(port=8080)
    for _ in range(5):
        lq.expect_serves(listener)
    out = " ".join(lqctl("explain", "-i", "0.1", ":8080")[1].split())
    assert "nothing holds it back: its accept queue holds 0 of 9, and never held more than 1" in out
    lq.equal(findings(":8080", "-i", "0"), {})


@lq.case()
def explain_a_program_that_is_stopped():
    """Who it is, and how it goes on."""
    lq.no_timer()
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        server = lq.listener(port=8080, backlog=4)
        os.write(tell, b"x")
        while True:
            select.select([server], [], [])
            server.accept()
    os.read(ready, 1)
    os.kill(pid, signal.SIGSTOP)
    lq.wait_for(lambda: os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == pid)
    clients = []
    while not lq.lqctl_listeners()[0]["drops_total"]:
        address = ("127.0.0.1", 8080)
        clients.append(lq.stream("tcp"))
        clients[-1].setblocking(False)
        clients[-1].connect_ex(address)
    lq.wait_for(lambda: lq.lqctl_listeners()[0]["accept_oldest_us"] > 1000000)
    found = findings(":8080", "-i", "0.1")
    lq.equal(found["accept_stalled"]["commands"], [f"kill -CONT {pid}"])
    assert "5 connections wait" in found["accept_stalled"]["text"], found
    # What it says helps.
    lq.run(*found["accept_stalled"]["commands"][0].split())
    lq.wait_for(lambda: lq.lqctl_listeners()[0]["accept_qlen"] == 0)
    assert "accept_stalled" not in findings(":8080", "-i", "0.1")
    os.kill(pid, signal.SIGKILL)


@lq.case()
def explain_a_backlog_that_is_too_small():
    """In bursts, though accept() keeps up; the command raises what was in the way."""
    lq.sysctl("net.listenq.policy", "freebsd")
    lq.sysctl("net.listenq.soacceptqueue", 4)
    listener = lq.listener(port=8080, backlog=200)
    for _ in range(50):
        lq.expect_serves(listener)
    overflow(listener, 20)
    lq.accept_all(listener)
    found = findings(":8080", "-i", "0")
    lq.equal(found["backlog_small"]["commands"], ["lqctl set soacceptqueue=200"])
    assert "aborted" in found, found
    lq.run(*found["backlog_small"]["commands"][0].split())
    lq.equal(lq.Info(listener).backlog, 200)


@lq.case()
def explain_a_flood():
    """Without cookies everybody is shut out; the command turns them on."""
    lq.sysctl("net.listenq.synack_timeout_ms", 10)
    lq.sysctl("net.listenq.synack_retries", 2)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    tun = Tun()
    listener = lq.listener(port=8080, backlog=10)

    def flooded():
        for _ in range(24):
            Peer(tun, 8080).syn()
        drops = lq.lqctl_listeners()[0]["drops"]
        return drops["request_expired"] > 20 and (drops["syn_queue_full"] or
                                                  drops["syn_last_quarter"])

    lq.wait_for(flooded, 30)
    found = findings(":8080", "-i", "0")
    commands = (found.get("syn_flood") or found["syn_last_quarter"])["commands"]
    lq.equal(commands[0], "lqctl set syncookies=1")
    lq.run(*commands[0].split())
    lq.expect_serves(listener)


@lq.case()
def stats_since_last_time():
    """The first call is all, the next only what is new; the file is nobody else's."""
    home = tempfile.mkdtemp()
    env = {"LQCTL_HISTORY": f"{home}/history"}
    listener = lq.listener(port=8080)

    def established():
        since = valid("stats", json.loads(lqctl("stats", "-sj", env=env)[1]))
        return since["events"]["established"], since["interval_seconds"]

    lq.expect_serves(listener)
    lq.equal(established(), (1, None))
    lq.equal(established()[0], 0)
    for _ in range(3):
        lq.expect_serves(listener)
    count, seconds = established()
    assert count == 3 and 0 < seconds < 60, (count, seconds)
    # Another namespace has its own.
    with lq.Netns() as other:
        lq.equal(established(), (0, None))
    other.close()
    lq.equal(stat.S_IMODE(os.stat(env["LQCTL_HISTORY"]).st_mode), 0o700)
    os.chmod(env["LQCTL_HISTORY"], 0o777)
    code, _, err = lqctl("stats", "-s", env=env)
    lq.equal(code, 1)
    assert "yours alone" in err, err


@lq.case()
def stats_per_second():
    """Rates of what came in each interval."""
    listener = lq.listener(port=8080)
    with subprocess.Popen(["lqctl", "stats", "-i", "0.3", "-c", "20"], text=True,
                          stdout=subprocess.PIPE) as stats:
        seen = []
        while not seen:
            lq.expect_serves(listener)
            line = stats.stdout.readline()
            seen = re.findall(r"^established +\d+ +(\d+\.\d)/s ", line)
        assert float(seen[0]) > 0, seen
        # A reader that has seen enough is no error.
        stats.stdout.close()
        lq.equal(stats.wait(), 0)


@lq.case()
def reset_follows_the_sysctls_again():
    """What the program and lqctl set goes; an accept filter, which follows none, and shards,
    which are decided, stay."""
    listener = lq.listener(port=8080, options=((lq.SOL_LISTENQ, lq.LQ_SHARDS, 2),))
    lq.set_policy(listener, "aix")
    lq.run("lqctl", "set", "-l", ":8080", "syncookies=2", "accept_filter=dataready")
    before = json.loads(lqctl("list", "-j")[1])["listeners"][0]
    lq.equal(before["own"], ["policy", "syncookies", "shards"])
    lqctl("reset", ":8080")
    after = json.loads(lqctl("list", "-j")[1])["listeners"][0]
    lq.equal((after["own"], after["policy"], after["accept_filter"]),
             (["shards"], "linux", "dataready"))
    lq.sysctl("net.listenq.policy", "xnu")
    lq.equal(lq.Info(listener).policy, "xnu")


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')


@lq.case()
def export_to_prometheus():
    """Every line is of the format, and what it says is true; a file appears as a whole."""
    listeners = [lq.listener(port=8080), lq.listener(port=8081, v6=True)]
    reuse = ((1, 15, 1),)  # SO_REUSEPORT
    group = [lq.listener(port=8082, options=reuse) for _ in range(3)]
    lq.expect_serves(listeners[0])
    lq.connect_to(listeners[1], v6=True)
    home = tempfile.mkdtemp()
    lq.equal(lqctl("export", "--prometheus", "-o", f"{home}/listenq.prom"), (0, "", ""))
    lq.equal(os.listdir(home), ["listenq.prom"])
    lq.equal(stat.S_IMODE(os.stat(f"{home}/listenq.prom").st_mode), 0o644)
    with open(f"{home}/listenq.prom", encoding="utf-8") as file:
        text = file.read()
    samples, family, form = {}, None, None
    for line in text.splitlines():
        if line.startswith("#"):
            _, kind, family, form = line.split(" ", 3)  # TYPE comes last
            assert kind in ("HELP", "TYPE") and form, line
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        suffixes = ("_bucket", "_count", "_sum") if form == "histogram" else ("",)
        assert name in [family + suffix for suffix in suffixes], line
        assert (name, labels) not in samples, line
        samples[name, labels] = float(value)
    at = 'address="0.0.0.0",port="8080",interface=""'
    lq.equal(samples["listenq_listeners", None], 5)
    lq.equal(samples["listenq_listener_events_total", at + ',event="accepted"'], 1)
    lq.equal(samples["listenq_listener_accept_wait_seconds_bucket", at + ',le="+Inf"'], 1)
    assert 0 < samples["listenq_listener_accept_wait_seconds_sum", at] < 1000, samples
    lq.equal(samples["listenq_listener_accept_queue_length",
                     'address="::",port="8081",interface=""'], 1)
    lq.equal(samples["listenq_listener_sockets", at.replace("8080", "8082")], len(group))
    assert "cannot write" in refused("export", "--prometheus", "-o", "/nonexistent/x")


class Terminal:
    """A terminal of a size: what a command writes to it."""

    def __init__(self, columns, *words, lines=24, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe("lqctl", ["lqctl", *words],
                       {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **env})

    def all(self):
        """Until it ends."""
        data = b""
        while True:
            try:
                data += os.read(self.fd, 65536)
            except OSError:
                break
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return data.decode().replace("\r\n", "\n")


@lq.case()
def terminals():
    """Colour only there and not with NO_COLOR; 40 columns are enough; no UTF-8, no glyphs."""
    lq.no_timer()
    listener = lq.listener(port=8080, backlog=3, addr="127.0.0.1")
    overflow(listener)
    assert "\033[" in Terminal(100, "list").all()
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\033" not in Terminal(100, "list", **env).all(), env
    assert "\033" not in lqctl("list")[1]
    for words in (["list", "-n"], ["requests", "-n"], ["show", "-n"]):
        out = Terminal(40, *words, NO_COLOR="1").all()
        for line in out.splitlines():
            # Sentences and names wrap by themselves.
            assert len(line) <= 40 or "uid" in line, f"{words}: {line}"
    assert "█" in Terminal(80, "show").all()
    out = Terminal(80, "show", LC_ALL="C").all()
    assert "█" not in out and "#" in out, out
    assert all(ord(c) < 128 for c in out), out


@lq.case()
def a_closed_pipe_is_no_error():
    """| head -1"""
    listeners = [lq.listener(backlog=1) for _ in range(300)]
    for words in ("list -e", "show", "list -j", "export --prometheus", "explain -i 0"):
        done = subprocess.run(f"set -o pipefail; lqctl {words} | head -1; echo ${{PIPESTATUS[0]}}",
                              shell=True, executable="/bin/bash", capture_output=True, text=True,
                              check=False)
        lq.equal((done.stdout.splitlines()[-1], done.stderr), ("0", ""), words)
    del listeners


@lq.case()
def a_name_cannot_move_the_cursor():
    """A process calls itself what it likes."""
    pid = os.fork()
    if pid == 0:
        keep = lq.listener(port=8080)
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write("a\033[2Jb")
        lq.until_killed(keep)
    try:
        lq.wait_for(lambda: "a?[2Jb" in lqctl("list", "-p")[1])
        for words in ("list -p", "show", "explain -i 0", "list -pj"):
            assert "\033" not in lqctl(*words.split())[1], words
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


lq.main()
