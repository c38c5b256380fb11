#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what servers_bench printed: a table, JSON, and a picture.

    servers_report.py --out DIR      reads DIR/servers.tsv, writes DIR/servers.json and DIR/servers.svg

Each round's ratio is one sample, as what else the machine does changes from round to round.
"""
import argparse
import collections
import json
import statistics
import sys
from xml.sax.saxutils import escape

WHAT = {
    "iterative": "one thread, one at a time",
    "threads": "a thread for each connection",
    "pool": "threads in accept() of one listener",
    "reuseport": "a listener for each thread",
    "events": "one thread, epoll",
    "uring": "one thread, io_uring",
}
KINDS = {"tcp": "TCP", "lq": "listenq"}
WIDTH = 740
STYLE = ("text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}.e{text-anchor:end}"
         ".n{font-size:10px;fill:#555}.tcp{fill:#b0b7c3}.lq{fill:#2f6fb3}"
         ".range{stroke:#222;stroke-width:1}")


def read(path):
    """{server: {kind: [(rate, CPU seconds, CPUs)]}} and {server: (p50, p99)}."""
    turns, waits = collections.defaultdict(lambda: collections.defaultdict(list)), {}
    with open(path, encoding="ascii") as file:
        for line in file:
            server, kind, *numbers = line.split()
            if kind == "wait":
                waits[server] = tuple(map(int, numbers))
            else:
                turns[server][kind].append(tuple(map(float, numbers)))
    return turns, waits


def summary_of(kinds, wait):
    """Of one server: medians, and quartiles of the ratio."""
    ratios = [ours[0] / tcp[0] for ours, tcp in zip(kinds["lq"], kinds["tcp"])]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    row = {"ratio": middle, "quartiles": [low, high], "accept_wait_us": dict(zip(("p50", "p99"), wait))}
    for kind, turns in kinds.items():
        rates, cpu, cpus = zip(*turns)
        row[kind] = {"per_second": statistics.median(rates),
                     "quartiles": statistics.quantiles(rates, n=4, method="inclusive")[::2],
                     "cpu_us": 1e6 * statistics.mean(cpu), "cpus": statistics.median(cpus)}
    return row


def milliseconds(us):
    """As short as it can be."""
    return f"{us / 1000:.0f}" if us >= 10000 else f"{us / 1000:.1f}"


def print_table(rows, rounds):
    """For people."""
    print(f"6.12, {rounds} rounds in one boot: connections per second, and their ratio to TCP's")
    print(f"{'':46} {'TCP':>6} {'listenq':>8} {'ratio':>6} {'quartiles':>11} {'CPU us each':>12} "
          f"{'CPUs':>5} {'wait ms, p50, p99':>18}")
    for server, row in rows.items():
        wait = ", ".join(milliseconds(row["accept_wait_us"][name]) for name in ("p50", "p99"))
        print(f"{server + ': ' + WHAT[server]:46} {row['tcp']['per_second']:6.0f} "
              f"{row['lq']['per_second']:8.0f} {row['ratio']:6.2f} "
              f"{row['quartiles'][0]:5.2f}..{row['quartiles'][1]:4.2f} "
              f"{row['lq']['cpu_us']:12.0f} {row['lq']['cpus']:5.2f} {wait:>18}")


def picture(rows):
    """Two bars for each server, with the quartiles of its rounds on them."""
    most = max(row[kind]["quartiles"][1] for row in rows.values() for kind in KINDS)
    parts = ['<text x="10" y="24" class="h">Six servers: connections per second</text>']
    for x, (kind, name) in zip((420, 490), KINDS.items()):
        parts.append(f'<rect x="{x}" y="14" width="10" height="10" class="{kind}"/>'
                     f'<text x="{x + 15}" y="24">{name}</text>')
    parts.append(f'<text x="{WIDTH - 10}" y="24" class="e">ratio; wait for accept()</text>')
    y = 24
    for server, row in rows.items():
        y += 40
        parts.append(f'<text x="220" y="{y - 2}" class="e">{escape(server)}</text>'
                     f'<text x="220" y="{y + 11}" class="e n">{escape(WHAT[server])}</text>')
        for offset, kind in ((-11, "tcp"), (2, "lq")):
            rate, (low, high) = row[kind]["per_second"], row[kind]["quartiles"]
            width, left, right = (300 * value / most for value in (rate, low, high))
            middle = y + offset + 5.5
            parts.append(f'<rect x="230" y="{y + offset}" width="{width:.1f}" height="11" class="{kind}"/>'
                         f'<line x1="{230 + left:.1f}" x2="{230 + right:.1f}" y1="{middle}" y2="{middle}" '
                         'class="range"/>'
                         f'<text x="{236 + max(width, right):.1f}" y="{y + offset + 9}" class="n">{rate:.0f}'
                         '</text>')
        parts.append(f'<text x="{WIDTH - 110}" y="{y + 5}" class="e">{row["ratio"]:.2f}</text>'
                     f'<text x="{WIDTH - 10}" y="{y + 5}" class="e n">'
                     f'{milliseconds(row["accept_wait_us"]["p50"])}, '
                     f'p99 {milliseconds(row["accept_wait_us"]["p99"])} ms</text>')
    height = y + 30
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">'
            f'<!-- SPDX-License-Identifier: GPL-2.0 --><style>{STYLE}</style>'
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>' + "\n".join(parts) + "</svg>\n")


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    turns, waits = read(f"{options.out}/servers.tsv")
    missing = [server for server in WHAT if server not in waits]
    if missing:
        sys.exit(f"servers_report: nothing of {', '.join(missing)}")
    rows = {server: summary_of(turns[server], waits[server]) for server in WHAT}

    print_table(rows, len(turns["pool"]["tcp"]))
    with open(f"{options.out}/servers.json", "w", encoding="ascii") as file:
        json.dump(rows, file, indent=1)
    with open(f"{options.out}/servers.svg", "w", encoding="ascii") as file:
        file.write(picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
