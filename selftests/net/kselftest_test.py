#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=600
"""The tests in the kernel's form: make run_tests, and installed ones that the kernel's runner runs."""
import glob
import os
import subprocess
import tarfile
import tempfile

import lq

SELFTESTS = os.path.join(lq.TOP, "selftests")


def make(*arguments):
    """make in selftests/: the tests are built already, so this builds none."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", "-C", SELFTESTS, "TARGETS=net", *arguments],
                          capture_output=True, text=True, check=False, env=environment)
    lq.equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def names():
    """What selftests/net/run.sh runs."""
    return sorted(os.path.basename(path) for pattern in ("*_test.py", "*_test.sh", "*_test")
                  for path in glob.glob(os.path.join(lq.HERE, pattern))
                  + glob.glob(os.path.join(lq.TESTS, pattern)))


@lq.case(timeout=300)
def installed():
    """Each test is in the list; a compiled and a script's run where nothing of the tree is."""
    if not os.path.isdir(SELFTESTS):
        raise lq.Skip("they are installed ones themselves")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "tests")
        packed = make("gen_tar", f"INSTALL_PATH={path}").strip().splitlines()[-1]
        runner = os.path.join(path, "run_kselftest.sh")
        listed = lq.run(runner, "-l").split()
        lq.equal(sorted(listed), [f"net:{name}" for name in names()])
        with tarfile.open(packed) as archive:
            inside = {os.path.normpath(name) for name in archive.getnames()}
        missing = {f"net/{name}" for name in names()} - inside
        lq.equal(missing, set())
        environment = dict(os.environ)
        for name in ("LQ_TOP", "LQ_TESTS"):
            environment.pop(name, None)
        done = subprocess.run([runner, "-t", "net:family_test", "-t", "net:trust_test.py"],
                              capture_output=True, text=True, check=False, env=environment)
        results = [line for line in done.stdout.splitlines() if line.startswith(("ok", "not ok"))]
        lq.equal(results, ["ok 1 selftests: net: family_test", "ok 2 selftests: net: trust_test.py"],
                 done.stdout + done.stderr)


@lq.case(timeout=300)
def run_tests():
    """make run_tests, of one test: the kernel's runner, with the time that settings gives."""
    if not os.path.isdir(SELFTESTS):
        raise lq.Skip("they are installed ones themselves")
    done = subprocess.run(["make", "-s", "-C", lq.HERE, "TEST_GEN_PROGS=", "TEST_GEN_FILES=",
                           "TEST_PROGS=group_test.py", "run_tests"],
                          capture_output=True, text=True, check=False)
    lq.equal(done.returncode, 0, done.stderr)
    assert "timeout to 1800" in done.stdout, done.stdout
    assert "\nok 1 selftests: " in done.stdout and "group_test.py" in done.stdout, done.stdout


if __name__ == "__main__":
    lq.main()
