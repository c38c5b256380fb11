#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""lqctl record and report: what is in the file is what happened, and what is in the page is what
is in the file.

    clients --- lo --- listener
"""
import contextlib
import html.parser
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import lq

GENEROUS = 60
# A SYN is dropped as soon as the accept queue is full.
DROPS_SYNS = ((lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern"),)


class Recording:
    """A lqctl record that runs, and its file."""

    def __init__(self, *words, interval="50ms"):
        self.directory = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.path = os.path.join(self.directory.name, "recording")
        self.complaint = ""
        self.start(*words, interval=interval)

    def start(self, *words, interval="50ms"):
        """Go on, in the same file."""
        before = len(self.lines("sample"))
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["lqctl", "record", "-o", self.path, "-i", interval, *words],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lq.wait_for(lambda: len(self.lines("sample")) > before or self.process.poll() is not None,
                    GENEROUS)

    def lines(self, kind=None):
        """The whole lines so far."""
        if not os.path.exists(self.path):
            return []
        objects = []
        with open(self.path, encoding="utf-8") as file:
            for line in file.read().split("\n")[:-1]:
                # One that was cut, and gone on after.
                with contextlib.suppress(json.JSONDecodeError):
                    objects.append(json.loads(line))
        return [one for one in objects if kind is None or one["type"] == kind]

    def wait_samples(self, more=2):
        """So many that began after now."""
        count = len(self.lines("sample")) + more
        lq.wait_for(lambda: len(self.lines("sample")) >= count, GENEROUS, "no more samples")

    def end(self, number=signal.SIGINT, status=0):
        """Its lines."""
        if number:
            self.process.send_signal(number)
        ended = self.process.wait(GENEROUS * lq.SCALE)
        self.complaint = self.process.stderr.read()
        lq.equal(ended, status, self.complaint)
        return self.lines()

    def report(self):
        """The page's tables: [[cell, ...], ...] and its text."""
        page = os.path.join(self.directory.name, "report.html")
        lq.run("lqctl", "report", self.path, "-o", page)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        parser = Rows()
        parser.feed(text)
        parser.close()
        return parser.rows, text


class Rows(html.parser.HTMLParser):
    """Rows of all tables."""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data.replace("\u202f", "")


def totals(lines, port):
    """From the first sample to the last: what the counters of the listener at a port rose."""
    seen = [one for line in lines if line["type"] == "sample" for one in line["listeners"]
            if one["local"].endswith(f":{port}")]
    rose = {}
    for kind in ("events", "drops"):
        for name, value in seen[-1][kind].items():
            rose[name] = value - seen[0][kind].get(name, 0)
    return {name: value for name, value in rose.items() if value}


@lq.case(timeout=120)
def traffic_and_an_overflow():
    """Real clients: the file agrees with the kernel, the page with the file."""
    lq.no_timer()
    listener = lq.listener(backlog=2, options=DROPS_SYNS)
    quiet = lq.listener(backlog=7)
    # What was before the recording is not in it.
    lq.expect_serves(listener)
    recording = Recording()
    for _ in range(5):
        lq.expect_serves(listener)
    clients = [lq.connect_to(listener) for _ in range(3)]
    late = lq.begin_connect(listener)
    lq.wait_for(lambda: lq.Info(listener).drops, GENEROUS)
    recording.wait_samples()
    late.close()
    lq.accept_all(listener)
    lines = recording.end()
    lq.equal(recording.complaint, "")
    lq.equal([lines[0]["type"], lines[0]["version"], lines[-1]["type"], lines[-1]["reason"]],
             ["listenq-recording", 1, "end", "signal"])
    lq.equal(lines[0]["interval_us"], 50000)

    # The last sample came after the signal: it has everything.
    rose, info = totals(lines, lq.port_of(listener)), lq.Info(listener)
    lq.equal((rose["established"], rose["accepted"], rose["accept_queue_full_syn"]),
             (info.established - 1, info.accepted - 1, info.drops))
    lq.equal((rose["established"], rose["accepted"]), (8, 8))
    most = max(one["accept_qlen"] for line in lines if line["type"] == "sample"
               for one in line["listeners"])
    lq.equal(most, 3)
    assert "overflow_began" in [line.get("event") for line in lines], "no event"

    rows, text = recording.report()
    (row,) = [row for row in rows if row and row[0].endswith(f":{lq.port_of(listener)}")
              and len(row) > 8]
    lq.equal([row[1], row[2], row[3], row[5:9]],
             ["linux-modern", "2", "3 of 3",
              [str(rose[name]) for name in ("syn_received", "established", "accepted")]
              + [str(info.drops)]])
    # Each counter's total stands in a table, and the numbers behind the figures add up to it.
    for name, value in rose.items():
        assert [name, str(value)] in [row[:2] for row in rows], (name, value)
    behind = [row for row in rows if len(row) == 13 and re.match(r"\d\d:", row[0])]
    for column, name in ((7, "syn_received"), (8, "established"), (9, "accepted")):
        lq.equal(sum(int(row[column]) for row in behind), rose[name], name)
    lq.equal(sum(int(row[12]) for row in behind), info.drops)
    assert "overflow_began" in text and "Drops per second" in text
    (row,) = [row for row in rows if row and row[0].endswith(f":{lq.port_of(quiet)}")]
    lq.equal(row[5:9], ["0"] * 4)
    del clients


