#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""nginx as it is packaged, under lqrun: content, many connections, accept filters.

    curl, clients --- lo --- nginx
"""
import hashlib
import os
import socket
import subprocess

import lq
from nginx import serving, workers

SERVER = "listen 127.0.0.1:8080 backlog=100; listen [::1]:8080 backlog=100;"


def nginx(*options):
    """Under lqrun; the directory that it serves, and its process."""
    return serving(SERVER, ["lqrun", "--strict", *options])


def woken(server):
    """How often the worker gave the CPU away to wait."""
    with open(f"/proc/{workers(server)[0]}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("voluntary_ctxt_switches"):
                return int(line.split()[1])
    raise AssertionError("no voluntary_ctxt_switches")


def curl(host):
    """What it serves, as a file."""
    return lq.run("curl", "-sSg", "--max-time", "30", f"http://{host}:8080/")


@lq.case("127.0.0.1", "[::1]")
def twenty_megabytes(host):
    """Every byte is right."""
    data = os.urandom(20_000_000)
    with nginx() as (path, _), lq.Counted() as moved:
        with open(f"{path}/big", "wb") as file:
            file.write(data)
        got = subprocess.run(["curl", "-sSg", "--max-time", "100", f"http://{host}:8080/big"],
                             capture_output=True, check=True).stdout
        lq.equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest())
        assert moved("Accepted") >= 1
        lq.equal({one["backlog"] for one in lq.lqctl_listeners()}, {100})


@lq.case()
def many_connections():
    """A connection for each request, several at a time."""
    with nginx(), lq.Counted() as moved:
        out = lq.run("wrk", "-t1", "-c20", "-d2s", "-H", "Connection: close",
                     "http://127.0.0.1:8080/")
        assert "Socket errors" not in out and "Non-2xx" not in out, out
        assert moved("Accepted") > 20


@lq.case("127.0.0.1", "::1")
def httpready_wakes_nginx_for_whole_requests(host):
    """While a request is not whole, nginx sleeps; curl notices nothing of it all."""
    with nginx("--accept-filter", "httpready") as (_, server):
        lq.equal({one["accept_filter"] for one in lq.lqctl_listeners()}, {"httpready"})
        # It is known to be asleep when it has answered once.
        lq.equal(curl(f"[{host}]" if ":" in host else host), "hello\n")
        before = lq.wait_for(lambda: woken(server))
        lq.never(lambda: woken(server) != before, 0.3, "nginx does not sleep")

        client = socket.create_connection((host, 8080))
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        for at in range(0, len(request) - 1, 5):
            client.send(request[at:min(at + 5, len(request) - 1)])
        lq.never(lambda: woken(server) != before, 0.5, "nginx was woken")
        lq.equal(sum(one["filter_qlen"] for one in lq.lqctl_listeners()), 1)

        client.send(request[-1:])
        client.settimeout(20)
        answer = b""
        while piece := client.recv(10000):
            answer += piece
        assert answer.endswith(b"hello\n"), answer
        assert woken(server) > before
        lq.equal(curl(f"[{host}]" if ":" in host else host), "hello\n")


@lq.case()
def without_a_filter_nginx_is_woken():
    """What the case above would see otherwise."""
    with nginx() as (_, server):
        curl("127.0.0.1")
        before = woken(server)
        client = socket.create_connection(("127.0.0.1", 8080))
        client.send(b"G")
        lq.wait_for(lambda: woken(server) != before)
        client.close()


lq.main()
