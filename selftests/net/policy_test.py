#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Policies: what a backlog means by default and to each of the systems, as docs/semantics.md says it.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import errno
import itertools
import json
import subprocess
import time

import lq
import rawtcp
from rawtcp import ACK, RST, SYN, Peer, Tun

LONG = 60000  # ms: the timer stays out of it

SUMS = ("bsd", "berkeley", "aix", "hpux", "xnu")  # half-open requests count as connections

# UNP volume 1, figure 4.10: connections that complete while nobody accepts, backlogs 0 to 14.
FIGURE_4_10 = {
    "aix": [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22],
    "linux-2.4": [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
    "hpux": [1, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21],
    "freebsd-4": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    "solaris": [1, 2, 4, 5, 6, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22],
}

# The same for the other policies, by the formulas of docs/semantics.md; somaxconn is 9 for windows
# and linux-2.0.
OTHERS = {
    "linux": list(range(1, 16)),
    "linux-classic": FIGURE_4_10["linux-2.4"],
    "linux-modern": list(range(1, 16)),
    "bsd": [1, 1, 2, 3, 4] + [5] * 10,
    "berkeley": [1, 2, 4, 5, 7] + [8] * 10,
    "freebsd": [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22],
    "xnu": [1] + list(range(1, 15)),
    "windows": [9] * 15,
    "illumos": [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22],
    "linux-2.0": [9] * 15,  # a handshake that is over leaves the one queue with a limit
    "bsdos-3.0": [40] * 15,  # clients believe; how many have a connection is another case's
}


def judged(moved):
    """How many clients' last segments the listener has had its say on."""
    return (moved("Established") + moved("DropAcceptQueueFullAck") + moved("DropAbortOnOverflow")
            + moved("DropSynQueueFull") + moved("DropAcceptQueueFullSyn"))


def fill(listener, most=40):
    """Connect until one does not complete, or is reset as it does; the clients that did."""
    clients = []
    while len(clients) < most:
        with lq.Counted() as moved:
            client = lq.begin_connect(listener)
            lq.wait_for(lambda count=moved: judged(count))
        if moved("DropSynQueueFull") or moved("DropAcceptQueueFullSyn"):
            client.close()
            break
        lq.wait_for(lambda one=client: lq.connected(one))
        try:
            client.recv(1)
            raise AssertionError("the listener's side was closed")
        except BlockingIOError:
            clients.append(client)
        except ConnectionResetError:
            client.close()
            break
    return clients


def held(policy):
    """For each backlog from 0 to 14, how many clients of a listener complete."""
    lq.quiet()
    lq.sysctl("net.listenq.policy", policy)
    got = []
    for backlog in range(15):
        listener = lq.listener(backlog=backlog)
        clients = fill(listener)
        got.append(len(clients))
        for client in clients:
            client.close()
        listener.close()
    return got


# --- how many ---


@lq.case(*FIGURE_4_10, timeout=90)
def unp_figure_4_10(policy):
    """The column of each system, by the method of UNP exercise 15.4."""
    lq.equal(held(policy), FIGURE_4_10[policy])


@lq.case(*OTHERS, timeout=90)
def connections_per_backlog(policy):
    """The same for the systems that the figure does not have."""
    if policy in ("windows", "linux-2.0"):
        lq.sysctl("net.core.somaxconn", 9)
    lq.equal(held(policy), OTHERS[policy])


@lq.case(timeout=120)
def lqctl_probe():
    """The figure again, all columns at once, as a user gets it."""
    lq.quiet()
    # On one CPU a handshake is over before its client goes on.
    probe = ("taskset", "-c", "0", "lqctl", "probe", "-T", "4000")
    got = {}
    for one in json.loads(lq.run(*probe, "--json"))["probes"]:
        lq.equal(one["limited"], False)
        got.setdefault(one["policy"], []).append((one["backlog"], one["completed"]))
    lq.equal(got, {name: list(enumerate(row)) for name, row in FIGURE_4_10.items()})
    table = lq.run(*probe, "xnu", "bsd", "-b", "0,2,7", "--tcp").splitlines()
    lq.equal([line.split() for line in table],
             [["backlog", "0", "2", "7"], ["TCP", "1", "3", "8"], ["xnu", "1", "2", "7"],
              ["bsd", "1", "2", "5"]])


@lq.case()
def lqctl_probe_of_an_unknown_policy():
    """It names those that there are."""
    done = subprocess.run(["lqctl", "probe", "vms"], capture_output=True, text=True, check=False)
    lq.equal((done.returncode, done.stdout), (1, ""))
    for policy in lq.POLICIES:
        assert policy in done.stderr, done.stderr


@lq.case(timeout=90)
def windows_holds_200():
    """The smallest backlog that Winsock knows, whatever is asked for."""
    lq.quiet()
    lq.sysctl("net.listenq.policy", "windows")
    listener = lq.listener(backlog=5)
    clients = fill(listener, most=300)
    lq.equal(len(clients), 200)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (200, 199))
    lq.equal(len(lq.accept_all(listener)), 200)


