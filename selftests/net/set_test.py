#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Setting a listener while it runs, by netlink: lqctl set --listener."""
import ctypes
import errno
import json
import os
import struct
import subprocess

import lq
from genl import A_BACKLOG, A_ID, Genl, attr
from rawtcp import Peer, Tun

CLONE_NEWUSER = 0x10000000
SET = 3  # LISTENQ_CMD_LISTENER_SET


def ident(number):
    """LISTENQ_A_LISTENER_ID"""
    return attr(A_ID, struct.pack("=Q", number))


def lqctl_set(which, *assignments):
    """The listeners afterwards, as JSON."""
    return json.loads(lq.run("lqctl", "set", "-j", "-l", which, *assignments))["listeners"]


def refused(*arguments):
    """The one line that lqctl set says, with exit status 1."""
    done = subprocess.run(["lqctl", "set", *arguments], capture_output=True, text=True, check=False)
    lq.equal(done.returncode, 1, done.stderr)
    lq.equal(done.stdout, "")
    lq.equal(done.stderr.count("\n"), 1, done.stderr)
    return done.stderr


@lq.case()
def every_setting():
    """What is set is in force at once, and shown; default follows the sysctl again."""
    listener = lq.listener(backlog=8)
    which = f":{lq.port_of(listener)}"
    (one,) = lqctl_set(which, "policy=hpux", "max_syn_backlog=99", "abort_on_overflow=1",
                       "synack_retries=2", "syncookies=2", "accept_filter=tlsready")
    want = {"policy": "hpux", "max_syn_backlog": 99, "abort_on_overflow": True,
            "synack_retries": 2, "syncookies": 2, "accept_filter": "tlsready", "accept_limit": 12}
    lq.equal({name: one[name] for name in want}, want)
    info = lq.Info(listener)
    lq.equal((info.policy, info.max_syn_backlog, info.synack_retries, info.accept_filter),
             ("hpux", 99, 2, "tlsready"))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 11))

    lq.sysctl("net.listenq.policy", "xnu")
    lq.sysctl("net.listenq.syncookies", 0)
    lq.equal(lq.Info(listener).policy, "hpux")
    (one,) = lqctl_set(which, "policy=default", "max_syn_backlog=default", "syncookies=default",
                       "abort_on_overflow=default", "synack_retries=default",
                       "accept_filter=default")
    want = {"policy": "xnu", "syncookies": 0, "abort_on_overflow": False, "accept_filter": None,
            "max_syn_backlog": int(lq.sysctl("net.listenq.max_syn_backlog")),
            "synack_retries": int(lq.sysctl("net.listenq.synack_retries"))}
    lq.equal({name: one[name] for name in want}, want)


@lq.case()
def queued_connections_stay():
    """Whatever the policy becomes meanwhile."""
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    listener = lq.listener(backlog=8)
    clients = [lq.connect_to(listener) for _ in range(6)]
    for policy in ("windows", "bsd", "linux-2.4", "freebsd", "aix"):
        (one,) = lqctl_set(f":{lq.port_of(listener)}", f"policy={policy}")
        lq.equal((one["policy"], one["accept_qlen"]), (policy, 6))
    for client in clients:
        lq.equal(lq.accept(listener).getpeername(), client.getsockname())


@lq.case()
def a_filter_on_a_live_listener():
    """It replaces another; what that held can be accepted; those to come are held."""
    listener = lq.listener()
    which = f"@{lq.Info(listener).id}"
    lqctl_set(which, "accept_filter=dataready")
    first = lq.connect_to(listener)
    lq.wait_for(lambda: lq.Info(listener).filter_qlen == 1)
    lqctl_set(which, "accept_filter=httpready")
    lq.equal(lq.accept(listener).getpeername(), first.getsockname())
    second = lq.connect_to(listener)
    second.send(b"GET")
    lq.wait_for(lambda: lq.Info(listener).filter_qlen == 1)
    lqctl_set(which, "accept_filter=none")
    lq.equal(lq.accept(listener).getpeername(), second.getsockname())
    lq.connect_to(listener)
    lq.accept(listener)


# --- the backlog ---


