#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what event_bench printed: a table with limits, JSON, a plot, and whether anything grew.

    report.py [--accept] --out DIR KERNEL...      reads DIR/KERNEL.tsv
"""
import argparse
import json
import os
import sys
from xml.sax.saxutils import escape

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.json")
GROWTH = 1.01

# event: (what it is, packets in it, largest ratio to TCP's net cost)
EVENTS = {
    "syn": ("SYN: request and SYN-ACK", 1, 0.60),
    "syn_stranger": ("SYN from a new address", 1, 0.80),
    "syn_duplicate": ("duplicate SYN", 1, 0.60),
    "syn_cookie": ("SYN answered by cookie", 1, 0.55),
    "ack": ("final ACK: child on the queue", 1, 1.00),
    "ack_cookie": ("ACK proved by cookie: child", 1, 0.90),
    "syn_dropped": ("SYN dropped, accept queue full", 1, 0.80),
    "accept": ("accept4()", 0, 1.00),
    "accept_eagain": ("accept4(), nothing there", 0, 1.00),
    "passive_connection": ("SYN + ACK + accept4()", 2, 0.80),
}
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
    """(what, TCP's cost, ours, ratio, limit), the first nine net of the floor."""
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


def grown(kernel, costs, baseline):
    """What costs more than before, in words."""
    for event, kinds in baseline.get(kernel, {}).items():
        for kind, (before, _) in kinds.items():
            now = costs.get(event, {}).get(kind, [None])[0]
            if now is None:
                yield f"{kernel}: {event} {kind} was not measured"
            elif now > before * GROWTH:
                yield f"{kernel}: {event} {kind} grew from {before} to {now} instructions"


def svg(measured):
    """A bar for TCP and one for listenq, for each event and kernel."""
    parts, y = [], 30
    for kernel, costs in measured.items():
        every = list(rows(costs))
        most = max(max(tcp, ours) for _, tcp, ours, _, _ in every)
        parts.append(f'<text x="10" y="{y}" class="h">Linux {escape(kernel)}: instructions'
                     '</text>')
        y += 14
        for what, tcp, ours, ratio, limit in every:
            y += 30
            parts.append(f'<text x="230" y="{y}" class="e">{escape(what)}</text>')
            for offset, value, name in ((-11, tcp, "tcp"), (1, ours, "lq")):
                width = 380 * value / most
                parts.append(f'<rect x="240" y="{y + offset}" width="{width:.1f}" height="10" '
                             f'class="{name}"/><text x="{245 + width:.1f}" y="{y + offset + 9}" '
                             f'class="n">{value}</text>')
            colour = "good" if ratio <= limit else "bad"
            parts.append(f'<text x="690" y="{y + 5}" class="{colour}">{ratio:.2f}</text>')
        y += 50
    style = ("text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}"
             ".e{text-anchor:end}.n{font-size:10px;fill:#555}.tcp{fill:#b0b7c3}.lq{fill:#2f6fb3}"
             ".good{fill:#1a7f37;font-weight:bold}.bad{fill:#b35900;font-weight:bold}")
    legend = ('<rect x="430" y="20" width="10" height="10" class="tcp"/><text x="445" y="30">TCP'
              '</text><rect x="490" y="20" width="10" height="10" class="lq"/>'
              '<text x="505" y="30">listenq</text><text x="600" y="30">ratio to TCP</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="740" height="{y}">'
            f'<style>{style}</style><rect width="740" height="{y}" fill="#fff"/>'
            + legend + "".join(parts) + "</svg>\n")


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--out", required=True)
    parser.add_argument("kernels", nargs="+")
    options = parser.parse_args()
    measured = {kernel: read(f"{options.out}/{kernel}.tsv") for kernel in options.kernels}
    baseline = {}
    if os.path.exists(BASELINE):
        with open(BASELINE, encoding="ascii") as file:
            baseline = json.load(file)

    for kernel, costs in measured.items():
        print(table(kernel, costs) + "\n")
    with open(f"{options.out}/bench.json", "w", encoding="ascii") as file:
        json.dump(measured, file, indent=1)
    with open(f"{options.out}/bench.svg", "w", encoding="ascii") as file:
        file.write(svg(measured))
    if options.accept:
        with open(BASELINE, "w", encoding="ascii") as file:
            json.dump({**baseline, **measured}, file, indent=1, sort_keys=True)
            file.write("\n")
        return 0
    more = [words for kernel, costs in measured.items()
            for words in grown(kernel, costs, baseline)]
    print("\n".join(more) if more else "nothing grew by more than 1 % over the baseline")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
