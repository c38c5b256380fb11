#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""SYN cookies: what they carry, when they are sent, which are believed, and what is counted.
Where listenq means to do as the kernel does, each step runs against a plain TCP listener, too.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import errno
import itertools
import socket
import time

import lq
import rawtcp
from cookies import FULL, PORT, TS, as_tcp, cookies, half_open, mss, reply
from rawtcp import (ACK, CWR, ECE, FIN, MSS, PSH, RST, SACK_OK, WSCALE, Peer, Tun, flag_names,
                    timestamp)


# --- what they carry ---


def child_of(tun, kind, v6, options, flags):
    """Connect by cookie, let the child talk: what the SYN-ACK and the child say."""
    cookies(2, kind)
    lq.sysctl("net.ipv4.tcp_ecn", 1)
    listener = lq.listener(kind, port=PORT, v6=v6)
    peer = Peer(tun, PORT, v6=v6, sport=3000)
    synack = half_open(peer, options, flags=flags)
    words = [synack.without_chance()]
    if kind == "lq":
        lq.equal(lq.Info(listener).syn_qlen, 0)
    peer.final_ack()
    child = lq.accept(listener)
    child.send(b"x" * 3000)
    total = 0
    while total < 3000:
        segment = peer.receive()
        assert segment is not None, f"{total} of 3000 bytes"
        assert segment.good_checksum
        if segment.tsval is not None:
            drift = (segment.tsval - synack.tsval) & 0xFFFFFFFF
            assert drift < 1 << 20, f"timestamps go back, by {drift}"
        total += len(segment.data)
        # TCP's cookie path makes the window anew, of another MSS; ours is that of the SYN-ACK.
        scale = child.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[6] >> 4
        if kind == "lq":
            assert abs(synack.window - (segment.window << scale)) < 1 << scale, segment
        words.append((flag_names(segment.flags & ~PSH), len(segment.data), segment.tos,
                      segment.tsecr))
        peer.segment(ACK, ack=peer.ack + total)
    info = child.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    numbers = [int.from_bytes(info[at : at + 4], "little") for at in (16, 20, 92)]
    words.append(("options, scales", info[5:7].hex(), "snd_mss, rcv_mss, advmss", numbers))
    peer.reset()
    child.close()
    listener.close()
    return words


@lq.each_version(timeout=100)
def what_survives(v6):
    """SYN-ACK and child are those of TCP's cookies: MSS alone without timestamps; with them
    window scale, SACK and ECN."""
    sizes = (1440, 1220, 1420) if v6 else (1460, 536, 1300)
    options = [b"", mss(sizes[0]), mss(sizes[1]), mss(sizes[2]) + SACK_OK + b"\x01\x01" + WSCALE]
    options += [mss(sizes[0]) + b"\x01\x01" + TS, mss(sizes[1]) + SACK_OK + TS, FULL,
                mss(sizes[2]) + TS + WSCALE, mss(sizes[0]) + SACK_OK + TS + b"\x01\x03\x03\x00",
                mss(sizes[0]) + SACK_OK + TS + b"\x01\x03\x03\x0e"]
    for chosen, flags in itertools.product(options, (0, ECE | CWR)):
        results = []
        for kind in ("tcp", "lq"):
            lq.unshare_net()
            results.append(child_of(Tun(), kind, v6, chosen, flags))
        lq.equal(results[1], results[0], f"{chosen.hex()} {flags}")
        ecn = flags and TS in chosen
        lq.equal(bool(int(results[1][-1][1][:2], 16) & 8), bool(ecn), "ECN")
        lq.equal(bool(int(results[1][-1][1][:2], 16) & 4), TS in chosen and WSCALE[:2] in chosen)
        lq.equal(bool(int(results[1][-1][1][:2], 16) & 2), TS in chosen and SACK_OK in chosen)


@lq.each_version()
def mss_is_never_more_than_asked(v6):
    """The largest of eight values that is not beyond what the peer takes."""
    table = {False: (216, 536, 1200, 1300, 1400, 1440, 1460, 8960),
             True: (1220, 1280, 1360, 1400, 1420, 1440, 4036, 8940)}[v6]
    cookies(2)
    tun = Tun(mtu=9000)
    listener = lq.listener(port=PORT, v6=v6)
    for size in {*table, *(value - 1 for value in table[1:]), *(value + 1 for value in table)}:
        peer = Peer(tun, PORT, v6=v6)
        half_open(peer, mss(size))
        peer.final_ack()
        child = lq.accept(listener)
        child.send(b"x" * 20000)
        want = max(value for value in table if value <= size)
        lq.equal(len(peer.receive().data), want, f"MSS {size}")
        peer.reset()
        child.close()


