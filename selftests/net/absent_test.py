#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""lqctl explain of an address and port where no listener of ours is: each cause staged, what must be said,
and that it is true: connect() fails as it says.

    lqctl, clients --- lo --- nobody, or somebody else
"""
import contextlib
import errno
import json
import os
import socket

import lq
import rtnl
from tool import lqctl, refused, valid

PORT = 9
AS_NOBODY = ("setpriv", "--reuid", "65534", "--clear-groups", "--no-new-privs")
HOSTS = {False: "127.0.0.1", True: "::1"}


def place(host):
    """ADDRESS:PORT"""
    return f"[{host}]:{PORT}" if ":" in host else f"{host}:{PORT}"


def absent(what=f":{PORT}", *words, before=()):
    """What is said of a place, by its code."""
    status, out, err = lqctl("explain", "-nj", *words, what, before=before)
    lq.equal((status, err), (0, ""))
    found = valid("explain", json.loads(out))
    lq.equal(found["listeners"], [])
    lq.equal(found["absent"]["port"], PORT)
    return {one["code"]: one for one in found["absent"]["findings"]}


def connects(host):
    """The errno of connect(), or 0."""
    client = lq.stream("tcp", ":" in host)
    client.settimeout(5 * lq.SCALE)
    code = client.connect_ex((host, PORT))
    client.close()
    return code


@lq.each_version()
def nobody_at_all(v6):
    """Refused; and by its address as by its port."""
    lq.equal(connects(HOSTS[v6]), errno.ECONNREFUSED)
    for what in (f":{PORT}", place(HOSTS[v6]), str(PORT)):
        found = absent(what)
        assert found["no_listener"]["severity"] == "problem", found
        assert not {"plain_tcp", "other_address", "other_family", "any_address", "no_such_address",
                    "held", "namespaces_unseen"} & set(found), found
    assert f"tcp port {PORT}" in found["no_listener"]["commands"][0], found
    out = lqctl("explain", "-n", place(HOSTS[v6]))[1]
    assert out.startswith(place(HOSTS[v6]) + ":\n\n  problem: no_listener\n"), out
    status, out, _ = lqctl("explain", "--check", f":{PORT}")
    lq.equal((status, out[:18]), (3, "LISTENQ UNKNOWN - "))
    # Other filters are answered as ever, by an error.
    assert "no listener matches" in refused("explain", f"sport = :{PORT}")


@lq.each_version()
def plain_tcp_has_it(v6):
    """Named, with the command that takes it over; then it is explained as any listener."""
    plain = lq.listener("tcp", port=PORT, addr=HOSTS[v6], v6=v6)
    lq.equal(connects(HOSTS[v6]), 0)
    found = absent()
    lq.equal((list(found), found["plain_tcp"]["severity"]), (["plain_tcp"], "note"))
    assert place(HOSTS[v6]) in found["plain_tcp"]["text"], found
    lq.run(*found["plain_tcp"]["commands"][0].split())
    out = json.loads(lqctl("explain", "-i", "0", "-j", f":{PORT}")[1])
    lq.equal((len(out["listeners"]), "absent" in out), (1, False))
    plain.close()


@lq.case()
def plain_tcp_is_full():
    """Clients time out; with TCP's own setting some are reset."""
    plain = lq.listener("tcp", port=PORT, backlog=1, addr="127.0.0.1")
    clients = [lq.connect_to(plain) for _ in range(2)]
    lq.equal(lq.ss_queues(PORT), (2, 1))
    late = lq.begin_connect(plain)
    lq.never(lambda: lq.connected(late))
    one = absent()["plain_tcp"]
    lq.equal(one["severity"], "problem")
    assert "2 of 2, so clients time out." in one["text"], one
    lq.sysctl("net.ipv4.tcp_abort_on_overflow", 1)
    assert "are reset" in absent()["plain_tcp"]["text"]
    for client in clients:
        client.close()
    late.close()


