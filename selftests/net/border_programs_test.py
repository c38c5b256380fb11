#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Programs that know nothing of AF_LISTENQ reach the kernel's other parts through its connections as
through TCP's: nginx with kTLS, a server with a sockmap, one that sends by io_uring without a copy.

    curl, clients --- lo --- the program, under lqrun
"""
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile

import lq
from nginx import serving

PORT = 8443
HERE = os.path.dirname(os.path.abspath(__file__))
LOOPBACK = {False: "127.0.0.1", True: "::1"}

HTTPS = """
        listen 127.0.0.1:{port} ssl backlog=77;
        listen [::1]:{port} ssl backlog=77;
        ssl_certificate {path}/certificate;
        ssl_certificate_key {path}/key;
        ssl_protocols TLSv1.2;
        ssl_conf_command Options KTLS;
        sendfile on;
"""


def ktls_counters():
    """/proc/net/tls_stat of this namespace."""
    with open("/proc/self/net/tls_stat", encoding="ascii") as file:
        return {name: int(value) for name, value in map(str.split, file)}


@contextlib.contextmanager
def nginx(launcher):
    """With a certificate of its own and kTLS; the directory that it serves."""
    with tempfile.TemporaryDirectory() as path:
        lq.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-subj", "/CN=localhost", "-keyout", f"{path}/key",
               "-out", f"{path}/certificate")
        with serving(HTTPS.format(path=path, port=PORT), launcher) as (served, _):
            yield served


def fetch(v6, path):
    """A file of nginx's by https, and what the server's kTLS counted."""
    host = LOOPBACK[v6]
    host = f"[{host}]" if ":" in host else host
    with lq.Counted(ktls_counters) as moved:
        got = subprocess.run(["curl", "-sSgk", "--max-time", "100", f"https://{host}:{PORT}/{path}"],
                             capture_output=True, check=True).stdout
        return got, moved("TlsTxSw")


@lq.each_version(timeout=150)
def nginx_with_ktls(v6):
    """The kernel encrypts what nginx sends, and every byte is right. As with TCP's listener."""
    lq.run("modprobe", "tls", check=False)
    if not os.path.exists("/proc/self/net/tls_stat"):
        raise lq.Skip("no kTLS")
    data = os.urandom(2_000_000)
    for launcher in ([], ["lqrun", "--strict"]):
        with nginx(launcher) as path:
            with open(f"{path}/big", "wb") as file:
                file.write(data)
            lq.equal({row["backlog"] for row in lq.lqctl_listeners()}, {77} if launcher else set())
            with lq.Counted() as moved:
                got, sessions = fetch(v6, "big")
                assert got == data, f"{len(got)} bytes, not those"
                lq.equal(sessions, 1, "kTLS sessions that send")
                lq.equal(moved("Accepted"), 1 if launcher else 0)
    lq.wait_for(lambda: lq.module_users() == 0)


# An echo server: its connections' data goes back by a program, and never comes to the process.
ECHO = """
import socket, sys
sys.path.insert(0, {here!r})
import bpf
listener = socket.create_server(("{address}", {port}), family=socket.{family}, backlog=33)
sockmap = bpf.Sockmap()
program = bpf.echo(sockmap)
sockmap.attach(program, bpf.SK_SKB_STREAM_VERDICT)
print("ready", flush=True)
child = listener.accept()[0]
sockmap[0] = child
print("echoes", flush=True)
sys.stdin.readline()
del sockmap[0]
sockmap.detach(program, bpf.SK_SKB_STREAM_VERDICT)
"""


@lq.each_version()
def a_server_with_a_sockmap(v6):
    """An accepted connection is put into a sockmap, whose program sends back what comes."""
    code = ECHO.format(here=HERE, address=LOOPBACK[v6], port=PORT,
                       family="AF_INET6" if v6 else "AF_INET")
    for launcher in ([], ["lqrun", "--strict"]):
        with subprocess.Popen([*launcher, sys.executable, "-c", code], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "LQ_IMPORT": "1"}) as server:
            try:
                lq.equal(server.stdout.readline(), "ready\n")
                lq.equal({row["backlog"] for row in lq.lqctl_listeners()},
                         {33} if launcher else set())
                with socket.create_connection((LOOPBACK[v6], PORT), 20) as client:
                    lq.equal(server.stdout.readline(), "echoes\n")
                    for text in (b"hello", b"again"):
                        client.sendall(text)
                        lq.equal(lq.read_all(client, len(text)), text)
                server.communicate("\n", timeout=30 * lq.SCALE)
            finally:
                server.kill()
        lq.equal(server.returncode, 0)
    lq.wait_for(lambda: lq.module_users() == 0)


@lq.each_version("serve", "connect")
def sends_without_a_copy(role, v6):
    """io_uring's IORING_OP_SEND_ZC on what was accepted and on what was connected."""
    command = [os.path.join(lq.TESTS, "send_zc"), role, LOOPBACK[v6]]
    for port, launcher in ((PORT, []), (PORT + 1, ["lqrun", "--strict"])):
        other = lq.listener("tcp", port=port, v6=v6) if role == "connect" else None
        with lq.Counted() as moved, \
                subprocess.Popen([*launcher, *command, str(port)], stdout=subprocess.PIPE,
                                 text=True) as program:
            if other:
                peer = lq.accept(other)
            else:
                lq.equal(program.stdout.readline(), "ready\n")
                peer = socket.create_connection((LOOPBACK[v6], port), 20)
            lq.equal(lq.read_all(peer, 20000), b"z" * 20000)
            peer.close()
            out = program.communicate(timeout=30 * lq.SCALE)[0]
            lq.equal((re.findall("sent (.*)", out), program.returncode), (["20000"], 0), launcher)
            lq.equal(moved("Accepted"), 1 if launcher and role == "serve" else 0)
    lq.wait_for(lambda: lq.module_users() == 0)


if not os.environ.get("LQ_IMPORT"):
    lq.main()
