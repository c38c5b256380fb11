#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=240
"""Settings that nobody wrote follow net.ipv4.tcp_* of their namespace, at once.

    peers, played by this program --- tun0 --- listener
"""
import errno
import json
import os
import socket

import lq
from rawtcp import RST, Peer, Tun
from tool import lqctl, refused

TCP_SYNCNT = 7
NAMES = ("abort_on_overflow", "max_syn_backlog", "synack_retries", "syncookies")
# Some other number than the kernel begins with, and one more.
OTHERS = {"abort_on_overflow": (1, 0), "max_syn_backlog": (77, 333), "synack_retries": (2, 9),
          "syncookies": (2, 0)}
OPTIONS = {"abort_on_overflow": lq.LQ_ABORT_ON_OVERFLOW, "max_syn_backlog": lq.LQ_SYN_BACKLOG,
           "synack_retries": lq.LQ_SYNACK_RETRIES, "syncookies": lq.LQ_SYNCOOKIES}


def ours(name, value=None):
    """net.listenq.NAME"""
    got = lq.sysctl(f"net.listenq.{name}", value)
    return None if value is not None else int(got)


def tcps(name, value=None):
    """net.ipv4.tcp_NAME"""
    got = lq.sysctl(f"net.ipv4.tcp_{name}", value)
    return None if value is not None else int(got)


def following():
    """net.listenq.following"""
    return lq.sysctl("net.listenq.following").split()


def in_force(listener):
    """The four of a listener, by LQ_INFO."""
    info = lq.Info(listener)
    return {"abort_on_overflow": int(bool(info.flags & lq.F_ABORT_ON_OVERFLOW)),
            "max_syn_backlog": info.max_syn_backlog, "synack_retries": info.synack_retries,
            "syncookies": info.syncookies}


# --- what is read ---


@lq.case()
def as_it_begins():
    """All four follow; what is read is the number in force."""
    listener = lq.listener()
    lq.equal(following(), list(NAMES))
    for name in NAMES:
        lq.equal(ours(name), tcps(name), name)
        lq.equal(in_force(listener)[name], tcps(name), name)
        for value in OTHERS[name]:
            tcps(name, value)
            lq.equal((ours(name), in_force(listener)[name]), (value, value), name)
            lq.equal(lq.row_of(listener)[name], value, name)
    lq.equal(following(), list(NAMES))


@lq.case(*NAMES)
def written_and_not(name):
    """What was written stands, whatever TCP's becomes, until -1 is written."""
    listener = lq.listener()
    first, second = OTHERS[name]
    tcps(name, first)
    ours(name, second)
    lq.equal(following(), [other for other in NAMES if other != name])
    lq.equal((ours(name), in_force(listener)[name]), (second, second))
    # Also the number that TCP has.
    ours(name, first)
    tcps(name, second)
    lq.equal((ours(name), in_force(listener)[name]), (first, first))
    ours(name, -1)
    lq.equal(following(), list(NAMES))
    lq.equal((ours(name), in_force(listener)[name]), (second, second))
    tcps(name, first)
    lq.equal((ours(name), in_force(listener)[name]), (first, first))


@lq.case()
def bad_values():
    """EINVAL, and they go on following."""
    before = {name: ours(name) for name in NAMES}
    for name, high in (("abort_on_overflow", 1), ("max_syn_backlog", 1 << 20),
                       ("synack_retries", 255), ("syncookies", 2)):
        for bad in (-2, high + 1, -(2**31), 2**31, 2**40, "x", "1x", "", " "):
            with lq.fails_with(errno.EINVAL):
                fd = os.open(f"/proc/sys/net/listenq/{name}", os.O_WRONLY)
                try:
                    os.write(fd, f"{bad}\n".encode())
                finally:
                    os.close(fd)
        # Not at the beginning of the file: the kernel ignores it.
        fd = os.open(f"/proc/sys/net/listenq/{name}", os.O_WRONLY)
        os.pwrite(fd, b"1\n", 5)
        os.close(fd)
    with lq.fails_with(errno.EINVAL):
        ours("max_syn_backlog", 0)
    with lq.fails_with(errno.EINVAL):
        ours("shards", -1)  # which follows nothing
    lq.equal(following(), list(NAMES))
    lq.equal({name: ours(name) for name in NAMES}, before)
    with lq.fails_with(errno.EACCES, errno.EPERM):
        lq.sysctl("net.listenq.following", "syncookies")


