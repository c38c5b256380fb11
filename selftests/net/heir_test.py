#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""Queues that move: what a listener has as it ends goes to another at its address.

    clients --- lo --- a group of listeners     or: peers, played by this program --- tun0 --- the group
"""
import contextlib
import errno
import os
import signal
import socket
import struct
import threading
import time

import kprobes
import lq
from memcg import cgroup, enter
from rawtcp import ACK, FIN, RST, SYN, Peer, Tun, icmp_error
from reuseport import REUSEPORT, choose, member


def qlens(members):
    """How many wait for accept() at each."""
    return [lq.Info(one).accept_qlen for one in members]


def syn_qlens(members):
    """How many are half-open at each."""
    return [lq.Info(one).syn_qlen for one in members]


def group(count, v6=False, backlog=64):
    """So many of one group; a program gives all that is new to the first."""
    members = [member(v6=v6, backlog=backlog)]
    members += [member(lq.port_of(members[0]), v6, backlog) for _ in range(count - 1)]
    choose(members[0], 0)
    return members


@lq.each_version()
def connections(v6):
    """Those that waited for accept() are accepted by those that stay, in their order and with their data."""
    members = group(3, v6)
    clients = []
    for index in range(20):
        client = lq.connect_to(members[0], v6=v6)
        client.send(b"%04d" % index)
        clients.append(client)
    lq.equal(qlens(members), [20, 0, 0])
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        members.pop(0).close()
        lq.equal(sum(qlens(members)), 20)
        lq.equal((moved("Migrated"), moved("Inherited"), moved("DropListenerClosed")), (20, 20, 0))
        lq.equal(mib("TcpExtTCPMigrateReqSuccess"), 20)
    assert min(qlens(members)) > 0, "one heir has all"
    for one in members:
        children = lq.accept_all(one)
        said = [lq.read_all(child, 4) for child in children]
        lq.equal(said, sorted(said), "their order")
        for child in children:
            child.send(b"served")
    for client in clients:
        lq.equal(lq.read_all(client, 6), b"served")
    client = lq.connect_to(members[0], v6=v6)
    lq.equal(sum(qlens(members)), 1, "and the group goes on")
    client.close()


@lq.each_version()
def half_open(v6):
    """A request goes with its ISN: the ACK finds it wherever TCP's lookup would send it."""
    lq.no_timer()
    tun = Tun()
    members = group(4, v6)
    peers = [Peer(tun, lq.port_of(members[0]), v6=v6) for _ in range(40)]
    for peer in peers:
        peer.half_open()
    lq.equal(syn_qlens(members), [40, 0, 0, 0])
    members.pop(0).close()
    lq.equal(sum(syn_qlens(members)), 40)
    for peer in peers:
        peer.final_ack(b"data")
        peer.expect(ACK)
    lq.equal((sum(qlens(members)), sum(syn_qlens(members))), (40, 0))
    children = [child for one in members for child in lq.accept_all(one)]
    lq.equal([lq.read_all(child, 4) for child in children], [b"data"] * 40)


@lq.each_version()
def half_open_again_and_again(v6):
    """Heirs end, too, one after the other, each with a request of its own beside those that it took over.
    The eight newest are found where TCP's lookup chooses another member."""
    lq.no_timer()
    tun = Tun()
    order = group(13, v6)  # as the kernel has them: who goes is replaced by the last
    keeper = order[0]
    os.fchown(keeper.fileno(), lq.NOBODY, -1)  # nobody's heir
    peers = []
    holder = order[1]
    for _ in range(10):
        choose(keeper, order.index(holder))
        peers.append(Peer(tun, lq.port_of(keeper), v6=v6))
        peers[-1].half_open()
        lq.equal(lq.Info(holder).syn_qlen, len(peers))
        last = order.pop()
        if last is not holder:
            order[order.index(holder)] = last
        holder.close()
        (holder,) = [one for one in order if lq.Info(one).syn_qlen]
    choose(keeper, 0)
    for peer in peers[-8:]:
        peer.final_ack(b"data")
        peer.expect(ACK)
    lq.equal((lq.Info(holder).accept_qlen, lq.Info(keeper).accept_qlen), (8, 0))


