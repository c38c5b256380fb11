#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""The settings that are numbers or names, each by every way to set it: socket option, sysctl, lqctl."""
import errno
import subprocess

import lq

# option, sysctl, good values as the option has them, bad ones, and what the sysctl calls them
SETTINGS = (
    (lq.LQ_ACCEPT_MAX_WAIT_MS, "accept_max_wait_ms", (300, 3600000, 0), (-2, 3600001), None),
    (lq.LQ_ACCEPT_DEAD, "accept_dead", (2, 1, 0), (-2, 3), lq.DEAD),
    (lq.LQ_ACCEPT_ORDER, "accept_order", (1, 2, 0), (-2, 3), lq.ORDERS),
    (lq.LQ_CODEL_TARGET_MS, "codel_target_ms", (20, 60000, 0), (-2, 60001), None),
    (lq.LQ_CODEL_INTERVAL_MS, "codel_interval_ms", (500, 60000, 1), (-2, 0, 60001), None),
    (lq.LQ_SYN_ADMISSION_MS, "syn_admission_ms", (200, 3600000, 0), (-2, 3600001), None),
    (lq.LQ_GRACE_MS, "grace_ms", (200, 600000, 0), (-2, 600001), None),
    (lq.LQ_STEAL_US, "steal_us", (200, 60000000, 0), (-2, 60000001), None),
    (lq.LQ_STALLED_MS, "stalled_ms", (200, 3600000, 0), (-2, 3600001), None),
)


@lq.case(timeout=180)
def every_setting():
    """By option, by sysctl, by lqctl: in force at once, shown by all; bad values change nothing."""
    listener = lq.listener()
    which = f":{lq.port_of(listener)}"
    for option, name, good, bad, names in SETTINGS:
        word = (lambda value, names=names: names[value]) if names else str
        path = f"net.listenq.{name}"
        usual = lq.sysctl(path)

        def in_force(name=name):
            return getattr(lq.Info(listener), name), lq.row_of(listener)[name]

        def both(value, word=word, names=names):
            return value, word(value) if names else value

        lq.equal(listener.getsockopt(lq.SOL_LISTENQ, option), -1)
        for value in good:
            lq.sysctl(path, word(value))
            lq.equal((lq.sysctl(path), in_force()), (word(value), both(value)), name)
            lq.equal(lq.row_of(listener)["own"], [])
        lq.sysctl(path, usual)
        for value in good:
            listener.setsockopt(lq.SOL_LISTENQ, option, value)
            lq.equal((listener.getsockopt(lq.SOL_LISTENQ, option), in_force()),
                     (value, both(value)), name)
            lq.equal(lq.row_of(listener)["own"], [name])
        for value in bad:
            with lq.fails_with(errno.EINVAL):
                listener.setsockopt(lq.SOL_LISTENQ, option, value)
            lq.equal(in_force(), both(good[-1]), name)
        listener.setsockopt(lq.SOL_LISTENQ, option, -1)
        lq.equal(word(in_force()[0]), usual, name)
        for value in good:
            lq.run("lqctl", "set", "-l", which, f"{name}={word(value)}")
            lq.equal(in_force(), both(value), name)
            assert word(value) in lq.run("lqctl", "show", which)
        lq.run("lqctl", "set", "-l", which, f"{name}=default")
        lq.equal((word(in_force()[0]), lq.row_of(listener)["own"]), (usual, []), name)
        for words in (f"{name}=nonsense", f"{name}=-1", f"{name}=4294967295", f"{name}="):
            for where in ([], ["-l", which]):
                done = subprocess.run(["lqctl", "set", *where, words], capture_output=True,
                                      check=False)
                lq.equal((done.returncode, lq.sysctl(path)), (1, usual), words)
        with lq.fails_with(errno.EINVAL):
            lq.sysctl(path, "nonsense")
    # Before listen(), too; and not on a connected socket.
    early = lq.stream("lq")
    early.setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_ORDER, 1)
    lq.listen(early, 4)
    lq.equal(lq.Info(early).accept_order, 1)
    client = lq.connect_to(early)
    child = lq.accept(early)
    for option, *_ in SETTINGS:
        for sock in (child, client):
            with lq.fails_with(errno.ENOPROTOOPT, errno.EOPNOTSUPP):
                sock.setsockopt(lq.SOL_LISTENQ, option, 1)


lq.main()
