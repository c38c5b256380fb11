#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=500
"""lqctl explain of the accept queue, the backlog, the group and the namespace: each cause staged, what
must be said of it and what must not, and silence after the remedy that it prints was carried out.
explain_syn_test.py is about the SYN queue, explain_process_test.py about the process.

    clients --- lo --- listener
"""
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import lq
from explained import (PORT, Since, Server, carry_out, clients_of, knock, overflow, serve,
                       serve_at_once)
from rawtcp import Peer, Tun
from reuseport import member
from tool import lqctl, refused


def is_empty(listener):
    """Both queues, once what they have is accepted: who is accepted later is no old client."""
    lq.accept_all(listener)
    info = lq.Info(listener)
    return info.accept_qlen == 0 and info.syn_qlen == 0


@contextlib.contextmanager
def nearly_full(listener, length):
    """So many wait or one more, each for a moment only, however slow the machine is."""
    clients = [lq.connect_to(listener) for _ in range(length)]
    stop = threading.Event()

    def take_turns():
        while not stop.is_set():
            clients.append(lq.connect_to(listener))
            lq.accept(listener).close()
            clients.pop(0).close()

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        lq.accept_all(listener)


WRONG = ("syn_flood", "acks_missing", "no_descriptors", "reflection")  # of nothing here


@lq.each_version()
def healthy(v6):
    """Nothing is found, busy or idle."""
    listener = lq.listener(port=PORT, v6=v6)
    since = Since()
    lq.equal(since.findings(), {})
    serve(listener, 10, v6)
    lq.equal(since.silent(), {})
    said = since.text()
    assert "nothing holds it back" in said and "; 10 accepted in" in said, said
    lq.equal(lq.row_of(listener)["drops_total"], 0)


@lq.case()
def healthy_with_defer_accept():
    """As apache and haproxy have it: nothing is lost, and nothing is found."""
    listener = lq.listener(port=PORT, options=((socket.IPPROTO_TCP, 9, 30),))
    since = Since()
    for _ in range(5):
        client = lq.connect_to(listener)
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 1)
        began = time.monotonic()
        client.send(b"GET")
        lq.accept(listener).close()
        Since.served(began)
        client.close()
    row = lq.row_of(listener)
    lq.equal((row["drops"]["ack_deferred"] >= 5, row["drops_total"]), (True, 0))
    lq.equal(lq.Info(listener).drops, 0)
    lq.equal(since.silent(), {})
    assert " 0 linux" in lq.run("lqctl", "list", "-nH", f":{PORT}"), "Drops"


@lq.each_version()
def backlog_small(v6):
    """Bursts; the program asked for the backlog itself."""
    listener = lq.listener(port=PORT, backlog=8, v6=v6)
    serve(listener, 20, v6)
    since = Since()
    overflow(listener, 20, v6)
    time.sleep(0.001)  # what waited for less than that is a burst
    for _ in lq.accept_all(listener):
        pass
    # How long they waited depends on the machine: accept() that is late is not this cause.
    found = since.findings()
    assert ("backlog_small" in found) != ("accept_slow" in found), found
    for code in WRONG + ("accept_stalled",):
        assert code not in found, found[code]
    one = found.get("backlog_small")
    if one:
        assert one["commands"][0].startswith(f"lqctl set -l @{lq.Info(listener).id} backlog="), one
        assert "test.py" in one["commands"][-1], one  # its own command line
    lq.run("lqctl", "set", "-l", f":{PORT}", "backlog=100")
    after = Since()
    serve_at_once(listener, v6=v6)
    notes = after.silent()
    assert "accept_queue_full" in notes["past"]["text"], notes


@lq.case()
def somaxconn():
    """The namespace's is smaller than the host's, and what the program asked for."""
    lq.sysctl("net.core.somaxconn", 4)
    listener = lq.listener(port=PORT, backlog=500)
    since = Since()
    overflow(listener)
    lq.wait_for(lambda: lq.row_of(listener)["accept_oldest_us"] > 1000000)
    found = since.must_say("accept_stalled", "accept_queue_full", "backlog_truncated", never=WRONG)
    lq.accept_all(listener)
    note = found["backlog_truncated"]
    lq.equal(note["severity"], "warning")  # it is full
    assert "listen() asked for 500 and got 4" in note["text"], note
    carry_out(note, 0)
    carry_out(note, 1)
    lq.equal(lq.Info(listener).backlog, 500)
    after = Since()
    serve_at_once(listener)
    after.silent()


