# SPDX-License-Identifier: GPL-2.0
"""Memory cgroups for tests."""
import contextlib
import os

import lq

CGROUP = "/sys/fs/cgroup"


@contextlib.contextmanager
def cgroup(name):
    """A memory cgroup; its folder."""
    folder = f"{CGROUP}/{name}"
    with contextlib.suppress(OSError):
        with open(f"{CGROUP}/cgroup.subtree_control", "w", encoding="ascii") as file:
            file.write("+memory")
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(f"{folder}/memory.current"):
        os.rmdir(folder)
        raise lq.Skip("no memory controller")
    with open("/proc/self/cgroup", encoding="ascii") as file:
        home = CGROUP + file.read().strip().rpartition("::")[2]
    try:
        yield folder
    finally:
        with open(f"{home}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        lq.wait_for(lambda: _removed(folder), 20, "the cgroup does not go")


def _removed(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def enter(folder):
    """This process joins a cgroup."""
    with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
