#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""A server with an AppArmor profile under lqrun: examples/apparmor/listenq is what the profile needs.

Skips where AppArmor is off (apparmor=1 security=apparmor), or there is no apparmor_parser.
"""
import os
import select
import shutil
import subprocess
import sys

import lq

SERVER = "/usr/local/sbin/lq-test-server"
PLACES = ("/usr/local", "/usr")
PROGRAM = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
listener.accept()[0].sendall(b"served")
sys.stdin.read()
"""
# What the loader and Python read, and nothing that is executable but the system's own libraries.
PROFILE = f"""
profile lq-test-server {SERVER} {{
  network inet stream,
  network inet6 stream,
  signal,
  /** r,
  /dev/null rw,
  /{{usr/,}}lib/{{x86_64-linux-gnu,python3*}}/** mr,
  {SERVER} mr,
  owner /** w,
  %s
}}
"""


def install(prefix):
    """As make install does; where lqrun is."""
    lq.run("make", "-s", "-C", os.path.join(lq.TOP, "tools"), f"BUILD={lq.TOP}/build/tools",
           f"PREFIX={prefix}", "install")
    return f"{prefix}/bin/lqrun"


def load(rules):
    """A profile with these rules besides."""
    path = f"/tmp/lq-test-profile-{os.getpid()}"
    with open(path, "w", encoding="ascii") as file:
        file.write(PROFILE % rules)
    lq.run("apparmor_parser", "-r", "-K", path)
    os.unlink(path)


def needs_apparmor():
    """In the VM, whose files are its own."""
    if not os.path.exists("/run/vm/config"):
        raise lq.Skip("not in a VM")
    if not shutil.which("apparmor_parser"):
        raise lq.Skip("no apparmor_parser")
    if not os.path.exists("/sys/kernel/security/lsm"):
        lq.run("mount", "-t", "securityfs", "securityfs", "/sys/kernel/security", check=False)
    try:
        with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as file:
            enabled = file.read().strip() == "Y"
    except FileNotFoundError:
        enabled = False
    if not enabled:
        raise lq.Skip("AppArmor is off")
    if os.path.exists(SERVER):
        os.unlink(SERVER)
    # The interpreter itself, as its own program: AppArmor knows programs by their path.
    shutil.copy(os.path.realpath(sys.executable), SERVER)


def start(lqrun, port):
    """The server, whose process must be confined; what it says first."""
    server = subprocess.Popen([lqrun, SERVER, "-c", PROGRAM, str(port)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONHOME": sys.base_prefix})
    ready = select.select([server.stdout], [], [], 30 * lq.SCALE)[0]
    assert ready, "the server says nothing"
    return server, server.stdout.readline().strip()


@lq.case(*PLACES)
def the_abstraction_is_what_is_missing(prefix):
    """Without it the server does not listen by us; with it the server does."""
    needs_apparmor()
    lqrun = install(prefix)
    load("")
    server, _ = start(lqrun, 7300)
    lq.equal(lq.lqctl_listeners(), [], "without the abstraction")
    server.kill()
    server.communicate()
    with open(os.path.join(lq.TOP, "examples/apparmor/listenq"), encoding="ascii") as file:
        load(file.read())
    server, said = start(lqrun, 7300)
    if said != "listening":
        server.kill()
        raise AssertionError(server.communicate())
    with open(f"/proc/{server.pid}/attr/current", encoding="ascii") as file:
        lq.equal(file.read().split()[0], "lq-test-server")
    (row,) = lq.lqctl_listeners()
    lq.equal(row["port"], 7300)
    client = lq.socket.create_connection(("127.0.0.1", 7300), 10 * lq.SCALE)
    lq.equal(lq.read_all(client, 6), b"served")
    server.communicate("")
    lq.equal(server.returncode, 0)
    os.unlink(SERVER)


@lq.case()
def without_the_family_s_rule_it_is_named():
    """The library may be loaded, and no socket of ours made: the server starts, and what helps is
    said."""
    needs_apparmor()
    lqrun = install("/usr")
    load("/usr/lib/listenq/*.so mr,")
    server, said = start(lqrun, 7300)
    lq.equal(said, "listening")
    client = lq.socket.create_connection(("127.0.0.1", 7300), 10 * lq.SCALE)
    lq.equal(lq.read_all(client, 6), b"served")
    _, errors = server.communicate("")
    assert "network ash stream," in errors and "abstractions/listenq" in errors, errors
    assert "loaded" not in errors.split("\n", maxsplit=1)[0], errors
    os.unlink(SERVER)


lq.main()