@lq.case()
def backlog_truncated():
    """Nobody was refused yet: a note."""
    lq.sysctl("net.core.somaxconn", 64)
    listener = lq.listener(port=PORT, backlog=500)
    since = Since()
    serve(listener)
    found = since.silent()
    assert "backlog_truncated" in found, found
    assert "The host's is" in found["backlog_truncated"]["text"], found
    for command in (0, 1):
        carry_out(found["backlog_truncated"], command)
    lq.equal(since.silent(), {})


@lq.case()
def soacceptqueue():
    """FreeBSD's own clamp, and its RST."""
    lq.sysctl("net.listenq.policy", "freebsd")
    lq.sysctl("net.listenq.soacceptqueue", 4)
    listener = lq.listener(port=PORT, backlog=200)
    since = Since()
    overflow(listener)
    lq.accept_all(listener)
    found = since.must_say("aborted", never=WRONG)
    assert "as the policy freebsd has it" in found["aborted"]["text"], found
    if "backlog_small" in found:
        lq.equal(found["backlog_small"]["commands"], ["lqctl set soacceptqueue=200"])
    carry_out(found["aborted"])
    lq.sysctl("net.listenq.soacceptqueue", 200)
    after = Since()
    serve_at_once(listener)
    after.silent()


@lq.case()
def aborted():
    """abort_on_overflow is on; off, it is not proposed again."""
    lq.sysctl("net.listenq.policy", "linux-classic")
    lq.sysctl("net.listenq.abort_on_overflow", 1)
    listener = lq.listener(port=PORT, backlog=1)
    since = Since()
    overflow(listener)
    found = since.must_say("aborted", never=WRONG)
    lq.equal(found["aborted"]["commands"], ["lqctl set abort_on_overflow=0"])
    carry_out(found["aborted"])
    lq.accept_all(listener)
    after = Since()
    lq.wait_for(lambda: is_empty(listener), 40)
    serve(listener)
    notes = after.silent()
    assert "abort_on_overflow" in notes["past"]["text"], notes


@lq.case()
def accept_slow_now():
    """It was fast 300 times: what counts is now."""
    listener = lq.listener(port=PORT, backlog=4)
    for _ in range(300):
        client = lq.connect_to(listener)
        lq.accept(listener).close()
        client.close()
    since = Since()
    clients = overflow(listener)
    for _ in range(3):
        time.sleep(0.3)  # how slow it is
        lq.accept(listener).close()
    found = since.must_say("accept_slow", never=WRONG + ("backlog_small", "accept_stalled"))
    lq.equal(found["accept_slow"]["severity"], "problem")
    for client in clients:
        client.close()
    lq.wait_for(lambda: is_empty(listener), 40)
    after = Since()
    serve(listener)
    after.silent()


@lq.each_version()
def accept_stalled(v6):
    """Nobody calls accept(); a larger queue would be full, too."""
    listener = lq.listener(port=PORT, backlog=4, v6=v6)
    serve(listener, 3, v6)
    since = Since()
    overflow(listener, 20, v6)
    lq.wait_for(lambda: lq.row_of(listener)["accept_oldest_us"] > 1000000)
    found = since.must_say("accept_stalled", "accept_queue_full",
                           never=WRONG + ("backlog_small", "accept_slow"))
    assert "no accept() in the last" in found["accept_stalled"]["text"], found
    assert "5 connections wait" in found["accept_stalled"]["text"], found
    said = since.text()
    peer = "::1" if v6 else "127.0.0.1"
    assert f"who waits for accept(): {peer} 5 (100 %)" in said, said
    lq.wait_for(lambda: is_empty(listener), 40)
    after = Since()
    serve(listener, v6=v6)
    after.silent()


@lq.case()
def what_is_over():
    """Past drops are a note with their time, and no setting of today explains them."""
    listener = lq.listener(port=PORT, backlog=1)
    for _ in range(2):
        clients = overflow(listener)
        for client in clients:
            client.close()
        lq.wait_for(lambda: is_empty(listener), 40)
        lq.wait_for(lambda: lq.Info(listener).overflow_ago_s, 20, "it does not end")
    since = Since()
    serve(listener)
    notes = since.silent()
    lq.equal(set(notes) - {"close_to_limit"}, {"past"})
    text = notes["past"]["text"]
    assert "The last overflow ended" in text and f"there were {lq.Info(listener).overflows}" in text
    lq.equal(notes["past"]["commands"], [])
    (one,) = since.listeners(f":{PORT}")
    assert one["verdict"].startswith("nothing holds it back"), one