@lq.case(timeout=120)
def listeners_that_come_and_go():
    """With their events; those that are not asked for are not there."""
    lq.listener(port=8001)
    recording = Recording(":8000")
    for _ in range(2):
        listener = lq.listener(port=8000)
        lq.expect_serves(listener)
        recording.wait_samples()
        listener.close()
        recording.wait_samples()
    lines = recording.end(signal.SIGTERM)
    lq.equal([line["event"] for line in lines if line["type"] == "event"],
             ["listener_started", "listener_stopped"] * 2)
    locals_ = {one["local"] for line in lines if line["type"] == "sample"
               for one in line["listeners"]}
    lq.equal(locals_, {"0.0.0.0:8000"})
    rows, _ = recording.report()
    table = [row for row in rows if len(row) == 15 and row[0].endswith(":8000")]
    # Two listeners; what each did is counted from its beginning.
    lq.equal([row[6:8] for row in table], [["1", "1"]] * 2)


@lq.case(timeout=120)
def by_duration_and_by_id():
    """It ends by itself, after about so many samples, and not before."""
    listener, _ = lq.listener(port=8000), lq.listener(port=8001)
    start = time.monotonic()
    recording = Recording("-d", "1s", f"@{lq.Info(listener).id}", interval="100ms")
    lines = recording.end(None)
    assert time.monotonic() - start >= 1
    lq.equal(lines[-1]["reason"], "duration")
    samples = [line for line in lines if line["type"] == "sample"]
    assert 2 <= len(samples) <= 12, len(samples)
    lq.equal({one["id"] for line in samples for one in line["listeners"]},
             {lq.Info(listener).id})
    assert samples[-1]["elapsed_us"] >= 1_000_000, samples[-1]["elapsed_us"]


@lq.case(timeout=120)
def killed_and_gone_on_with():
    """A file whose end is missing is a file, and can be added to."""
    listener = lq.listener(port=8000)
    recording = Recording()
    lq.expect_serves(listener)
    recording.wait_samples()
    recording.process.kill()
    recording.process.wait()
    with open(recording.path, "ab") as file:
        file.write(b'{"type":"sample","elapsed')
    rows, text = recording.report()
    assert "no end" in text
    lq.equal([row[7] for row in rows if row[0] == "0.0.0.0:8000"][:1], ["1"])

    # Not over what is there.
    done = subprocess.run(["lqctl", "record", "-o", recording.path], capture_output=True,
                          text=True, check=False)
    lq.equal(done.returncode, 1)
    assert "--append" in done.stderr, done.stderr
    recording.start("--append")
    lq.expect_serves(listener)
    recording.end()
    rows, text = recording.report()
    assert "2 recordings follow" in text and "damaged" not in text, text[:3000]
    # Once in each, and not what was between.
    lq.equal([row[7] for row in rows if row[0] == "0.0.0.0:8000"][:1], ["2"])


@lq.case(timeout=200)
def what_is_wrong_is_recorded():
    """What explain finds, whose the listener is and on which machine; the page opens with it."""
    listener = lq.listener(port=8000, backlog=1, options=DROPS_SYNS)
    recording = Recording()
    clients = [lq.begin_connect(listener) for _ in range(6)]
    lq.wait_for(lambda: lq.Info(listener).drops > 0, GENEROUS)
    # In less than a second little is seen.
    lq.wait_for(lambda: recording.lines("sample")[-1]["elapsed_us"] > 1_500_000, GENEROUS)
    lines = recording.end()
    lq.equal(lines[0]["host"], os.uname().nodename)
    (verdict,) = [one for line in lines if line["type"] == "verdict" for one in line["listeners"]
                  if one["local"] == "0.0.0.0:8000"]
    with open("/proc/self/comm", encoding="utf-8") as file:
        lq.equal(verdict["program"], file.read().strip())
    codes = {one["code"] for one in verdict["findings"] if one["severity"] == "problem"}
    assert "accept_stalled" in codes, verdict
    commands = [command for one in verdict["findings"] for command in one["commands"]]
    assert commands, verdict
    _, text = recording.report()
    assert f"<code>{html.escape(commands[0])}</code>" in text, commands
    assert text.index("accept_stalled") < text.index('class="tiles"'), text[:3000]
    del clients


