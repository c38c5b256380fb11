#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Whom a server serves in time at twice the load that it can serve, its clients being impatient.

    clients --- lo --- listener
"""
import contextlib
import select
import time

import lq

STEPS = 120  # of what is a second where the machine keeps up
SERVED_EVERY, OFFERED_EVERY = 6, 3  # steps: 20 are served in a second, 40 come
PATIENCE = STEPS


def overload(listener):
    """Clients who give up after a second come to a server that takes one after the other: how many it
    took, and for how many of them it was in time. What time it takes is no matter: all count steps."""
    clients, waiting, answers = [], {}, {}
    taken = in_time = 0
    for step in range(10 * STEPS):
        begun = time.monotonic()
        if step % OFFERED_EVERY == 0:
            client = lq.begin_connect(listener)
            clients.append((step, client))
            waiting[client.fileno()] = client
        while clients and clients[0][0] <= step - PATIENCE:
            _, client = clients.pop(0)
            if client.fileno() >= 0:
                waiting.pop(client.fileno())
                lq.reset(client)
        if step % SERVED_EVERY == 0:
            with contextlib.suppress(BlockingIOError):
                child, _ = listener.accept()
                if step >= 4 * STEPS:
                    taken += 1
                with contextlib.suppress(OSError):
                    child.send(b"x")
                answers[child] = step
        ready = select.select(list(waiting), [], [], 0)[0] if waiting else []
        for fileno in ready:
            client = waiting.pop(fileno)
            with contextlib.suppress(OSError):
                if client.recv(1) == b"x" and step >= 4 * STEPS:
                    in_time += 1
            client.close()
        for child in [child for child, when in answers.items() if when < step - 5]:
            answers.pop(child)
            child.close()
        time.sleep(max(0, 1 / STEPS - (time.monotonic() - begun)))
    for _, client in clients:
        client.close()
    return taken, in_time


@lq.case("keep", "max_wait", "admission", "adaptive", timeout=120)
def impatient_clients(how):
    """With everything as TCP has it nobody is served in time; with each of the settings nearly all the time
    goes to clients who are still there."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.listenq.syncookies", 0)
    for name, value in {"keep": {"accept_dead": "keep"},
                        "max_wait": {"accept_max_wait_ms": 300},
                        "admission": {"syn_admission_ms": 200, "accept_max_wait_ms": 500},
                        "adaptive": {"accept_order": "adaptive", "codel_target_ms": 20},
                        }[how].items():
        lq.sysctl(f"net.listenq.{name}", value)
    listener = lq.listener(backlog=1023)
    taken, in_time = overload(listener)
    possible = 6 * STEPS // SERVED_EVERY
    lq.diag(f"{how}: {in_time} of {taken} in time, of {possible} that there was time for;"
            f" {[(n, c) for n, c in lq.row_of(listener)['drops'].items() if c]}")
    if how == "keep":
        assert in_time <= 0.1 * possible, in_time
    else:
        assert in_time >= 0.95 * possible, in_time


lq.main()
