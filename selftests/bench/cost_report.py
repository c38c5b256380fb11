#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what cost_bench printed: what each can make others pay, beside TCP's, with limits.

    cost_report.py --out DIR       reads DIR/cost.tsv, writes DIR/cost.json
"""
import argparse
import json
import sys


def read(path):
    """{(event, of whom, beside what): instructions}"""
    costs = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            event, kind, beside, median = line.split("\t")
            costs[event, kind, beside] = int(median)
    return costs


def rows(cost):
    """(what, TCP's, listenq's, limit of listenq's to TCP's or None)

    Both are growth: the cost beside others to the cost without them; of data and SYNs,
    instructions.
    """
    for kind, server in (("tcp", "TCP's port"), ("lq", "our port")):
        alone = cost["connect", kind, "nobody"]
        for event, where in (("connect", "20 000 at other ports"),
                             ("connect_port", "1000 at other addresses")):
            # A port of TCP's where others listen by us: each segment of the handshake looks at both.
            limit = 1.03 if (event, kind) == ("connect_port", "tcp") else 1.02
            yield (f"connect + accept, {server}, beside {where}",
                   cost[event, kind, "tcp"] / alone, cost[event, kind, "lq"] / alone, limit)
    for flag in ("ACK", "RST"):
        event = f"{flag.lower()}_stranger"
        # Of a group TCP's lookup chooses, which a listener that is alone need not ask.
        for count, of, limit in (("16", "1", 1.15), ("500", "16", 1.02)):
            grown = [cost[event, kind, count] / cost[event, kind, of] for kind in ("tcp", "lq")]
            yield f"{flag} of nobody to a group of {count}, to one of {of}", *grown, limit
    for event in ("listen", "close"):
        grown = [cost[event, kind, kind] / cost[event, kind, "nobody"] for kind in ("tcp", "lq")]
        yield f"{event}() beside 20 000 of its kind", *grown, 1.05
    for event, words, limits in (("data_demux", "data", (1.01, 1.01)),
                                 ("data_no_demux", "data, no early demux", (1.03, 1.01))):
        alone = cost[event, "tcp", "nobody"]
        yield f"{words}, a connection of ours", alone, cost[event, "lq", "nobody"], limits[0]
        yield f"{words}, unrelated, beside ours", alone, cost[event, "tcp", "lq"], limits[1]
    yield ("SYN to a plain TCP port, beside ours", cost["syn", "tcp", "nobody"],
           cost["syn", "tcp", "lq"], 1.01)
    yield "sysctl write, 1 listener, and 5000", cost["sysctl", "lq", "1"], \
        cost["sysctl", "lq", "5000"], None


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    table = []
    print("6.12: what each can make others pay")
    print(f"{'event':60} {'TCP':>8} {'listenq':>8} {'ratio':>6}  limit")
    for what, tcp, ours, limit in rows(read(f"{options.out}/cost.tsv")):
        ratio = round(ours / tcp, 3)
        holds = limit is None or ratio <= limit
        table.append({"what": what, "tcp": tcp, "listenq": ours, "ratio": ratio, "limit": limit,
                      "holds": holds})
        figures = [f"{value:8.0f}" if value > 1000 else f"{value:8.3f}" for value in (tcp, ours)]
        print(f"{what:60} {' '.join(figures)} {ratio:6.3f}  " +
              (f"{limit:.2f} {'holds' if holds else 'missed'}" if limit else "none"))
    with open(f"{options.out}/cost.json", "w", encoding="ascii") as file:
        json.dump(table, file, indent=1)
    return 0 if all(row["holds"] for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
