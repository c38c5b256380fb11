#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""What a backlog means, seen from outside: how much the queues hold, what happens when they are
full, and that every tool says the same.

    clients --- lo --- listener           or: peers, played by this program --- tun0 --- listener
"""
import errno
import select
import socket
import time

import lq
from rawtcp import Peer, Tun

LONG = 60000  # ms: the timer stays out of it


def no_cookies():
    """A full SYN queue drops."""
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.ipv4.tcp_syncookies", 0)


@lq.each_version(timeout=90)
def accept_queue_holds_one_more(v6):
    """backlog + 1 connections, as TCP's, and Recv-Q says so."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    for backlog in range(15):
        for kind in ("tcp", "lq"):
            listener = lq.listener(kind, backlog=backlog, v6=v6)
            clients = []
            for _ in range(backlog + 1):
                clients.append(lq.connect_to(listener, v6=v6))
            clients.append(lq.begin_connect(listener, v6=v6))
            clients.append(lq.begin_connect(listener, v6=v6))
            time.sleep(0.02)  # for the two to get in, which they must not
            lq.equal(lq.ss_queues(lq.port_of(listener)), (backlog + 1, backlog), kind)
            if kind == "lq":
                info = lq.Info(listener)
                lq.equal((info.accept_qlen, info.accept_limit), (backlog + 1, backlog + 1))
            # No more of them than these: on a slow machine the other two try again by now.
            for _ in range(backlog + 1):
                lq.accept(listener).close()
            for client in clients:
                client.close()
            listener.close()


@lq.case()
def overflow_at_the_ack():
    """The ACK is ignored, the request stays; after accept() the retry gets in, with its data."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets the second SYN in
    listener = lq.listener(backlog=0)
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        first = lq.connect_to(listener)
        second = lq.connect_to(listener)  # the client believes it
        second.send(b"patience")
        lq.wait_for(lambda: moved("DropAcceptQueueFullAck"))
        info = lq.Info(listener)
        lq.equal((info.accept_qlen, info.syn_qlen), (1, 1))
        overflows, drops = mib("TcpExtListenOverflows", "TcpExtListenDrops")
        assert overflows >= 1
        lq.equal(overflows, drops)
    lq.accept(listener).close()
    child = lq.accept(listener, 10)
    lq.equal(lq.read_all(child, 8), b"patience")
    lq.equal(child.getpeername(), second.getsockname())
    lq.equal(lq.Info(listener).syn_qlen, 0)
    first.close()


@lq.case("sysctl", "option", "v6")
def abort_on_overflow(how):
    """The client sees RST, and the request is gone."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets the second SYN in
    v6 = how == "v6"
    listener = lq.listener(backlog=0, v6=v6)
    if how == "option":
        listener.setsockopt(lq.SOL_LISTENQ, lq.LQ_ABORT_ON_OVERFLOW, 1)
    else:
        lq.sysctl("net.listenq.abort_on_overflow", 1)
    lq.equal(lq.Info(listener).flags & lq.F_ABORT_ON_OVERFLOW, lq.F_ABORT_ON_OVERFLOW)
    lq.connect_to(listener, v6=v6)
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        second = lq.begin_connect(listener, v6=v6)
        second.settimeout(10)
        lq.wait_for(lambda: moved("DropAbortOnOverflow"))
        with lq.fails_with(errno.ECONNRESET):
            lq.wait_for(lambda: lq.connected(second))
            second.recv(1)
        lq.equal(mib("TcpExtListenOverflows"), 1)
        lq.equal(mib("TcpExtListenDrops"), 1)
    lq.equal(lq.Info(listener).syn_qlen, 0)