@lq.each_version(mapped=True)
def real_clients(v6, v6_listener):
    """A hundred of them, always by cookie; every byte arrives, and nothing is kept meanwhile."""
    cookies(2)
    listener = lq.listener(backlog=200, v6=v6_listener)
    with lq.Counted() as moved:
        for n in range(100):
            client = lq.connect_to(listener, v6=v6)
            client.send(b"%04d" % n)
            child = lq.accept(listener)
            lq.equal(lq.read_all(child, 4), b"%04d" % n)
            child.send(b"x" * 5000)
            lq.equal(len(lq.read_all(client, 5000)), 5000)
            client.close()
            child.close()
        lq.equal([moved(name) for name in ("CookieSent", "CookieReceived", "Established",
                                           "Accepted", "RequestCreated", "CookieFailed")],
                 [100, 100, 100, 100, 0, 0])
    info = lq.Info(listener)
    lq.equal((info.syn_qlen_peak, info.drops), (0, 0))


@lq.each_version()
def data_and_fin_in_the_ack(v6):
    """What comes with the cookie is not lost."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    half_open(peer, FULL)
    peer.final_ack(b"hello", flags=FIN | PSH)
    child = lq.accept(listener)
    lq.equal(lq.read_all(child, 5), b"hello")
    lq.equal(child.recv(1), b"")
    lq.equal(child.getpeername()[1], peer.sport)
    lq.equal(peer.expect(ACK).ack, peer.seq)


@lq.each_version()
def lost_ack(v6):
    """The peer's data proves the cookie as well; its own number is still the first."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    half_open(peer, FULL)
    peer.send(b"data")
    lq.equal(lq.read_all(lq.accept(listener), 4), b"data")


@lq.each_version("signed", "no_route")
def one_that_cannot_be_sent(why, v6):
    """It is a drop, for its reason, and no cookie sent, whoever counts; and no event."""
    cookies(2)
    tun = Tun()
    lq.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lq.sysctl("net.ipv4.conf.tun0.rp_filter", 0)
    listener = lq.listener(v6=v6)
    stranger = "2001:db8:ffff::2" if v6 else "10.9.9.9"
    peer = Peer(tun, lq.port_of(listener), v6=v6, addr=stranger if why == "no_route" else None)
    with lq.Counted(lq.mib) as mib:
        for _ in range(3):
            peer.syn(MSS + (b"\x13\x12" + bytes(16) if why == "signed" else b""))
        lq.wait_for(lambda: lq.Info(listener).drops == 3)
        lq.equal(mib("TcpExtSyncookiesSent"), 0)
    peer.silent(0.05)
    (row,) = lq.lqctl_listeners()
    reason = {"signed": "syn_signed", "no_route": "no_route"}[why]
    lq.equal(row["drops"][reason], 3)
    proc = lq.counters()
    for name, count in (("syn_received", 3), ("cookie_sent", 0), ("synack_sent", 0)):
        lq.equal(row["events"][name], count, name)
        lq.equal(proc["".join(word.capitalize() for word in name.split("_"))], count, name)
    half_open(Peer(tun, lq.port_of(listener), v6=v6))
    (row,) = lq.lqctl_listeners()
    lq.equal((row["events"]["cookie_sent"], row["events"]["synack_sent"]), (1, 1))


# --- which are believed ---


def refused(peer, listener, **fields):
    """An ACK that is changed is answered with RST, and counted."""
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        peer.segment(ACK, **fields)
        segment = peer.expect(RST)
        lq.equal(segment.seq, fields.get("ack", peer.ack) & 0xFFFFFFFF)
        lq.equal((moved("CookieFailed"), moved("CookieReceived")), (1, 0))
        lq.equal(mib("TcpExtSyncookiesFailed"), 1)
    lq.equal(lq.Info(listener).accept_qlen, 0)


