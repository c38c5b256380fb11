#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""lqctl explain of the SYN queue: each cause staged, what must be said of it and what must not, and
silence after the remedy that it prints was carried out.

    peers, played by this program --- tun0 --- listener
"""
import socket
import time

import lq
from explained import PORT, Since, carry_out, serve
from labels import Labels, set_port
from rawtcp import ACK, PEER, Peer, Tun, syn_flood

# Of nothing here. (How late accept() comes is the machine's speed.)
OURS = ("backlog_small", "accept_queue_full")


def many_peers(count, first=0):
    """Addresses and ports."""
    return [(f"192.0.2.{10 + n % 200}", 1024 + n) for n in range(first, first + count)]


def quick_timer(retries=2):
    """A handshake is given up after some tenths of a second."""
    lq.sysctl("net.listenq.synack_timeout_ms", 20)
    lq.sysctl("net.listenq.synack_retries", retries)


@lq.each_version()
def healthy_with_resets(v6):
    """A port scan loses nobody anything: 0 drops, a note."""
    tun = Tun()
    listener = lq.listener(port=PORT, v6=v6)
    since = Since()
    for _ in range(12):
        peer = Peer(tun, PORT, v6=v6)
        peer.half_open()
        peer.reset()
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["request_reset"] == 12)
    lq.equal((lq.row_of(listener)["drops_total"], lq.Info(listener).drops), (0, 0))
    lq.equal(set(since.silent()), {"reset_by_peers"})


@lq.case()
def a_flood_in_its_first_second():
    """Cookies go out and none comes back: no queue is too small."""
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    lq.sysctl("net.listenq.synack_timeout_ms", 20000)  # none expires meanwhile on a slow machine
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=8)
    since = Since()
    syn_flood(tun, PORT, many_peers(100))
    lq.wait_for(lambda: lq.row_of(listener)["events"]["cookie_sent"] >= 50)
    found = since.must_say("syn_flood", never=OURS + ("syn_queue_small", "acks_missing"))
    lq.equal(found["syn_flood"]["severity"], "warning")  # others come in
    assert "SYN cookies let all others in" in found["syn_flood"]["text"], found
    serve(listener)
    # Its requests are still there, and older than any handshake: because of them there are cookies.
    time.sleep(1.1)
    since = Since()
    serve(listener)
    found = since.must_say("syn_flood", never=OURS + ("syn_queue_small",))
    assert "of which 5 came back" in found["syn_flood"]["text"], found


@lq.case()
def a_flood_without_cookies():
    """Everybody else is shut out; the command lets them in."""
    quick_timer()
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.listenq.max_syn_backlog", 1024)
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=10)
    since = Since()
    first = [0]

    def flooded():
        syn_flood(tun, PORT, many_peers(64, first[0]))
        first[0] += 64
        drops = lq.row_of(listener)["drops"]
        return drops["request_expired"] > 20 and drops["syn_queue_full"] > 20

    lq.wait_for(flooded, 60)
    found = since.must_say("syn_flood", never=OURS + ("syn_queue_small", "acks_missing"))
    lq.equal(found["syn_flood"]["severity"], "problem")
    carry_out(found["syn_flood"])
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 30)
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def syn_queue_small():
    """Clients who do answer, more at once than there is room for."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=10)
    lq.sysctl("net.listenq.syncookies", 1)
    since = Since()
    peers = [Peer(tun, PORT) for _ in range(24)]
    for peer in peers:
        peer.half_open()
    # However late it is looked at: fewer are silent than make a flood, and nobody waits for accept().
    for some in (peers[:10], peers[-4:]):
        for peer in some:
            peer.final_ack()
        lq.wait_for(lambda count=len(some): lq.Info(listener).accept_qlen == count)
        lq.accept_all(listener)
    found = since.must_say("syn_queue_small", never=OURS + ("syn_flood", "acks_missing"))
    assert "of which 4 came back" in found["syn_queue_small"]["text"], found
    carry_out(found["syn_queue_small"])
    for peer in peers[10:-4]:
        peer.reset()
    after = Since()
    peers = [Peer(tun, PORT).connect() for _ in range(8)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 8)
    lq.accept_all(listener)
    lq.equal(set(after.findings()) - {"accept_slow", "tcp_settings_differ"}, set())


