#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""Half-open requests by netlink and lqctl requests; and dumps of very many.

    peers, played by this program --- tun0 --- listener
"""
import errno
import json
import os
import resource
import socket
import struct

import lq
from genl import (CMD_LISTENER_GET, CMD_REQUEST_GET, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTI,
                  NLMSG_DONE, Genl, attr, attrs, u64)
from rawtcp import MSS, Peer, Tun, listener_and_peer, syn_flood, timestamp

A_LISTENER, A_FAMILY, A_PEER, A_PEER_PORT, A_LOCAL, A_LOCAL_PORT = 2, 3, 4, 5, 6, 7
ATTRIBUTES = set(range(2, 18))
WSCALE, SACK = b"\3\3\7", b"\4\2"


def requests(*words):
    """lqctl requests -j"""
    return json.loads(lq.run("lqctl", "requests", "-j", *words))["requests"]


def dump(genl, number):
    """Begin a dump of one listener's requests."""
    genl.send(genl.family, CMD_REQUEST_GET, attr(A_LISTENER, struct.pack("=Q", number)),
              flags=NLM_F_DUMP)


def rest_of(genl):
    """(requests, whether the dump was interrupted, datagrams)"""
    found, interrupted, datagrams = [], False, 0
    while True:
        datagrams += 1
        for kind, flags, body in genl.receive():
            assert flags & NLM_F_MULTI, hex(flags)
            interrupted |= bool(flags & NLM_F_DUMP_INTR)
            if kind == NLMSG_DONE:
                return found, interrupted, datagrams
            found.append(attrs(body[4:]))


def id_of(listener):
    """Of a listener."""
    return lq.Info(listener).id


@lq.each_version()
def what_is_known_of_a_request(v6):
    """Who, how old, how often answered, what was agreed; and nothing that would help a forger."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    listener, peer = listener_and_peer(v6=v6, backlog=64)
    lq.equal(requests(), [])
    synack = peer.half_open(MSS + SACK + timestamp(7) + WSCALE)
    (one,) = requests()
    want = {"listener": id_of(listener), "family": "inet6" if v6 else "inet",
            "peer_address": socket.inet_ntop(socket.AF_INET6 if v6 else socket.AF_INET, peer.addr),
            "peer_port": peer.sport, "local_port": lq.port_of(listener), "interface": None,
            "local_address": socket.inet_ntop(socket.AF_INET6 if v6 else socket.AF_INET,
                                              peer.local),
            "state": "syn_recv", "mss": 1460, "timestamps": True, "sack": True, "ecn": False}
    lq.equal({name: one[name] for name in want}, want)
    lq.equal(one["window_scale"]["peer"], 7)
    lq.equal(one["window_scale"]["local"], synack.option(3)[0])
    # The SYN-ACK is sent again and again; the request ages.
    later = lq.wait_for(lambda: [row for row in requests() if row["retransmits"] >= 2])[0]
    lq.equal(later["timeouts"], later["retransmits"])
    assert later["age_ms"] >= 600 and later["age_ms"] > one["age_ms"], (one, later)
    assert later["due_ms"] <= 300 << later["timeouts"], later
    genl = Genl()
    dump(genl, id_of(listener))
    ((raw,), interrupted, _) = rest_of(genl)
    assert not interrupted
    lq.equal(set(raw), ATTRIBUTES | ({1} & set(raw)))
    everything = b"".join(raw.values())
    for secret in (synack.seq, peer.isn, synack.tsval):
        for order in "<>":
            assert struct.pack(order + "I", secret) not in everything, hex(secret)
    peer.final_ack()
    lq.wait_for(lambda: requests() == [])


@lq.case()
def a_request_without_options():
    """It is said that nothing was agreed."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener()
    Peer(tun, lq.port_of(listener)).half_open(b"")
    (one,) = requests(f"@{id_of(listener)}")
    want = {"mss": 536, "timestamps": False, "sack": False, "window_scale": None,
            "retransmits": 0, "timeouts": 0}
    lq.equal({name: one[name] for name in want}, want)


