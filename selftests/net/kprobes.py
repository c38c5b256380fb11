# SPDX-License-Identifier: GPL-2.0
"""Functions of the kernel and of the module, watched by kprobes, through tracefs."""
import contextlib
import os

import lq

TRACE = "/sys/kernel/tracing"


def write(name, text="", flags=os.O_TRUNC):
    """Write to a file of tracefs. O_TRUNC takes away what is in kprobe_events and in trace; O_APPEND does
    not; and Python's own "a" seeks, which these files refuse."""
    file = os.open(f"{TRACE}/{name}", os.O_WRONLY | flags)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


def lines(name):
    """Those of a file of tracefs."""
    with open(f"{TRACE}/{name}", encoding="ascii") as file:
        return file.read().splitlines()


def add(*definitions):
    """Probes, beside those that are there; see the kernel's kprobetrace.rst."""
    if not os.path.exists(f"{TRACE}/kprobe_events"):
        lq.run("mount", "-t", "tracefs", "t", TRACE, check=False)
    try:
        write("kprobe_events", "\n".join(definitions), os.O_APPEND)
    except OSError as error:
        raise lq.Skip(f"no kprobe: {error}") from error


def turn(on, name=""):
    """A probe on or off, or all of them."""
    write(f"events/kprobes/{name}/enable", "1" if on else "0")


def remove(*names):
    """Probes that are off."""
    write("kprobe_events", "\n".join(f"-:{name}" for name in names), os.O_APPEND)


@contextlib.contextmanager
def takes_its_time(function):
    """Milliseconds each: as many probes as that takes write down who calls it."""
    names = [f"lqslow{number}" for number in range(300)]
    add(*(f"p:{name} {function}" for name in names))
    try:
        write("options/stacktrace", "1")
        turn(True)
        yield
    finally:
        turn(False)
        write("options/stacktrace", "0")
        remove(*names)
        write("trace")


class Hits:
    """How often a function of the module is called."""

    def __init__(self, function):
        self.name = f"hits_of_{function}"
        add(f"p:{self.name} listenq:{function}")
        turn(True, self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        turn(False, self.name)
        remove(self.name)

    def __call__(self):
        return next(int(line.split()[1]) for line in lines("kprobe_profile")
                    if line.split()[0] == self.name)