@lq.case()
def out_of_our_range():
    """The nearest that means the same."""
    listener = lq.listener()
    for name, value, want in (("max_syn_backlog", 0, 1), ("max_syn_backlog", -7, 1),
                              ("max_syn_backlog", 2**31 - 1, 1 << 20), ("max_syn_backlog", 5, 5),
                              ("synack_retries", 255, 255), ("abort_on_overflow", 7, 1),
                              # Beyond 2 TCP means what it means by 1.
                              ("syncookies", 3, 1), ("syncookies", 255, 1)):
        try:
            tcps(name, value)
        except OSError as error:  # this kernel has a range, too
            lq.equal(error.errno, errno.EINVAL)
            continue
        lq.equal((ours(name), in_force(listener)[name]), (want, want), f"{name} {value}")


# --- whose it is ---


@lq.case()
def a_socket_s_own_wins():
    """By setsockopt(), TCP_SYNCNT or lqctl; -1 follows TCP's again."""
    listener = lq.listener()
    for name in NAMES:
        first, second = OTHERS[name]
        tcps(name, first)
        listener.setsockopt(lq.SOL_LISTENQ, OPTIONS[name], second)
        lq.equal(in_force(listener)[name], second, name)
        lq.equal((lq.row_of(listener)["own"], sorted(lq.row_of(listener)["following"])),
                 ([name], [other for other in NAMES if other != name]))
        listener.setsockopt(lq.SOL_LISTENQ, OPTIONS[name], -1)
        lq.equal(in_force(listener)[name], first, name)
        lq.equal(listener.getsockopt(lq.SOL_LISTENQ, OPTIONS[name]), -1)
        lq.run("lqctl", "set", "-l", f":{lq.port_of(listener)}", f"{name}={second}")
        tcps(name, second)
        tcps(name, first)
        lq.equal(in_force(listener)[name], second, name)
        lq.run("lqctl", "reset", f":{lq.port_of(listener)}")
        lq.equal(in_force(listener)[name], first, name)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 4)
    lq.equal(in_force(listener)["synack_retries"], 4)
    assert "synack_retries" not in lq.row_of(listener)["following"]


@lq.case()
def namespaces_have_their_own():
    """A new one follows its own net.ipv4.*, whatever the others wrote."""
    for name in NAMES:
        ours(name, OTHERS[name][0])
        tcps(name, OTHERS[name][0])
    lq.equal(following(), [])
    with lq.Netns():
        lq.equal(following(), list(NAMES))
        listener = lq.listener()
        for name in NAMES:
            lq.equal(ours(name), tcps(name), name)
            tcps(name, OTHERS[name][1])
            lq.equal(in_force(listener)[name], OTHERS[name][1], name)
            ours(name, OTHERS[name][0])
        lq.equal(following(), [])
    lq.equal({name: (ours(name), tcps(name)) for name in NAMES},
             {name: (OTHERS[name][0],) * 2 for name in NAMES})


@lq.case()
def several_shards():
    """All of them follow."""
    listener = lq.listener(backlog=200, options=[(lq.SOL_LISTENQ, lq.LQ_SHARDS, 4)])
    lq.equal(lq.Info(listener).shards, 4)
    for name in NAMES:
        for value in OTHERS[name]:
            tcps(name, value)
            lq.equal(in_force(listener)[name], value, name)


