# SPDX-License-Identifier: GPL-2.0
"""examples/monitoring, read: which metrics, labels and values of labels its expressions name.

And what lqctl exports, read in the same form.
"""
import json
import os
import re

import yaml

import lq

# What is others', and their labels.
FOREIGN = {"up": set(), "node_textfile_mtime_seconds": {"file"}}
# What a scrape adds to everything.
SCRAPED = {"instance", "job"}
# Words of PromQL; what else is no metric, label or function is a mistake.
WORDS = set("and or unless on ignoring by without group_left group_right bool offset inf nan".split())
FUNCTIONS = set("absent count histogram_quantile increase max rate sum time topk vector".split())

TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|\[[^]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9.]+[a-z]*|[=!]~|[=!<>]=|.')
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def read(name):
    """An example's text."""
    with open(os.path.join(lq.TOP, "examples/monitoring", name), encoding="utf-8") as file:
        return file.read()


def exported(text):
    """{metric: {label: values}} of what lqctl says."""
    metrics = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, _ = SAMPLE.fullmatch(line).groups()
        of = metrics.setdefault(name, {})
        for label, value in LABEL.findall(labels or ""):
            of.setdefault(label, set()).add(value)
    return metrics


class Used:
    """What an expression names: metrics with the labels and values that it selects, and other labels."""

    def __init__(self, expression):
        self.selectors = []  # (metric, {label: (operator, value)})
        self.labels = set()  # of by, without, on, ignoring, group_left
        self.tokens = [t for t in TOKEN.findall(expression) if not t.isspace()]
        self.at = 0
        while self.at < len(self.tokens):
            self.take()

    def next(self):
        """The token, and past it."""
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def peek(self):
        """The token."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self):
        """One word and what belongs to it."""
        token = self.next()
        if not re.match(r"[a-zA-Z_:]", token):
            return
        if token in ("by", "without", "on", "ignoring", "group_left", "group_right"):
            if self.peek() == "(":
                self.next()
                while (label := self.next()) != ")":
                    if label != ",":
                        self.labels.add(label)
            return
        if token in WORDS:
            return
        if token in FUNCTIONS and self.peek() in ("(", "by", "without"):
            return
        matchers = {}
        if self.peek() == "{":
            self.next()
            while (label := self.next()) != "}":
                if label == ",":
                    continue
                matchers[label] = (self.next(), self.next().strip('"'))
        self.selectors.append((token, matchers))


def rules():
    """[(what it is of, expression)] of the alerts."""
    return [(rule["alert"], rule["expr"]) for group in
            yaml.safe_load(read("listenq.rules.yml"))["groups"] for rule in group["rules"]]


def panels():
    """[(panel, expression, legend)] of the dashboard, and of its variables."""
    board = json.loads(read("listenq.dashboard.json"))
    found = [(panel["title"], target["expr"], target["legendFormat"])
             for panel in board["panels"] for target in panel.get("targets", ())]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            what = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            found.append((variable["name"], what[1], "{{" + what[2] + "}}"))
    return found


def wrong(metrics, expression, legend=""):
    """What an expression names that is not in these metrics; empty: all of it is."""
    used, said, known = Used(expression), [], set(SCRAPED) | {"le"}
    for metric, matchers in used.selectors:
        if metric in FOREIGN:
            known |= FOREIGN[metric]
            continue
        if metric not in metrics:
            said.append(f"no metric {metric}")
            continue
        labels = metrics[metric]
        known |= set(labels)
        for label, (operator, value) in matchers.items():
            if label in SCRAPED:
                continue
            if label not in labels:
                said.append(f"{metric} has no label {label}")
            elif "$" not in value:
                for one in value.split("|") if operator == "=~" else [value]:
                    if one not in labels[label]:
                        said.append(f"{metric} has no {label}=\"{one}\"")
    if not used.selectors:
        said.append("no metric at all")
    # The namespace is a label with --all-netns alone.
    for label in (used.labels | set(re.findall(r"{{ *(\w+) *}}", legend))) - known - {"netns"}:
        said.append(f"no label {label}")
    return said
