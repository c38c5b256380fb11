#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One picture of what make bench measured: DIR/bench.svg from those of DIR/bench.json and
DIR/size.json that are there.

    plot.py DIR
"""
import json
import os
import sys
from xml.sax.saxutils import escape

WIDTH = 740
STYLE = ("text{font:12px sans-serif;fill:#222}.h{font-weight:bold;font-size:14px}"
         ".e{text-anchor:end}.n{font-size:10px;fill:#555}.tcp{fill:#b0b7c3}.lq{fill:#2f6fb3}"
         ".over{fill:#d08a4a}.good{fill:#1a7f37;font-weight:bold}.bad{fill:#b35900;font-weight:bold}"
         ".limit{stroke:#222;stroke-dasharray:3 2}")


def colour(row):
    """Of its verdict."""
    return "good" if row["holds"] else "bad"


def events(kernel, rows, y):
    """A bar for TCP and one for listenq, for each event."""
    most = max(max(row["tcp"], row["listenq"]) for row in rows)
    yield y, (f'<text x="10" y="{y}" class="h">Linux {escape(kernel)}: instructions</text>'
              f'<rect x="430" y="{y - 10}" width="10" height="10" class="tcp"/>'
              f'<text x="445" y="{y}">TCP</text>'
              f'<rect x="490" y="{y - 10}" width="10" height="10" class="lq"/>'
              f'<text x="505" y="{y}">listenq</text>'
              f'<text x="590" y="{y}">ratio to TCP, limit</text>')
    y += 14
    for row in rows:
        y += 30
        part = f'<text x="230" y="{y}" class="e">{escape(row["what"])}</text>'
        for offset, value, name in ((-11, row["tcp"], "tcp"), (1, row["listenq"], "lq")):
            width = 340 * value / most
            part += (f'<rect x="240" y="{y + offset}" width="{width:.1f}" height="10" '
                     f'class="{name}"/><text x="{245 + width:.1f}" y="{y + offset + 9}" '
                     f'class="n">{value}</text>')
        part += (f'<text x="650" y="{y + 5}" class="{colour(row)}">{row["ratio"]:.3f}</text>'
                 f'<text x="695" y="{y + 5}" class="n">{row["limit"]:.3f}</text>')
        yield y, part


def sizes(rows, y):
    """Each as a part of its limit; what is far over it is cut off."""
    full = 200
    yield y, (f'<text x="10" y="{y}" class="h">Size and growth, as parts of the limit</text>'
              f'<line x1="{310 + full}" x2="{310 + full}" y1="{y + 24}" '
              f'y2="{y + 24 + 24 * len(rows)}" class="limit"/>'
              f'<text x="{310 + full}" y="{y + 18}" text-anchor="middle" class="n">limit</text>')
    y += 16
    for row in rows:
        y += 24
        part = row["value"] / row["limit"]
        width = min(full * part, full * 1.3)
        unit = f' {row["unit"]}' if row["unit"] else ""
        cut = " »" if full * part > width else ""
        yield y, (f'<text x="300" y="{y}" class="e">{escape(row["what"])}</text>'
                  f'<rect x="310" y="{y - 9}" width="{width:.1f}" height="10" '
                  f'class="{"lq" if row["holds"] else "over"}"/>'
                  f'<text x="{WIDTH - 10}" y="{y}" class="e {colour(row)}">'
                  f'{row["value"]:.3g} of {row["limit"]}{unit}{cut}</text>')


def read(path):
    """Its JSON, or None."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="ascii") as file:
        return json.load(file)


def main():
    """See above."""
    parts, y = [], 30
    bench, size = read(f"{sys.argv[1]}/bench.json"), read(f"{sys.argv[1]}/size.json")
    for kernel, measured in (bench or {}).items():
        for y, part in events(kernel, measured["rows"], y):
            parts.append(part)
        y += 50
    if size:
        for y, part in sizes(size["rows"], y):
            parts.append(part)
        y += 50
    height = y - 25
    with open(f"{sys.argv[1]}/bench.svg", "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">'
                   f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>'
                   + "\n".join(parts) + "</svg>\n")


if __name__ == "__main__":
    main()