@lq.case()
def a_user_s_option_has_tcp_s_bound():
    """LQ_SYN_BACKLOG above the number that is followed takes CAP_NET_ADMIN."""
    tcps("max_syn_backlog", 300)

    def bounded():
        sock = lq.stream("lq")
        sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 300)
        with lq.fails_with(errno.EPERM):
            sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 301)

    lq.as_user(bounded)


@lq.case()
def what_lqctl_says():
    """get, show and list say where each is from."""
    listener = lq.listener(options=[(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 1)])
    ours("synack_retries", 5)
    out = lq.run("lqctl", "get")
    assert "net.listenq.synack_retries = 5\n" in out, out
    assert (f"net.listenq.max_syn_backlog = {tcps('max_syn_backlog')} "
            "(follows net.ipv4.tcp_max_syn_backlog)\n") in out, out
    assert "net.listenq.following = abort_on_overflow max_syn_backlog syncookies\n" in out, out
    lq.equal(json.loads(lq.run("lqctl", "get", "-j", "synack_retries", "syncookies")),
             {"net.listenq.synack_retries": 5, "net.listenq.syncookies": tcps("syncookies")})
    out = lq.run("lqctl", "set", "synack_retries=-1")
    lq.equal(out, f"net.listenq.synack_retries = {tcps('synack_retries')} "
                  "(follows net.ipv4.tcp_synack_retries)\n")
    ours("synack_retries", 5)
    shown = {line.split()[0]: line.split()[-1]
             for line in lq.run("lqctl", "show", "-n", f":{lq.port_of(listener)}").splitlines()
             if line.startswith(NAMES)}
    lq.equal(shown, {"abort_on_overflow": "net.ipv4.tcp_abort_on_overflow",
                     "max_syn_backlog": "net.ipv4.tcp_max_syn_backlog",
                     "synack_retries": "net.listenq.synack_retries", "syncookies": "listener"})
    row = lq.row_of(listener)
    lq.equal((row["own"], row["following"]),
             (["syncookies"], ["max_syn_backlog", "abort_on_overflow"]))


@lq.case()
def lqctl_and_the_kernel_s_own():
    """get says which of ours follows, set writes them, and both refuse what is wrong."""
    out = lqctl("get", *(f"net.ipv4.tcp_{name}" for name in NAMES))[1]
    lq.equal(out.splitlines(), [f"net.ipv4.tcp_{name} = {tcps(name)} (net.listenq.{name} follows it)"
                                for name in NAMES])
    for name in NAMES:
        ours(name, OTHERS[name][0])
        lq.equal(lqctl("get", f"net/ipv4/tcp_{name}")[1],
                 f"net.ipv4.tcp_{name} = {tcps(name)} (net.listenq.{name} does not follow it: "
                 f'until "lqctl set {name}=-1")\n')
        lq.run("lqctl", "set", f"net.ipv4.tcp_{name}={OTHERS[name][1]}", f"{name}=-1")
        lq.equal((tcps(name), ours(name)), (OTHERS[name][1],) * 2)
    lq.equal(lqctl("set", "net.core.somaxconn=77")[1],
             "net.core.somaxconn = 77 (clamps every backlog as listen() is called)\n")
    listener = lq.listener(backlog=100)
    lq.equal(lq.Info(listener).backlog, 77)
    lq.run("lqctl", "set", "net.core.somaxconn=99")
    lq.equal(lq.Info(listener).backlog, 77)
    lq.listen(listener, 100)
    lq.equal(lq.Info(listener).backlog, 99)
    lq.equal(lqctl("get", "-n", "net.core.somaxconn", "net.ipv4.tcp_syncookies")[1],
             f"99\n{tcps('syncookies')}\n")
    lq.equal(json.loads(lqctl("get", "-j", "net.core.somaxconn", "syncookies")[1]),
             {"net.core.somaxconn": 99, "net.listenq.syncookies": ours("syncookies")})
    if os.path.exists("/proc/sys/net/ipv4/tcp_migrate_req"):
        assert "net.listenq.migrate is 0" in lqctl("get", "net.ipv4.tcp_migrate_req")[1]

    assert "and of the kernel's net.core.somaxconn, " in refused("get", "net.core.rmem_max")
    assert "a number from 0 to 2147483647" in refused("set", "net.core.somaxconn=-1")
    assert "a number from 0 to 2147483647" in refused("set", "net.core.somaxconn=x")
    # Nothing is set unless all is understood.
    refused("set", "net.core.somaxconn=5", "net.core.nothing=1")
    assert "cannot be set: needs CAP_NET_ADMIN" in refused(
        "set", "net.core.somaxconn=5",
        before=("setpriv", "--reuid", str(lq.NOBODY), "--clear-groups", "--no-new-privs"))
    lq.equal(lq.sysctl("net.core.somaxconn"), "99")