# --- both queues are one ---


@lq.case(*SUMS)
def half_open_requests_have_their_place(policy):
    """They count as connections, and each one's ACK gets in whatever came between."""
    lq.quiet()
    tun = Tun()
    for v6 in (False, True):
        listener = lq.listener(backlog=4, v6=v6)
        lq.set_policy(listener, policy)
        info = lq.Info(listener)
        limit = info.accept_limit
        lq.equal(limit, {**FIGURE_4_10, **OTHERS}[policy][4])
        lq.equal(info.syn_limit, limit)
        peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(limit)]
        for n, peer in enumerate(peers):
            peer.half_open()
            if n % 2:
                peer.final_ack()
        with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
            late = Peer(tun, lq.port_of(listener), v6=v6)
            late.syn()
            late.silent(0.1)
            lq.equal(moved("DropAcceptQueueFullSyn"), 1)
            lq.equal(mib("TcpExtListenOverflows"), 1)
        for peer in peers[::2]:
            peer.final_ack()
        lq.wait_for(lambda one=listener, want=limit: lq.Info(one).accept_qlen == want)
        lq.equal(len(lq.accept_all(listener)), limit)
        lq.equal(lq.Info(listener).syn_qlen, 0)
        late.half_open()


# --- the accept queue is full ---


def filled(tun, policy, v6=False):
    """A listener of a policy, and peers who filled its accept queue."""
    listener = lq.listener(backlog=1, v6=v6)
    lq.set_policy(listener, policy)
    limit = lq.Info(listener).accept_limit
    peers = [Peer(tun, lq.port_of(listener), v6=v6).connect() for _ in range(limit)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == limit)
    return listener, peers


@lq.case(*lq.POLICIES)
def full_at_the_syn(policy):
    """Silence; or an answer, while a request may still leave; or RST."""
    lq.quiet()
    lq.sysctl("net.core.somaxconn", 2)
    tun = Tun()
    for v6 in (False, True):
        listener, _ = filled(tun, policy, v6)
        admitted = {"linux-classic": 2, "linux-2.4": 2, "freebsd": 7, "bsdos-3.0": 7}.get(policy, 0)
        for _ in range(admitted):
            Peer(tun, lq.port_of(listener), v6=v6).half_open()
        if policy not in ("freebsd", "bsdos-3.0"):
            late = Peer(tun, lq.port_of(listener), v6=v6)
            with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
                late.syn()
                if policy == "windows":
                    lq.equal(late.expect(RST | ACK).ack, late.isn + 1)
                late.silent(0.1)
                lq.equal(moved("DropAcceptQueueFullSyn"), 1)
                lq.equal(mib("TcpExtListenOverflows"), 1)
                lq.equal(mib("TcpExtListenDrops"), 1)
        info = lq.Info(listener)
        lq.equal((info.syn_qlen, info.accept_qlen), (admitted, info.accept_limit))
        listener.close()