@lq.case(timeout=200)
def a_ring():
    """The newest is there, and what is old goes; killed, it goes on where it was."""
    listener = lq.listener(port=8000)
    with tempfile.TemporaryDirectory() as directory:
        ring = os.path.join(directory, "ring")

        def record():
            return subprocess.Popen(["lqctl", "record", "--ring", "-o", ring, "-i", "20ms", "-d", "4s"],
                                    stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def numbers():
            return sorted(int(name.split(".")[0]) for name in os.listdir(ring)
                          if name.endswith(".jsonl"))

        process = record()
        try:
            lq.wait_for(lambda: os.path.isdir(ring) and numbers() and numbers()[0] > 1, GENEROUS,
                        "nothing goes")
            second = subprocess.run(["lqctl", "record", "--ring", "-o", ring], capture_output=True,
                                    text=True, check=False)
            lq.equal(second.returncode, 1)
            assert "another lqctl" in second.stderr, second.stderr
        finally:
            process.kill()
            process.wait()
        last = numbers()[-1]
        lq.expect_serves(listener)
        process = record()
        try:
            lq.wait_for(lambda: numbers()[-1] > last + 1, GENEROUS, "it does not go on")
            lq.run("lqctl", "report", ring, "-o", f"{directory}/page.html")
            with open(f"{directory}/page.html", encoding="utf-8") as file:
                text = file.read()
            assert "recordings follow one another" in text and "damaged" not in text, text[:3000]
            process.send_signal(signal.SIGTERM)
            lq.equal((process.wait(GENEROUS), process.stderr.read()), (0, ""))
        finally:
            process.kill()
            process.wait()


@lq.case(timeout=120)
def to_a_pipe():
    """- is stdout; it ends with whoever reads."""
    lq.listener(port=8000)
    with subprocess.Popen(["lqctl", "record", "-o", "-", "-i", "20ms"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        lq.equal(json.loads(process.stdout.readline())["type"], "listenq-recording")
        lq.equal(json.loads(process.stdout.readline())["type"], "sample")
        process.stdout.close()
        lq.equal(process.wait(GENEROUS), 0)
        lq.equal(process.stderr.read(), b"")


@lq.case(timeout=120)
def bad_words():
    """One line that says what was wrong."""
    with tempfile.TemporaryDirectory() as directory:
        for words in (("record",), ("record", "-o", f"{directory}/x", "-i", "0"),
                      ("record", "-o", f"{directory}/x", "-d", "soon"),
                      ("record", "-o", f"{directory}/x", ":nowhere"),
                      ("record", "-o", f"{directory}/x", "@0"),
                      ("record", "-o", directory), ("report", "/nonexistent", "-o", "-"),
                      ("report", directory, "-o", "-"), ("report", "/dev/null", "-o", "-"),
                      ("report", "/bin/true", "-o", "-"), ("report",)):
            done = subprocess.run(["lqctl", *words], capture_output=True, text=True, check=False)
            lq.equal((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1),
                     f"{words}: {done.stderr}")
        lq.equal(os.listdir(directory), [])


@lq.case(timeout=120)
def the_module_goes():
    """The recording ends in good order, and says why; without the module there is none."""
    recording = Recording()
    lq.wait_for(lambda: lq.module_users() == 0, GENEROUS, "somebody uses the module")
    lq.run("rmmod", "listenq")
    try:
        lines = recording.end(None, status=2)
        lq.equal(lines[-1]["reason"], "module unloaded")
        assert "unloaded" in recording.complaint, recording.complaint
        done = subprocess.run(["lqctl", "record", "-o", "/tmp/none"], capture_output=True,
                              text=True, check=False)
        lq.equal((done.returncode, os.path.exists("/tmp/none")), (2, False))
    finally:
        lq.run("insmod", lq.module_file())


lq.main()
