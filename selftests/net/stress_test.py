#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=500
"""Everything at once: stress.c has threads of two processes do all that can be done to listeners,
by their descriptors and by netlink, while clients connect, reset and vanish; random system calls and
random segments. Afterwards nothing is left, and a listener works. For real concurrency: scripts/vm -s 4
--race; on the debug kernel each run is checked as it goes.

LQ_STRESS: seconds, 5 if unset. LQ_FUZZ: calls and segments, 20000 if unset. LQ_SEED: the seed,
which is printed, so that a run can be had again; by chance if unset.
"""
import os
import random
import subprocess
import time

import lq
from rawtcp import Tun

SECONDS = int(os.environ.get("LQ_STRESS", "5"))
FUZZ = int(os.environ.get("LQ_FUZZ", "20000"))
SEED = int(os.environ.get("LQ_SEED") or random.SystemRandom().randrange(1 << 31))
LONG = 120 + SECONDS * 4 + FUZZ // 200


def helper(name, *arguments, fds=()):
    """Run it; what it says."""
    done = subprocess.run([os.path.join(lq.TESTS, name), *map(str, arguments)], pass_fds=fds,
                          capture_output=True, text=True, check=False, timeout=LONG * lq.SCALE)
    lq.equal(done.returncode, 0, f"{name}: {done.stderr}")
    return done.stdout


def nothing_left(before, users):
    """No socket but those that TCP itself waits with, no request, no reference."""
    lq.wait_for(lambda: lq.module_users() == users, 30, "references on the module are left")
    lq.wait_for(lambda: lq.requests_in_memory() == before, 30, "requests are left")
    lq.equal(lq.lqctl_listeners(), [])
    counts = lq.counters()
    # What was put on an accept queue was accepted, or reset when its listener closed; one that moved to
    # another listener was put there once more.
    assert counts["Accepted"] <= counts["Established"], counts
    assert (counts["Established"] + counts["FilterHeld"] - counts["FilterPassed"]
            <= counts["RequestCreated"] + counts["CookieReceived"] + counts["Inherited"]), counts
    lq.equal(counts["Inherited"], counts["Migrated"])
    for name, value in (("policy", "linux"), ("syncookies", 1), ("max_syn_backlog", 1024),
                        ("abort_on_overflow", 0), ("synack_timeout_ms", 1000),
                        ("grace_ms", 0), ("migrate", 1), ("steal_us", 0), ("stalled_ms", 0),
                        ("accept_max_wait_ms", 0), ("accept_dead", "skip"), ("accept_order", "fifo"),
                        ("syn_admission_ms", 0), ("codel_target_ms", 0)):
        lq.sysctl("net.listenq." + name, value)
    for v6 in (False, True):
        listener = lq.listener(v6=v6)
        for _ in range(20):
            lq.expect_serves(listener, v6)
        listener.close()


# What an administrator does to the listeners of stress.c meanwhile. Each may fail: they come and go.
ORDERS = [["set", "-l", ":7100", "backlog=7"], ["set", "-l", ":7101", "policy=freebsd"],
          ["set", "-l", ":7100", "grace_ms=50", "accept_filter=httpready"],
          ["set", "-l", ":7101", "policy=default", "accept_filter=default", "grace_ms=default"],
          ["drain", "-w", ":7100"], ["drain", "-e", ":7100"], ["hold", "-w", "-t", "50ms", ":7101"],
          ["adopt", "--all"], ["release", "--all", "-t", "0"], ["list"], ["show", ":7100"], ["requests"]]


def administer():
    """By lqctl, for SECONDS, and until enough orders were carried out, however slow it is; how many were."""
    choice, done = random.Random(SEED), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or done < 5:
        order = choice.choice(ORDERS)
        done += subprocess.run(["lqctl", *order], capture_output=True, check=False,
                               timeout=LONG * lq.SCALE).returncode == 0
    return done


