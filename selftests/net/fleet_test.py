#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""lqctl export and serve for a fleet: whose listeners are, all network namespaces, and that each metric and
label that examples/monitoring names is what lqctl really says.
"""
import contextlib
import os
import re
import signal
import subprocess
import urllib.request

import fleet
import lq
from tool import lqctl, refused


@lq.case()
def the_examples_name_what_there_is():
    """Rules and dashboard: metrics, labels, and values of labels."""
    listeners = [lq.listener(port=8080), lq.listener(port=8081, v6=True)]
    lq.expect_serves(listeners[0])
    metrics = fleet.exported(lqctl("export", "--prometheus")[1])
    assert len(metrics) > 20, metrics
    checked = [(f"alert {name}", expression, "") for name, expression in fleet.rules()]
    checked += [(f"panel {name}", expression, legend)
                for name, expression, legend in fleet.panels()]
    assert len(checked) > 30, checked
    for name, expression, legend in checked:
        lq.equal(fleet.wrong(metrics, expression, legend), [], name)
    # That it is seen where something is wrong.
    for bad in ("listenq_listener_drop_total", 'listenq_drops_total{reason="nonsense"}',
                'listenq_drops_total{why="lsm"}', "sum by (prot) (listenq_up)", "1 + 1",
                'listenq_listener_drops_total{reason=~"no_route|no_rout"}'):
        assert fleet.wrong(metrics, bad), bad
    assert fleet.wrong(metrics, "listenq_up", "{{instanc}}")


@lq.case()
def whose_they_are():
    """The program; one line for each address, also of a group."""
    reuse = ((1, 15, 1),)  # SO_REUSEPORT
    group = [lq.listener(port=8082, options=reuse) for _ in range(3)]
    metrics = fleet.exported(lqctl("export", "--prometheus")[1])
    with open("/proc/self/comm", encoding="utf-8") as file:
        lq.equal(metrics["listenq_listener_owner_info"]["program"], {file.read().strip()})
    lq.equal(lqctl("export", "--prometheus")[1].count("listenq_listener_owner_info{"), 1)
    lq.equal(metrics["listenq_build_info"]["kernel"], {os.uname().release})
    with open("/sys/module/listenq/version", encoding="ascii") as file:
        lq.equal(metrics["listenq_build_info"]["module"], {file.read().strip()})
    lq.equal(metrics["listenq_build_info"]["module"], metrics["listenq_build_info"]["version"])
    del group


@lq.case()
def the_cgroup_without_a_privilege():
    """Nobody sees other users' processes; a socket's own cgroup is seen by all."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        here = re.search(r"^0::(.*)$", file.read(), re.M)
    if not here or here[1] == "/":
        raise lq.Skip("no cgroup of our own")
    listener = lq.listener(port=8083)

    def export():
        (cgroup,) = fleet.exported(lqctl("export", "--prometheus")[1])[
            "listenq_listener_owner_info"]["cgroup"]
        lq.equal(cgroup, here[1])

    export()
    lq.as_user(export)
    del listener


@lq.case()
def all_namespaces():
    """Each has a label; a listing that fails in one leaves us where we were."""
    lq.run("ip", "netns", "add", "blue")
    lq.run("ip", "netns", "exec", "blue", "ip", "link", "set", "lo", "up")
    here = lq.listener(port=8084)
    child = subprocess.Popen(["ip", "netns", "exec", "blue", "lqrun", "python3", "-c",
                              "import socket, time; s = socket.create_server(('', 8085)); "
                              "print(flush=True); time.sleep(1000)"], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        text = lqctl("export", "--prometheus", "--all-netns")[1]
        metrics = fleet.exported(text)
        assert {"", "blue"} <= metrics["listenq_listeners"]["netns"], metrics["listenq_listeners"]
        assert re.search(r'^listenq_listener_sockets{netns="",address="0.0.0.0",port="8084",', text,
                         re.M), text
        assert re.search(r'^listenq_listener_sockets{netns="blue",address="0.0.0.0",port="8085",',
                         text, re.M), text
    finally:
        child.kill()
        child.wait()
        lq.run("ip", "netns", "delete", "blue")
    del here


@contextlib.contextmanager
def serving(*words, user=None):
    """(process, its URL): it ends well when it is told to."""
    process = subprocess.Popen(["lqctl", "serve", *words], stderr=subprocess.PIPE, text=True,
                               user=user)
    try:
        line = process.stderr.readline()
        assert line.startswith("lqctl: http://"), line
        yield process, line.split()[1]
        process.send_signal(signal.SIGTERM)
        lq.equal((process.wait(20), process.stderr.read()), (0, ""))
    finally:
        process.kill()
        process.wait()


def counted(text):
    """Without what may differ from one look to the next."""
    return re.sub(r"(accept_oldest_seconds{[^}]*}) .*", r"\1", text)


@lq.case()
def serve_says_what_export_says():
    """Of IPv4 and IPv6, for root and for nobody, and it is as of now each time."""
    listener = lq.listener(port=8086)
    for listen, user in (("127.0.0.1:9718", None), ("[::1]:9718", lq.NOBODY), (":9718", lq.NOBODY)):
        with serving("--listen", listen, user=user) as (_, url):
            lq.expect_serves(listener)
            with urllib.request.urlopen(url, timeout=60) as answer:
                said = answer.read().decode()
                lq.equal(answer.headers["Content-Type"],
                         "text/plain; version=0.0.4; charset=utf-8")
            if user is None:
                lq.equal(counted(said), counted(lqctl("export", "--prometheus")[1]))
            assert "\nlistenq_up 1\n" in said, said


@lq.case()
def serve_without_its_library():
    """It says what to install; no other command needs it."""
    library = re.search(r"libmicrohttpd\.so\.12 .*=> (\S+)", lq.run("ldconfig", "-p")).group(1)
    hidden = ("unshare", "-m", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"',
              os.path.realpath(library))
    err = refused("serve", before=hidden)
    assert "needs libmicrohttpd" in err and "install" in err, err
    lq.equal(lqctl("list", "--json", before=hidden)[0], 0)


@lq.case(timeout=200)
def serve_without_the_module():
    """It says so, and does not load it."""
    with contextlib.suppress(AssertionError):
        lq.wait_for(lambda: lq.module_users() == 0, 60)
    if lq.module_users() != 0:
        raise lq.Skip("the module is in use")
    with serving("--listen", "127.0.0.1:9719") as (_, url):
        lq.run("rmmod", "listenq")
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                said = answer.read().decode()
            assert "\nlistenq_up 0\n" in said, said
            assert "listenq_listeners " not in said, said
            assert not os.path.exists("/sys/module/listenq")
        finally:
            lq.run("insmod", lq.module_file())
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert "\nlistenq_up 1\n" in answer.read().decode()


lq.main()
