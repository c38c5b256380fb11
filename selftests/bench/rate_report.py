#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what rate_bench printed: ratios to TCP's one listener, and JSON.

    rate_report.py --out DIR CPUS...      reads DIR/rate.CPUS.tsv, writes DIR/rate.json

Each round's ratio is one sample, as what else the machine does changes from round to round. The
ratio of the best rounds is nearer to what the kinds can do: a round that was disturbed is slow.
"""
import argparse
import json
import statistics
import sys

KINDS = {
    "tcp": "TCP, one listener",
    "lq": "listenq, one listener",
    "lq_shards": "listenq, one listener, a shard for each CPU",
    "tcp_reuseport": "TCP, SO_REUSEPORT",
    "lq_reuseport": "listenq, SO_REUSEPORT",
}


def read(path):
    """{kind: [connections per second]}"""
    with open(path, encoding="ascii") as file:
        return {words[0]: [float(word) for word in words[1:]]
                for words in (line.split() for line in file)}


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("cpus", nargs="+")
    options = parser.parse_args()
    result = {}

    for cpus in options.cpus:
        rates = read(f"{options.out}/rate.{cpus}.tsv")
        rounds = len(rates["tcp"])
        result[cpus] = {}
        print(f"6.12, {cpus} CPUs, {rounds} rounds: connections per second to those of TCP's one "
              "listener")
        print(f"{'':46} {'median':>7} {'quartiles':>13} {'best tenth':>11} {'per second':>11}")
        best = {kind: statistics.quantiles(values, n=10, method="inclusive")[-1]
                for kind, values in rates.items()}
        for kind, what in KINDS.items():
            if kind not in rates:
                print(f"{what:46} missing: this module has no LQ_SHARDS")
                continue
            ratios = [ours / tcp for ours, tcp in zip(rates[kind], rates["tcp"])]
            low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
            result[cpus][kind] = {"ratio": middle, "quartiles": [low, high],
                                  "best": best[kind] / best["tcp"], "rates": rates[kind]}
            print(f"{what:46} {middle:7.2f} {low:6.2f}..{high:4.2f} "
                  f"{best[kind] / best['tcp']:11.2f} {best[kind]:11.0f}")
        print()
    with open(f"{options.out}/rate.json", "w", encoding="ascii") as file:
        json.dump(result, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