@lq.case(*(policy for policy in lq.POLICIES if policy not in SUMS))
def full_at_the_ack(policy):
    """The request is kept for another time; or it ends, with RST."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.core.somaxconn", 2)
    tun = Tun()
    # As the policy has it, kept whatever it has, RST whatever it has.
    for v6, abort in itertools.product((False, True), (-1, 0, 1)):
        lq.sysctl("net.listenq.abort_on_overflow", abort)
        listener = lq.listener(backlog=2 if policy in ("linux-2.0", "bsdos-3.0") else 1, v6=v6)
        lq.set_policy(listener, policy)
        lq.equal(lq.Info(listener).accept_limit, 2)
        first, second, third = (Peer(tun, lq.port_of(listener), v6=v6) for _ in range(3))
        first.half_open()
        second.half_open()
        first.final_ack()
        third.half_open()  # after room was made in the SYN queue, before the accept queue is full
        second.final_ack()
        lq.equal(lq.Info(listener).accept_qlen, 2)
        with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
            third.final_ack()
            if abort == 1 or abort == -1 and policy in ("freebsd", "freebsd-4", "windows"):
                lq.equal(third.expect(RST).seq, third.ack)
                lq.equal(moved("DropAbortOnOverflow"), 1)
                lq.equal(mib("TcpExtEmbryonicRsts"), 1)
                lq.equal(lq.Info(listener).syn_qlen, 0)
            else:
                third.silent(0.1)
                lq.equal(moved("DropAcceptQueueFullAck"), 1)
                lq.equal(lq.Info(listener).syn_qlen, 1)
            lq.equal(mib("TcpExtListenOverflows"), 1)
            lq.equal(mib("TcpExtListenDrops"), 1)
        if lq.Info(listener).syn_qlen:
            lq.accept(listener).close()
            third.final_ack(b"again")
            lq.wait_for(lambda one=listener: lq.Info(one).accept_qlen == 2)
            lq.accept(listener).close()
            lq.equal(lq.read_all(lq.accept(listener), 5), b"again")
        listener.close()


@lq.case("linux", "linux-classic", "solaris")
def kept_request_is_answered_again(policy):
    """The timer's SYN-ACK makes the peer try again, and then there is room."""
    lq.sysctl("net.listenq.synack_timeout_ms", 500)
    tun = Tun()
    listener = lq.listener(backlog=1)
    lq.set_policy(listener, policy)
    first, second, third = (Peer(tun, lq.port_of(listener)) for _ in range(3))
    for peer in (first, second, third):
        peer.half_open()
    for peer in (first, second, third):
        peer.final_ack()
    lq.accept(listener).close()
    lq.equal(third.expect(SYN | ACK).seq + 1, third.ack)
    third.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 2)


@lq.each_version()
def windows_answers_with_rst(v6):
    """A client's connect() fails at once."""
    lq.sysctl("net.core.somaxconn", 2)
    listener = lq.listener(backlog=2, v6=v6)
    lq.set_policy(listener, "windows")
    lq.equal(lq.Info(listener).accept_limit, 2)
    clients = [lq.connect_to(listener, v6=v6) for _ in range(2)]
    with lq.fails_with(errno.ECONNREFUSED):
        lq.connect_to(listener, v6=v6, timeout=5)
    del clients


@lq.case()
def freebsd_resets_at_the_ack():
    """A client's connect() succeeds, and what it does next fails."""
    listener = lq.listener(backlog=0)
    lq.set_policy(listener, "freebsd")
    lq.connect_to(listener)
    with lq.fails_with(errno.ECONNRESET):
        lq.connect_to(listener).recv(1)


# --- the SYN queue is full ---


def many_peers(count):
    """So many (address, port)."""
    return list(itertools.islice(
        itertools.product((f"192.0.2.{n}" for n in range(10, 250)), range(1024, 2048)), count))


