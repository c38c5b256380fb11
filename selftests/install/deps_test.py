#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What scripts/deps says on distributions that are not Debian.

TAP, on this machine: nothing is installed, as none of them is this machine's.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(TOP, "selftests"))
from tap import case, equal, main  # pylint: disable=wrong-import-position  # noqa: E402

DEPS = os.path.join(TOP, "scripts/deps")
GROUPS = ("build", "test", "debug", "bench", "package", "arm64", "clang")
# /etc/os-release of each.
DEBIAN = ("ID=debian", 'ID=ubuntu\nID_LIKE=debian', 'ID=linuxmint\nID_LIKE="ubuntu debian"')
FEDORA = ("ID=fedora", 'ID="rocky"\nID_LIKE="rhel centos fedora"')
ARCH = ("ID=arch", "ID=manjaro\nID_LIKE=arch")
UNKNOWN = ("ID=alpine", "")


def deps(release, *arguments, programs=None):
    """(exit status, standard output, standard error); with @programs alone in PATH."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "os-release")
        with open(path, "w", encoding="ascii") as file:
            file.write(release + "\n")
        environment = {**os.environ, "os_release": path}
        if programs:
            environment["PATH"] = directory
            for program in programs:
                os.symlink(shutil.which(program), os.path.join(directory, program))
        done = subprocess.run(["/bin/bash", DEPS, *arguments], capture_output=True, text=True,
                              check=False, env=environment)
        return done.returncode, done.stdout, done.stderr


def names(release, *groups):
    """What --names prints, and that nothing is wrong."""
    status, out, err = deps(release, "--names", *groups)
    equal((status, err), (0, ""), release)
    found = out.split()
    equal(sorted(set(found)), sorted(found), release)
    return set(found)


@case
def each_family_has_its_names():
    """Those that are like it, too."""
    for releases, here, elsewhere in (
            (DEBIAN, {"g++", "libfmt-dev", "gcc-12"}, {"gcc-c++", "fmt"}),
            (FEDORA, {"gcc-c++", "fmt-devel", "gcc"}, {"g++", "libfmt-dev", "gcc-12", "fmt", "-"}),
            (ARCH, {"gcc", "fmt"}, {"g++", "gcc-c++", "libfmt-dev", "gcc-12", "-"})):
        for release in releases:
            found = names(release)
            equal(found & here, here, release)
            equal(found & elsewhere, set(), release)


@case
def no_name_is_debians_alone():
    """-dev is Debian's way, and -devel Fedora's: none of the others' packages is called so."""
    for release, foreign in ((FEDORA[0], "-dev$"), (ARCH[0], "-dev(el)?$"), (DEBIAN[0], "-devel$")):
        found = names(release, *GROUPS)
        assert len(found) > 50, found
        equal([name for name in found if re.search(foreign, name)
               and name != "dpkg-dev"], [], release)


@case
def the_table_has_no_more_than_is_asked_for():
    """Each of its rows is of a package that a group has."""
    with open(DEPS, encoding="utf-8") as file:
        table = re.search(r"packages_elsewhere='\n(.*?)'", file.read(), re.S)[1]
    rows = [line.split() for line in table.strip().splitlines()]
    equal({len(row) for row in rows}, {3})
    equal({row[0] for row in rows} - names(DEBIAN[0], *GROUPS), set())


@case
def what_is_missing_is_named():
    """With the command that installs it, and without what no package has; nothing is installed."""
    for release, command, has, lacks in (
            (FEDORA[0], "dnf install", {"gcc-c++", "make"}, "gcc-12 g++-12"),
            (ARCH[0], "pacman -S --needed", {"gcc", "make"}, "gcc-12 g++-12")):
        status, out, err = deps(release, "build", programs=("awk", "paste"))
        equal(status, 1)
        equal(out, f"deps: of no package here, by Debian's names: {lacks}\n")
        said, _, packages = err.partition(f": {command} ")
        equal(said, "deps: not Debian; please run, as root")
        equal(has - set(packages.split()), set(), packages)


@case
def what_no_package_has_is_no_failure():
    """The compilers of Debian's kernels: they are named, and the module is built with the machine's own."""
    have = ["awk", "paste", *(name for name in ("gcc", "g++", "make", "objdump", "depmod", "xz", "pahole",
                                                "pkg-config") if shutil.which(name))]
    status, out, err = deps(FEDORA[0], "build", programs=have)
    equal((status, err), (0, ""))
    equal(out, "deps: of no package here, by Debian's names: gcc-12 g++-12\n")


@case
def an_unknown_one_hears_debians():
    """It says that they are."""
    for release in UNKNOWN:
        status, out, err = deps(release, "--names")
        equal((status, "libfmt-dev" in out.split()), (0, True))
        assert "these are Debian's" in err, err
        status, out, err = deps(release, "build", programs=("awk", "paste"))
        equal((status, out), (1, ""))
        assert "not Debian; please install what these Debian packages hold: " in err, err
        assert "make" in err.split(), err


@case
def what_is_wrong_is_said():
    """A group that there is not."""
    for words in (("nonsense",), ("--names", "nonsense"), ("--nonsense",)):
        status, out, err = deps(DEBIAN[0], *words)
        equal((status, out), (2, ""))
        assert err.startswith("usage: "), err


main()