@lq.each_version()
def backlog_of_a_running_program(v6):
    """Who found the queue full gets in; who is queued stays, when it is lowered; listen() sets its own."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    listener = lq.listener(backlog=1, v6=v6)
    port = lq.port_of(listener)
    clients = [lq.connect_to(listener, v6=v6) for _ in range(2)]
    with lq.Counted() as moved:
        clients.append(lq.begin_connect(listener, v6=v6))
        lq.wait_for(lambda: moved("DropAcceptQueueFullSyn"))
    (one,) = lqctl_set(f":{port}", "backlog=5")
    lq.equal([one[name] for name in ("backlog", "backlog_asked", "backlog_given", "accept_limit",
                                     "backlog_truncated", "own")], [5, 5, 5, 6, False, []])
    info = lq.Info(listener)
    lq.equal((info.backlog, info.backlog_asked, info.accept_limit, info.flags), (5, 5, 6, 0))
    # The third client may have tried again by now.
    assert lq.ss_queues(port) in ((2, 5), (3, 5)), lq.ss_queues(port)
    lq.wait_for(lambda: lq.connected(clients[2]))
    clients += [lq.connect_to(listener, v6=v6) for _ in range(3)]
    lq.equal(lq.ss_queues(port), (6, 5))
    lqctl_set(f":{port}", "backlog=0")
    lq.equal(lq.ss_queues(port), (6, 0))
    with lq.Counted() as moved:
        late = lq.begin_connect(listener, v6=v6)
        lq.wait_for(lambda: moved("DropAcceptQueueFullSyn"))
    lq.equal([child.getpeername() for child in lq.accept_all(listener)],
             [client.getsockname() for client in clients])
    late.close()
    lqctl_set(f":{port}", "backlog=7", "max_syn_backlog=9")
    listener.listen(3)
    info = lq.Info(listener)
    lq.equal((info.backlog, info.backlog_asked, info.accept_limit, info.max_syn_backlog),
             (3, 3, 4, 9))
    lq.equal(lq.ss_queues(port), (0, 3))


@lq.case()
def backlog_of_the_syn_queue():
    """It grows and shrinks with it; no request is lost."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=5)
    which = f":{lq.port_of(listener)}"
    lq.equal(lq.Info(listener).syn_limit, 16)
    (one,) = lqctl_set(which, "backlog=100")
    lq.equal(one["syn_limit"], 128)
    peers = [Peer(tun, lq.port_of(listener)) for _ in range(30)]
    for peer in peers:
        peer.half_open()
    (one,) = lqctl_set(which, "backlog=5")
    lq.equal((one["syn_limit"], one["syn_qlen"]), (16, 30))
    lqctl_set(which, "backlog=50")
    for peer in peers:
        peer.final_ack()
    lq.equal(len(lq.accept_all(listener)), 30)


@lq.case()
def backlog_beyond_somaxconn():
    """Clamped, as listen() does, and lqctl says so."""
    lq.sysctl("net.core.somaxconn", 10)
    listener = lq.listener(backlog=4)
    which = f"@{lq.Info(listener).id}"
    for asked in (11, 1000, 2**31 - 1):
        done = subprocess.run(["lqctl", "set", "-j", "-l", which, f"backlog={asked}"],
                              capture_output=True, text=True, check=True)
        (one,) = json.loads(done.stdout)["listeners"]
        lq.equal([one[name] for name in ("backlog", "backlog_asked", "backlog_given",
                                         "accept_limit", "backlog_truncated")],
                 [10, asked, 10, 11, True])
        assert f"backlog 10, not {asked}: net.core.somaxconn" in done.stderr, done.stderr
        lq.equal(lq.Info(listener).flags & lq.F_BACKLOG_TRUNCATED, lq.F_BACKLOG_TRUNCATED)
    done = subprocess.run(["lqctl", "set", "-l", which, "backlog=10"], capture_output=True,
                          text=True, check=True)
    lq.equal((done.stderr, lq.Info(listener).flags), ("", 0))
    # A later somaxconn does nothing by itself.
    lqctl_set(which, "backlog=1000")
    lq.sysctl("net.core.somaxconn", 100)
    lq.equal(lq.Info(listener).backlog, 10)
    lqctl_set(which, "backlog=1000")
    lq.equal(lq.Info(listener).backlog, 100)


@lq.case()
def backlog_under_a_policy():
    """What listen() would make of it; others that are set with it count at once."""
    listener = lq.listener(backlog=4)
    which = f"@{lq.Info(listener).id}"
    for policy, backlog, want in (("bsd", 128, (5, 5)), ("freebsd", 600, (128, 193)),
                                  ("windows", 5, (200, 200)), ("aix", 14, (14, 22))):
        lqctl_set(which, f"backlog={backlog}", f"policy={policy}")
        info = lq.Info(listener)
        lq.equal((info.backlog, info.accept_limit), want, policy)


@lq.case()
def backlog_of_several_shards():
    """Each has its share, nothing that is queued is lost, and their number stays."""
    lq.no_timer()
    listener = lq.listener(backlog=100, options=[(lq.SOL_LISTENQ, lq.LQ_SHARDS, 4)])
    which = f":{lq.port_of(listener)}"
    lq.equal(lq.Info(listener).shards, 4)
    clients = [lq.connect_to(listener) for _ in range(30)]  # none has more than 25
    for backlog, limit in ((1000, 1001), (2, 4), (0, 4), (200, 201)):
        (one,) = lqctl_set(which, f"backlog={backlog}")
        lq.equal((one["backlog"], one["accept_limit"], one["accept_qlen"], one["shards"]),
                 (backlog, limit, 30, 4))
    lq.equal(sorted(child.getpeername() for child in lq.accept_all(listener)),
             sorted(client.getsockname() for client in clients))


@lq.case()
def backlog_goes_with_the_socket():
    """TCP has it, when the socket is released."""
    listener = lq.listener("tcp", backlog=4)
    lq.adopt(listener)
    lqctl_set(f":{lq.port_of(listener)}", "backlog=9")
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 9))
    lq.release(listener)
    lq.wait_for(lambda: not lq.is_ours(listener), 30)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 9))