@lq.case()
def an_overflow_does_not_end_while_the_queue_is_full():
    """Whether anybody knocks or not."""
    listener = lq.listener(port=PORT, backlog=1)
    clients = overflow(listener)
    for client in clients:
        client.close()
    time.sleep(2.5)  # longer than the second that ends one
    info = lq.Info(listener)
    lq.equal((info.overflows, info.overflow_ago_s), (1, 0))
    lq.accept_all(listener)
    lq.wait_for(lambda: lq.Info(listener).overflow_ago_s, 20, "it does not end")
    assert lq.Info(listener).overflow_longest_ms >= 2000, lq.Info(listener).overflow_longest_ms


@lq.case()
def clients_gone():
    """The queue is full of clients who have left: said so, and of nobody that he waits."""
    lq.sysctl("net.listenq.accept_dead", "keep")
    listener = lq.listener(port=PORT, backlog=4)
    since = Since()
    for _ in range(5):
        lq.reset(lq.connect_to(listener))
    lq.wait_for(lambda: lq.Info(listener).accept_gone == 5)
    lq.wait_for(lambda: lq.row_of(listener)["accept_oldest_us"] > 1000000)
    found = since.must_say("clients_gone", "accept_stalled", never=WRONG)
    assert "connections wait" not in found["accept_stalled"]["text"], found
    assert "all were reset by the client" in found["clients_gone"]["text"], found
    carry_out(found["clients_gone"])
    lq.sysctl("net.listenq.accept_dead")
    lq.equal(lq.accept_all(listener), [])
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def overloaded():
    """Whom accept_max_wait_ms turns away."""
    listener = lq.listener(port=PORT, backlog=8, options=(
        (lq.SOL_LISTENQ, lq.LQ_ACCEPT_MAX_WAIT_MS, 100),))
    since = Since()
    lq.connect_to(listener)
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["accept_expired"] == 1)
    found = since.must_say("overloaded", never=WRONG)
    assert "accept_max_wait_ms" in found["overloaded"]["text"], found
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def filter_overflow():
    """Those who never speak leave for new ones."""
    listener = lq.listener(port=PORT, backlog=1)
    lq.set_filter(listener, "dataready")
    since = Since()
    held = knock(listener, 12)
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["filter_overflow"])
    found = since.must_say("filter_overflow", never=WRONG)
    carry_out(found["filter_overflow"])
    lq.accept_all(listener)
    after = Since()
    serve(listener)
    after.silent()
    # It is in force: not proposed again.
    lq.equal(since.findings()["filter_overflow"]["commands"], [])
    del held


@lq.case()
def one_of_four_is_stalled():
    """A part of the clients waits there; each member says so."""
    members = [member(PORT)]
    members += [member(PORT) for _ in range(3)]
    since = Since()
    clients = []
    while not all(lq.Info(one).accept_qlen for one in members):
        clients.append(lq.connect_to(members[0]))
    for one in members[1:]:
        lq.accept_all(one)
    lq.wait_for(lambda: all(row["accept_oldest_us"] == 0 or row["accept_oldest_us"] > 1000000
                            for row in lq.lqctl_listeners()))
    stuck, well = (f"@{lq.Info(one).id}" for one in members[:2])
    found = since.must_say("accept_stalled", never=WRONG, which=stuck)
    assert "one of 4 listeners" in found["accept_stalled"]["text"], found
    found = since.must_say("sibling_stalled", never=("accept_stalled",), which=well)
    assert "about 25 %" in found["sibling_stalled"]["text"], found
    assert stuck in found["sibling_stalled"]["text"], found
    lq.accept_all(members[0])
    for which in (stuck, well):
        Since().silent(which)


@lq.case()
def group_uneven():
    """A program sends all to one."""
    from reuseport import choose  # pylint: disable=import-outside-toplevel
    members = [member(PORT), member(PORT)]
    choose(members[0], 1)
    since = Since()
    for _ in range(110):
        client = lq.connect_to(members[1])
        lq.accept(members[1]).close()
        client.close()
    found = since.must_say("group_uneven", never=WRONG, which=f"@{lq.Info(members[0]).id}")
    lq.equal(found["group_uneven"]["severity"], "note")