@lq.each_version()
@lq.counts_failed_cookies()
def every_bit_counts(v6):
    """A cookie with one wrong bit, or of another sequence number, opens nothing."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    half_open(peer)
    for bit in range(32):
        refused(peer, listener, ack=((peer.ack - 1) ^ 1 << bit) + 1)
    refused(peer, listener, seq=peer.seq + 1)
    refused(peer, listener, seq=peer.seq - 1)
    peer.final_ack()
    lq.equal(lq.Info(listener).accept_qlen, 1)


@lq.each_version()
@lq.counts_failed_cookies()
def bound_to_the_addresses(v6):
    """It is good for its own peer, ports and local address alone."""
    cookies(2)
    tun = Tun()
    second = "2001:db8::7" if v6 else "192.0.2.7"
    lq.add_address("tun0", second, 64 if v6 else 24)
    listener, other = (lq.listener(port=port, v6=v6) for port in (PORT, PORT + 1))
    stranger = Peer(tun, PORT + 1, v6=v6)
    half_open(stranger)  # the other one has sent cookies, too
    peer = Peer(tun, PORT, v6=v6)
    half_open(peer)

    def like(**changes):
        fields = {"port": PORT, "sport": peer.sport, "addr": rawtcp.PEER[v6], **changes}
        one = Peer(tun, fields["port"], v6=v6, addr=fields["addr"], sport=fields["sport"])
        one.seq, one.ack = peer.seq, peer.ack
        return one

    refused(like(sport=peer.sport + 100), listener)
    refused(like(addr="2001:db8::3" if v6 else "192.0.2.3"), listener)
    refused(like(port=PORT + 1), other)
    elsewhere = like()
    elsewhere.local = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, second)
    refused(elsewhere, listener)
    peer.final_ack()
    lq.equal(lq.Info(listener).accept_qlen, 1)


@lq.case()
@lq.counts_failed_cookies()
def keys_are_the_namespace_s():
    """A cookie of the listener before is good for the next one at its port, as with TCP, and
    nothing in another namespace."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(port=PORT)
    peer = Peer(tun, PORT)
    half_open(peer)
    listener.close()
    listener = lq.listener(port=PORT)
    peer.final_ack()
    lq.equal(lq.Info(listener).accept_qlen, 1)
    with lq.Netns():
        cookies(2)
        there = Tun()
        elsewhere = lq.listener(port=PORT)
        half_open(Peer(there, PORT))
        stranger = Peer(there, PORT, sport=peer.sport)
        stranger.seq, stranger.ack = peer.seq, peer.ack
        refused(stranger, elsewhere)


@lq.case()
@lq.counts_failed_cookies()
def none_was_sent():
    """An ACK is not even looked at: TCP's RST, and nothing is counted."""
    tun = Tun()
    for mode in (0, 1, 2):
        cookies(mode)
        listener = lq.listener(port=PORT)
        if mode == 1:
            half_open(Peer(tun, PORT))  # a request is no cookie
        with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
            for _ in range(3):
                peer = Peer(tun, PORT)
                peer.seq, peer.ack = 1001, 12345
                peer.segment(ACK)
                lq.equal(peer.expect(RST).seq, 12345)
            lq.equal((moved("CookieFailed"), mib("TcpExtSyncookiesFailed")), (0, 0))
        listener.close()


def turned_off(tun, kind):
    """A cookie was sent, then cookies are turned off."""
    cookies(2, kind)
    listener = lq.listener(kind)
    peer = Peer(tun, lq.port_of(listener))
    half_open(peer)
    cookies(0, kind)
    peer.final_ack()
    answers = [reply(peer)]
    cookies(2, kind)
    peer.final_ack()
    answers.append(reply(peer))
    lq.accept(listener)
    return answers


@lq.case()
def not_believed_when_off():
    """As TCP's: RST while they are off."""
    lq.equal(as_tcp(turned_off), [("RST", 0, 0), "nothing"])


def replayed(tun, kind, v6, early_demux):
    """The proving ACK again: while it is connected, with data, and after RST."""
    cookies(2, kind)
    lq.sysctl("net.ipv4.tcp_early_demux", early_demux)
    listener = lq.listener(kind, v6=v6)
    peer = Peer(tun, lq.port_of(listener), v6=v6)
    half_open(peer)
    answers = []
    with lq.Counted(lq.mib) as mib:
        peer.final_ack()
        peer.final_ack()
        peer.final_ack()
        child = lq.accept(listener)
        lq.nothing_to_accept(listener)
        answers.append((reply(peer), mib("TcpExtSyncookiesRecv"), mib("TcpPassiveOpens")))
        peer.final_ack(b"four")
        lq.equal(lq.read_all(child, 4), b"four")
        peer.seq -= 4
        peer.final_ack(b"four")
        lq.nothing_to_accept(listener)
        answers.append((mib("TcpExtSyncookiesRecv"), mib("TcpPassiveOpens")))
        while peer.receive(0.1):
            pass
        peer.reset()
        peer.seq -= 4
        peer.final_ack()  # a cookie is no state: it opens again
        lq.accept(listener)
        answers.append((mib("TcpExtSyncookiesRecv"), mib("TcpPassiveOpens")))
    return answers


