#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=240
"""The default policy is never worse to clients than the kernel's own TCP: a listener of each, with the
same backlog and the same settings, and the same SYNs.

    peers, played by this program --- tun0 --- listener           or: clients --- lo --- listener
"""
import itertools
import time

import lq
import rawtcp
from rawtcp import ACK, SYN, Peer, Segment, Tun


def settings(max_syn_backlog, syncookies, retries=5):
    """Those of listenq and those of TCP."""
    for ours, tcps, value in (("max_syn_backlog", "tcp_max_syn_backlog", max_syn_backlog),
                              ("syncookies", "tcp_syncookies", syncookies),
                              ("synack_retries", "tcp_synack_retries", retries)):
        lq.sysctl(f"net.listenq.{ours}", value)
        lq.sysctl(f"net.ipv4.{tcps}", value)


def many_peers(count):
    """So many (address, port)."""
    return list(itertools.islice(
        itertools.product((f"192.0.2.{n}" for n in range(10, 250)), range(1024, 2048)), count))


def half_open(kind, listener):
    """How many requests it holds."""
    if kind == "lq":
        return lq.Info(listener).syn_qlen
    out = lq.run("ss", "-Htn", "state", "syn-recv", f"sport = :{lq.port_of(listener)}")
    return len(out.splitlines())


class TooSlow(Exception):
    """The first request may have expired before the last was counted: nothing can be compared."""


def knocked(kind, tun, backlog, count):
    """What becomes of so many SYNs that come at once: requests, cookies, drops."""
    listener = lq.listener(kind, backlog=backlog)
    begin = time.monotonic()
    with lq.Counted(lq.mib) as mib:
        rawtcp.syn_flood(tun, lq.port_of(listener), many_peers(count))
        made = half_open(kind, listener), *mib("TcpExtSyncookiesSent", "TcpExtListenDrops")
    # Under load TCP gives up at the third timeout, after 1 + 2 + 4 s: reqsk_timer_handler().
    if sum(made) != count and time.monotonic() - begin > 7:
        listener.close()
        raise TooSlow(f"{kind}: of {count} SYNs {count - sum(made)} have expired")
    lq.equal(sum(made), count, f"{kind}: requests, cookies, drops: {made}")
    listener.close()
    return made


# backlog, max_syn_backlog, SYNs
AT_ONCE = [(0, 16, 40), (1, 1024, 40), (5, 16, 60), (20, 8, 60), (100, 16, 250), (128, 8192, 400),
           (200, 64, 450), (1000, 128, 1200), (1000, 4096, 1500)]


@lq.case(0, 1, 2, timeout=120)
def syns_at_once(syncookies):
    """Whom TCP keeps a request for, listenq does; and it drops none that TCP answers."""
    tun = Tun()
    for backlog, max_syn_backlog, count in AT_ONCE:
        settings(max_syn_backlog, syncookies)
        try:
            tcp, ours = [knocked(kind, tun, backlog, count) for kind in ("tcp", "lq")]
        except TooSlow as slow:
            # The small ones are there on any machine; of the large ones nothing is known here.
            assert count > 400, slow
            lq.diag(f"backlog {backlog}, max_syn_backlog {max_syn_backlog}: not compared, {slow}")
            continue
        words = f"backlog {backlog}, max_syn_backlog {max_syn_backlog}: TCP {tcp}, listenq {ours}"
        lq.diag(words)
        assert ours[0] >= tcp[0], words
        assert ours[1] <= tcp[1], words
        assert ours[2] <= tcp[2], words


@lq.case(timeout=120)
def clients_who_are_far_away():
    """600 at once, and a backlog of 4096: TCP keeps a request for each and sends no cookie, however
    small max_syn_backlog is."""
    tun = Tun()
    lq.sysctl("net.core.somaxconn", 4096)
    for max_syn_backlog in (1, 128, 256):
        settings(max_syn_backlog, 1)
        for kind in ("tcp", "lq"):
            lq.equal(knocked(kind, tun, 4096, 600), (600, 0, 0), f"{kind}, {max_syn_backlog}")


def who_connects(kind, backlog):
    """How many clients believe that they are connected, and what accept() has of them, while nobody
    accepts: one after the other, until one does not."""
    listener = lq.listener(kind, backlog=backlog)
    clients = []
    for _ in range(backlog + 6):
        client = lq.begin_connect(listener)
        try:
            lq.wait_for(lambda one=client: lq.connected(one), 0.5)
        except AssertionError:
            client.close()
            break
        clients.append(client)
    got = len(lq.accept_all(listener))
    for client in clients:
        client.close()
    listener.close()
    return len(clients), got


@lq.case(timeout=120)
def a_full_accept_queue():
    """No client believes in a connection that is not there: as many as TCP lets in, and no more."""
    for backlog in (0, 1, 2, 5, 8):
        tcp, ours = [who_connects(kind, backlog) for kind in ("tcp", "lq")]
        lq.equal(tcp, (backlog + 1, backlog + 1), "TCP")
        lq.equal(ours, tcp, f"backlog {backlog}")


def synacks(tun, listener, count, seconds):
    """How many SYN-ACKs come for so many SYNs that nobody completes."""
    port = lq.port_of(listener)
    peers = [Peer(tun, port) for _ in range(count)]
    for peer in peers:
        peer.syn()
    ours = {peer.sport for peer in peers}
    seen = 0
    end = time.monotonic() + seconds * lq.SCALE
    while time.monotonic() < end:
        for packet in tun.packets():
            if packet[0] >> 4 == 4 and packet[9] == 6:
                segment = Segment(packet)
                seen += segment.flags == SYN | ACK and segment.dport in ours
        time.sleep(0.02)
    return seen


@lq.case(timeout=120)
def requests_that_grow_old():
    """Those that fill more than half of the queue are given up early by both, and not earlier."""
    tun = Tun()
    settings(256, 0, retries=3)
    for backlog, count in ((20, 9), (20, 14), (40, 30)):
        tcp, ours = [synacks(tun, lq.listener(kind, backlog=backlog), count, 9)
                     for kind in ("tcp", "lq")]
        words = f"backlog {backlog}, {count} SYNs: SYN-ACKs of TCP {tcp}, of listenq {ours}"
        lq.diag(words)
        assert ours >= tcp >= 3 * count, words


lq.main()
