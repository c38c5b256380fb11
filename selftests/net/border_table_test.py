#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""What a SYN queue costs beside its requests: the memory of its table, and the timer.

    peers, played by this program --- tun0 --- listener
    clients of the kernel's own --- lo --- listeners
"""
import contextlib
import socket

import lq
from kprobes import Hits
from rawtcp import Tun, syn_flood

TCP_DEFER_ACCEPT = 9
MANY = 40


def of_the_machine(name):
    """A sysctl of the first network namespace."""
    return int(lq.run("nsenter", "-t", "1", "-n", "cat", f"/proc/sys/{name.replace('.', '/')}"))


def kernel_memory():
    """kB that the kernel has taken for itself."""
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return sizes["VmallocUsed"] + sizes["Slab"]


@lq.case("linux", "linux-classic", "linux-modern", "linux-2.4", "solaris", "xnu")
def a_user_s_own_namespace(policy):
    """His sysctls say as much as he likes: a listener takes no more than a page or two, and his
    SYN queue holds what the machine's settings allow."""
    ceiling = max(of_the_machine("net.listenq.max_syn_backlog"),
                  of_the_machine("net.core.somaxconn") + 1, 4097)

    def listen():
        with contextlib.suppress(FileNotFoundError):  # 6.1 keeps it from such users
            lq.sysctl("net.core.somaxconn", 2000000)
        lq.sysctl("net.listenq.max_syn_backlog", 1 << 20)
        before = kernel_memory()
        listeners = []
        for _ in range(MANY):
            sock = lq.stream("lq")
            lq.set_policy(sock, policy)
            lq.listen(sock, 2000000)
            listeners.append(sock)
        taken = kernel_memory() - before
        lq.diag(f"{policy}: {taken / MANY:.0f} kB for each of {MANY} listeners")
        assert taken < MANY * 256, taken
        for sock in listeners:
            info = lq.Info(sock)
            assert info.syn_buckets <= 512, info.syn_buckets
            assert info.syn_limit <= ceiling, info.syn_limit
            if info.backlog > ceiling:
                lq.equal(info.syn_limit, ceiling)

    lq.as_user(listen, own_namespaces=True)


@lq.case()
def the_machine_s_own_settings_are_not_held():
    """A namespace of the first user namespace is its administrator's."""
    lq.sysctl("net.core.somaxconn", 1 << 20)
    lq.sysctl("net.listenq.max_syn_backlog", 1 << 19)
    lq.equal(lq.Info(lq.listener(backlog=1 << 20)).syn_limit, (1 << 20) + 1)


@lq.case("whole", "sharded")
def the_table_grows_and_shrinks(how):
    """With what it holds: small at first, as many buckets as requests or more under load, and
    small again when all have gone."""
    lq.sysctl("net.core.somaxconn", 1 << 18)
    lq.sysctl("net.listenq.max_syn_backlog", 1 << 18)
    lq.sysctl("net.listenq.syncookies", 0)
    lq.sysctl("net.listenq.synack_retries", 0)
    lq.sysctl("net.listenq.synack_timeout_ms", 3000 * lq.SCALE)
    shards = ((lq.SOL_LISTENQ, lq.LQ_SHARDS, 4),) if how == "sharded" else ()
    listener = lq.listener(backlog=1 << 18, options=shards)
    small = lq.Info(listener).syn_buckets
    lq.equal(small, 512 * (4 if shards else 1))
    tun = Tun()
    for _ in range(2):
        peers = [(f"192.0.2.{2 + n % 200}", 1024 + n // 200) for n in range(10000)]
        syn_flood(tun, lq.port_of(listener), peers)
        # The work that makes it grow may come after the last SYN, and want one more.
        last = iter(range(1024, 65536))

        def grown():
            syn_flood(tun, lq.port_of(listener), [("192.0.2.250", next(last))])
            return lq.Info(listener).syn_buckets >= 8192

        lq.wait_for(grown, 30)
        lq.wait_for(lambda: lq.Info(listener).syn_qlen == 0, 60)
        lq.wait_for(lambda: lq.Info(listener).syn_buckets == small, 30)
    with lq.Counted() as moved:
        syn_flood(tun, lq.port_of(listener), peers[:10])
        lq.equal(moved("RequestCreated"), 10)


@lq.case(timeout=120)
def the_timer_runs_when_something_is_due():
    """Not five times a second for each listener whose client has not sent its data: three timeouts
    of a request, in seven seconds, are a few runs."""
    listeners, clients = [], []
    with Hits("lq_timer") as runs, lq.Counted(lq.mib) as moved:
        for _ in range(MANY):
            sock = lq.listener(options=((socket.SOL_TCP, TCP_DEFER_ACCEPT, 200),))
            clients.append(lq.connect_to(sock))
            listeners.append(sock)
        lq.wait_for(lambda: all(lq.Info(sock).syn_qlen == 1 for sock in listeners))
        lq.wait_for(lambda: moved("TcpExtTCPTimeouts") >= 3 * MANY, 60)
        each = runs() / MANY
        lq.equal(moved("TcpExtTCPTimeouts"), 3 * MANY)
    lq.diag(f"{each:.1f} runs of each listener's timer")
    assert each <= 12, each
    for client, sock in zip(clients, listeners):
        client.send(b"data")
        lq.accept(sock)


@lq.case(timeout=120)
def a_deferred_request_counts_its_timeouts_as_tcp():
    """TCPTimeouts: whenever it comes due, though nothing is sent while it waits for data."""
    counted = {}
    for kind in ("tcp", "lq"):
        with lq.Counted(lq.mib) as moved:
            # Silent after one second, and after three a last SYN-ACK, whose ACK is let through.
            sock = lq.listener(kind, options=((socket.SOL_TCP, TCP_DEFER_ACCEPT, 3),))
            client = lq.connect_to(sock)
            lq.accept(sock, 20)
            counted[kind] = moved("TcpExtTCPTimeouts")
            client.close()
            sock.close()
    lq.equal(counted["lq"], counted["tcp"])
    assert counted["tcp"] >= 2, counted


@lq.case()
def an_early_timeout_is_early():
    """A request with a shorter timeout than one before it does not wait for that one's."""
    lq.sysctl("net.listenq.synack_timeout_ms", 60000)
    listener = lq.listener()
    tun = Tun()
    syn_flood(tun, lq.port_of(listener), [("192.0.2.9", 1024)])
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    with lq.Counted() as moved:
        syn_flood(tun, lq.port_of(listener), [("192.0.2.9", 1025)])
        lq.wait_for(lambda: moved("SynackRetrans") >= 1, 30)
    lq.equal(lq.Info(listener).syn_young, 1)


lq.main()
