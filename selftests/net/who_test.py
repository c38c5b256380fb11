#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=900
"""Who fills a listener's queues, and whom it drops: by address and by prefix.

    clients --- lo --- listener        or: peers, played by this program --- tun0 --- listener
"""
import errno
import json
import socket
import struct

import lq
from genl import Genl, attr, u64
from rawtcp import Tun, syn_flood
from tool import lqctl, valid

CMD_DROPPED_GET = 6
A_LISTENER, A_TOTAL, A_PREFIX = 2, 3, 4
A_ADDR, A_LENGTH, A_COUNT, A_EXCESS = 1, 2, 3, 4


def each(data):
    """[(type, payload)]: a type may come more than once."""
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found.append((kind & 0x3FFF, data[4:length]))
        data = data[(length + 3) & ~3 :]
    return found


def u32(data):
    """An attribute's number."""
    return struct.unpack("=I", data)[0]


def dropped(listener):
    """The total, and {prefix: (count, excess)}, the most frequent first."""
    genl = Genl()
    number = lq.Info(listener).id
    (reply,) = genl.ask(genl.family, CMD_DROPPED_GET, attr(A_LISTENER, struct.pack("=Q", number)))
    total, prefixes = None, {}
    for kind, data in each(reply):
        if kind == A_LISTENER:
            lq.equal(u64(data), number)
        elif kind == A_TOTAL:
            total = u32(data)
        elif kind == A_PREFIX:
            one = dict(each(data))
            name = socket.inet_ntop(socket.AF_INET if len(one[A_ADDR]) == 4 else socket.AF_INET6,
                                    one[A_ADDR])
            prefixes[f"{name}/{u32(one[A_LENGTH])}"] = (u32(one[A_COUNT]), u32(one[A_EXCESS]))
    lq.equal(list(prefixes.values()), sorted(prefixes.values(), key=lambda one: -one[0]))
    return total, prefixes


def show(listener):
    """lqctl show --json of it."""
    (one,) = valid("show", json.loads(lq.run("lqctl", "show", "-j",
                                             f"@{lq.Info(listener).id}")))["listeners"]
    return one


def fill(listener, v6, more):
    """Its accept queue, and so many SYNs that find it full."""
    clients = []
    while lq.Info(listener).accept_qlen < lq.Info(listener).accept_limit:
        clients.append(lq.connect_to(listener, v6=v6))
    clients += [lq.begin_connect(listener, v6=v6) for _ in range(more)]
    lq.wait_for(lambda: lq.Info(listener).drops >= more)
    return clients


@lq.each_version(timeout=300)
def of_a_full_accept_queue(v6):
    """lqctl show, explain and top name who waits, and whom drops hit; JSON is of the schema."""
    prefix, host = ("::/64", "::1") if v6 else ("127.0.0.0/24", "127.0.0.1")
    listener = lq.listener(port=8080, backlog=4, v6=v6)
    lq.equal(dropped(listener), (0, {}))
    lq.equal(show(listener)["dropped_from"], {"total": 0, "prefixes": []})
    assert "who " not in lqctl("show", ":8080")[1]
    clients = fill(listener, v6, 6)

    def knock():
        """All counts are halved now and then, and a look takes its time."""
        clients.extend(lq.begin_connect(listener, v6=v6) for _ in range(40))
        return dropped(listener)

    total, prefixes = knock()
    lq.equal(list(prefixes), [prefix])
    lq.equal(prefixes[prefix], (total, 0))

    one = show(listener)
    lq.equal(one["waiting"]["peers"], [{"peer": host, "count": one["accept_qlen"]}])
    lq.equal([p["prefix"] for p in one["dropped_from"]["prefixes"]], [prefix])
    text = lqctl("show", ":8080")[1]
    assert f"who waits for accept(): {host} {one['accept_qlen']} (100 %)" in text, text
    for command, words in (("show", "who is dropped, of late"), ("explain", "who is dropped")):
        more = ("-i", "0") if command == "explain" else ()
        lq.wait_for(lambda m=more, c=command, w=words: knock() and
                    f"{w}: {prefix} 100 %" in " ".join(lqctl(c, *m, ":8080")[1].split()), 60)
    found = valid("explain", json.loads(lq.run("lqctl", "explain", "-j", "-i", "0", ":8080")))
    lq.equal([p["prefix"] for p in found["listeners"][0]["dropped_from"]["prefixes"]], [prefix])
    for client in clients:
        client.close()


@lq.case()
def of_several_shards():
    """Drops of all shards are added up."""
    lq.sysctl("net.listenq.shards", 4)
    lq.sysctl("net.listenq.max_syn_backlog", 64)
    listener = lq.listener(port=8080, backlog=64)
    lq.equal(lq.Info(listener).shards, 4)
    lq.sysctl("net.listenq.syncookies", 0)
    tun = Tun()
    syn_flood(tun, 8080, [(f"192.0.2.{10 + n % 200}", 1024 + n) for n in range(600)])
    lq.wait_for(lambda: lq.Info(listener).drops >= 400)
    total, prefixes = dropped(listener)
    lq.equal(prefixes, {"192.0.2.0/24": (total, 0)})


@lq.case(timeout=300)
def of_many_networks():
    """A flood from everywhere names nobody; one network that sends as many as all is named."""
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    lq.sysctl("net.listenq.syncookies", 0)
    listener = lq.listener(port=8080, backlog=64)
    tun = Tun()
    # Without a way back to them it is that what they are dropped for, and nobody is remembered.
    lq.ip("route add default dev tun0")
    syn_flood(tun, 8080, [(f"192.0.2.{10 + n}", 1024 + n) for n in range(24)])
    lq.wait_for(lambda: lq.Info(listener).drops > 0)
    spread = [(f"10.{n % 250}.{n // 250}.7", 1024 + n) for n in range(500)]
    syn_flood(tun, 8080, spread)
    lq.wait_for(lambda: lq.Info(listener).drops >= 400)
    total, prefixes = dropped(listener)
    lq.equal(len(prefixes), 16)
    assert all(count - excess <= total / 10 + 1 for count, excess in prefixes.values()), prefixes
    assert "who is dropped" not in lqctl("show", ":8080")[1]
    syn_flood(tun, 8080, [(f"198.51.100.{10 + n % 200}", 1024 + n) for n in range(600)])
    lq.wait_for(lambda: lq.Info(listener).drops >= 900)
    text = lqctl("show", ":8080")[1]
    assert "who is dropped, of late: 198.51.100.0/24" in text, text


@lq.case()
def of_no_listener():
    """The kernel's errors."""
    genl = Genl()
    for body, number in ((attr(A_LISTENER, struct.pack("=Q", 99)), errno.ENOENT),
                         (b"", errno.EINVAL),
                         (attr(A_LISTENER, struct.pack("=Q", 0)), errno.ERANGE)):
        genl.refused(number, CMD_DROPPED_GET, body)


lq.main()