def drained(tun):
    """The device's queue is empty: what comes next is not lost."""
    while tun.receive(0, 0):
        pass
    tun.waiting.clear()


@lq.case()
def solaris_evicts():
    """A full SYN queue gives up an old request for each new SYN; the new ones stay."""
    lq.quiet()
    tun = Tun()
    listener = lq.listener(backlog=100)
    lq.set_policy(listener, "solaris")
    limit = lq.Info(listener).syn_limit
    lq.equal(limit, 151 + 1024)
    peers = many_peers(limit + 20000)
    with lq.Counted() as moved:
        rawtcp.syn_flood(tun, lq.port_of(listener), peers[:limit])
        lq.equal((moved("RequestCreated"), moved("DropRequestEvicted")), (limit, 0))
        rawtcp.syn_flood(tun, lq.port_of(listener), peers[limit:])
        lq.equal((moved("RequestCreated"), moved("DropRequestEvicted")), (limit + 20000, 20000))
        drained(tun)
        new = [Peer(tun, lq.port_of(listener)) for _ in range(40)]
        for peer in new:
            peer.half_open()
        lq.equal(moved("DropRequestEvicted"), 20040)
        lq.equal(lq.Info(listener).syn_qlen, limit)
        for peer in new:
            peer.final_ack()
        info = lq.Info(listener)
        # Which one leaves is decided by the table: one that is alone in its bucket may be new.
        assert info.accept_qlen >= 30, f"{info.accept_qlen} of 40 were still there"
        lq.equal(info.syn_qlen + info.accept_qlen, limit)
        lq.equal(info.drops, 20040)


@lq.case(timeout=120)
def freebsd_evicts_the_oldest_of_a_bucket():
    """512 buckets of 30: a flood takes the old requests' places, and the newest are there."""
    lq.quiet()
    tun = Tun()
    listener = lq.listener(backlog=1000)
    lq.set_policy(listener, "freebsd")
    lq.sysctl("net.listenq.soacceptqueue", 1000)
    lq.equal(lq.Info(listener).syn_limit, 512 * 30)
    lq.wait_for(lambda: lq.Info(listener).syn_buckets == 512)
    old = [Peer(tun, lq.port_of(listener)) for _ in range(40)]
    new = [Peer(tun, lq.port_of(listener)) for _ in range(40)]
    with lq.Counted() as moved:
        for peer in old:
            peer.half_open()
        rawtcp.syn_flood(tun, lq.port_of(listener), many_peers(30000))
        drained(tun)
        for peer in new:
            peer.half_open()
        info = lq.Info(listener)
        lq.equal(moved("RequestCreated"), 30080)
        lq.equal(info.syn_qlen + moved("DropRequestEvicted"), 30080)
        lq.equal(info.drops, moved("DropRequestEvicted"))
        assert 512 * 29 < info.syn_qlen <= 512 * 30, info.syn_qlen
        for peer in new:
            peer.final_ack()
        lq.wait_for(lambda: lq.Info(listener).accept_qlen == 40)
        for peer in old:
            peer.final_ack()
        # A bucket got 59 on average; one that got fewer than 30 keeps all.
        lq.never(lambda: lq.Info(listener).accept_qlen >= 50, 1, "the old are still there")


LAST_QUARTER = ("linux", "linux-classic", "linux-modern", "linux-2.4")


@lq.case(*lq.POLICIES)
def last_quarter(policy):
    """Without cookies Linux keeps a quarter of max_syn_backlog for peers that it knows."""
    lq.quiet()
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    tun = Tun()
    listener = lq.listener(backlog=100)
    lq.set_policy(listener, policy)
    room = min(lq.Info(listener).syn_limit, 20)
    port = lq.port_of(listener)
    with lq.Counted() as moved:
        for _ in range(13 if policy in LAST_QUARTER else room):
            Peer(tun, port).half_open()
        if policy not in LAST_QUARTER:
            lq.equal(moved("DropSynLastQuarter"), 0)
            return
        stranger = Peer(tun, port, addr="192.0.2.3")
        stranger.syn()
        stranger.silent(0.1)
        lq.equal(moved("DropSynLastQuarter"), 1)
        lq.ip("route add 192.0.2.4/32 dev tun0 rtt 100ms")
        Peer(tun, port, addr="192.0.2.4").half_open()
        lq.equal(moved("DropSynLastQuarter"), 1)
        lq.sysctl("net.listenq.syncookies", 1)
        stranger.half_open()


