# SPDX-License-Identifier: GPL-2.0
"""Cases of a program that tests this machine, and their TAP. In a VM: net/lq.py."""
import sys
import traceback

_cases = []


class Skip(Exception):
    """It cannot run here; the words say why."""


def case(function):
    """Mark a case."""
    _cases.append(function)
    return function


def equal(got, want, what=""):
    """Says both."""
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def main():
    """Run the cases, or those named; exit."""
    unknown = set(sys.argv[1:]) - {one.__name__ for one in _cases}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}")
    wanted = [one for one in _cases if not sys.argv[1:] or one.__name__ in sys.argv[1:]]
    print(f"TAP version 13\n1..{len(wanted)}")
    failed = False
    for number, one in enumerate(wanted, 1):
        words = one.__name__
        try:
            one()
            print(f"ok {number} - {words}", flush=True)
        except Skip as why:
            print(f"ok {number} - {words} # SKIP {why}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed = True
            for line in traceback.format_exc().rstrip().split("\n"):
                print(f"# {line}")
            print(f"not ok {number} - {words}", flush=True)
    sys.exit(1 if failed else 0)
