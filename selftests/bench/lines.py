#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which cache lines of a listener each event writes: the table in docs/performance.md.

    lines.py [--accept] --module listenq.ko --core listener.o --touch DIR

Where members lie is pahole's word. What the core touches was traced (DIR/touch.out,
DIR/touch.trace: selftests/core/bench/touch.cc under valgrind); what the shims touch is said below.
A table in the document that is no longer true fails; --accept writes it anew.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/performance.md")
BEGIN, END = "<!-- lines: scripts/bench --lines --accept -->\n", "<!-- end of lines -->\n"
LINE = 64

# What lies behind each other in memory, in C; the core is behind the last of them.
AREAS = {"listener": ("lq_listener",), "shard": ("lq_shard",)}
CORE_AREA, CORE_CLASS = "shard", "Listener"
# What is looked into; other members are looked at as a whole.
INSIDE = {"SynQueue", "AcceptQueue", "RequestList", "FilterQueue", "Counters", "Episode"}

# What the shims do to members of those structs: (written, read); with the keys, which the core
# reads in the listener. shim/receive.c, syn.c, ack.c and child.c, accept.c where memory cgroups do not count sockets, timer.c. "member:N" is its first N
# bytes: of the timer, whether it is pending and when it expires.
ALWAYS = ("af_ops", "sk", "lqn", "shard_count", "core")
FRESH = ("settings_seen", "tcp_seen")  # lq_listener_refresh()
SEGMENT = ALWAYS + FRESH + ("keys", "accepts_done", "lst")
SHIM = {
    "SYN": (("lock",), SEGMENT + ("isn_tag", "id", "timer:24")),
    "duplicate SYN": (("lock",), SEGMENT + ("id",)),
    "SYN dropped": (("lock",), SEGMENT),
    "final ACK": (("lock",), SEGMENT + ("orig_af_ops", "id", "managed", "feeding")),
    "accept()": (("lock",), ALWAYS + ("lst", "managed")),
    "timer": (("lock", "timer", "timer_ran"), FRESH + ("sk", "core", "lst", "lqn", "accepts_done")),
    "timer (due)": (("lock", "timer", "timer_ran"),
                    FRESH + ("sk", "core", "lst", "lqn", "accepts_done")),
}
# Members elsewhere: (struct, member, who writes it, who only reads it).
ELSEWHERE = [
    ("sock", "sk_ack_backlog", "final ACK, accept()", ""),
    ("sock", "sk_drops", "SYN dropped", ""),
    ("sock", "sk_filter", "", "SYN, ACK"),
    ("sock", "sk_data_ready", "", "final ACK"),
    ("inet_connection_sock", "icsk_accept_queue", "final ACK, accept()", ""),
    ("inet_connection_sock", "icsk_af_ops", "", "all"),
    ("lq_net", "ports", "", "all, by port; a data segment without early demux"),
    ("lq_net", "counters", "", "all"),
    ("lq_net", "list_lock", "listen(), close(), dump", ""),
]


def pahole(file, name):
    """[(member, type, offset, size)] and the size of struct or class @name."""
    text = subprocess.run(["pahole", "-C", name, file], capture_output=True, text=True,
                          check=False).stdout
    members, size = [], None
    for line in text.splitlines():
        end = re.search(r"/\* size: (\d+),", line)
        if end:
            size = int(end[1])
        found = re.match(r"\t(?!\t)(.*?);\s+/\*\s+(\d+)\s+(\d+) \*/", line)
        if not found or int(found[3]) == 0:
            continue
        words = re.sub(r" *__attribute__\(\(.*?\)\)\)?", "", found[1])
        pointer = re.search(r"\(\*(\w+)\)\(", words)
        member = pointer or re.search(r"(\w+)(\[\d+\])*$", words)
        if not member:
            continue
        kind = re.sub(r"^(class|struct|const) ", "", words).split()[0]
        members.append((member[1], kind, int(found[2]), int(found[3])))
    if not members or size is None:
        sys.exit(f"lines.py: {file} has no {name} that pahole can read")
    return members, size


def leaves(file, name, base=0, path=""):
    """[(path, offset, size)], INSIDE looked into."""
    for member, kind, offset, size in pahole(file, name)[0]:
        full = f"{path}{member}"
        if kind in INSIDE:
            yield from leaves(file, kind, base + offset, full + ".")
        else:
            yield full, base + offset, size