@lq.case("freebsd", "freebsd-4", "linux", timeout=90)
def synack_retries(policy):
    """The FreeBSDs try three times more at most, whatever is configured."""
    lq.sysctl("net.listenq.synack_timeout_ms", 50)
    lq.sysctl("net.listenq.synack_retries", 4)
    want = 4 if policy == "linux" else 3
    tun = Tun()
    listener = lq.listener(backlog=50)
    lq.set_policy(listener, policy)
    with lq.Counted() as moved:
        peer = Peer(tun, lq.port_of(listener))
        peer.half_open()
        lq.wait_for(lambda: moved("DropRequestExpired") == 1, 30)
        lq.equal(moved("SynackRetrans"), want)
        lq.equal(lq.Info(listener).synack_retries, want, "LQ_INFO")
    lq.sysctl("net.listenq.synack_retries", 2)
    lq.equal(lq.Info(listener).synack_retries, 2)


BERKELEY = ("bsd", "berkeley", "bsdos-3.0", "aix", "hpux")


@lq.case(timeout=180)
def berkeley_gives_up_after_75_s():
    """SYN-ACKs after 6 and 24 s more, and the end after 75 (TCPTV_KEEP_INIT): all of them at once."""
    tun = Tun()
    peers = {}
    with lq.Counted() as moved:
        for policy, v6 in itertools.product(BERKELEY, (False, True)):
            listener = lq.listener(backlog=2, v6=v6)
            lq.set_policy(listener, policy)
            peer = Peer(tun, lq.port_of(listener), v6=v6)
            begin = time.monotonic()
            peer.half_open()
            peers[policy, v6] = (listener, peer, [begin])
        lq.wait_for(lambda: moved("DropRequestExpired") == len(peers), 100)
        end = time.monotonic()
        lq.equal(moved("SynackRetrans"), 2 * len(peers))
    for listener, peer, times in peers.values():
        lq.equal([peer.receive(0).flags for _ in range(2)], [SYN | ACK] * 2)
        peer.silent(0)
        assert end - times[0] >= 74, f"{listener}: given up after {end - times[0]} s"


@lq.case(timeout=90)
def berkeley_sends_after_6_s_unless_a_setting_says():
    """The second SYN-ACK: not before 6 s; with a setting of its own, when that says."""
    tun = Tun()
    listener = lq.listener(backlog=2)
    lq.set_policy(listener, "berkeley")
    peer = Peer(tun, lq.port_of(listener))
    begin = time.monotonic()
    peer.half_open()
    peer.expect(SYN | ACK, 20)
    assert time.monotonic() - begin >= 5.5, time.monotonic() - begin
    lq.equal(lq.Info(listener).synack_retries, 2)
    lq.sysctl("net.listenq.synack_retries", 4)
    lq.equal(lq.Info(listener).synack_retries, 4)
    lq.sysctl("net.listenq.synack_retries", -1)
    lq.equal(lq.Info(listener).synack_retries, 2)
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    other = Peer(tun, lq.port_of(listener))
    with lq.Counted() as moved:
        other.half_open()
        lq.wait_for(lambda: moved("SynackRetrans") >= 2, 30)
        lq.equal(moved("DropRequestExpired"), 0)