def overflow_of(kind):
    """What an overflow at the SYN and one at the ACK count."""
    tun = Tun()
    options = [] if kind == "tcp" else [(lq.SOL_LISTENQ, lq.LQ_POLICY, b"linux-modern")]
    no_cookies()
    listener = lq.listener(kind, backlog=0, options=options)
    names = ("TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop",
             "TcpExtEmbryonicRsts", "TcpPassiveOpens", "TcpAttemptFails", "TcpEstabResets")
    result = []
    with lq.Counted(lq.mib) as mib:
        one, two = Peer(tun, lq.port_of(listener)), Peer(tun, lq.port_of(listener))
        one.half_open()
        one.final_ack()
        two.syn()  # the accept queue is full
        two.silent(0.1)
        result.append([mib(name) for name in names])
        lq.accept(listener).close()
        one, two = Peer(tun, lq.port_of(listener)), Peer(tun, lq.port_of(listener))
        one.half_open()
        three = Peer(tun, lq.port_of(listener))
        three.syn()  # the SYN queue is full
        three.silent(0.1)
        result.append([mib(name) for name in names])
        # drops of this socket: ss shows them
        shown = lq.run("ss", "-H", "-l", "-t", "-n", "-m", f"sport = :{lq.port_of(listener)}")
        result.append(shown[shown.index(",d") + 2 :].split(")")[0])
        one.reset()
        time.sleep(0.05)  # for a counter that moves too late, or must not
        result.append([mib(name) for name in names])
    listener.close()
    return result


@lq.case()
def counters_as_tcps():
    """Every MIB counter of an overflow moves as it does for TCP itself."""
    results = []
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        results.append(overflow_of(kind))
    lq.equal(results[1], results[0])


def ack_overflow_of(kind):
    """Two half-open, room for one."""
    tun = Tun()
    listener = lq.listener(kind, backlog=1)
    names = ("TcpExtListenOverflows", "TcpExtListenDrops", "TcpPassiveOpens", "TcpEstabResets")
    with lq.Counted(lq.mib) as mib:
        peers = [Peer(tun, lq.port_of(listener)) for _ in range(2)]
        for peer in peers:
            peer.half_open()
        filler = Peer(tun, lq.port_of(listener))
        peers[0].final_ack()
        lq.wait_for(lambda: lq.ss_queues(lq.port_of(listener))[0] == 1)
        listener.listen(0)  # full now
        filler = peers[1]
        filler.final_ack()
        lq.wait_for(lambda: mib(names[1]))
        moved = [mib(name) for name in names]
    listener.close()
    return moved


@lq.case()
def ack_overflow_counts_as_tcps():
    """ListenOverflows and ListenDrops of an ACK that finds the queue full."""
    results = []
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        results.append(ack_overflow_of(kind))
    lq.equal(results[1], results[0])


@lq.each_version()
def syn_queue_full(v6):
    """backlog 5: 16 half-open requests, and no word to the next one."""
    no_cookies()
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.max_syn_backlog", 8192)
    tun = Tun()
    listener = lq.listener(backlog=5, v6=v6)
    info = lq.Info(listener)
    lq.equal((info.syn_limit, info.syn_buckets), (16, 16))
    peers = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(17)]
    for peer in peers[:16]:
        peer.half_open()
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        peers[16].syn()
        peers[16].silent(0.1)
        lq.equal(moved("DropSynQueueFull"), 1)
        lq.equal(mib("TcpExtTCPReqQFullDrop"), 1)
        lq.equal(mib("TcpExtListenDrops"), 1)
    peers[3].final_ack()  # one leaves
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    peers[16].half_open()
    info = lq.Info(listener)
    lq.equal((info.syn_qlen, info.syn_qlen_peak, info.accept_qlen), (16, 16, 1))


@lq.case()
def last_quarter_is_for_the_proven():
    """max_syn_backlog 16: beyond 12 only peers that the metrics cache knows."""
    no_cookies()
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.max_syn_backlog", 16)
    tun = Tun()
    listener = lq.listener(backlog=100)
    for _ in range(13):
        Peer(tun, lq.port_of(listener)).half_open()
    with lq.Counted() as moved:
        one_more = Peer(tun, lq.port_of(listener))
        one_more.syn()
        one_more.silent(0.1)
        lq.equal(moved("DropSynLastQuarter"), 1)