@lq.case()
def timer_goes_on():
    """A request that moved gets its SYN-ACKs again, and expires."""
    lq.sysctl("net.listenq.synack_timeout_ms", 200)
    lq.sysctl("net.listenq.synack_retries", 2)
    tun = Tun()
    members = group(2)
    peer = Peer(tun, lq.port_of(members[0]))
    synack = peer.half_open()
    members.pop(0).close()
    again = peer.receive(10 * lq.SCALE)
    lq.equal((again.seq, again.ack, again.flags), (synack.seq, synack.ack, synack.flags))
    lq.wait_for(lambda: lq.Info(members[0]).syn_qlen == 0, 20 * lq.SCALE)
    lq.equal(lq.Info(members[0]).drops, 1)


@lq.case()
def acked_is_still_acked():
    """The ACK had come and found no room: the heir has."""
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    tun = Tun()
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets a SYN in
    members = group(2, backlog=0)
    first = Peer(tun, lq.port_of(members[0])).connect()
    second = Peer(tun, lq.port_of(members[0])).connect()
    lq.equal((qlens(members), syn_qlens(members)), ([1, 0], [1, 0]))
    lq.listen(members[1], 8)
    members.pop(0).close()
    lq.equal((qlens(members), syn_qlens(members)), ([1], [1]))
    second.expect(SYN | ACK)  # its SYN-ACK again
    second.final_ack()
    lq.wait_for(lambda: qlens(members) == [2])
    first.send(b"data")
    lq.equal(lq.read_all(lq.accept(members[0]), 4), b"data")


@lq.case("full", "filter", "syn")
def limits_are_the_heirs(what):
    """What finds no room is reset, as without an heir."""
    lq.quiet()
    tun = Tun()
    if what == "syn":
        lq.sysctl("net.listenq.policy", "linux-modern")
    members = group(2)
    peers = [Peer(tun, lq.port_of(members[0])) for _ in range(8)]
    for peer in peers:
        peer.half_open() if what == "syn" else peer.connect()
    lq.listen(members[1], 2)
    if what == "filter":
        lq.set_filter(members[1], "dataready")
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        members.pop(0).close()
        info = lq.Info(members[0])
        lq.equal((info.accept_qlen, info.filter_qlen, info.syn_qlen),
                 {"full": (3, 0, 0), "filter": (0, 3, 0), "syn": (0, 0, 3)}[what])
        lq.equal((moved("Migrated"), moved("DropListenerClosed")), (3, 5))
        lq.equal(mib("TcpExtTCPMigrateReqFailure"), 5)
    answers = [peer.receive(0.05) for peer in peers]
    lq.equal(sum(1 for answer in answers if answer and answer.flags & RST),
             0 if what == "syn" else 5)


@lq.case("same", "none", "other", "program")
def filters(kind):
    """The heir's filter is asked, unless it is the one that let them go before."""
    members = group(2)
    silent, fits, passed = (lq.connect_to(members[0]) for _ in range(3))
    fits.send(b"GET / HTTP/1.0\r\n\r\n")
    passed.send(b"GET / HTTP/1.0\r\n\r\n")
    lq.wait_for(lambda: qlens(members)[0] == 3)
    lq.accept(members[0])  # the first two are not to be told by when they came
    lq.accept(members[0])
    lq.set_filter(members[0], "httpready")
    more = [lq.connect_to(members[0]) for _ in range(2)]
    more[1].send(b"GET / ")
    lq.wait_for(lambda: lq.Info(members[0]).filter_qlen == 2)
    if kind == "same":
        lq.set_filter(members[1], "httpready")
    elif kind == "other":
        lq.set_filter(members[1], "dataready")
    elif kind == "program":
        program = struct.pack("=HBBI", 0x06, 0, 0, 0)  # BPF_RET: wait
        buffer = lq.ctypes.create_string_buffer(program)
        members[1].setsockopt(lq.SOL_LISTENQ, lq.LQ_ACCEPT_FILTER_BPF,
                              struct.pack("@HP", 1, lq.ctypes.addressof(buffer)))
    members.pop(0).close()
    info = lq.Info(members[0])
    lq.equal((info.accept_qlen, info.filter_qlen),
             {"same": (1, 2), "none": (3, 0), "other": (2, 1), "program": (0, 3)}[kind])
    if kind == "same":
        more[1].send(b"HTTP/1.0\r\n\r\n")
        lq.wait_for(lambda: qlens(members) == [2])
    if kind == "program":
        lq.remove_filter(members[0])
    if kind != "none":
        more[0].send(b"GET / HTTP/1.0\r\n\r\n")
        lq.wait_for(lambda: qlens(members) == [3])
    lq.equal(len(lq.accept_all(members[0])), 3)
    silent.close()


