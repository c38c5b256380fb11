#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""From what core_bench printed: a table, JSON, and whether any operation grew.

    report.py [--accept] --compiler WORDS --out DIR

reads DIR/core.ns.json (Google Benchmark's), DIR/core.ops.tsv and DIR/callgrind.* (core_bench
--count under callgrind), writes DIR/core.json. Instructions of the core are compared with
baseline.json, which holds them by compiler: another compiler's code is another program.
"""
import argparse
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.json")
GROWTH = 1.01
OPERATIONS = {
    "insert": "a SYN: request queued",
    "find": "a segment finds its request",
    "promote": "a final ACK: to the accept queue",
    "accept": "accept()",
    "age": "the timer looks, none is due",
    "resend": "the timer looks, all are due",
}


def instructions(out):
    """{op/table/entries: instructions of one operation}"""
    operations = {}
    with open(f"{out}/core.ops.tsv", encoding="ascii") as file:
        for line in file:
            name, count = line.split()
            operations[name] = int(count)
    costs = {}
    for path in glob.glob(f"{out}/callgrind.*"):
        name = total = None
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("desc: Trigger: Client Request: "):
                    name = line.split(": ")[3].strip()
                elif line.startswith("summary: "):
                    total = int(line.split()[1])
                    break
        if name:
            costs[name] = round(total / operations[name], 2)
    missing = sorted(operations.keys() - costs.keys())
    if missing or not costs:
        sys.exit(f"report.py: callgrind left no profile of {', '.join(missing) or 'anything'}")
    return costs


def nanoseconds(out):
    """{op/table/entries: of one operation, the least of all repetitions}"""
    with open(f"{out}/core.ns.json", encoding="utf-8") as file:
        runs = json.load(file)["benchmarks"]
    least = {}
    for run in runs:
        if run["run_type"] == "iteration":
            name = "/".join(run["name"].split("/")[:3])
            least[name] = min(least.get(name, float("inf")), run["each"] * 1e9)
    return least


def table(counts, times, compiler):
    """What a person reads."""
    sizes = sorted({int(name.split("/")[2]) for name in counts})
    lines = [f"the core alone, {compiler}; each operation, beside std::unordered_map and "
             "std::deque",
             f"{'':42} {'':>8} {'instructions':>13} {'nanoseconds here':>25}",
             f"{'':42} {'entries':>8} {'core':>6} {'map':>6} {'core':>8} {'map':>8} {'ratio':>7}"]
    for operation, what in OPERATIONS.items():
        for size in sizes:
            core, other = f"{operation}/core/{size}", f"{operation}/map/{size}"
            lines.append(
                f"{operation + ': ' + what if size == sizes[0] else '':42} {size:>8} "
                f"{counts[core]:6.0f} {counts[other]:6.0f} {times[core]:8.1f} {times[other]:8.1f} "
                f"{times[core] / times[other]:7.2f}")
    return "\n".join(lines)


def grown(core, before):
    """What costs more than before, in words."""
    for name, old in before.items():
        now = core.get(name)
        if now is None:
            yield f"core: {name} was not measured"
        elif now > old * GROWTH:
            yield f"core: {name} grew from {old} to {now} instructions"
    for name in core.keys() - before.keys():
        yield f"core: {name} has no baseline; --accept makes one"


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    counts, times = instructions(options.out), nanoseconds(options.out)
    core = {name: cost for name, cost in counts.items() if name.split("/")[1] == "core"}
    baseline = {}
    if os.path.exists(BASELINE):
        with open(BASELINE, encoding="ascii") as file:
            baseline = json.load(file)

    print(table(counts, times, options.compiler))
    with open(f"{options.out}/core.json", "w", encoding="ascii") as file:
        json.dump({"compiler": options.compiler, "instructions": counts, "nanoseconds": times},
                  file, indent=1, sort_keys=True)
    if options.accept:
        baseline[options.compiler] = core
        with open(BASELINE, "w", encoding="ascii") as file:
            json.dump(baseline, file, indent=1, sort_keys=True)
            file.write("\n")
        return 0
    if options.compiler not in baseline:
        print(f"core: instructions NOT compared: this is {options.compiler}, the baseline is of "
              f"{', '.join(sorted(baseline)) or 'no compiler'}")
        return 0
    more = list(grown(core, baseline[options.compiler]))
    print("\n".join(more) if more else "core: no operation grew by more than 1 % over the baseline")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