@lq.case()
def last_quarter():
    """Without cookies it is for proven peers."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=50)
    since = Since()
    for _ in range(14):
        Peer(tun, PORT).syn()
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["syn_last_quarter"])
    found = since.must_say("syn_last_quarter", never=OURS + ("syn_flood",))
    lq.equal(found["syn_last_quarter"]["commands"][0], "lqctl set syncookies=1")
    carry_out(found["syn_last_quarter"])
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def acks_missing():
    """From many addresses, and the queue has room: the network, or spoofed SYNs."""
    quick_timer()
    lq.sysctl("net.listenq.synack_retries", 1)
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=200)
    since = Since()
    syn_flood(tun, PORT, many_peers(30))
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["request_expired"] == 30, 30)
    found = since.must_say("acks_missing", never=OURS + ("syn_flood", "requests_unserved"))
    lq.equal(found["acks_missing"]["severity"], "warning")
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def acked_is_not_lost():
    """The ACK came, and our own accept queue had no room: not the network, and no flood."""
    quick_timer(1)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.listenq.policy", "linux-classic")
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=0)
    Peer(tun, PORT).connect()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    since = Since()
    # A full accept queue lets a SYN in while it is the only young one.
    for number in range(12):
        peer = Peer(tun, PORT)
        peer.half_open()
        peer.final_ack()
        lq.wait_for(lambda number=number: lq.row_of(listener)["drops"]["request_unserved"] >
                    number, 20)
    lq.equal(lq.row_of(listener)["drops"]["request_expired"], 0)
    found = since.must_say("requests_unserved", never=("acks_missing", "syn_flood", "reflection"))
    assert "12 handshakes were given up" in found["requests_unserved"]["text"], found
    assert "no loss on the network" in found["requests_unserved"]["text"], found
    lq.accept_all(listener)
    lq.set_policy(listener, "linux")
    listener.listen(50)
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def deferred_is_no_flood():
    """Clients who have answered, and have nothing to say yet."""
    listener = lq.listener(port=PORT, backlog=7, options=((socket.IPPROTO_TCP, 9, 30),))
    since = Since()
    clients = [lq.connect_to(listener) for _ in range(16)]
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 16)
    began = time.monotonic()
    clients.append(lq.begin_connect(listener))
    lq.accept(listener).close()  # nothing holds him: he came by a cookie
    Since.served(began)
    lq.equal(lq.row_of(listener)["events"]["cookie_sent"], 1)
    clients.pop().close()
    lq.wait_for(lambda: lq.Info(listener).syn_young == 0)  # a timeout has come
    found = since.must_say("syn_queue_deferred",
                           never=OURS + ("syn_flood", "acks_missing", "syn_queue_small"))
    assert "TCP_DEFER_ACCEPT" in found["syn_queue_deferred"]["text"], found
    lq.equal(lq.row_of(listener)["drops_total"], 0)
    since.silent()
    for client in clients:
        client.setblocking(True)
        client.send(b"x")
        lq.accept(listener).close()
    after = Since()
    lq.equal(set(after.findings()) - {"close_to_limit", "accept_slow"}, set())


@lq.case()
def reflection():
    """Many SYNs in the name of one that is silent: it gets our SYN-ACKs."""
    lq.sysctl("net.listenq.synack_timeout_ms", 20)
    lq.sysctl("net.listenq.synack_retries", 12)  # they stay for a minute and more
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=200)
    since = Since()
    syn_flood(tun, PORT, [("192.0.2.66", 1024 + n) for n in range(40)])

    def silent_peers():
        return sum(row["timeouts"] >= 2 for row in lq.json.loads(
            lq.run("lqctl", "requests", "-j", f":{PORT}"))["requests"])

    lq.wait_for(lambda: silent_peers() >= 40, 20)
    found = since.must_say("reflection", never=OURS + ("syn_flood", "acks_missing"))
    assert "192.0.2.66" in found["reflection"]["text"], found
    (one,) = since.listeners(f":{PORT}")
    lq.equal(one["half_open"]["peers"], [{"peer": "192.0.2.66", "count": 40}])
    # The remedy: few SYN-ACKs, and they are given up.
    lq.run("lqctl", "set", "synack_retries=1")
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 60)
    after = Since()
    serve(listener)
    after.silent()


@lq.case()
def cookies_lose_options():
    """Without timestamps a cookie has no room for them."""
    lq.sysctl("net.ipv4.tcp_timestamps", 0)
    lq.sysctl("net.listenq.syncookies", 2)
    listener = lq.listener(port=PORT)
    since = Since()
    serve(listener, 2)
    found = since.silent()
    assert "2 connections made of a SYN cookie" in found["cookies_lose_options"]["text"], found
    carry_out(found["cookies_lose_options"])
    after = Since()
    serve(listener, 2)
    assert "cookies_lose_options" not in after.findings()


@lq.each_version()
def a_cookie_is_counted_once(v6):
    """However often its ACK comes before there is room, and once more as there is."""
    lq.sysctl("net.listenq.syncookies", 2)
    tun = Tun()
    listener = lq.listener(port=PORT, backlog=0, v6=v6)
    first, second = Peer(tun, PORT, v6=v6), Peer(tun, PORT, v6=v6)
    first.half_open()
    second.half_open()
    first.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    for _ in range(3):
        second.segment(16)  # ACK
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["accept_queue_full_ack"] == 3)
    # The first of them made it a request, which is asked again until there is room.
    lq.equal((lq.row_of(listener)["events"]["cookie_received"], lq.counters()["CookieReceived"]),
             (2, 2))
    lq.accept(listener)
    second.segment(16)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    lq.equal((lq.row_of(listener)["events"]["cookie_received"], lq.counters()["CookieReceived"]),
             (2, 2))


@lq.case()
def no_route():
    """SYNs from where no route leads back."""
    tun = Tun()
    listener = lq.listener(port=PORT)
    lq.ip("route add unreachable 198.51.100.0/24")
    for name in ("all", "tun0"):
        lq.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    since = Since()
    syn_flood(tun, PORT, [("198.51.100.9", 1024)])
    if not lq.row_of(listener)["events"]["syn_received"]:
        raise lq.Skip("IP itself refuses such a source here")
    found = since.must_say("no_route", never=OURS + ("syn_flood",))
    assert "no route leads back" in found["no_route"]["text"], found
    lq.ip("route del unreachable 198.51.100.0/24")
    after = Since()
    serve(listener)
    after.silent()


@lq.each_version()
def a_route_that_goes_meanwhile(v6):
    """The ACK comes in, and nothing leads back any more: no memory is short."""
    tun = Tun()
    listener = lq.listener(port=PORT, v6=v6)
    for name in ("all", "tun0"):
        lq.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    peer = Peer(tun, PORT, v6=v6)
    since = Since()
    peer.half_open()
    route = f"unreachable {PEER[v6]}/{128 if v6 else 32}"
    lq.ip(f"route add {route}")
    peer.segment(ACK)
    lq.wait_for(lambda: lq.row_of(listener)["drops"]["no_route"] == 1)
    since.must_say("no_route", never=OURS + ("no_memory", "security_module", "acks_missing"))
    lq.ip(f"route del {route}")
    after = Since()
    began = time.monotonic()
    peer.final_ack()
    lq.accept(listener).close()
    Since.served(began)
    after.silent()


@lq.each_version("syn", "ack")
def security_module(when, v6):
    """It refuses: whichever segment it is, no memory is short and no network at fault."""
    lq.no_timer()
    tun = Tun()
    listener = lq.listener(port=PORT, v6=v6)
    peer = Peer(tun, PORT, v6=v6)
    with Labels():
        since = Since()
        if when == "ack":
            peer.half_open()
        set_port(PORT)
        if when == "syn":
            peer.syn()
        else:
            peer.segment(ACK)
        lq.wait_for(lambda: lq.row_of(listener)["drops"]["lsm"] == 1)
        found = since.must_say("security_module", never=OURS + ("no_memory", "no_route"))
        assert "refused 1 segment" in found["security_module"]["text"], found
        set_port(0)
        after = Since()
        if when == "syn":
            peer.half_open()
        began = time.monotonic()
        peer.final_ack()
        lq.accept(listener).close()
        Since.served(began)
        after.silent()


lq.main()