@lq.case()
def a_request_that_waits_for_room():
    """The ACK came and the accept queue was full."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(backlog=0)
    first, second = [Peer(tun, lq.port_of(listener)) for _ in range(2)]
    first.half_open()
    second.half_open()
    first.final_ack()
    second.final_ack()
    lq.wait_for(lambda: lq.Info(listener).drops == 1)
    (one,) = requests()
    lq.equal((one["state"], one["peer_port"]), ("acked", second.sport))
    text = lq.run("lqctl", "requests", "-n", env={"LC_ALL": "C"}).splitlines()
    assert text[0].startswith("State") and text[1].startswith("acked"), text


@lq.case()
def many_requests():
    """Each once, in many datagrams, whatever the table looks like."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    # 512 buckets whatever it holds, so that chains are long; and a table that is mostly empty.
    crowded, sparse = [lq.listener(backlog=4000) for _ in range(2)]
    lq.set_policy(crowded, "freebsd")
    peers = [(f"192.0.2.{2 + n % 200}", 1024 + n // 200) for n in range(2000)]
    Peer(tun, lq.port_of(sparse)).half_open()
    syn_flood(tun, lq.port_of(crowded), peers)
    lq.equal((lq.Info(crowded).syn_qlen, lq.Info(crowded).syn_buckets), (2000, 512))
    genl = Genl()
    dump(genl, id_of(crowded))
    found, interrupted, datagrams = rest_of(genl)
    assert datagrams > 10 and not interrupted, (datagrams, interrupted)
    got = [(socket.inet_ntoa(one[A_PEER]), struct.unpack("=H", one[A_PEER_PORT])[0])
           for one in found]
    lq.equal(sorted(got), sorted(peers))
    lq.equal(len(requests(f":{lq.port_of(sparse)}")), 1)
    lq.equal(len(requests()), 2001)
    lq.equal(lq.run("dmesg").count("lq_request"), 0)


@lq.case()
def a_dump_while_requests_come_and_go():
    """Those that stay are there once, or the reader is told."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=4000)
    port = lq.port_of(listener)
    syn_flood(tun, port, [(f"192.0.2.{2 + n % 200}", 1024 + n // 200) for n in range(1000)])
    genl = Genl()
    dump(genl, id_of(listener))
    first = [attrs(body[4:]) for _, _, body in genl.receive()]
    syn_flood(tun, port, [(f"192.0.2.{2 + n % 200}", 2024 + n // 200) for n in range(1000)])
    found, interrupted, _ = rest_of(genl)
    assert not interrupted
    got = [(one[A_PEER], one[A_PEER_PORT]) for one in first + found]
    lq.equal(len(got), len(set(got)))
    old = [1 for _, port in got if struct.unpack("=H", port)[0] < 2000]
    lq.equal(len(old), 1000)


@lq.case()
def a_dump_while_the_queue_is_resized_or_closed():
    """It ends and says so; lqctl begins anew."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=4000)
    port = lq.port_of(listener)
    syn_flood(tun, port, [(f"192.0.2.{2 + n % 200}", 1024 + n // 200) for n in range(1000)])
    for end in ("resize", "close"):
        genl = Genl()
        dump(genl, id_of(listener))
        genl.receive()
        if end == "resize":
            more = [(f"192.0.2.{2 + n % 200}", 2024 + n // 200) for n in range(1200)]
            syn_flood(tun, port, more)
            lq.wait_for(lambda: lq.Info(listener).syn_buckets == 4096)
        else:
            listener.close()
        found, interrupted, _ = rest_of(genl)
        assert interrupted, end
        assert len(found) < (1000 if end == "resize" else 2200), end
        if end == "resize":
            lq.equal(len(requests()), 2200)
    lq.equal(requests(), [])


@lq.case()
def errors():
    """Each bad request has its number and says what was wrong."""
    listener = lq.listener()
    good = attr(A_LISTENER, struct.pack("=Q", id_of(listener)))
    genl = Genl()

    def refused(number, body, flags=NLM_F_DUMP, words=""):
        error = genl.refused(number, CMD_REQUEST_GET, body, flags=flags)
        # Linux 6.1 hands on no words of what is wrong before the dump has begun.
        assert not error.text or words in error.text, error.text

    refused(errno.EINVAL, b"", words="missing")
    refused(errno.ENOENT, attr(A_LISTENER, struct.pack("=Q", 1 << 60)), words="no listener")
    refused(errno.ERANGE, attr(A_LISTENER, struct.pack("=Q", 0)))
    refused(errno.EINVAL, attr(A_LISTENER, b"\1\0\0\0"))
    refused(errno.EINVAL, good + attr(99, b"abcd"))
    refused(errno.EOPNOTSUPP, good, flags=4)
    with lq.Netns() as other:
        Genl().refused(errno.ENOENT, CMD_REQUEST_GET, good, flags=NLM_F_DUMP)
    other.close()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setuid(65534)
            genl = Genl()
            dump(genl, id_of(listener))
            lq.equal(rest_of(genl)[0], [])
            code = 0
        finally:
            os._exit(code)
    lq.equal(os.waitpid(pid, 0)[1], 0, "nobody may look")


@lq.case(timeout=200)
def ten_thousand_listeners():
    """Each once and in order, by one reader and by two at a time; then all are gone."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (11000, 11000))
    lq.sysctl("net.ipv4.ip_local_port_range", "1024 65000")
    listeners = [lq.listener(backlog=1) for _ in range(10000)]
    first = id_of(listeners[0])
    genls = [Genl(), Genl()]
    for genl in genls:
        genl.send(genl.family, CMD_LISTENER_GET, flags=NLM_F_DUMP)
    got, done = [[], []], [False, False]
    while not all(done):
        for n, genl in enumerate(genls):
            for kind, flags, body in [] if done[n] else genl.receive():
                assert not flags & NLM_F_DUMP_INTR, hex(flags)
                done[n] = kind == NLMSG_DONE
                if not done[n]:
                    got[n].append(u64(attrs(body[4:])[1]))
    for ids in got:
        lq.equal(len(ids), 10000)
        lq.equal(ids, sorted(set(ids)))
        lq.equal(ids[0], first)
    rows = lq.run("lqctl", "list", "-nH").splitlines()
    lq.equal(len(rows), 10000)
    lq.equal(json.loads(lq.run("lqctl", "stats", "-j"))["listeners"], 10000)
    # One of them, by its id, in the middle.
    lq.equal(len(json.loads(lq.run("lqctl", "list", "-j", f"@{got[0][5000]}"))["listeners"]), 1)
    for listener in listeners:
        listener.close()
    lq.equal(json.loads(lq.run("lqctl", "stats", "-j"))["listeners"], 0)
    lq.equal(lq.lqctl_listeners(), [])


lq.main()
