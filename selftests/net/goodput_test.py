#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=1600
# clock=instructions
"""Whom a server serves in time at twice the load that it can serve, its clients being impatient.

    clients --- lo --- listener

Clients come, are served and give up by steps of a clock, and the settings are as many steps of it. So the
numbers are the same on a slow machine, as long as it keeps up with the clock: it gets one with which it does.
"""
import contextlib
import select
import time

import lq

STEPS = 120  # of what is a second by the fastest clock
SERVED_EVERY, OFFERED_EVERY = 6, 3  # steps: 20 are served in a second, 40 come
PATIENCE = STEPS
WARM, MEASURED = 3 * STEPS, 3 * STEPS
POSSIBLE = MEASURED // SERVED_EVERY


class TooFast(Exception):
    """The machine does not keep up with this clock."""


class Clock:
    """Steps of 1/STEPS of a second, slowness times as long. One that is later than a whole turn of the server's is
    TooFast: then a setting of some steps would be one of fewer."""

    def __init__(self, slowness):
        self.length = slowness / STEPS
        self.began = time.monotonic()

    def wait(self, step):
        """Until this step begins."""
        early = self.began + step * self.length - time.monotonic()
        if early < -SERVED_EVERY * self.length:
            raise TooFast(f"step {step} of {self.length * 1000:.0f} ms came {-early * 1000:.0f} ms late")
        time.sleep(max(0, early))


class Clients:
    """Who came and has no answer yet."""

    def __init__(self, listener):
        self.listener = listener
        self.since = {}  # socket -> the step in which it came

    def come(self, step):
        """One more."""
        self.since[lq.begin_connect(self.listener)] = step

    def give_up(self, step):
        """Who had no answer for so long goes."""
        for client in [client for client, since in self.since.items() if since <= step - PATIENCE]:
            del self.since[client]
            lq.reset(client)

    def answered(self):
        """How many have their answer now; they go."""
        count = 0
        for client in select.select(list(self.since), [], [], 0)[0] if self.since else []:
            del self.since[client]
            with contextlib.suppress(OSError):
                count += client.recv(1) == b"x"
            client.close()
        return count

    def close(self):
        """All go."""
        for client in self.since:
            client.close()


def overload(listener, clock):
    """Clients who give up after a while come to a server that takes one after the other: how many it took,
    and for how many of them it was in time."""
    taken = in_time = 0
    answers = {}
    with contextlib.closing(Clients(listener)) as clients:
        for step in range(WARM + MEASURED):
            clock.wait(step)
            if step % OFFERED_EVERY == 0:
                clients.come(step)
            clients.give_up(step)
            if step % SERVED_EVERY == 0:
                with contextlib.suppress(BlockingIOError):
                    child, _ = listener.accept()
                    taken += step >= WARM
                    with contextlib.suppress(OSError):
                        child.send(b"x")
                    answers[child] = step
            answered = clients.answered()
            in_time += answered if step >= WARM else 0
            for child in [child for child, since in answers.items() if since < step - 5]:
                answers.pop(child)
                child.close()
    return taken, in_time


@lq.case("keep", "max_wait", "admission", "adaptive", timeout=400)
def impatient_clients(how):
    """With everything as TCP has it nobody is served in time; with each of the settings nearly all the time
    goes to clients who are still there."""
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.listenq.syncookies", 0)
    settings = {"keep": {"accept_dead": "keep"},
                "max_wait": {"accept_max_wait_ms": 300},
                "admission": {"syn_admission_ms": 200, "accept_max_wait_ms": 500},
                "adaptive": {"accept_order": "adaptive", "codel_target_ms": 20, "codel_interval_ms": 100},
                }[how]
    for slowness in (1, 2, 4, 8, 16, 32):
        for name, value in settings.items():
            lq.sysctl(f"net.listenq.{name}", value * slowness if name.endswith("_ms") else value)
        with contextlib.closing(lq.listener(backlog=1023)) as listener:
            try:
                taken, in_time = overload(listener, Clock(slowness))
            except TooFast as late:
                lq.diag(f"a slower clock: {late}")
                continue
            lq.diag(f"{how}: {in_time} of {taken} in time, of {POSSIBLE} that there was time for;"
                    f" {[(n, c) for n, c in lq.row_of(listener)['drops'].items() if c]}")
            break
    else:
        raise AssertionError("no clock is slow enough for this machine")
    if how == "keep":
        assert taken >= 0.95 * POSSIBLE, taken
        assert in_time <= 0.1 * POSSIBLE, in_time
    else:
        assert in_time >= 0.95 * POSSIBLE, in_time


lq.main()
