#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what size_bench printed: a table with limits, JSON, and whether anything grew.

    size_report.py [--accept] --out DIR       reads DIR/size.tsv, writes DIR/size.json
"""
import argparse
import json
import sys

import baseline

MS = 1e6  # nanoseconds, which are instructions in the VM


def rows(size):
    """(what, value, limit, unit, remark)"""
    def net(name):
        return size[name] - size["floor"]

    for v6, limit in (("v4", 64), ("v6", 96)):
        yield (f"one half-open request, IP{v6}", size[f"request_{v6}_lq"], limit, "bytes",
               f"TCP {size[f'request_{v6}_tcp']:.0f}")
    yield ("a million half-open requests, table included", size["million_bytes"] / 1e6, 80, "MB",
           f"all slabs and vmalloc: {size['million_kernel_bytes'] / 1e6:.1f}")
    for event in ("SYN", "ACK"):
        name = event.lower()
        yield (f"{event} with 1 000 000 half-open, to 1000",
               net(f"{name}_1000000") / net(f"{name}_1000"), 1.15, "", "")
    yield ("accept4() with 100 000 queued, to 1", size["accept_100000"] / size["accept_1"], 1.05,
           "", "")
    yield ("dump of 10 000 listeners, each, to 1000", size["dump_10000"] / size["dump_1000"], 1.05,
           "", f"{size['dump_10000']:.0f} instructions each")
    yield "dump: its longest system call", size["dump_call"] / MS, 1, "ms", ""
    yield "dump: softirqs off, a listener's lock held", size["dump_locked"] / MS, 1, "ms", ""
    yield ("timer, 1 000 000 half-open: its longest run", size["timer_million"] / MS, 1, "ms",
           f"lock held {size['timer_million_locked'] / MS:.3f}")
    yield ("timer, 64 000 come due in a second: the same", size["timer_due"] / MS, 1, "ms",
           f"lock held {size['timer_due_locked'] / MS:.3f}")
    yield ("listen() again, 1 000 000 half-open: lock held", size["listen_million_locked"] / MS, 1,
           "ms", "")
    yield ("close(), 1 000 000 half-open: lock held", size["close_million_locked"] / MS, 1, "ms",
           "")
    yield ("close(), 100 000 connections: lock held", size["close_accept_locked"] / MS, 1, "ms",
           "")


# What an interrupt may have come into.
UNSTEADY = ("dump_locked", "dump_listed", "million_kernel_bytes")
# The longest of many runs over a table: which that is, and how long, the listener's random keys say.
# Of 2048 parts of 512 buckets, with 488 requests give or take 22, the fullest has 565 on average, and
# in one boot of 300 by 8 % more than in another; the timer's runs differ less, but for the hold in which most
# of those that come due together are: 17086 to 21250, of the same module.
LONGEST = {"timer_million": 1.05, "timer_million_locked": 1.05,
           "timer_due": 1.05, "timer_due_locked": 1.5,
           "listen_million_locked": 1.10, "close_million_locked": 1.10}


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    size = {}
    with open(f"{options.out}/size.tsv", encoding="ascii") as file:
        for line in file:
            name, value = line.split("\t")
            size[name] = float(value)
    table = [{"what": what, "value": round(value, 4), "limit": limit, "unit": unit,
              "holds": value <= limit, "remark": remark}
             for what, value, limit, unit, remark in rows(size)]

    print("6.12: size and growth; a ms is 1 000 000 instructions")
    for row in table:
        print(f"{row['what']:46} {row['value']:9.3f} {row['limit']:6} {row['unit']:5} "
              f"{'holds' if row['holds'] else 'missed':6}  {row['remark']}".rstrip())
    print()
    with open(f"{options.out}/size.json", "w", encoding="ascii") as file:
        json.dump({"costs": size, "rows": table}, file, indent=1)
    if options.accept:
        baseline.accept({"size": size})
        return 0
    before = baseline.load().get("size", {})
    more = [baseline.grown(f"size: {name}", value, size.get(name),
                           LONGEST.get(name, baseline.GROWTH))
            for name, value in before.items() if name not in UNSTEADY]
    return baseline.verdict("size", [words for words in more if words])


if __name__ == "__main__":
    sys.exit(main())