def traced(directory, core_size):
    """{event: ({offset in the core that is written}, {read})}"""
    cores, mark, names = [], None, []
    with open(f"{directory}/touch.out", encoding="ascii") as file:
        for line in file:
            if line.startswith("core "):
                cores.append(int(line.split()[1], 16))
            elif line.startswith("mark "):
                mark = int(line.split()[1], 16)
            else:
                names.append(line.strip())
    marks, touched = 0, {name: (set(), set()) for name in names}
    with open(f"{directory}/touch.trace", encoding="ascii") as file:
        for line in file:
            if not line.startswith((" S", " L", " M")):
                continue
            address, size = line[3:].split(",")
            address = int(address, 16)
            if address == mark:
                marks += line[1] == "S"
                continue
            if marks % 2 == 0 or marks // 2 >= len(names):
                continue
            for core in cores:
                if core <= address < core + core_size:
                    written, read = touched[names[marks // 2]]
                    target = read if line[1] == "L" else written
                    target.update(range(address - core, address - core + int(size)))
    if marks != 2 * len(names):
        sys.exit(f"lines.py: {marks} marks in the trace of {len(names)} events")
    return touched


class Area:
    """One piece of memory: what its lines hold, and who touches what."""

    def __init__(self, options, name, trace):
        self.members, self.size = [], 0
        self.written = {event: set() for event in SHIM}  # bytes
        self.read = {event: set() for event in SHIM}
        for struct in AREAS[name]:
            members, size = pahole(options.module, struct)
            self.members += [(member, self.size + offset, length)
                             for member, _, offset, length in members]
            self.size += size
        for event, (written, read) in SHIM.items():
            self.written[event] |= self.bytes(written)
            self.read[event] |= self.bytes(read)
        self.known = {member for member, _, _ in self.members}
        if name == CORE_AREA:
            self.add_core(options, trace)

    def add_core(self, options, trace):
        """Behind the rest."""
        self.members += [("core: " + name, self.size + offset, size)
                         for name, offset, size in leaves(options.core, CORE_CLASS)]
        for event in SHIM:
            if event not in trace:
                sys.exit(f"lines.py: touch.cc has no event '{event}'")
            for table, offsets in zip((self.written, self.read), trace[event]):
                table[event] |= {self.size + offset for offset in offsets}
        self.size += pahole(options.core, CORE_CLASS)[1]

    def bytes(self, names):
        """Of those members of the shim's."""
        wanted = dict((name.split(":") + [None])[:2] for name in names)
        return {offset + i for name, offset, size in self.members if name in wanted
                for i in range(int(wanted[name] or size))}

    def holds(self, line):
        """Names of the line's members that some event touches, by what they are of."""
        touched = set().union(*self.written.values(), *self.read.values())
        names, rest = [], False
        for name, offset, size in self.members:
            here = set(range(max(offset, line * LINE), min(offset + size, (line + 1) * LINE)))
            if here & touched:
                names.append(name)
            elif here:
                rest = True
        core = [name[6:] for name in names if name.startswith("core: ")]
        parts = [f"`{name}`" for name in names if not name.startswith("core: ")]
        for group in dict.fromkeys(name.split(".")[0] for name in core):
            inner = [name.split(".", 1)[1].removeprefix("values_.").removeprefix("list_.")
                     for name in core if name.split(".")[0] == group and "." in name]
            parts.append(f"core `{group}`" + (": " + ", ".join(f"`{i}`" for i in inner)
                                              if inner else ""))
        return ", ".join(parts) + (", …" if rest and parts else "")

    def rows(self):
        """Of the table; lines that no event touches are left out."""
        for line in range((self.size + LINE - 1) // LINE):
            where = set(range(line * LINE, (line + 1) * LINE))
            written = [event for event, touched in self.written.items() if touched & where]
            read = [event for event, touched in self.read.items()
                    if touched & where and event not in written]
            if written or read:
                yield line, self.holds(line), written, read


def areas(options):
    """{name: Area}; every name in SHIM is a member of one of them."""
    trace = traced(options.touch, pahole(options.core, CORE_CLASS)[1])
    result = {name: Area(options, name, trace) for name in AREAS}
    known = set().union(*(area.known for area in result.values()))
    missing = {name for written, read in SHIM.values() for name in written + read
               if name.split(":")[0] not in known}
    if missing:
        sys.exit(f"lines.py: no member {', '.join(sorted(missing))} any more: say in SHIM what the "
                 "shims touch now")
    return result


def elsewhere(options):
    """Rows of the second table."""
    for struct, member, written, read in ELSEWHERE:
        found = [(offset, size) for name, _, offset, size in pahole(options.module, struct)[0]
                 if name == member]
        if not found:
            sys.exit(f"lines.py: struct {struct} has no {member}")
        first, last = found[0][0] // LINE, (found[0][0] + found[0][1] - 1) // LINE
        yield (f"| `{struct}.{member}` | {first if first == last else f'{first}–{last}'} | "
               f"{written} | {read} |")


def table(options):
    """What stands in the document between BEGIN and END."""
    every, out, rows = areas(options), [], []
    count = dict.fromkeys(SHIM, 0)
    for name, area in every.items():
        for line, holds, written, read in area.rows():
            rows.append(f"| {name} {line} | {holds} | "
                        + " | ".join("all" if set(events) == set(SHIM) else ", ".join(events)
                                     for events in (written, read)) + " |")
            for event in written:
                count[event] += 1
    out.append("Bytes: " + ", ".join(f"{name} {area.size}" for name, area in every.items())
               + ". Lines written: "
               + ", ".join(f"{event} {number}" for event, number in count.items()) + ".")
    out += ["", "| line | holds | written by | only read by |", "|---|---|---|---|", *rows]
    out += ["", "| elsewhere | line | written by | only read by |", "|---|---|---|---|"]
    return "\n".join(out + list(elsewhere(options))) + "\n"


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--module", required=True)
    parser.add_argument("--core", required=True)
    parser.add_argument("--touch", required=True)
    options = parser.parse_args()
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()
    if BEGIN not in document or END not in document:
        sys.exit("lines.py: docs/performance.md has no place for the table")
    before, rest = document.split(BEGIN)
    old, after = rest.split(END)
    new = "\n" + table(options) + "\n"
    if options.accept:
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(before + BEGIN + new + END + after)
        return 0
    if old == new:
        print("lines: the table in docs/performance.md is true")
        return 0
    print("lines: docs/performance.md is no longer true (scripts/bench --lines --accept):")
    print("\n".join(line for line in difflib.unified_diff(old.splitlines(), new.splitlines(),
                                                         "documented", "built", lineterm="", n=0)))
    return 1


if __name__ == "__main__":
    sys.exit(main())
