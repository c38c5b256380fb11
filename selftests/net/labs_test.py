#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""The labs of docs/labs: every command of every page, and what it prints. docs/labs/README.md says how a
page is written.

    one shell for each page, in a network namespace of its own --- lo
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lq

LABS = os.path.join(lq.TOP, "docs/labs")
PAGES = sorted(os.path.basename(path)[:-len(".md")] for path in glob.glob(f"{LABS}/*.md")
               if not path.endswith("/README.md"))
# The end of a command's output; no page may have it.
MARK = "=end-of-output="


class Wrong(AssertionError):
    """A page does not say what is so."""


# --- pages ---


def commands_of(text):
    """[(command, [lines of output])] of a page's blocks that are fenced as "console"."""
    found, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if not inside and line not in ("```console", "```c", "```text"):
                raise Wrong(f"line {number}: a block is console, c or text: {line}")
            inside = False if inside else line
        elif inside == "```console":
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif (line + " ").startswith("> ") and found and not found[-1][1]:
                found[-1] = (found[-1][0] + "\n" + line[2:], [])
            elif found:
                found[-1][1].append(line)
            else:
                raise Wrong(f"line {number}: output without a command: {line}")
    if inside:
        raise Wrong("a block does not end")
    for command, lines in found:
        if lines and set(lines) == {"..."}:
            raise Wrong(f"whatever it prints would be right: {command}")
    return found


def number(text):
    """An int, or a float."""
    return float(text) if "." in text else int(text)


class Pattern:
    """A line of output as a page has it: <N> is a number, <N..M>, <N..> and <..M> one within bounds,
    <WORD> as that WORD was before on the page, or anything without a space the first time."""

    FIELD = re.compile(r"<((?:[0-9.]*[0-9])?\.\.(?:[0-9.]*[0-9])?|[A-Za-z]+)>")
    NUMBER = r"([0-9]+(?:\.[0-9]+)?)"

    def __init__(self, line):
        self.line, self.fields = line, []
        expression, at = "", 0
        for match in self.FIELD.finditer(line):
            expression += self.literal(line[at:match.start()])
            field = match[1]
            is_number = field == "N" or ".." in field
            expression += self.NUMBER if is_number else r"(\S+?)"
            self.fields.append(field)
            at = match.end()
        # Trailing spaces are nobody's business.
        self.regex = re.compile(expression + self.literal(line[at:]).rstrip() + r"\s*")

    @staticmethod
    def literal(text):
        """As it is, but for the number of spaces: columns are as wide as what is in them."""
        return re.sub(r"(\\ )+", r"\\s+", re.escape(text))

    def matches(self, line, words):
        """Whether it is this line; what its words are goes to @words then."""
        found = self.regex.fullmatch(line)
        if not found:
            return False
        new = dict(words)
        for field, value in zip(self.fields, found.groups()):
            if ".." in field:
                low, _, high = field.partition("..")
                if (low and number(value) < number(low)) or (high and number(value) > number(high)):
                    return False
            elif field != "N" and new.setdefault(field, value) != value:
                return False
        words.update(new)
        return True


def compare(command, wanted, got, words):
    """Raises Wrong unless the output is as the page has it. "..." is any lines up to the next line."""
    at = skipping = 0
    for line in wanted:
        if line == "...":
            skipping = True
            continue
        pattern = Pattern(line)
        while skipping and at < len(got) and not pattern.matches(got[at], words):
            at += 1
        if at == len(got) or not pattern.matches(got[at], words):
            raise Wrong(f"$ {command}\nwanted: {line}\ngot:    "
                        f"{got[at] if at < len(got) else 'no more'}\nall of it:\n" + "\n".join(got))
        at, skipping = at + 1, False
    if not skipping and at != len(got):
        raise Wrong(f"$ {command}\nmore than the page says:\n" + "\n".join(got))


class Shell:
    """A shell, which runs one command after the other in a directory of its own."""

    def __init__(self):
        self.home = tempfile.mkdtemp()
        for name in os.listdir(LABS):
            if not name.endswith(".md"):
                shutil.copy(os.path.join(LABS, name), self.home)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["bash", "--noprofile", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=self.home, start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "100", "TERM": "dumb",
                 # Of several, the Python that runs this.
                 "PATH": os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
                 "EXAMPLES": os.path.join(lq.TOP, "examples")})

    def run(self, command):
        """The lines that it prints."""
        self.process.stdin.write(f"{command}\necho '{MARK}'\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise Wrong(f"$ {command}\nthe shell ended after:\n" + "\n".join(lines))
            before, mark, _ = line.rstrip("\n").partition(MARK)
            if before or not mark:
                lines.append(before)
            if mark:
                return lines

    def close(self):
        """With all that it started."""
        with_it = os.getpgid(self.process.pid)
        self.process.stdin.close()
        os.killpg(with_it, 9)
        self.process.wait()
        shutil.rmtree(self.home)


def check(text):
    """Run all of a page."""
    commands, words, shell, wrong = commands_of(text), {}, Shell(), []
    assert commands, "no command"
    try:
        for command, wanted in commands:
            got = shell.run(command)
            # LQ_LABS_SHOW=1: for who writes a page.
            if os.environ.get("LQ_LABS_SHOW"):
                lq.diag("\n".join([f"$ {command}", *got]))
            try:
                compare(command, wanted, got, words)
            except Wrong as error:
                wrong.append(str(error))
    finally:
        shell.close()
    if wrong:
        raise Wrong("\n\n".join(wrong))


# --- the pages are right ---


@lq.case(*PAGES, timeout=400)
def page(name):
    """As a reader sees it."""
    with open(f"{LABS}/{name}.md", encoding="utf-8") as file:
        check(file.read())


@lq.case()
def every_page_is_in_the_list():
    """README.md names them all, and nothing that is not there."""
    with open(f"{LABS}/README.md", encoding="utf-8") as file:
        lq.equal(sorted(re.findall(r"\]\(([a-z0-9-]+)\.md\)", file.read())), PAGES)


# --- and would be found to be wrong ---

GOOD = """
```console
$ echo one; echo two 5 16 x7 x7
one
two <N> <10..20> <Word> <Word>
$ cat <<END
> a  b
>
> c
> END
a b

c
$ seq 10
1
...
9
10
$ true
```
"""
BAD = {
    "a number": ("\none\n", "\n1\n"), "out of bounds": ("10..20", "17..20"), "above": ("10..20", "..15"),
    "another word": ("x7 x7", "x7 x8"), "more": ("\n$ true", "\n$ echo more"),
    "less": ("\none\n", "\none\none and a half\n"), "an error": ("$ true", "$ no-such-command"),
    "not skipped to": ("...\n9", "...\n11"), "after the end": ("9\n10\n", "9\n"),
    "anything": ("a b\n\nc\n", "...\n"), "no number": ("two <N>", "<N> 5"), "other letters": ("a b\n\n", "A b\n\n"),
}


@lq.case()
def a_page_that_is_right():
    """The page that the next case has in many wrong ways."""
    check(GOOD)
    check(GOOD.replace("10..20", "16..").replace("<N>", "<..5>"))


@lq.case(*BAD)
def a_page_that_is_wrong(how):
    """It fails."""
    assert GOOD.count(BAD[how][0]) == 1, how
    try:
        check(GOOD.replace(*BAD[how]))
    except Wrong:
        return
    raise AssertionError("nothing was found")


lq.main()