@lq.each_version()
def bsdos_limits_the_completed_only(v6):
    """Half-open ones are as many as max_syn_backlog allows, and a full accept queue keeps no SYN out."""
    lq.quiet()
    lq.sysctl("net.listenq.max_syn_backlog", 64)
    tun = Tun()
    listener = lq.listener(backlog=3, v6=v6)
    lq.set_policy(listener, "bsdos-3.0")
    rawtcp.fill(tun, listener, 3, 20, v6=v6)
    late = Peer(tun, lq.port_of(listener), v6=v6)
    late.half_open()
    with lq.Counted() as moved:
        late.final_ack()
        lq.equal(moved("DropAcceptQueueFullAck"), 1)
    lq.equal((lq.Info(listener).accept_qlen, lq.Info(listener).syn_qlen), (3, 21))


@lq.each_version()
def linux_2_0_limits_the_incomplete_only(v6):
    """The backlog is of half-open requests; connections wait in any number."""
    lq.quiet()
    tun = Tun()
    listener = lq.listener(backlog=3, v6=v6)
    lq.set_policy(listener, "linux-2.0")
    port = lq.port_of(listener)
    for _ in range(20):
        Peer(tun, port, v6=v6).connect()
    half = [Peer(tun, port, v6=v6) for _ in range(3)]
    for peer in half:
        peer.half_open()
    late = Peer(tun, port, v6=v6)
    with lq.Counted() as moved:
        late.syn()
        late.silent(0.1)
        lq.equal(moved("DropSynQueueFull"), 1)
        half[0].final_ack()
        late.half_open()
    lq.equal((lq.Info(listener).accept_qlen, lq.Info(listener).syn_qlen), (21, 3))


@lq.case("few", "many", timeout=120)
def solaris_defence(how):
    """With more than 256 requests timed out and 200 waiting, all are given up after two."""
    lq.sysctl("net.listenq.synack_timeout_ms", 400)
    lq.sysctl("net.listenq.synack_retries", 4)
    lq.sysctl("net.listenq.syncookies", 0)
    tun = Tun()
    listener = lq.listener(backlog=10)
    lq.set_policy(listener, "solaris")
    count = 150 if how == "few" else 700
    with lq.Counted() as moved:
        rawtcp.syn_flood(tun, lq.port_of(listener), many_peers(count))
        lq.equal(moved("RequestCreated"), count)
        lq.wait_for(lambda: moved("DropRequestExpired") == count, 60)
        retransmissions = moved("SynackRetrans")
        lq.equal(moved("DropRequestEvicted"), 0)
    if how == "few":
        lq.equal(retransmissions, 4 * count)
    else:
        # Two each, had all timed out in one moment.
        assert 2 * count <= retransmissions < 3 * count, retransmissions


# --- what becomes of listen()'s argument ---

INT_MAX, INT_MIN = 2**31 - 1, -(2**31)

# policy, somaxconn, soacceptqueue, listen(): backlog in force, connections
CLAMPS = [
    ("linux", 128, 128, 512, 128, 129),
    ("linux", 128, 16, -1, 128, 129),
    ("linux", 128, 16, 0, 0, 1),
    ("linux", 4096, 16, INT_MAX, 4096, 4097),
    ("linux", 4096, 16, INT_MIN, 4096, 4097),
    ("linux-classic", 128, 128, 512, 128, 129),
    ("linux-2.0", 300, 16, 5, 5, 300),
    ("bsdos-3.0", 128, 16, 5, 5, 5),
    ("bsdos-3.0", 128, 16, 0, 0, 1),
    ("illumos", 128, 16, 4, 4, 7),
    ("linux-modern", 10, 16, 100, 10, 11),
    ("linux-2.4", 10, 16, -5, 10, 11),
    ("bsd", 128, 128, 128, 5, 5),
    ("bsd", 128, 128, -1, 0, 1),
    ("bsd", 2, 128, 100, 2, 2),
    ("berkeley", 128, 128, 128, 5, 8),
    ("berkeley", 128, 128, INT_MIN, 0, 1),
    ("freebsd", 4096, 128, 128, 128, 193),
    ("freebsd", 4096, 128, 129, 128, 193),
    ("freebsd", 4096, 128, -1, 128, 193),
    ("freebsd", 4096, 1000, 600, 600, 901),
    ("freebsd", 100, 1000, -1, 100, 151),
    ("freebsd", 100, 1000, 600, 100, 151),
    ("freebsd-4", 4096, 64, 600, 64, 65),
    ("freebsd-4", 4096, 64, -1, 64, 65),
    ("aix", 128, 4, 512, 128, 193),
    ("aix", 128, 4, -1, 128, 193),
    ("hpux", 128, 4, 512, 128, 192),
    ("hpux", 128, 4, 0, 0, 1),
    ("solaris", 128, 4, 512, 128, 193),
    ("solaris", 4, 4, 512, 4, 6),
    ("xnu", 128, 4, 512, 128, 128),
    ("xnu", 128, 4, 0, 0, 1),
    ("windows", 4096, 4, 0, 200, 200),
    ("windows", 4096, 4, 300, 300, 300),
    ("windows", 65535, 4, -1, 65535, 65535),
    ("windows", 100, 4, 5, 100, 100),
]