@lq.case()
def lqctl_in_another_namespace():
    """get -N and set -N: of that one, and this one stays."""
    lq.run("ip", "netns", "add", "blue")
    here = lq.sysctl("net.core.somaxconn")
    lq.run("lqctl", "set", "-N", "blue", "net.core.somaxconn=55", "synack_retries=3")
    lq.equal(lqctl("get", "-n", "-N", "blue", "net.core.somaxconn", "synack_retries")[1], "55\n3\n")
    lq.equal((lq.sysctl("net.core.somaxconn"), following()), (here, list(NAMES)))
    for words in (("get", "-N", "green"), ("set", "-N", "green", "shards=1")):
        assert 'no network namespace "green"' in refused(*words)
    lq.run("ip", "netns", "delete", "blue")


# --- what it does, with nobody who looks ---


@lq.each_version()
def syncookies_of_the_next_syn(v6):
    """A request, a cookie, a request."""
    tun = Tun()
    listener = lq.listener(v6=v6)
    for value, counter in ((1, "RequestCreated"), (2, "CookieSent"), (0, "RequestCreated")):
        tcps("syncookies", value)
        with lq.Counted() as moved:
            Peer(tun, lq.port_of(listener), v6=v6).half_open()
            lq.equal(moved(counter), 1, str(value))


@lq.case()
def max_syn_backlog_of_the_next_syn():
    """The last quarter of it, without cookies."""
    tun = Tun()
    tcps("syncookies", 0)
    listener = lq.listener(backlog=100)
    tcps("max_syn_backlog", 16)
    for _ in range(13):
        Peer(tun, lq.port_of(listener)).half_open()
    late = Peer(tun, lq.port_of(listener))
    with lq.Counted() as moved:
        late.syn()
        late.silent(0.1)
        lq.equal(moved("DropSynLastQuarter"), 1)
    tcps("max_syn_backlog", 1024)
    late.half_open()


@lq.each_version()
def abort_on_overflow_of_the_next_ack(v6):
    """Silence, and then RST."""
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    tun = Tun()
    listener = lq.listener(backlog=0, v6=v6)
    peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(3)]
    for peer in peers:
        peer.half_open()
    peers[0].final_ack()
    peers[1].final_ack()
    peers[1].silent(0.1)
    tcps("abort_on_overflow", 1)
    peers[1].final_ack()
    peers[1].expect(RST)
    tcps("abort_on_overflow", 0)
    peers[2].final_ack()
    peers[2].silent(0.1)


@lq.case()
def synack_retries_of_the_next_timer():
    """A request that would be there for a minute more ends with the next look of the timer."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    tcps("syncookies", 0)
    tcps("synack_retries", 8)
    tun = Tun()
    listener = lq.listener()
    with lq.Counted() as moved:
        Peer(tun, lq.port_of(listener)).half_open()
        lq.wait_for(lambda: moved("SynackRetrans") == 2)
        tcps("synack_retries", 1)
        lq.wait_for(lambda: moved("DropRequestExpired") == 1, 5)
        lq.equal(moved("SynackRetrans"), 2)


lq.main()