@lq.case()
def shards_uneven():
    """One shard is full, and the others are not: a matter of chance."""
    lq.sysctl("net.listenq.shards", 8)
    listener = lq.listener(port=PORT, backlog=127, options=(
        (lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern"),))
    lq.equal((lq.Info(listener).shards, lq.Info(listener).accept_limit), (8, 128))
    since = Since()
    clients = []
    while not lq.Info(listener).drops:
        clients.append(lq.begin_connect(listener))
        # Each is on its queue before the next knocks.
        lq.wait_for(lambda: lq.Info(listener).drops or
                    lq.Info(listener).accept_qlen == len(clients))
    # That all eight are full before anybody is refused comes about once in a million.
    assert lq.Info(listener).accept_qlen_peak < 128
    lq.accept_all(listener)
    found = since.must_say("shards_uneven", never=WRONG + ("accept_stalled",))
    assert "8 shards" in found["shards_uneven"]["text"], found
    carry_out(found["shards_uneven"])
    clients.clear()  # who was refused would come again
    listener.close()
    listener = lq.listener(port=PORT, backlog=127)
    lq.equal(lq.Info(listener).shards, 4)
    after = Since()
    serve(listener, 20)
    after.silent()


@lq.case()
def tcp_settings_differ():
    """net.ipv4.* is set, and net.listenq's own was written."""
    listener = lq.listener(port=PORT)
    lq.sysctl("net.listenq.syncookies", 0)
    since = Since()
    found = since.silent()
    assert "net.ipv4.tcp_syncookies is 1, and 0 here" in found["tcp_settings_differ"]["text"], found
    carry_out(found["tcp_settings_differ"])
    lq.equal(since.findings(), {})
    serve(listener)


@lq.case()
def half_open_places():
    """AIX counts both queues."""
    lq.no_timer()
    lq.sysctl("net.listenq.policy", "aix")
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=4)
    since = Since()
    for _ in range(10):
        Peer(tun, PORT).syn()
    lq.wait_for(lambda: lq.Info(listener).drops)
    found = since.must_say("half_open_places", never=WRONG + ("backlog_small", "accept_slow"))
    carry_out(found["half_open_places"])
    after = Since()
    serve(listener)
    after.silent()


# --- asking ---


@lq.case()
def check_for_nagios():
    """0, 1, 2, and 3 where nothing can be said; one line."""
    listener = lq.listener(port=PORT, backlog=4)
    since = Since()

    def status():
        code, out, err = lqctl("explain", "--check", "--since", since.name, f":{PORT}")
        lq.equal((out.count("\n"), err), (1, ""))
        return code, out

    lq.equal(status(), (0, "LISTENQ OK - nothing holds 1 listener back\n"))
    with nearly_full(listener, 4):
        code, out = status()
        lq.equal(code, 1, out)
        assert out.startswith("LISTENQ WARNING - ") and "close_to_limit" in out, out
    since = Since()
    clients = overflow(listener)
    lq.wait_for(lambda: lq.row_of(listener)["accept_oldest_us"] > 1000000)
    code, out = status()
    lq.equal(code, 2, out)
    assert "accept_stalled" in out and f":{PORT}" in out, out
    code, out, _ = lqctl("explain", "--check", ":9")
    lq.equal((code, out[:18]), (3, "LISTENQ UNKNOWN - "))
    code, out, _ = lqctl("explain", "--check", "--since", "/nowhere")
    lq.equal(code, 3)
    del clients


@lq.case()
def since_a_file_of_something_else():
    """It is refused, or, if of another listener, not taken for this one's past."""
    lq.listener(port=PORT)
    for name in ("/nowhere", "/etc/passwd"):
        assert "lqctl list --json" in refused("explain", "--since", name)
    since = Since()
    with lq.Netns() as other:
        there = lq.listener(port=PORT)
        (one,) = since.listeners(f":{PORT}")
        lq.equal(one["watched_seconds"], 0)
        there.close()
    other.close()


@lq.case()
def other_namespaces():
    """-N and --all-netns find what listens there, and say where."""
    with lq.Netns() as other:
        there = lq.listener(port=8081, backlog=1)
        pid = os.fork()  # whose namespace it is
        if pid == 0:
            signal.pause()
    try:
        said = lq.run("lqctl", "explain", "-n", "-i", "0", "-N", str(pid))
        assert ":8081 (" in said and "nothing holds it back" in said, said
        overflow_of = [subprocess.run(["lqctl", "explain", "--all-netns", "-n", "-i", "0.1"],
                                      capture_output=True, text=True, check=True).stdout]
        assert ":8081 (" in overflow_of[0], overflow_of
        assert f"network namespace: pid {pid}" in overflow_of[0], overflow_of
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    there.close()
    other.close()
    assert "no listener in any network namespace" in refused("explain", "--all-netns")


@lq.case()
def watched_for_a_second():
    """Without a file: what happens while it looks."""
    server = Server()
    for client in clients_of(20):
        client.close()
    server.signal(signal.SIGSTOP)
    clients = clients_of(20)
    lq.wait_for(lambda: lq.lqctl_listeners()[0]["accept_oldest_us"] > 1000000)
    said = lq.run("lqctl", "explain", "-n", f":{PORT}")
    assert "problem: accept_stalled" in said and "It is stopped (pid" in said, said
    server.signal(signal.SIGKILL)
    del clients


lq.main()