@lq.case("uid", "address", "device", "family", "released", "tcp")
def no_heir(why):
    """Who is another's, elsewhere, on the way out, or TCP's, gets nothing."""
    port = 9090
    options = [REUSEPORT]
    if why == "device":
        lq.ip("link add dummy7 type dummy")
    listener = lq.listener(port=port, options=options,
                           addr="127.0.0.1" if why == "address" else None)
    client = lq.connect_to(listener)
    if why == "uid":
        other = lq.listener(port=port, options=options)
        os.fchown(other.fileno(), lq.NOBODY, -1)
    elif why == "address":
        other = lq.listener(port=port, addr="127.0.0.2", options=options)
    elif why == "device":
        other = lq.stream("lq")
        other.setsockopt(*REUSEPORT)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"dummy7\0")
        other.bind(("", port))
        other.listen(8)
    elif why == "family":
        other = lq.stream("lq", v6=True)
        other.setsockopt(*REUSEPORT)
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", port))
        other.listen(8)
    elif why == "released":
        other = lq.listener(port=port, options=options)
        lq.release(other)
    else:
        other = lq.listener("tcp", port=port, options=options)
    listener.close()
    client.settimeout(5 * lq.SCALE)
    with lq.fails_with(errno.ECONNRESET):
        client.recv(1)
    lq.nothing_to_accept(other)


@lq.case(0, 1)
def by_the_sysctls(tcp):
    """Without net.listenq.migrate it is as TCP's sysctl says, which is for groups."""
    lq.sysctl("net.listenq.migrate", 0)
    lq.sysctl("net.ipv4.tcp_migrate_req", tcp)
    members = group(2)
    client = lq.connect_to(members[0])
    members.pop(0).close()
    lq.equal(qlens(members), [tcp])
    alone = lq.listener(port=9191, addr="127.0.0.1", options=[REUSEPORT])
    anywhere = lq.listener(port=9191, options=[REUSEPORT])
    other = lq.connect_to(alone)
    alone.close()
    lq.equal(qlens([anywhere]), [0])
    other.settimeout(5 * lq.SCALE)
    with lq.fails_with(errno.ECONNRESET):
        other.recv(1)
    lq.sysctl("net.listenq.migrate", 1)
    alone = lq.listener(port=9191, addr="127.0.0.1", options=[REUSEPORT])
    other = lq.connect_to(alone)
    alone.close()
    lq.equal(qlens([anywhere]), [1])
    client.close()


@lq.case("close", "shutdown", "unspec", "kill")
def every_end(how):
    """Whatever ends a listener."""
    port = 9292
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    child = os.fork()
    if child == 0:
        first = lq.listener(port=port, options=[REUSEPORT], backlog=32)
        os.write(writer, b"!")
        signal.sigwait([signal.SIGUSR1])
        if how == "close":
            first.close()
        elif how == "shutdown":
            first.shutdown(socket.SHUT_RD)
        elif how == "unspec":
            lq.libc.connect(first.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16)
        os.write(writer, b"!")
        lq.until_killed()
    os.read(reader, 1)
    second = lq.listener(port=port, options=[REUSEPORT], backlog=32)
    choose(second, 0)
    clients = [lq.connect_to(second) for _ in range(6)]
    lq.equal(qlens([second]), [0])
    if how == "kill":
        os.kill(child, signal.SIGKILL)
    else:
        os.kill(child, signal.SIGUSR1)
        os.read(reader, 1)
    lq.wait_for(lambda: qlens([second]) == [6])
    for client in clients:
        client.send(b"data")
    lq.equal([lq.read_all(one, 4) for one in lq.accept_all(second)], [b"data"] * 6)
    if how != "kill":
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@lq.case()
def who_has_left_is_not_moved():
    """A peer that reset its connection is not brought to the heir."""
    tun = Tun()
    members = group(2)
    peers = [Peer(tun, lq.port_of(members[0])).connect() for _ in range(3)]
    peers[0].reset()
    peers[1].segment(ACK | FIN)
    members.pop(0).close()
    lq.equal(qlens(members), [2])


