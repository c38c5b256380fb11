# SPDX-License-Identifier: GPL-2.0
"""The last accepted numbers: baseline.json, by kernel, and under "size"."""
import json
import os

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "baseline.json")
GROWTH = 1.01


def load():
    """{} if there is none."""
    if not os.path.exists(PATH):
        return {}
    with open(PATH, encoding="ascii") as file:
        return json.load(file)


def accept(parts):
    """@parts replace theirs, others stay."""
    baseline = {**load(), **parts}
    with open(PATH, "w", encoding="ascii") as file:
        json.dump(baseline, file, indent=1, sort_keys=True)
        file.write("\n")


def grown(name, before, now, growth=GROWTH):
    """In words, or None."""
    if now is None:
        return f"{name} was not measured"
    if now > before * growth:
        return f"{name} grew from {before} to {now}"
    return None


def verdict(name, more):
    """What to say, and the exit status."""
    print("\n".join(more) if more
          else f"{name}: nothing grew beyond its bound over the baseline")
    return 1 if more else 0