# --- who, and when ---


@lq.case()
def whom_it_is_for():
    """One by its id, all of a port, none of another namespace."""
    listeners = [lq.listener(addr=addr, port=8000) for addr in ("127.0.0.1", "127.0.0.2")]
    other = lq.listener(port=8001)
    with lq.Netns():
        # Numbers are each namespace's own: one that is not given here.
        keep = [lq.listener(port=8100 + number) for number in range(5)]
        elsewhere = lq.listener(port=8000)
    lq.equal(len(lqctl_set(":8000", "policy=bsd")), 2)
    lqctl_set(f"@{lq.Info(listeners[0]).id}", "policy=aix")
    lq.equal([lq.Info(one).policy for one in (*listeners, other, elsewhere)],
             ["aix", "bsd", "linux", "linux"])
    assert "no listener matches" in refused("-l", ":9999", "policy=bsd")
    assert "no listener matches" in refused("-l", f"@{lq.Info(elsewhere).id}", "policy=bsd")
    assert "no listener matches" in refused("-l", "@18446744073709551615", "policy=bsd")
    assert "is no listener" in refused("-l", "@0", "policy=bsd")
    del keep


@lq.case()
def all_or_none():
    """A wrong value changes nothing, and the message says what would be right."""
    listener = lq.listener()
    which = f":{lq.port_of(listener)}"
    assert "linux-modern" in refused("-l", which, "syncookies=2", "policy=linus")
    assert "tlsready" in refused("-l", which, "syncookies=2", "accept_filter=bpf")
    assert "0 to 2" in refused("-l", which, "policy=bsd", "syncookies=3")
    assert "accept_filter" in refused("-l", which, "policy=bsd", "colour=5")
    assert "0 to 2" in refused("-l", which, "backlog=5", "syncookies=3")
    for bad in ("-1", "default", "x", "1.5", str(2**31), str(2**32 + 5)):
        assert "0 to 2147483647" in refused("-l", which, "policy=bsd", f"backlog={bad}")
    assert "NAME=VALUE" in refused("-l", which, "policy=bsd", "syncookies")
    assert "nothing to set" in refused("-l", which)
    info = lq.Info(listener)
    lq.equal((info.policy, info.accept_filter, info.backlog, info.backlog_asked),
             ("linux", "", 8, 8))
    # The kernel's own word on it, with lqctl out of the way.
    genl = Genl()
    for policy, backlog, code in ((b"bsd\0", struct.pack("=I", 2**31), errno.ERANGE),
                                  (b"bsd\0", struct.pack("=I", 2**32 - 1), errno.ERANGE),
                                  (b"linus\0", struct.pack("=I", 5), errno.ENOENT),
                                  (b"bsd\0", b"\1", errno.EINVAL)):
        genl.refused(code, SET, ident(info.id) + attr(9, policy) + attr(A_BACKLOG, backlog))
    five = attr(A_BACKLOG, struct.pack("=I", 5))
    genl.refused(errno.ENOENT, SET, ident(info.id + 1000) + five)
    info = lq.Info(listener)
    lq.equal((info.policy, info.backlog, info.backlog_asked), ("linux", 8, 8))
    listener.close()
    genl.refused(errno.ENOENT, SET, ident(info.id) + five)


@lq.case()
def needs_a_capability():
    """CAP_NET_ADMIN in the user namespace that owns the network namespace."""
    listener = lq.listener()
    which = f":{lq.port_of(listener)}"
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        code = 1
        try:
            assert "CAP_NET_ADMIN" in refused("-l", which, "policy=bsd")
            assert "CAP_NET_ADMIN" in refused("-l", which, "backlog=100")
            # It may look.
            lq.equal(len(lq.lqctl_listeners()), 1)
            code = 0
        finally:
            os._exit(code)
    lq.equal(os.waitpid(pid, 0)[1], 0)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            # All capabilities, but in a user namespace of its own.
            lq.equal(lq.libc.unshare(CLONE_NEWUSER), 0, os.strerror(ctypes.get_errno()))
            with open("/proc/self/uid_map", "w", encoding="ascii") as file:
                file.write("0 0 1")
            assert "CAP_NET_ADMIN" in refused("-l", which, "policy=bsd")
            # In a network namespace that it owns it may.
            lq.unshare_net()
            own = lq.listener(port=8000)
            lqctl_set(":8000", "policy=bsd")
            lq.equal(lq.Info(own).policy, "bsd")
            code = 0
        finally:
            os._exit(code)
    lq.equal(os.waitpid(pid, 0)[1], 0)
    lq.equal((lq.Info(listener).policy, lq.Info(listener).backlog), ("linux", 8))


@lq.case()
def while_it_goes_away():
    """Set and close race; nothing is left behind."""
    pid = os.fork()
    if pid == 0:
        for _ in range(60):
            lq.listener(port=8000).close()
        os._exit(0)
    done = 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        subprocess.run(["lqctl", "set", "-l", ":8000", "policy=bsd", "backlog=3",
                        "accept_filter=dataready"],
                       capture_output=True, check=False)
        done += 1
    assert done
    lq.equal(lq.lqctl_listeners(), [])


lq.main()
