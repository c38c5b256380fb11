#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=200
"""lqctl drain and lqctl hold: a server is taken out of service, or restarted.

    clients --- lo --- listeners --- lqctl
"""
import json
import subprocess

import lq
from reuseport import choose, member
from tool import lqctl, valid

PORT = 8282


def serve():
    """A listener at the port."""
    return lq.listener(port=PORT, backlog=32)


def begun(*words):
    """lqctl, which goes on."""
    # pylint: disable-next=consider-using-with
    return subprocess.Popen(["lqctl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """(exit status, stdout, stderr)"""
    out, err = process.communicate(timeout=40 * lq.SCALE)
    return process.returncode, out, err


@lq.case()
def drains():
    """It takes no new connection, serves those that it has, and says when none is left."""
    listener = serve()
    clients = [lq.connect_to(listener) for _ in range(2)]
    process = begun("drain", f":{PORT}")
    lq.wait_for(lambda: lq.Info(listener).flags & 4)
    late = lq.begin_connect(listener)
    lq.never(lambda: lq.connected(late))
    lq.equal(process.poll(), None, "it waits")
    for child in lq.accept_all(listener):
        child.send(b"served")
    lq.equal([lq.read_all(client, 6) for client in clients], [b"served"] * 2)
    code, out, err = ended(process)
    lq.equal(code, 0, err)
    assert f":{PORT}" in out, out
    assert not lq.connected(late)
    (one,) = valid("list", json.loads(lqctl("drain", "-ej", f":{PORT}")[1]))["listeners"]
    lq.equal(one["accept_qlen"], 0)
    lq.wait_for(lambda: lq.connected(late), 40)  # its SYN comes again
    lq.accept(listener)


@lq.case()
def not_in_time():
    """It says what is left, and drains on."""
    listener = serve()
    lq.connect_to(listener)
    code, _, err = lqctl("drain", "-t", "200ms", f":{PORT}")
    lq.equal(code, 1)
    assert "0 half-open, 1 queued" in err and "--end" in err, err
    lq.equal(lq.Info(listener).flags & 4, 4)
    lq.equal(lqctl("drain", "-w", f":{PORT}")[0], 0)
    lq.listen(listener, 32)
    lq.equal(lq.Info(listener).flags & 4, 4, "listen() once more is no new life")


@lq.each_version()
def others_take_it(v6):
    """SYNs for a member of a group go to the next, which is chosen no more by the program."""
    members = [member(PORT, v6) for _ in range(3)]
    choose(members[0], 0)
    identity = lq.Info(members[0]).id
    lq.equal(lqctl("drain", f"@{identity}")[0], 0)
    for _ in range(6):
        lq.connect_to(members[0], v6=v6)
    lq.equal(lq.Info(members[0]).accept_qlen, 0)
    lq.equal(sum(lq.Info(one).accept_qlen for one in members[1:]), 6)


@lq.case()
def drained_heir():
    """Who drains takes over from nobody."""
    members = [member(PORT) for _ in range(3)]
    choose(members[0], 0)
    lq.equal(lqctl("drain", f"@{lq.Info(members[1]).id}")[0], 0)
    clients = [lq.connect_to(members[0]) for _ in range(4)]
    members.pop(0).close()
    lq.equal([lq.Info(one).accept_qlen for one in members], [0, 4])
    for client in clients:
        client.close()


@lq.case()
def holds():
    """A restart: who listens next has what waited, and lqctl says so."""
    listener = serve()
    client = lq.connect_to(listener)
    process = begun("hold", "-j", "-t", "5m", f":{PORT}")
    lq.wait_for(lambda: lq.Info(listener).grace_ms == 300000)
    first = lq.Info(listener).id
    listener.close()
    listener = serve()
    code, out, err = ended(process)
    lq.equal(code, 0, err)
    (one,) = valid("hold", json.loads(out))["listeners"]
    lq.equal((one["id"], one["state"], one["next_id"]), (first, "taken_over", lq.Info(listener).id))
    lq.accept(listener).send(b"served")
    lq.equal(lq.read_all(client, 6), b"served")


@lq.case()
def holds_for_nobody():
    """Nobody came: that is an error; and what can be said of it."""
    listener = serve()
    (one,) = valid("hold", json.loads(lqctl("hold", "-wj", f":{PORT}")[1]))["listeners"]
    lq.equal((one["state"], lq.Info(listener).grace_ms), ("listens", 30000))
    process = begun("hold", "-t", "300ms", f":{PORT}")
    lq.wait_for(lambda: lq.Info(listener).grace_ms == 300)
    listener.close()
    code, out, err = ended(process)
    lq.equal((code, "nobody listens there" in out, "within 300ms" in err), (1, True, True), err)
    lq.equal(lqctl("hold", "-t", "11m", ":1")[0], 1)
    lq.equal(lqctl("drain", f":{PORT}")[0], 1, "there is none any more")


@lq.case()
def users_may_not():
    """As with lqctl set."""
    listener = serve()

    def tries():
        for command in ("drain", "hold"):
            code, _, err = lqctl(command, "-w", f":{PORT}")
            assert code == 1 and "CAP_NET_ADMIN" in err, err
    lq.as_user(tries)
    lq.equal((lq.Info(listener).flags & 4, lq.Info(listener).grace_ms), (0, 0))


lq.main()
