#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""module/compat/probe.sh, with a compiler that takes everything or nothing, and lists of exports of
our own: what it writes, and what it says where it stops. And that what it asks for is told.

TAP, on this machine: needs no privilege and no VM, and a kernel's headers for one case.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "selftests"))
from tap import Skip, case, main  # pylint: disable=wrong-import-position  # noqa: E402

PROBE = TOP / "module/compat/probe.sh"
NEEDED = re.search(r"^for name in ([^;]*); do\n\texported", PROBE.read_text(), re.M)[1]
REPLACED = re.search(r"^for name in ([^;]*); do\n\treplaced", PROBE.read_text(), re.M)[1]
NEEDED = NEEDED.replace("\\\n", " ").split()
REPLACED = REPLACED.replace("\\\n", " ").split()


def probe(exports, compiler="true"):
    """(exit status, output, what it says) for a kernel with these exports; None: no list of them."""
    with tempfile.TemporaryDirectory() as folder:
        symvers = pathlib.Path(folder) / "Module.symvers"
        if exports is not None:
            # CRC, symbol, where, kind, namespace: with a name that only begins like another.
            symvers.write_text("".join(f"0x00000000\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n"
                                       for name in [*exports, *(f"{at}_more" for at in NEEDED)]))
        done = subprocess.run(["sh", PROBE, symvers, compiler, "-Iheaders"], text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True)
        return done.returncode, done.stdout, done.stderr


def stops(result, *words):
    """It fails, writes no half of a file, and its last line has these words."""
    status, output, said = result
    assert status == 1, result
    assert not output, result
    last = said.splitlines()[-1]
    assert last.startswith("listenq: "), result
    for word in words:
        assert word in last, (word, result)


@case
def exports_are_found():
    """A replaced one is defined where it is exported, and not where its name is only part of one."""
    for name in REPLACED:
        status, output, _ = probe([*NEEDED, name])
        assert status == 0
        defined = set(re.findall(r"#define LQ_EXPORTS_(\w+) 1", output))
        assert defined == {name.upper()}, (name, defined)
        for other in set(REPLACED) - {name}:
            assert f"/* does not export {other} */" in output


@case
def what_nothing_can_stand_for_is_named():
    """Each of them alone ends the build."""
    assert len(NEEDED) > 10
    for name in NEEDED:
        stops(probe([at for at in NEEDED + REPLACED if at != name]), f"does not export {name},")


@case
def headers_by_half():
    """No list of exports."""
    stops(probe(None), "no Module.symvers", "installed by half")


@case
def a_compiler_that_is_not_the_kernels():
    """It compiles nothing, or is not there."""
    stops(probe(NEEDED, "false"), "do not compile", "false is not their compiler")
    stops(probe(NEEDED, "no-such-gcc-12"), "do not compile", "no-such-gcc-12 is not their compiler")


@case
def the_build_ends_there():
    """Kbuild compiles nothing after a probe that stopped."""
    kdir = TOP / "build/kernels/6.12/kdir"
    if not kdir.exists():
        raise Skip("scripts/kernels 6.12")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([TOP / "scripts/stage", folder], check=True)
        env = {name: value for name, value in os.environ.items()
               if not name.startswith("MAKE") and name != "MFLAGS"}
        done = subprocess.run(["make", "-C", kdir, f"M={folder}", "CC=no-such-gcc-12", "modules"],
                              text=True, check=False, stdin=subprocess.DEVNULL, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode, done.stdout
    assert "no-such-gcc-12 is not their compiler" in done.stdout, done.stdout
    assert "module/shim/" not in done.stdout, done.stdout


@case
def what_is_asked_is_used():
    """Each declaration and export that is probed decides something, and stands in the documents."""
    sources = "".join(path.read_text() for path in sorted((TOP / "module").rglob("*.[ch]")))
    features = re.findall(r"^\s*feature (\w+) ", PROBE.read_text(), re.M)
    asked = [f"LQ_HAVE_{name}" for name in features] + [f"LQ_EXPORTS_{name.upper()}" for name in REPLACED]
    for name in asked:
        assert re.search(rf"\b{name}\b", sources), name
    for name in set(re.findall(r"\bLQ_(?:HAVE|EXPORTS)_\w+", sources)):
        assert name in asked, name
    document = (TOP / "docs/kernels.md").read_text()
    for name in NEEDED + REPLACED:
        assert f"`{name}`" in document, name


main()