@lq.case()
def clamps():
    """somaxconn, soacceptqueue and each system's own; negative backlogs and 0."""
    for policy, somaxconn, soacceptqueue, asked, backlog, accept_limit in CLAMPS:
        words = f"{policy}, somaxconn {somaxconn}, {soacceptqueue}, listen({asked})"
        lq.sysctl("net.core.somaxconn", somaxconn)
        lq.sysctl("net.listenq.soacceptqueue", soacceptqueue)
        lq.sysctl("net.listenq.policy", policy)
        listener = lq.listener(backlog=1)
        lq.listen(listener, asked)
        info = lq.Info(listener)
        lq.equal((info.backlog, info.accept_limit), (backlog, accept_limit), words)
        lq.equal(lq.ss_queues(lq.port_of(listener)), (0, accept_limit - 1), words)
        # A live listener follows soacceptqueue.
        if policy.startswith("freebsd") and asked > 64:
            lq.sysctl("net.listenq.soacceptqueue", 20)
            lq.equal(lq.Info(listener).backlog, 20, words)
        listener.close()


@lq.case()
def truncation_is_said():
    """What was asked for is in LQ_INFO and in lqctl list, which flags it."""
    lq.sysctl("net.core.somaxconn", 50)
    asked = {}
    for backlog, policy in ((65535, "linux"), (50, "linux"), (-1, "linux"), (30, "bsd"),
                            (5, "bsd"), (49, "freebsd")):
        listener = lq.listener(backlog=1)
        lq.set_policy(listener, policy)
        lq.listen(listener, backlog)
        asked[lq.port_of(listener)] = (listener, backlog, policy)
    if lq.Info(next(iter(asked.values()))[0]).backlog_asked != 65535:
        raise lq.Skip("this kernel does not let us see what listen() was asked for")
    lines = {line.split()[-1].rpartition(":")[2]: line.split()
             for line in
             lq.run("lqctl", "list", "-nH", env={"LC_ALL": "C"}).splitlines()}
    seen = []
    for row in lq.lqctl_listeners():
        listener, backlog, policy = asked[row["port"]]
        info = lq.Info(listener)
        truncated = bool(info.flags & lq.F_BACKLOG_TRUNCATED)
        lq.equal((row["backlog_asked"], info.backlog_asked), (backlog, backlog))
        lq.equal((row["backlog"], row["policy"]), (info.backlog, policy))
        lq.equal(row["backlog_truncated"], truncated)
        text = f"{backlog}->{info.backlog}" if truncated else str(info.backlog)
        lq.equal(lines[str(row["port"])][5], text)
        seen.append((backlog, policy, info.backlog, truncated))
    lq.equal(seen, [(65535, "linux", 50, True), (50, "linux", 50, False), (-1, "linux", 50, True),
                    (30, "bsd", 5, True), (5, "bsd", 5, False), (49, "freebsd", 49, False)])


lq.main()