@lq.case()
def syns_meanwhile():
    """Clients connect all the time while members of the group come and go: none is lost."""
    port = 9393
    members = [lq.listener(port=port, options=[REUSEPORT], backlog=512) for _ in range(4)]
    failed, served, clients = [], 0, []
    for round_ in range(40):
        for _ in range(8):
            clients.append(lq.begin_connect(members[0]))
        members.append(lq.listener(port=port, options=[REUSEPORT], backlog=512))
        members.pop(0).close()
        if round_ % 4 == 3:
            for one in members:
                for child in lq.accept_all(one):
                    child.send(b"!")
                    child.close()
                    served += 1
    deadline = time.monotonic() + 20 * lq.SCALE
    while served < len(clients) and time.monotonic() < deadline:
        for one in members:
            for child in lq.accept_all(one):
                child.send(b"!")
                child.close()
                served += 1
        time.sleep(0.01)
    for client in clients:
        client.setblocking(True)
        client.settimeout(10 * lq.SCALE)
        try:
            if client.recv(1) != b"!":
                failed.append("end")
        except OSError as error:
            failed.append(errno.errorcode.get(error.errno, str(error)))
    lq.equal((failed, served), ([], len(clients)))


@lq.case()
@lq.counts_failed_cookies()
def a_failed_cookie_counts_once():
    """Where a listener has ended of late, too."""
    lq.sysctl("net.listenq.syncookies", 2)
    tun = Tun()
    members = group(2)
    peer = Peer(tun, lq.port_of(members[0]))
    peer.half_open()
    members.pop(0).close()
    with lq.Counted() as moved, lq.Counted(lq.mib) as mib:
        peer.segment(ACK, ack=peer.ack + 12345)
        peer.expect(RST)
        lq.equal((moved("CookieFailed"), mib("TcpExtSyncookiesFailed")), (1, 1))


# --- nobody is left believing ---


@lq.each_version()
def expired_after_its_ack(v6):
    """The client believes that it is connected: when its request expires it is told."""
    lq.sysctl("net.listenq.synack_timeout_ms", 100)
    lq.sysctl("net.listenq.synack_retries", 2)
    tun = Tun()
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets a SYN in
    listener = lq.listener(backlog=0, v6=v6)
    first = Peer(tun, lq.port_of(listener), v6=v6).connect()
    second = Peer(tun, lq.port_of(listener), v6=v6).connect()
    silent = Peer(tun, lq.port_of(listener), v6=v6)
    while True:
        segment = second.receive(20 * lq.SCALE)
        assert segment is not None, "it was not told"
        if segment.flags & RST:
            break
    lq.equal((segment.seq, segment.ack, segment.good_checksum), (second.ack, second.seq, True))
    first.silent()
    silent.silent()
    lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0)


@lq.case("close", "unreachable", "off")
def ended_after_its_ack(why):
    """The same, when the listener closes; and the setting."""
    lq.no_timer()
    if why == "off":
        lq.sysctl("net.listenq.reset_acked", 0)
    tun = Tun()
    lq.sysctl("net.listenq.policy", "linux-classic")  # which lets a SYN in
    listener = lq.listener(backlog=0)
    Peer(tun, lq.port_of(listener)).connect()
    acked = Peer(tun, lq.port_of(listener)).connect()
    young = Peer(tun, lq.port_of(listener))
    lq.sysctl("net.listenq.policy", "freebsd")  # which lets a SYN in
    young.half_open()
    if why == "unreachable":
        tun.send(icmp_error(3, 1, acked.synack.packet[:28]))
    else:
        listener.close()
    if why == "off":
        acked.silent()
    else:
        answer = acked.expect(RST | ACK)
        lq.equal((answer.seq, answer.ack), (acked.ack, acked.seq))
    young.silent()


