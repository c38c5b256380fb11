#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Setting a listener while it runs, by netlink: lqctl set --listener."""
import ctypes
import json
import os
import subprocess

import lq

CLONE_NEWUSER = 0x10000000


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
    assert "accept_filter" in refused("-l", which, "policy=bsd", "backlog=5")
    assert "NAME=VALUE" in refused("-l", which, "policy=bsd", "syncookies")
    assert "nothing to set" in refused("-l", which)
    info = lq.Info(listener)
    lq.equal((info.policy, info.accept_filter), ("linux", ""))


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
    lq.equal(lq.Info(listener).policy, "linux")


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
        subprocess.run(["lqctl", "set", "-l", ":8000", "policy=bsd", "accept_filter=dataready"],
                       capture_output=True, check=False)
        done += 1
    assert done
    lq.equal(lq.lqctl_listeners(), [])


lq.main()