@lq.each_version()
def at_another_address(v6):
    """Ours and TCP's: named, and it is refused here."""
    host, other = ("fd00::1", "fd00::2") if v6 else ("127.0.0.1", "127.0.0.2")
    if v6:
        lq.add_address("lo", host, 128)
        lq.add_address("lo", other, 128)
    for kind in ("lq", "tcp"):
        with contextlib.closing(lq.listener(kind, port=PORT, addr=other, v6=v6)):
            lq.equal((connects(host), connects(other)), (errno.ECONNREFUSED, 0))
            found = absent(place(host))
            assert place(other) in found["other_address"]["text"], found
            assert "no_listener" in found and "other_family" not in found, found
            assert f"(pid {os.getpid()})" in found["other_address"]["text"], found


@lq.each_version()
def with_another_family(v6):
    """IPv4 alone, IPv6 alone; one of IPv6 that is not alone has IPv4, too."""
    host = HOSTS[v6]
    options = () if v6 else ((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1),)
    with contextlib.closing(lq.listener(port=PORT, v6=not v6, options=options)):
        lq.equal((connects(host), connects(HOSTS[not v6])), (errno.ECONNREFUSED, 0))
        found = absent(place(host))
        assert f"but not with IPv{6 if v6 else 4}" in found["other_family"]["text"], found
        assert "no_listener" in found and "other_address" not in found, found
    if not v6:
        options = ((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0),)
        with contextlib.closing(lq.listener(port=PORT, v6=True, options=options)) as both:
            lq.equal(connects(host), 0)
            found = absent(place(host))
            lq.equal(list(found), ["any_address"])
            lq.equal(found["any_address"]["commands"],
                     [f"lqctl explain @{lq.Info(both).id}"])


@lq.case()
def in_another_namespace():
    """Named, with the command that explains it there, by whoever may look."""
    lq.run("ip", "netns", "add", "blue")
    pid = os.fork()
    ready = "/tmp/absent.ready"
    if pid == 0:
        fd = os.open("/run/netns/blue", os.O_RDONLY)
        lq.libc.setns(fd, lq.CLONE_NEWNET)
        rtnl.link_up("lo")
        there = lq.listener(port=PORT)
        with open(ready, "w", encoding="ascii") as file:
            file.write("x")
        lq.until_killed(there)
    lq.wait_for(lambda: os.path.exists(ready))
    lq.equal(connects("127.0.0.1"), errno.ECONNREFUSED)
    found = absent()
    one = found["other_namespace"]
    assert "no_listener" in found and "in blue" in one["text"] and str(pid) in one["text"], found
    lq.equal(one["commands"], [f"lqctl explain -N blue :{PORT}"])
    out = lq.run(*one["commands"][0].split(), "-n", "-i", "0")
    assert "nothing holds it back" in out, out
    found = absent(f":{PORT}", before=AS_NOBODY)
    assert "namespaces_unseen" in found and "other_namespace" not in found, found
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    lq.run("ip", "netns", "delete", "blue")
    os.unlink(ready)
    assert "other_namespace" not in absent()


@lq.case("192.0.2.1", "2001:db8::1")
def no_such_address(host):
    """Of nobody here."""
    found = absent(place(host))
    assert host in found["no_such_address"]["text"], found
    assert "no_such_address" not in absent(place("::1" if ":" in host else "127.0.0.1"))


@lq.case()
def a_restart_is_waited_for():
    """With grace_ms SYNs go unanswered where a listener has ended, and that is said."""
    lq.sysctl("net.listenq.grace_ms", 60000)
    listener = lq.listener(port=PORT)
    client = lq.connect_to(listener)
    listener.close()
    late = lq.stream("tcp")
    late.setblocking(False)
    late.connect_ex(("127.0.0.1", PORT))
    lq.never(lambda: lq.connected(late))
    assert "60000" in absent()["held"]["text"]
    lq.listener(port=PORT).close()
    client.close()
    late.close()


lq.main()