@lq.case(timeout=LONG)
def everything_at_once():
    """Two processes of seven threads each, and an administrator."""
    before, users = lq.requests_in_memory(), lq.module_users()
    lq.diag(f"LQ_SEED={SEED}")
    # Or lqctl had a fifteenth of a CPU.
    with subprocess.Popen(["nice", "-n", "15", os.path.join(lq.TESTS, "stress"), str(SECONDS), str(SEED)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        orders = administer()
        words = running.communicate()[0].split()
    lq.equal(running.returncode, 0)
    lq.diag(" ".join(words) + f"; {orders} orders")
    assert int(words[1]) > 0 and int(words[3]) > 0, words
    nothing_left(before, users)


@lq.case("1", "3", timeout=LONG)
def random_system_calls(threads):
    """Whatever comes to its mind, by one thread or several on the same descriptors. After each seed the
    module can go, TCP works as before, and the module can come again."""
    before, users = lq.requests_in_memory(), lq.module_users()
    lq.diag(f"LQ_SEED={SEED}")
    for part in range(4):
        lq.diag(helper("random_calls", FUZZ // 4 // int(threads), SEED + part, threads).strip())
        lq.wait_for(lambda: lq.module_users() == users, 60, "references on the module are left")
        if users == 0:
            with lq.unloaded():
                for v6 in (False, True):
                    with lq.listener("tcp", v6=v6) as listener:
                        lq.expect_serves(listener, v6)
    nothing_left(before, users)


# Queues that are managed, shared, moved and parked.
MANAGED = {"accept_max_wait_ms": 40, "codel_target_ms": 5, "accept_order": "adaptive", "syn_admission_ms": 200,
           "steal_us": 500, "stalled_ms": 20, "grace_ms": 200}


@lq.case("plain", "cookies", "filter", "group", "evict", "managed", timeout=LONG)
def random_segments(how):
    """Any flags, numbers, options, lengths and checksums, IPv4 and IPv6."""
    before, users = lq.requests_in_memory(), lq.module_users()
    tun = Tun()
    lq.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lq.sysctl("net.ipv4.conf.tun0.rp_filter", 0)
    lq.ip("route add 10.0.0.0/8 dev tun0")
    lq.ip("route add 2001:db8:a::/48 dev tun0")
    lq.sysctl("net.listenq.synack_timeout_ms", 20)
    if how == "cookies":
        lq.sysctl("net.listenq.syncookies", 2)
    elif how == "evict":
        lq.sysctl("net.listenq.policy", "solaris")
    elif how == "managed":
        for name, value in MANAGED.items():
            lq.sysctl("net.listenq." + name, value)
    in_group = how in ("group", "managed")
    reuse = [(1, 15, 1)] if in_group else []
    # One for both families.
    listeners = [lq.listener(backlog=16, v6=True, options=reuse)]
    port = lq.port_of(listeners[0])
    if in_group:
        listeners += [lq.listener(backlog=16, port=port, v6=True, options=reuse)
                      for _ in range(2)]
    for listener in listeners:
        listener.setblocking(False)
        if how == "filter":
            lq.set_filter(listener, "httpready")
    children = []
    lq.diag(f"LQ_SEED={SEED}")
    for part in range(10):
        for version in "46":
            helper("inject", tun.fd, version, "any", port, FUZZ // 50, SEED + part, fds=[tun.fd])
        for listener in listeners:
            children = (children + lq.accept_all(listener))[-20:]
        # One goes and another comes; halfway nobody is left for a moment.
        for _ in range(how == "managed" and (3 if part == 5 else 1)):
            listeners.pop(0).close()
        while how == "managed" and len(listeners) < 3:
            listeners.append(lq.listener(backlog=16, port=port, v6=True, options=reuse))
            listeners[-1].setblocking(False)
    counts = lq.counters()
    assert counts["Established"], "no peer ever got through"
    lq.diag(f"established {counts['Established']}, drops " + ", ".join(
        f"{name[4:]} {value}" for name, value in counts.items()
        if name.startswith("Drop") and value))
    for sock in children + listeners:
        sock.close()
    nothing_left(before, users)


lq.main()