@lq.each_version()
def replay(v6):
    """It makes no second child of a connection, whoever finds out that it is one."""
    for early_demux in (0, 1):
        lq.equal(as_tcp(replayed, v6, early_demux),
                 [("nothing", 1, 1), (1, 1), (2, 2)])


def options_forbidden(tun, kind, name):
    """What the timestamp carries back is no longer allowed."""
    cookies(2, kind)
    listener = lq.listener(kind)
    peer = Peer(tun, lq.port_of(listener))
    half_open(peer, FULL)
    lq.sysctl(f"net.ipv4.{name}", 0)
    with lq.Counted(lq.mib) as mib:
        peer.final_ack()
        answers = [reply(peer), mib("TcpExtSyncookiesRecv"), mib("TcpExtSyncookiesFailed")]
    lq.sysctl(f"net.ipv4.{name}", 1)
    if answers[0] != "nothing":
        lq.nothing_to_accept(listener)
        peer.final_ack()
    info = lq.accept(listener).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return answers + [info[5:7].hex()]


@lq.case("tcp_sack", "tcp_window_scaling", "tcp_timestamps")
@lq.counts_failed_cookies()
def options_forbidden_meanwhile(name):
    """As TCP's: RST, as it would not be the connection that was agreed on; without timestamps
    it is the one that can be had."""
    got = as_tcp(options_forbidden, name)
    lq.equal(got[:3], ["nothing" if name == "tcp_timestamps" else ("RST", 0, 0), 1, 0])


def no_echo(tun, kind):
    """The peer's timestamp option does not echo ours."""
    cookies(2, kind)
    listener = lq.listener(kind)
    peer = Peer(tun, lq.port_of(listener))
    half_open(peer, FULL)
    peer.final_ack(options=timestamp(1001, 0))
    info = lq.accept(listener).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return info[5:7].hex()


@lq.case()
def timestamp_without_echo():
    """As TCP's: its bits are those of 0."""
    as_tcp(no_echo)


# --- when they are sent ---


def mode_of(tun, kind, mode, backlog, v6):
    """Fill the SYN queue and go on: the answers, and TCP's counters."""
    cookies(mode, kind)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
    options = [] if kind == "tcp" else [(lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern")]
    listener = lq.listener(kind, backlog=backlog, v6=v6, options=options)
    port = lq.port_of(listener)
    names = ["TcpExtSyncookiesSent", "TcpExtSyncookiesRecv", "TcpExtSyncookiesFailed",
             "TcpExtTCPReqQFullDoCookies", "TcpExtTCPReqQFullDrop", "TcpExtListenOverflows",
             "TcpExtListenDrops", "TcpPassiveOpens", "TcpAttemptFails", "TcpExtEmbryonicRsts"]
    steps = []
    with lq.Counted(lq.mib) as mib:

        def step(name, *what):
            steps.append((name, *what, [f"{n}={mib(n)}" for n in names if mib(n)]))

        peers = [Peer(tun, port, v6=v6) for _ in range(backlog + 4)]
        for peer in peers:
            peer.syn()
            answer = peer.receive(0.3)
            if answer:
                peer.synack, peer.seq, peer.ack = answer, peer.isn + 1, answer.seq + 1
        step("SYNs", [peer.synack is not None for peer in peers])
        answered = [peer for peer in peers if peer.synack]
        last = answered[-1]
        last.segment(ACK, ack=last.ack + 77)  # TCP may take one with 1 added
        step("bad ACK", reply(last))
        last.final_ack(b"data")
        step("good ACK", reply(last))
        lq.accept(listener).close()
        last.receive(0.3)
        last.reset()
        for peer in answered[:-1]:
            peer.final_ack()
        step("all ACKs", [reply(peer, 0.1) for peer in answered[:-1]])
        # A cookie of ours that found no room is on the SYN queue now, and may be what fills it.
        names.remove("TcpExtTCPReqQFullDoCookies")
        late = Peer(tun, port, v6=v6)
        late.syn()
        step("accept queue full", late.receive(0.3) is not None, lq.ss_queues(port))
    return steps


@lq.case("0-v4", "1-v4", "2-v4", "0-v6", "1-v6", "2-v6")
@lq.counts_failed_cookies()
def counted_as_tcps(mode):
    """0 never, 1 when the SYN queue is full, 2 always: answers and MIB counters as TCP's."""
    for backlog in (1, 4):
        as_tcp(mode_of, int(mode[0]), backlog, mode.endswith("6"))


@lq.each_version()
def when(v6):
    """16 requests fit with a backlog of 5: the 17th SYN gets a cookie, or silence, or all do."""
    tun = Tun()
    for mode in (0, 1, 2):
        cookies(mode)
        listener = lq.listener(backlog=5, v6=v6)
        lq.equal(lq.Info(listener).syn_limit, 16)
        with lq.Counted() as moved:
            peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(20)]
            for peer in peers:
                peer.syn()
            lq.equal([moved(name) for name in ("RequestCreated", "CookieSent",
                                               "DropSynQueueFull")],
                     {0: [16, 0, 4], 1: [16, 4, 0], 2: [0, 20, 0]}[mode])
            for _ in range(3):
                peers[0].syn()  # its own request, or a cookie again
            lq.equal(moved("CookieSent"), {0: 0, 1: 4, 2: 23}[mode])
        listener.close()


@lq.case()
def of_a_socket():
    """LQ_SYNCOOKIES beats the sysctl, -1 follows it again; other numbers are EINVAL."""
    tun = Tun()

    def kind_of(listener):
        with lq.Counted() as moved:
            Peer(tun, lq.port_of(listener)).half_open()
            return moved("CookieSent")

    cookies(1)
    listener = lq.listener(options=[(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)])
    lq.equal(kind_of(listener), 1)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.equal(kind_of(listener), 1)
    for bad in (-2, 3, 100):
        with lq.fails_with(errno.EINVAL):
            listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, bad)
    lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES), 2)
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, -1)
    lq.equal(kind_of(listener), 0)
    lq.sysctl("net.listenq.syncookies", 2)
    lq.equal(kind_of(listener), 1)
    listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 0)
    lq.equal(kind_of(listener), 0)