@lq.case()
def young_requests_and_a_full_accept_queue():
    """Two young ones are let in; when they are old, two more."""
    lq.sysctl("net.listenq.synack_timeout_ms", 1500)
    lq.sysctl("net.listenq.policy", "linux-classic")
    tun = Tun()
    listener = lq.listener(backlog=0)
    Peer(tun, lq.port_of(listener)).connect()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 1)
    for _ in range(2):
        Peer(tun, lq.port_of(listener)).half_open()
    with lq.Counted() as moved:
        third = Peer(tun, lq.port_of(listener))
        third.syn()
        third.silent(0.1)
        lq.equal(moved("DropAcceptQueueFullSyn"), 1)
    lq.wait_for(lambda: lq.Info(listener).syn_young == 0)
    third.half_open()


# --- a second listen() ---


@lq.each_version()
def second_listen_grows_and_shrinks(v6):
    """Nothing that is queued is lost, whatever the new backlog."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    tun = Tun()
    listener = lq.listener(backlog=20, v6=v6)
    waiting = [Peer(tun, lq.port_of(listener), v6=v6).connect() for _ in range(10)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 10)
    half = [Peer(tun, lq.port_of(listener), v6=v6) for _ in range(10)]
    for peer in half:
        peer.half_open()
    for backlog in (500, 0, 3, 4096, 40):
        listener.listen(backlog)
        info = lq.Info(listener)
        lq.equal((info.accept_qlen, info.syn_qlen), (10, 10), str(backlog))
        lq.equal((info.backlog, info.accept_limit), (backlog, backlog + 1))
        lq.equal(lq.ss_queues(lq.port_of(listener)), (10, backlog))
    for peer in half:
        peer.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 20)
    peers = [child.getpeername()[1] for child in lq.accept_all(listener)]
    lq.equal(peers, [peer.sport for peer in waiting + half])


@lq.case()
def shrinking_below_what_is_queued():
    """Nothing gets in until accept() made room; what is in stays."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets a SYN in
    listener = lq.listener(backlog=5)
    clients = [lq.connect_to(listener) for _ in range(6)]
    listener.listen(1)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (6, 1))
    late = lq.connect_to(listener)
    lq.equal(lq.Info(listener).accept_qlen, 6)
    for _ in range(5):
        lq.accept(listener).close()
    lq.equal(lq.Info(listener).accept_qlen, 1)
    late.send(b"x")  # completes the handshake
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 2)
    del clients


@lq.case()
def backlog_clamps():
    """somaxconn clamps, also a negative backlog, and LQ_INFO says what was asked."""
    lq.sysctl("net.core.somaxconn", 128)
    lq.sysctl("net.listenq.max_syn_backlog", 8192)
    listener = lq.listener(backlog=512)
    info = lq.Info(listener)
    lq.equal((info.backlog, info.accept_limit, info.syn_buckets), (128, 129, 256))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 128))
    if info.backlog_asked != 512:
        lq.diag("the kernel does not let us see what listen() was asked for")
    else:
        lq.equal(info.flags & lq.F_BACKLOG_TRUNCATED, lq.F_BACKLOG_TRUNCATED)
    lq.listen(listener, -1)
    lq.equal(lq.Info(listener).backlog, 128)
    listener.listen(64)
    info = lq.Info(listener)
    lq.equal((info.backlog, info.backlog_asked, info.flags), (64, 64, 0))


@lq.case()
def asked_backlog_is_seen():
    """listen()'s own argument, before the kernel's clamp."""
    lq.sysctl("net.core.somaxconn", 10)
    listener = lq.listener(backlog=4)
    for backlog in (1000, 10, 0, -1, -2147483648, 2147483647):
        lq.listen(listener, backlog)
        lq.equal(lq.Info(listener).backlog_asked, backlog)
        clamped = backlog < 0 or backlog > 10
        lq.equal(bool(lq.Info(listener).flags & lq.F_BACKLOG_TRUNCATED), clamped)


# --- settings of a live listener ---


@lq.case()
def sysctls_reach_live_listeners():
    """policy, max_syn_backlog and the others, at once; a socket's own setting is kept."""
    listener = lq.listener(backlog=50)
    other = lq.listener(backlog=50)
    other.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 77)
    other.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNACK_RETRIES, 9)
    lq.set_policy(other, "aix")
    lq.sysctl("net.listenq.max_syn_backlog", 10)
    lq.sysctl("net.listenq.synack_retries", 2)
    lq.sysctl("net.listenq.policy", "berkeley")
    info = lq.Info(listener)
    lq.equal((info.max_syn_backlog, info.synack_retries, info.policy, info.accept_limit),
             (10, 2, "berkeley", 8))
    lq.equal(lq.ss_queues(lq.port_of(listener)), (0, 7))
    info = lq.Info(other)
    lq.equal((info.max_syn_backlog, info.synack_retries, info.policy, info.accept_limit),
             (77, 9, "aix", 76))
    other.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, -1)
    lq.equal(lq.Info(other).max_syn_backlog, 10)


