#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""examples/monitoring: Prometheus and systemd take it, each alert fires where it should and nowhere else.
And lqctl serve: its HTTP.

TAP, on this machine: needs no privilege, no kernel module and no VM. That metrics and labels are those
that lqctl says is selftests/net/fleet_test.py's.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "../.."))
EXAMPLES = os.path.join(TOP, "examples/monitoring")
LQCTL = os.path.join(TOP, "build/tools/lqctl")
sys.path[:0] = [os.path.join(TOP, "selftests"), os.path.join(TOP, "selftests/net")]
import fleet  # pylint: disable=wrong-import-position  # noqa: E402
from tap import Skip, case, equal, main  # pylint: disable=wrong-import-position  # noqa: E402


def read(name):
    """An example's text."""
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


def promtool(*words):
    """(exit status, what it says), in the folder of the examples."""
    found = subprocess.run([os.path.join(TOP, "scripts/promtool")], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, check=False)
    if found.returncode:
        raise Skip(found.stderr.strip())
    done = subprocess.run([found.stdout.strip(), *words], cwd=EXAMPLES, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


# --- rules ---


@case
def promtool_takes_the_rules():
    """Their form, and that of their templates."""
    status, said = promtool("check", "rules", "listenq.rules.yml")
    equal(status, 0, said)
    assert f"{len(fleet.rules())} rules found" in said, said


@case
def each_alert_fires():
    """Where it should, and not at once; and none where all is well."""
    status, said = promtool("test", "rules", "listenq.rules.test.yml")
    equal(status, 0, said)


@case
def a_wrong_alert_is_found():
    """The tests of the rules see it where one does not fire, or always does."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(EXAMPLES, "listenq.rules.test.yml"), folder)
        for old, new in (('{event="accepted"}[2m]) == 0', '{event="accepted"}[2m]) < 0'),
                         ("listenq_up == 0", "listenq_up >= 0"),
                         ("/ (listenq_listener_syn_queue_limit > 0) > 0.8",
                          "/ (listenq_listener_syn_queue_limit > 0) > 0.98")):
            text = read("listenq.rules.yml")
            assert text.count(old) == 1, old
            with open(f"{folder}/listenq.rules.yml", "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            status, said = promtool("test", "rules", f"{folder}/listenq.rules.test.yml")
            assert status != 0, said


@case
def each_alert_is_tested_and_says_what_to_do():
    """With a severity, and two texts."""
    alerts = [rule for group in yaml.safe_load(read("listenq.rules.yml"))["groups"]
              for rule in group["rules"]]
    tests = yaml.safe_load(read("listenq.rules.test.yml"))["tests"]
    healthy = [one["alertname"] for test in tests if test["name"] == "healthy"
               for one in test["alert_rule_test"] if not one["exp_alerts"]]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"]
             if one["exp_alerts"]}
    names = [alert["alert"] for alert in alerts]
    assert len(names) > 10 and len(set(names)) == len(names), names
    equal(sorted(healthy), sorted(names))
    equal(fired, set(names))
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning", "info"), alert
        assert alert["annotations"]["summary"] and alert["annotations"]["description"], alert
        assert "for" in alert, alert


# --- dashboard ---


@case
def promtool_takes_the_dashboard():
    """Each expression, its variables filled in as Grafana does."""
    found = []
    for number, (_, expression, _) in enumerate(fleet.panels()):
        for name, value in (("$__rate_interval", "5m"), ("$instance", ".*"), ("$port", ".*")):
            expression = expression.replace(name, value)
        assert "$" not in expression, expression
        found.append({"record": f"panel:{number}", "expr": expression})
    assert len(found) > 20, found
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": found}]}, file)
        file.flush()
        status, said = promtool("check", "rules", file.name)
    equal(status, 0, said)
    assert f"{len(found)} rules found" in said, said


@case
def the_dashboard_is_whole():
    """Ids are unique, panels do not overlap, and each asks the data source that was chosen."""
    board = json.loads(read("listenq.dashboard.json"))
    panels, taken = board["panels"], set()
    equal(len({panel["id"] for panel in panels}), len(panels))
    names = {variable["name"] for variable in board["templating"]["list"]}
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            equal(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= names, (panel["title"], used)


# --- units ---


@case
def systemd_takes_the_units():
    """As they are installed."""
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/bin")
        os.symlink(LQCTL, f"{folder}/bin/lqctl")
        units = [name for name in sorted(os.listdir(EXAMPLES))
                 if name.endswith((".service", ".timer"))]
        assert len(units) > 2, units
        for name in units:
            text = read(name).replace("@PREFIX@", folder)
            assert "@" not in re.sub(r"@(system-service|privileged|resources)", "", text), name
            for wanted in ([text] if name.endswith(".timer") else
                           # What stands there to be taken has to be right, too.
                           [text, re.sub(r"^#(\w+=)", r"\1", text, flags=re.M)]):
                with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                    file.write(wanted)
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"{folder}/{name}"],
                                      capture_output=True, text=True, check=False)
                equal((done.returncode, done.stdout + done.stderr), (0, ""), name)


@case
def commands_of_the_examples_are_understood():
    """By lqctl, with all their options."""
    known = {}
    texts = [re.search(r"^ExecStart=@PREFIX@/bin/lqctl (.*)", read(name), re.M)[1].split()
             for name in os.listdir(EXAMPLES) if name.endswith(".service")]
    (daemon_set,) = yaml.safe_load_all(read("daemonset.yaml"))
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    equal(container["command"][0], "lqctl")
    texts.append(container["command"][1:])
    for command, *words in texts:
        if command not in known:
            known[command] = subprocess.run([LQCTL, command, "--help"], capture_output=True,
                                            text=True, check=True).stdout
        for word in words:
            assert not word.startswith("--") or word in known[command], (command, word)


# --- lqctl serve ---


@contextlib.contextmanager
def serving(*words):
    """(process, (host, port)): it ends well when it is told to."""
    process = subprocess.Popen([LQCTL, "serve", *words], stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL)
    try:
        line = process.stderr.readline()
        where = re.fullmatch(r"lqctl: http://\[?([0-9a-f.:]+?)\]?:(\d+)/metrics\n", line)
        assert where, line
        yield process, (where[1], int(where[2]))
        process.send_signal(signal.SIGTERM)
        equal((process.wait(60), process.stderr.read()), (0, ""))
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def ask(at, request, timeout=60):
    """All that comes back, until the other side closes."""
    with socket.create_connection(at, timeout) as sock:
        sock.sendall(request.encode())
        said = b""
        while data := sock.recv(65536):
            said += data
    head, _, body = said.decode().partition("\r\n\r\n")
    return head.split("\r\n"), body


def get(at, method="GET", path="/metrics", more=""):
    """(status line, {header: value}, body)"""
    head, body = ask(at, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
    return head[0], dict(line.lower().split(": ", 1) for line in head[1:]), body


@case
def metrics_are_served():
    """GET and HEAD; each connection is of one request."""
    with serving("--listen", "127.0.0.1:0") as (_, at):
        status, headers, body = get(at)
        equal(status, "HTTP/1.1 200 OK")
        equal((headers["content-type"], headers["connection"]),
              ("text/plain; version=0.0.4; charset=utf-8", "close"))
        equal(int(headers["content-length"]), len(body))
        metrics = fleet.exported(body)
        equal(metrics["listenq_build_info"]["kernel"], {os.uname().release})
        assert body.endswith("\n") and "# TYPE listenq_up gauge\n" in body, body
        if not os.path.exists("/sys/module/listenq"):
            assert "\nlistenq_up 0\n" in body, body
            assert not os.path.exists("/sys/module/listenq"), "it was loaded"
        head = get(at, "HEAD")
        equal((head[0], head[1]["content-length"], head[2]),
              (status, headers["content-length"], ""))
        equal(get(at, path="/metrics?x=1")[0], status)


@case
def nothing_else_is_served():
    """404, 405, and what is no HTTP."""
    with serving("--listen", "127.0.0.1:0") as (_, at):
        for path in ("/", "/metrics/", "/metrics/../metrics", "//metrics", "/etc/passwd"):
            equal(get(at, path=path)[0], "HTTP/1.1 404 Not Found", path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, _ = get(at, method, more="Content-Length: 5\r\n")
            equal((status, headers["allow"]), ("HTTP/1.1 405 Method Not Allowed", "get, head"))
        # It answers or closes, and goes on.
        for request in ("GET\r\n\r\n", "\0\1\2\r\n\r\n", "GET /metrics HTTP/1.1\r\n\r\n",
                        "GET /metrics HTTP/1.1\r\nHost: x\r\n" + 40000 * "a: b\r\n" + "\r\n",
                        "GET /" + 40000 * "x" + " HTTP/1.1\r\nHost: x\r\n\r\n"):
            with contextlib.suppress(ConnectionError):
                head, _ = ask(at, request)
                assert "200" not in head[0], (request[:40], head)
        equal(get(at)[0], "HTTP/1.1 200 OK")


@case
def addresses():
    """IPv6, all of them, one that is taken, and what is none."""
    for listen in ("[::1]:0", ":0", "0.0.0.0:0", "[::]:0"):
        with serving("--listen", listen) as (_, (host, port)):
            to = "127.0.0.1" if listen in (":0", "0.0.0.0:0") else "::1"
            equal(get((to, port))[0], "HTTP/1.1 200 OK", f"{listen}, {host}")
    with serving("--listen", "127.0.0.1:0") as (_, at):
        done = subprocess.run([LQCTL, "serve", "--listen", f"127.0.0.1:{at[1]}"], text=True,
                              capture_output=True, check=False)
        equal((done.returncode, done.stderr),
              (1, f"lqctl: cannot listen at 127.0.0.1:{at[1]}: Address already in use\n"))
    for listen in ("", "nowhere", "127.0.0.1", "127.0.0.1:http2x", "127.0.0.0/8:80", "1:2:3"):
        done = subprocess.run([LQCTL, "serve", "--listen", listen], text=True, capture_output=True,
                              check=False)
        equal((done.returncode, done.stdout), (1, ""), listen)
        assert "no address and port to listen at" in done.stderr, done.stderr


@case
def slow_clients_do_not_keep_others_out():
    """Those that say nothing, and those that say a byte now and then: all places are taken, and given back."""
    with serving("--listen", "127.0.0.1:0") as (_, at):
        silent = [socket.create_connection(at, 60) for _ in range(20)]
        drips = [socket.create_connection(at, 60) for _ in range(10)]
        ended = threading.Event()

        def drip():
            while not ended.wait(0.5):
                for sock in drips:
                    with contextlib.suppress(OSError):
                        sock.send(b"G")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            # Thirty of them, in 16 places: twice 10 seconds, and what a slow machine adds.
            status = get(at)[0]
            equal(status, "HTTP/1.1 200 OK")
        finally:
            ended.set()
            thread.join()
        for sock in silent + drips:
            sock.close()


@case
def it_ends_while_clients_are_connected():
    """At once, by SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with serving("--listen", "127.0.0.1:0") as (process, at):
            with socket.create_connection(at, 60) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\n")
                equal(get(at)[0], "HTTP/1.1 200 OK")
                began = time.monotonic()
                process.send_signal(number)
                process.wait(60)
                assert time.monotonic() - began < 8, "it waited for its client"


# --- lqctl report, of many machines ---


def recording(host, drops, finding=None):
    """As lqctl record writes it: a listener, seen twice."""
    def listener(count):
        return {"id": 1, "local": "0.0.0.0:80", "policy": "linux", "backlog_asked": 8, "backlog": 8,
                "accept_qlen": 1, "accept_limit": 9, "syn_qlen": 0,
                "syn_young": 0, "syn_limit": 256, "accept_qlen_peak": 1, "syn_qlen_peak": 0,
                "drops": {"accept_queue_full_syn": count} if count else {},
                "events": {"syn_received": 10 + count}, "accept_wait": [1]}

    lines = [{"type": "listenq-recording", "version": 1, "lqctl": "0.1", "host": host,
              "time_ns": 1763721062000000000, "interval_us": 1000000},
             {"type": "sample", "elapsed_us": 0, "listeners": [listener(0)]},
             {"type": "sample", "elapsed_us": 1000000, "listeners": [listener(drops)]}]
    if finding:
        lines.append({"type": "verdict", "elapsed_us": 1000000, "listeners": [
            {"id": 1, "local": "0.0.0.0:80", "program": "nginx", "unit": "nginx.service",
             "findings": [{"code": finding, "severity": "problem", "text": "it is so"}]}]})
    return "".join(json.dumps(line) + "\n" for line in lines)


def report(*files, check=True):
    """The page, or what is said instead."""
    done = subprocess.run([LQCTL, "report", *files, "-o", "-"], capture_output=True, text=True,
                          check=False)
    assert (done.returncode == 0) == check, done.stderr
    return done.stdout if check else done.stderr


@case
def a_page_of_many_machines():
    """It opens with what is wrong, the worst first, each machine by its name; files and rings."""
    with tempfile.TemporaryDirectory() as folder:
        def write(name, text):
            os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            return f"{folder}/{name}"

        fine = write("fine.jsonl", recording("web1", 0))
        some = write("some.jsonl", recording("web2", 7))
        # A ring, cut off in the midst of a line, that went on; and what is not of it.
        write("ring/0000000008.jsonl", recording("web3", 900) + '{"type": "sample", "el')
        write("ring/0000000009.jsonl", recording("web3", 0, "accept_stalled"))
        write("ring/0000000010.jsonl.Ab12Cd", "half a hea")
        page = report(fine, some, f"{folder}/ring")
        rows = re.findall(r'role="row" style="--s0:(\d);--s1:(\d);[^"]*">(.*?)</div>', page)
        equal([row[:2] for row in rows], [("1", "1"), ("2", "2")])
        for words in ("web3", "accept_stalled", "goes on", "nginx.service", "#h2l0"):
            assert words in rows[0][2], rows[0]
        assert "web2" in rows[1][2] and "#h1l0" in rows[1][2], rows[1]
        assert page.index(rows[0][2]) < page.index(rows[1][2]) < page.index('class="tiles"')
        for number, host in enumerate(("web1", "web2", "web3")):
            assert f'id="h{number}">{host}</h2>' in page, host
        assert "damaged" not in page and "<script" not in page, page[:3000]
        page = report(fine)
        assert "Nothing: nobody was refused" in page and "web1" not in page, page[:9000]
        # The same machine twice: by their files.
        page = report(fine, write("again.jsonl", recording("web1", 0)))
        assert f"web1 ({folder}/again.jsonl)" in page, page[:9000]
        os.mkdir(f"{folder}/empty")
        for bad in (f"{folder}/empty", f"{folder}/none", write("text", "hello\n")):
            said = report(fine, bad, check=False)
            assert bad in said and said.count("\n") == 1, said


main()