@lq.case()
def evicted_after_its_ack():
    """A request that makes room for another."""
    lq.no_timer()
    lq.sysctl("net.listenq.syncookies", 0)
    tun = Tun()
    listener = lq.listener(backlog=0)
    lq.set_policy(listener, "solaris")
    port = lq.port_of(listener)
    peers = [Peer(tun, port) for _ in range(lq.Info(listener).syn_limit)]
    for peer in peers:
        peer.half_open()
    for peer in peers:
        peer.final_ack()
    info = lq.Info(listener)
    lq.equal((info.accept_qlen, info.syn_qlen), (1, len(peers) - 1))
    Peer(tun, port).syn()  # dropped: the accept queue is full
    lq.accept(listener).close()
    more = [Peer(tun, port) for _ in range(2)]
    for peer in more:
        peer.half_open()
    lq.equal(lq.Info(listener).syn_qlen, len(peers))
    told = [peer for peer in peers if (answer := peer.receive(0)) and answer.flags & RST]
    lq.equal(len(told), 1)


# --- what is half done as its listener ends ---

def meanwhile_its_listener_ends(function, v6):
    """The listener closes at some moment of that; the connection is the heir's, and its client hears
    nothing."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lq.Skip("one CPU")

    def connect(port, results):
        os.sched_setaffinity(0, cpus[1:2])
        client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        client.settimeout(20 * lq.SCALE)
        results.append(client)
        try:
            client.connect(("::1" if v6 else "127.0.0.1", port))
            client.send(b"data")
        except OSError as error:
            results.append(error)

    with kprobes.takes_its_time(function), lq.Counted() as moved:
        os.sched_setaffinity(0, cpus[:1])
        for number in range(40):
            members = group(2, v6)
            results = []
            client = threading.Thread(target=connect, args=(lq.port_of(members[0]), results))
            client.start()
            time.sleep(number % 20 / 2000)
            members.pop(0).close()
            client.join()
            lq.equal(results[1:], [], f"round {number}")
            child = lq.accept(members[0])
            lq.equal(lq.read_all(child, 4), b"data")
            for sock in (child, results[0], members[0]):
                sock.close()
        lq.equal(moved("DropListenerClosed"), 0)


@lq.each_version(timeout=120)
def while_its_child_is_built(v6):
    """Before it has the port of its listener."""
    meanwhile_its_listener_ends("__inet_inherit_port", v6)


@lq.each_version(timeout=120)
def while_its_request_is_built(v6):
    """Its SYN goes to the heir, not to come again after a second."""
    meanwhile_its_listener_ends("security_inet_conn_request", v6)


@lq.each_version(timeout=120)
def while_accept_takes_it(v6):
    """Where memory is charged to control groups, accept() has the kernel hand it over, and is not alone with
    it for a moment."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise lq.Skip("one CPU")

    def take(listener, results):
        os.sched_setaffinity(0, cpus[1:2])
        with contextlib.suppress(OSError):
            results.append(listener.accept()[0])

    alive = []
    with cgroup("lq-heir") as folder, kprobes.takes_its_time("inet_csk_accept"), lq.Counted() as moved:
        enter(folder)
        os.sched_setaffinity(0, cpus[:1])
        for number in range(40):
            members = group(2, v6)
            client = lq.connect_to(members[0], v6=v6)
            client.send(b"data")
            lq.wait_for(lambda: lq.Info(members[0]).accept_qlen == 1)
            members[0].setblocking(False)
            results = []
            thread = threading.Thread(target=take, args=(members[0], results))
            thread.start()
            time.sleep(number % 20 / 4000)
            members[0].shutdown(socket.SHUT_RDWR)
            thread.join()
            child = (results or [lq.accept(members[1])])[0]
            child.setblocking(True)
            lq.equal(lq.read_all(child, 4), b"data", f"round {number}")
            alive += [client, child, *members]
        lq.equal(moved("DropListenerClosed"), 0)
        lq.diag(f"migrated {moved('Migrated')}")


lq.main()
