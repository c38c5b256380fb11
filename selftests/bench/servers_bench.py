#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The servers of examples/servers, each on TCP and on listenq in one boot, under the same clients.

    servers_bench.py DIRECTORY ROUNDS CONNECTIONS CLIENTS

DIRECTORY has example_iterative, ..., example_client. Each round, each server and each of its two kinds in
turn serves CLIENTS at once, each of whom opens CONNECTIONS, one after the other, and hears each time what it
said. Prints a line for each such turn:

    server  kind  connections/s  CPU seconds of the server for each  CPUs that it kept busy

and, at the end, how long connections waited for accept(), by listenq's own count:

    server  wait  p50 us  p99 us
"""
import ctypes
import json
import os
import re
import subprocess
import sys
import time

SERVERS = ("iterative", "threads", "pool", "reuseport", "events", "uring")
CLONE_NEWNET = 0x40000000
TICKS = os.sysconf("SC_CLK_TCK")


def sysctl(name, value):
    """Of our namespace."""
    with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
        file.write(f"{value}\n")


def own_network():
    """Only a loopback device, and no port that rests in TIME_WAIT."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    sysctl("net/ipv4/ip_local_port_range", "10000 65000")
    sysctl("net/ipv4/tcp_max_tw_buckets", 0)


class Server:
    """One that runs, by one kind of listener."""

    def __init__(self, directory, name, kind, port):
        self.name, self.kind, self.port = name, kind, port
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [f"{directory}/example_{name}", "-w", "4", *(["-t"] if kind == "tcp" else []), str(port)])

    def wait_until_it_listens(self):
        """Or fails, if it ends."""
        while not subprocess.run(["ss", "-Hltn", f"sport = :{self.port}"], check=True,
                                 capture_output=True).stdout:
            if self.process.poll() is not None:
                sys.exit(f"servers_bench: {self.name} ended with status {self.process.returncode}")
            time.sleep(0.05)

    def cpu(self):
        """Its CPU seconds so far, those of threads that ended among them."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def waits(self):
        """p50 and p99 for accept(), in us: the longest of its listeners."""
        out = subprocess.run(["lqctl", "show", "--json", f":{self.port}"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        waits = [one["percentiles"]["accept_wait"] for one in json.loads(out)["listeners"]]
        return max(one["p50_us"] for one in waits if one), max(one["p99_us"] for one in waits if one)

    def end(self):
        """At once."""
        self.process.kill()
        self.process.wait()


def take_turn(directory, server, connections, clients):
    """What its clients saw, and what it cost the server."""
    begin, cpu = time.monotonic(), server.cpu()
    processes = [subprocess.Popen([f"{directory}/example_client", "-t", "-c", str(connections),
                                   ("127.0.0.1", "::1")[n % 2], str(server.port)],
                                  stdout=subprocess.PIPE, text=True) for n in range(clients)]
    rate = 0
    for process in processes:
        words = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"servers_bench: a client of {server.name} ({server.kind}) failed")
        rate += connections / float(re.search(r"in ([0-9.]+) s", words).group(1))
    taken = time.monotonic() - begin
    cpu = server.cpu() - cpu
    print(server.name, server.kind, f"{rate:.1f}", f"{cpu / (connections * clients):.7f}",
          f"{cpu / taken:.3f}", sep="\t", flush=True)


def main():
    """See above."""
    directory = sys.argv[1]
    rounds, connections, clients = map(int, sys.argv[2:5])
    own_network()
    servers = [Server(directory, name, kind, 8000 + 2 * n + (kind == "lq"))
               for n, name in enumerate(SERVERS) for kind in ("tcp", "lq")]
    try:
        for server in servers:
            server.wait_until_it_listens()
        for number in range(rounds):
            for server in servers[::1 if number % 2 else -1]:
                take_turn(directory, server, connections, clients)
            print(f"servers_bench: round {number + 1} of {rounds}", file=sys.stderr)
        for server in servers:
            if server.kind == "lq":
                print(server.name, "wait", *server.waits(), sep="\t")
    finally:
        for server in servers:
            server.end()


if __name__ == "__main__":
    main()