@lq.case()
def flood():
    """5000 SYNs are answered, nothing is kept, and a client gets in meanwhile."""
    cookies(2)
    tun = Tun()
    listener = lq.listener(backlog=10)
    peers = [(f"192.0.2.{10 + n % 200}", 1024 + n // 200) for n in range(5000)]
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        rawtcp.syn_flood(tun, lq.port_of(listener), peers[:2500])
        client = lq.connect_to(listener)
        rawtcp.syn_flood(tun, lq.port_of(listener), peers[2500:])
        lq.equal([moved(name) for name in ("CookieSent", "SynackSent", "RequestCreated",
                                           "CookieReceived")], [5001, 5001, 0, 1])
        lq.equal(mib("TcpExtSyncookiesSent"), 5001)
        lq.equal(mib("TcpExtListenDrops"), 0)
    client.send(b"alive")
    lq.equal(lq.read_all(lq.accept(listener), 5), b"alive")


# --- syncookie_pause ---


@lq.case(timeout=120)
def pause():
    """After an overflow cookies alone for 15 s, though there is room; then requests again."""
    cookies(1)
    lq.sysctl("net.listenq.syncookie_pause", 1)
    tun = Tun()
    listener = lq.listener(backlog=20)
    lq.set_policy(listener, "linux-modern")
    listener.listen(1)
    port = lq.port_of(listener)

    def asked():
        with lq.Counted() as moved:
            Peer(tun, port).syn()
            lq.equal(moved("CookieSent") + moved("RequestCreated"), 1)
            return "cookie" if moved("CookieSent") else "request"

    first = [Peer(tun, port) for _ in range(2)]
    for peer in first:
        half_open(peer)
    with lq.Counted(lq.mib) as mib:
        begun = time.monotonic()
        lq.equal(asked(), "cookie")
        lq.equal(mib("TcpExtTCPReqQFullDoCookies"), 1)
        for peer in first:
            peer.reset()
        listener.listen(20)
        lq.equal(lq.Info(listener).syn_qlen, 0)
        lq.equal(asked(), "cookie")  # there is room
        late = Peer(tun, port)
        half_open(late, FULL)
        late.final_ack(b"good")
        lq.equal(lq.read_all(lq.accept(listener), 4), b"good")
        lq.equal(mib("TcpExtTCPReqQFullDoCookies"), 1, "the queue was not full")
        lq.sysctl("net.listenq.syncookie_pause", 0)
        lq.equal(asked(), "request")
        lq.sysctl("net.listenq.syncookie_pause", 1)
        lq.equal(asked(), "cookie")
        lq.wait_for(lambda: asked() == "request", 60, "it does not end", every=0.5)
        assert time.monotonic() >= begun + 14, "it ended early"
    lq.equal(asked(), "request")


lq.main()
