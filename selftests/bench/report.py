#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what event_bench and stranger_bench printed: tables with limits, JSON, and whether anything
grew.

    report.py [--accept] --out DIR KERNEL...      reads DIR/KERNEL.tsv and DIR/KERNEL.strangers.tsv,
                                                  writes DIR/bench.json
"""
import argparse
import json
import sys

import baseline

# event: (what it is, packets in it, largest ratio to TCP's net cost)
EVENTS = {
    "syn": ("SYN: request and SYN-ACK", 1, 0.60),
    "syn_duplicate": ("duplicate SYN", 1, 0.60),
    "syn_cookie": ("SYN answered by cookie", 1, 0.55),
    "ack": ("final ACK: child on the queue", 1, 1.00),
    "ack_cookie": ("ACK proved by cookie: child", 1, 0.90),
    "syn_dropped": ("SYN dropped, accept queue full", 1, 0.80),
    "accept": ("accept4()", 0, 1.00),
    "accept_eagain": ("accept4(), nothing there", 0, 1.00),
    "passive_connection": ("SYN + ACK + accept4()", 2, 0.80),
    "syn_memcg": ("SYN, in a memory cgroup", 1, 0.60),
    "accept_memcg": ("accept4(), in a memory cgroup", 0, 1.00),
    "passive_memcg": ("all three, in a memory cgroup", 2, 0.80),
}
# The same with strangers for clients, in each of their scenes: stranger_bench.c.
STRANGERS = {
    "syn": ("SYN: request and SYN-ACK", 1, 0.55),
    "syn_duplicate": ("duplicate SYN", 1, 0.55),
    "syn_cookie": ("SYN answered by cookie", 1, 0.50),
    "ack": ("final ACK: child on the queue", 1, 0.90),
    "ack_cookie": ("ACK proved by cookie: child", 1, 0.85),
    "syn_dropped": ("SYN dropped, accept queue full", 1, 0.70),
    "accept": ("accept4()", 0, 1.00),
    "passive_connection": ("SYN + ACK + accept4()", 2, 0.75),
}
SCENES = ("v4-default", "v4-table", "v6-default", "v6-table")
# Whole costs, floor included: (what it is, event, kind, largest ratio to TCP alone)
NEIGHBOURS = [
    ("data on an accepted connection", "data", "lq", 1.005),
    ("data of unrelated TCP", "data", "beside", 1.01),
    ("SYN to a plain TCP listener", "syn", "beside", 1.01),
]


def read(path):
    """{event: {kind: [p50, min]}}"""
    costs = {}
    with open(path, encoding="ascii") as file:
        for line in file:
            event, kind, median, least, _ = line.split("\t")
            costs.setdefault(event, {})[kind] = [int(median), int(least)]
    return costs


def rows(costs):
    """(what, TCP's cost, ours, ratio, limit), those of EVENTS net of the floor."""
    floor = costs["floor"]["tcp"][0]
    for event, (what, packets, limit) in EVENTS.items():
        tcp = costs[event]["tcp"][0] - packets * floor
        ours = costs[event]["lq"][0] - packets * floor
        yield what, tcp, ours, ours / tcp, limit
    for what, event, kind, limit in NEIGHBOURS:
        tcp, ours = costs[event]["tcp"][0], costs[event][kind][0]
        yield what, tcp, ours, ours / tcp, limit


def table(kernel, costs):
    """What a person reads."""
    lines = [f"{kernel}: instructions, p50; floor of a packet {costs['floor']['tcp'][0]}, taken off"
             " above the line",
             f"{'':32} {'TCP':>7} {'listenq':>8} {'ratio':>6} {'limit':>6}"]
    for number, (what, tcp, ours, ratio, limit) in enumerate(rows(costs)):
        if number == len(EVENTS):
            lines.append("-" * 71)
        verdict = "holds" if ratio <= limit else "missed"
        lines.append(f"{what:32} {tcp:7} {ours:8} {ratio:6.3f} {limit:6.3f} {verdict}")
    return "\n".join(lines)


def grown(kernel, costs, before):
    """What costs more than before, in words."""
    for event, kinds in before.items():
        # A cgroup is charged for many at a time: which of two costs the median is, is chance.
        which = 1 if event.endswith("_memcg") else 0
        for kind, cost in kinds.items():
            now = costs.get(event, {}).get(kind, [None, None])[which]
            words = baseline.grown(f"{kernel}: {event} {kind}", cost[which], now)
            if words:
                yield words


def stranger_rows(costs):
    """(what, {scene: (TCP's cost, ours)} net of the scene's floor, limit)"""
    for event, (what, packets, limit) in STRANGERS.items():
        scenes = {}
        for scene in SCENES:
            floor = costs[f"{scene}/floor"]["tcp"][0]
            pair = costs[f"{scene}/{event}"]
            scenes[scene] = tuple(pair[kind][0] - packets * floor for kind in ("tcp", "lq"))
        yield what, scenes, limit


def ratio_of(pair):
    """Ours to TCP's."""
    return pair[1] / pair[0]


def stranger_table(kernel, costs):
    """The same for strangers: ours to TCP's in each scene, and the worst."""
    lines = [f"{kernel}: strangers behind a gateway, 1024 handshakes between a SYN and its ACK;"
             " ratio to TCP",
             f"{'':32} " + " ".join(f"{scene:>10}" for scene in SCENES) + "  worst  limit"]
    for what, scenes, limit in stranger_rows(costs):
        ratios = [ratio_of(scenes[scene]) for scene in SCENES]
        verdict = "holds" if max(ratios) <= limit else "missed"
        lines.append(f"{what:32} " + " ".join(f"{ratio:10.3f}" for ratio in ratios)
                     + f" {max(ratios):6.3f} {limit:6.3f} {verdict}")
    return "\n".join(lines)


def as_json(costs):
    """What was measured, and the rows of the tables."""
    names = ("what", "tcp", "listenq", "ratio", "limit")
    return {"costs": costs,
            "rows": [{**dict(zip(names, row)), "holds": row[3] <= row[4]} for row in rows(costs)],
            "strangers": [{"what": what, "limit": limit,
                           "scenes": {scene: {"tcp": pair[0], "listenq": pair[1],
                                              "ratio": ratio_of(pair)}
                                      for scene, pair in scenes.items()}}
                          for what, scenes, limit in stranger_rows(costs)]}


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--out", required=True)
    parser.add_argument("kernels", nargs="+")
    options = parser.parse_args()
    measured = {kernel: {**read(f"{options.out}/{kernel}.tsv"),
                         **read(f"{options.out}/{kernel}.strangers.tsv")}
                for kernel in options.kernels}

    for kernel, costs in measured.items():
        print(table(kernel, costs) + "\n")
        print(stranger_table(kernel, costs) + "\n")
    with open(f"{options.out}/bench.json", "w", encoding="ascii") as file:
        json.dump({kernel: as_json(costs) for kernel, costs in measured.items()}, file, indent=1)
    if options.accept:
        baseline.accept(measured)
        return 0
    before = baseline.load()
    return baseline.verdict("events", [words for kernel, costs in measured.items()
                                       for words in grown(kernel, costs, before.get(kernel, {}))])


if __name__ == "__main__":
    sys.exit(main())