# --- what the tools say ---


@lq.each_version()
def ss_and_lqctl_agree(v6):
    """Recv-Q and Send-Q of ss are the accept queue and its limit - 1; lqctl knows the rest."""
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)
    tun = Tun()
    listener = lq.listener(backlog=7, v6=v6)
    for n in range(6):
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.half_open()
        if n < 4:
            peer.final_ack()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 4)
    info = lq.Info(listener)
    lq.equal(lq.ss_queues(lq.port_of(listener)), (4, 7))
    rows = lq.lqctl_listeners()
    (row,) = [row for row in rows if row["port"] == lq.port_of(listener)]
    for name in ("accept_qlen", "accept_limit", "syn_qlen", "syn_young", "syn_limit", "backlog",
                 "policy", "max_syn_backlog", "synack_retries", "syn_buckets", "backlog_asked",
                 "accept_qlen_peak", "syn_qlen_peak", "id"):
        lq.equal(row[name.replace("_", "-")] if name not in row else row[name],
                 getattr(info, name), name)


@lq.case()
def recvq_is_right_at_every_moment():
    """While connections come and go."""
    listener = lq.listener(backlog=50)
    clients = []
    for n in range(30):
        clients.append(lq.connect_to(listener))
        lq.wait_for(lambda want=n: lq.Info(listener).accept_qlen == want + 1)
        lq.equal(lq.ss_queues(lq.port_of(listener))[0], n + 1)
    for n in range(30, 0, -1):
        lq.equal(lq.ss_queues(lq.port_of(listener))[0], n)
        lq.accept(listener).close()
    lq.equal(lq.ss_queues(lq.port_of(listener))[0], 0)


@lq.case()
def accept_memory_failure_does_not_kill_the_listener():
    """accept() without a free descriptor: the connection stays for the next one."""
    import resource  # pylint: disable=import-outside-toplevel

    listener = lq.listener(backlog=3)
    clients = [lq.connect_to(listener) for _ in range(3)]
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(sock.fileno() for sock in clients + [listener]) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
    for _ in range(10):
        with lq.fails_with(errno.EMFILE):
            listener.accept()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    lq.equal(lq.Info(listener).accept_qlen, 3)
    lq.equal(len(lq.accept_all(listener)), 3)


@lq.case(timeout=90)
def thousand_connections():
    """Through a small queue, with retries; none is lost and every byte arrives."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    listener = lq.listener(backlog=16)
    total, open_clients, done = 1000, {}, 0
    started = 0
    buffer = {}
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    children = {}
    while done < total:
        # Not more than the retries of a request can bring through, however slow the machine.
        while started < total and started - done < 40:
            client = lq.begin_connect(listener)
            open_clients[client.fileno()] = client
            poller.register(client.fileno(), select.EPOLLOUT)
            started += 1
        for fd, events in poller.poll(5):
            if fd == listener.fileno():
                for child in lq.accept_all(listener):
                    children[child.fileno()] = child
                    poller.register(child.fileno(), select.EPOLLIN)
            elif fd in open_clients:
                assert not events & (select.EPOLLERR | select.EPOLLHUP), "a client failed"
                client = open_clients.pop(fd)
                poller.unregister(fd)
                client.send(b"%d" % client.getsockname()[1])
                client.shutdown(socket.SHUT_WR)
                buffer[client.getsockname()[1]] = client
            else:
                child = children[fd]
                data = child.recv(100)
                if data:
                    lq.equal(int(data), child.getpeername()[1])
                    buffer.pop(int(data)).close()
                    done += 1
                poller.unregister(fd)
                children.pop(fd).close()
    info = lq.Info(listener)
    lq.equal((info.established, info.accepted), (total, total))


lq.main()
