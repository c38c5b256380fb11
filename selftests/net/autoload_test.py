#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""An installed module: the first socket() or netlink request loads it, as modprobe(8) finds it; the
examples for /etc say what it takes.

    the kernel --- /sbin/modprobe --- /lib/modules/<release>, of this test's own
"""
import contextlib
import errno
import os
import re
import shutil
import socket
import subprocess
import tempfile

import lq

GENEROUS = 60
MODULES = f"/lib/modules/{os.uname().release}"


@contextlib.contextmanager
def installed():
    """The module alone where modprobe looks, and not loaded."""
    lq.wait_for(lambda: lq.module_users() == 0, GENEROUS, "somebody uses the module")
    needed = lq.run("modinfo", "-F", "depends", lq.module_file()).strip()
    # What it needs stays loaded.
    with tempfile.TemporaryDirectory() as directory:
        os.makedirs(f"{directory}{MODULES}/updates")
        shutil.copy(lq.module_file(), f"{directory}{MODULES}/updates/listenq.ko")
        for name in [one for one in needed.split(",") if one]:
            shutil.copy(lq.run("modinfo", "-n", name).strip(), f"{directory}{MODULES}/updates/")
        for name in ("modules.builtin", "modules.order"):
            if os.path.exists(f"{MODULES}/{name}"):
                shutil.copy(f"{MODULES}/{name}", f"{directory}{MODULES}/")
        lq.run("depmod", "-b", directory, os.uname().release)
        lq.run("mount", "--bind", f"{directory}{MODULES}", MODULES)
        try:
            lq.run("rmmod", "listenq")
            yield
        finally:
            lq.run("umount", MODULES)
            if lq.module_users() is None:
                lq.run("insmod", lq.module_file())


@lq.case(timeout=200)
def socket_loads_it():
    """By the alias net-pf-18; and what it makes works."""
    with installed():
        lq.equal(lq.module_users(), None)
        lq.expect_serves(lq.listener())
        assert lq.module_users() is not None


@lq.case(timeout=200)
def lqctl_loads_it():
    """By the alias of the netlink family."""
    with installed():
        lq.equal(lq.module_users(), None)
        lq.equal(lq.lqctl_listeners(), [])
        lq.equal(lq.module_users(), 0)


@lq.case(timeout=200)
def lqrun_loads_it():
    """An unmodified program is enough."""
    with installed():
        lq.equal(lq.module_users(), None)
        words = lq.run("lqrun", "--strict", "-b", "3", "python3", "-c", """
import socket, subprocess
with socket.socket() as s:
    s.bind(("", 8000)); s.listen(99)
    print(subprocess.run(["lqctl", "list", "-nH"], capture_output=True, text=True).stdout)
""")
        lq.equal(words.split()[:3] + words.split()[-1:], ["LISTEN", "0", "3", "0.0.0.0:8000"])


@lq.case(timeout=200)
def without_it_socket_fails():
    """And says so: EAFNOSUPPORT."""
    with installed():
        os.rename(f"{MODULES}/updates", f"{MODULES}/away")
        try:
            with lq.fails_with(errno.EAFNOSUPPORT):
                socket.socket(lq.AF_LISTENQ, socket.SOCK_STREAM, 0)
            lq.equal(lq.module_users(), None)
        finally:
            os.rename(f"{MODULES}/away", f"{MODULES}/updates")


@lq.case(timeout=200)
def the_modprobe_example():
    """With it nobody's socket() loads the module; root's modprobe does."""
    example = "/etc/modprobe.d/listenq-test.conf"
    with installed():
        shutil.copy(os.path.join(lq.TOP, "examples/modprobe.conf"), example)
        try:
            with lq.fails_with(errno.EAFNOSUPPORT):
                socket.socket(lq.AF_LISTENQ, socket.SOCK_STREAM, 0)
            done = subprocess.run(["lqctl", "list"], capture_output=True, text=True, check=False)
            lq.equal(done.returncode, 2)
            lq.equal(lq.module_users(), None)
            lq.run("modprobe", "listenq")
            lq.expect_serves(lq.listener())
        finally:
            os.unlink(example)
    # It was the example.
    with installed():
        lq.expect_serves(lq.listener())


@lq.case()
def the_sysctl_example():
    """sysctl(8) takes every line of it, and it is what it says afterwards."""
    path = os.path.join(lq.TOP, "examples/sysctl.conf")
    with open(path, encoding="ascii") as file:
        text = file.read()
    want = dict(re.findall(r"^-?([a-z][\w.]*) = (\S+)$", text, re.MULTILINE))
    ours = [name for name in want if name.startswith("net.listenq.")]
    assert len(ours) >= 3, want
    before = {name: lq.sysctl(name) for name in want}
    with tempfile.NamedTemporaryFile("w") as file:
        # A "-" would hide an error.
        file.write(text.replace("\n-net", "\nnet"))
        file.flush()
        done = subprocess.run(["sysctl", "-p", file.name], capture_output=True, text=True,
                              check=False)
        lq.equal((done.returncode, done.stderr), (0, ""))
    lq.equal({name: lq.sysctl(name) for name in want}, want)
    # A profile, not the defaults.
    lq.equal([name for name in ours if before[name] == want[name]], [])
    settings = lq.run("lqctl", "get")
    assert "syn_admission_ms" in settings and "200" in settings, settings


lq.main()
