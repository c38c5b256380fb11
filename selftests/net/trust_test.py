#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=240
"""Who may do what, and what nobody learns: docs/security.md names the promise behind each case.

    users without privileges, in namespaces of their own or in this one
"""
import contextlib
import errno
import itertools
import json
import os
import socket
import struct

import kprobes
import lq
from memcg import cgroup, enter
from rawtcp import LOCAL, MSS, PEER, Peer, Tun, syn_flood, timestamp

REQUEST = 64  # bytes, IPv4


class Genl:
    """Generic netlink, raw bytes."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sock.settimeout(10)
        reply = self.ask(16, 3, struct.pack("=HH8s", 12, 2, b"listenq\0"))  # CTRL_CMD_GETFAMILY
        at = reply.index(b"\x06\x00\x01\x00")  # CTRL_ATTR_FAMILY_ID
        self.family = struct.unpack_from("=H", reply, at + 4)[0]

    def ask(self, family, command, attributes=b"", dump=False):
        """Everything that comes back; an OSError for an error."""
        # NLM_F_DUMP; NLM_F_ACK for what only sets
        flags = 1 | (0x300 if dump else 4 if family != 16 and command == 3 else 0)
        self.sock.send(struct.pack("=IHHIIBBH", 20 + len(attributes), family, flags, 1, 0, command,
                                   1, 0) + attributes)
        said = b""
        while True:
            data = self.sock.recv(1 << 16)
            kind = struct.unpack_from("=H", data, 4)[0]
            if kind == 2:
                code = struct.unpack_from("=i", data, 16)[0]
                if code:
                    raise OSError(-code, os.strerror(-code))
            if not dump:
                return data
            said += data
            at = 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == 3:  # NLMSG_DONE
                    return said
                at += length + 3 & ~3

    def listeners(self):
        """The dump."""
        return self.ask(self.family, 1, dump=True)

    def of(self, command, ident, extra=b""):
        """One, by its id."""
        return self.ask(self.family, command, struct.pack("=HHQ", 12, 1, ident) + extra)


@lq.case()
def setting_the_namespace_needs_its_admin():
    """Every sysctl, and netlink: EACCES and EPERM, in one's own namespace alone not."""
    names = os.listdir("/proc/sys/net/listenq")
    assert len(names) >= 8, names
    values = {name: lq.sysctl("net.listenq." + name) for name in names}
    listener = lq.listener(port=8000)
    ident = lq.Info(listener).id

    def attack():
        for name in names:
            with lq.fails_with(errno.EACCES, errno.EPERM):
                lq.sysctl("net.listenq." + name, values[name])
        genl = Genl()
        for extra in (b"", struct.pack("=HHI", 8, 31, 2), struct.pack("=HH4s", 8, 9, b"bsd\0")):
            with lq.fails_with(errno.EPERM):
                genl.of(3, ident, extra)

    lq.as_user(attack)

    def own():
        genl = Genl()
        lq.sysctl("net.listenq.policy", "aix")
        mine = lq.listener(port=8001)
        lq.equal(lq.Info(mine).policy, "aix")
        genl.of(3, lq.Info(mine).id, struct.pack("=HH4s", 8, 9, b"bsd\0"))
        lq.equal(lq.Info(mine).policy, "bsd")

    lq.as_user(own, own_namespaces=True)
    lq.equal({name: lq.sysctl("net.listenq." + name) for name in names}, values)
    lq.equal(lq.Info(listener).policy, "linux")


@lq.case()
def other_namespaces_are_neither_seen_nor_touched():
    """Listeners, counters, events, settings: none of another namespace, though its id is known."""
    listener = lq.listener(port=8000)
    ident = lq.Info(listener).id
    lq.expect_serves(listener)
    before = bytes(memoryview(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_INFO, 256)))

    def look():
        genl = Genl()
        lq.equal(len(genl.listeners()), 20, "only NLMSG_DONE")
        for command in (1, 3):
            with lq.fails_with(errno.ENOENT):
                genl.of(command, ident, struct.pack("=HHI", 8, 31, 2) if command == 3 else b"")
        lq.equal(lq.lqctl_listeners(), [])
        lq.equal({value for value in lq.counters().values()}, {0})
        with lq.fails_with(errno.ECONNREFUSED):
            socket.create_connection(("127.0.0.1", 8000), 5)

    lq.as_user(look, own_namespaces=True)
    lq.equal(listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_INFO, 256), before)


@lq.case()
def a_user_s_queues_are_bounded():
    """LQ_SYN_BACKLOG up to the sysctl; above it takes CAP_NET_ADMIN. What is allowed holds."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 500)
    lq.sysctl("net.core.somaxconn", 100)

    def bounded():
        for policy in lq.POLICIES:
            sock = lq.stream("lq")
            lq.set_policy(sock, policy)
            sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 500)
            for wanted in (501, 1 << 20):
                with lq.fails_with(errno.EPERM):
                    sock.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, wanted)
            sock.listen(1 << 30)
            info = lq.Info(sock)
            lq.diag(f"{policy}: {info.syn_limit} half-open, {info.accept_limit} to accept")
            assert info.syn_limit <= 15360 + 1, (policy, info.syn_limit)
            assert info.accept_limit <= 200, (policy, info.accept_limit)
            assert info.syn_buckets <= 32768, (policy, info.syn_buckets)
            sock.close()

    lq.as_user(bounded)
    root = lq.stream("lq")
    root.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYN_BACKLOG, 1 << 20)


def slab(folder):
    """Bytes of slab memory that are charged to it."""
    with open(f"{folder}/memory.stat", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file
                   if line.startswith(("slab_unreclaimable ", "slab_reclaimable ")))


@lq.case(timeout=120)
def requests_are_charged_to_their_listener():
    """To the memory cgroup that the socket was made in, by whoever sends; its limit holds, and
    other listeners do not feel it."""
    lq.no_timer()
    lq.sysctl("net.listenq.max_syn_backlog", 1 << 16)
    lq.sysctl("net.core.somaxconn", 1 << 16)
    tun = Tun()
    free = lq.listener(backlog=1 << 16)
    # SYNs from here are sent outside of the cgroup: the sender must not pay.
    with cgroup("lq-trust") as folder:
        read, write = os.pipe()
        done, finish = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(finish)
            enter(folder)
            charged = lq.listener(port=8100, backlog=1 << 16)
            os.write(write, b"x")
            os.read(done, 1)
            charged.close()
            os._exit(0)
        os.close(done)
        os.read(read, 1)
        count = 30000
        peers = [(f"192.0.2.{n % 200 + 10}", 1024 + n // 200) for n in range(count)]
        before = slab(folder)
        with lq.Counted() as moved:
            syn_flood(tun, 8100, peers, MSS)
            lq.equal(moved("RequestCreated"), count)
        # The kernel's figures lag by up to 64 pages per CPU.
        lag = 64 * 4096 * os.cpu_count()
        lq.wait_for(lambda: slab(folder) - before >= count * REQUEST - lag, 10,
                    f"{count} requests charged {slab(folder) - before} bytes")
        now = slab(folder)
        lq.diag(f"{count} requests: {now - before} bytes of slab charged")
        # No more room: requests fail, and nobody else's do.
        with open(f"{folder}/memory.current", encoding="ascii") as file:
            limit = int(file.read()) + (1 << 18)
        with open(f"{folder}/memory.max", "w", encoding="ascii") as file:
            file.write(str(limit))
        more = [(f"192.0.2.{n % 200 + 10}", 20000 + n // 200) for n in range(count)]
        with lq.Counted() as moved:
            syn_flood(tun, 8100, more, MSS)
            assert moved("DropNoMemory") > 0, "the cgroup's limit did not hold"
            lq.equal(moved("DropNoMemory") + moved("RequestCreated"), count)
            failed = moved("DropNoMemory")
            syn_flood(tun, lq.port_of(free), more[:2000], MSS)
            lq.equal(moved("DropNoMemory"), failed, "another listener")
            lq.equal(lq.Info(free).syn_qlen, 2000)
        os.close(finish)  # whatever happens: it ends with us
        os.waitpid(pid, 0)


def leaves(tun, listener):
    """All that the module lets out about a listener, as bytes, by where it was seen."""
    peer = Peer(tun, lq.port_of(listener))
    peer.half_open(timestamp(1))
    cookie = lq.listener()
    cookie.setsockopt(lq.SOL_LISTENQ, lq.LQ_SYNCOOKIES, 2)
    other = Peer(tun, lq.port_of(cookie))
    other.half_open(timestamp(1))
    genl = Genl()
    seen = {
        "netlink, listeners": genl.listeners(),
        "netlink, one": genl.of(1, lq.Info(listener).id),
        "netlink, requests": genl.ask(genl.family, 5, struct.pack(
            "=HHQ", 12, 2, lq.Info(listener).id), dump=True),
        "netlink, statistics": genl.ask(genl.family, 2),
        "LQ_INFO": listener.getsockopt(lq.SOL_LISTENQ, lq.LQ_INFO, 256),
        "SYN-ACK": peer.synack.packet,
        "cookie": other.synack.packet,
    }
    with open("/proc/self/net/listenq", "rb") as file:
        seen["/proc/net/listenq"] = file.read()
    for name in os.listdir("/proc/sys/net/listenq"):
        seen[name] = lq.sysctl("net.listenq." + name).encode()
    seen["lqctl"] = lq.run("lqctl", "list", "--json").encode()
    return seen, cookie


@lq.case()
def no_kernel_addresses():
    """No pointer, in binary or in words, in anything that users read."""
    listener = lq.listener(backlog=7)
    seen, cookie = leaves(Tun(), listener)
    for where, data in seen.items():
        for at in range(len(data) - 7):
            for order in ("<Q", ">Q"):
                word = struct.unpack_from(order, data, at)[0]
                # The upper half of the address space; -1 and its kind are numbers.
                assert not 0xFFFF800000000000 <= word < 0xFFFFFFFFFFFF0000, (
                    f"{where}: {word:#x} at {at} of {data.hex(' ', 8)}")
        assert b"ffff8" not in data and b"ffffffff8" not in data, f"{where}: {data}"
    cookie.close()


ALL_KEYS = 14  # of struct lq_keys in module/bridge/core.h
SHARED_KEYS = 4  # of these: one for all listeners of a namespace


@contextlib.contextmanager
def keys_seen():
    """A list that fills with the keys of the listeners that begin meanwhile, read by a kprobe."""
    fetch = " ".join(f"k{n}=+{n * 8}(%si):x64" for n in range(ALL_KEYS))
    kprobes.add(f"p:lqkeys listenq:lq_core_init {fetch}")
    kprobes.write("trace")
    seen = []
    try:
        kprobes.turn(True, "lqkeys")
        yield seen
        for line in kprobes.lines("trace"):
            if "lqkeys" in line:
                seen.append([int(word.split("=")[1], 16) for word in line.split()
                             if word.startswith("k") and "=0x" in word])
    finally:
        kprobes.turn(False, "lqkeys")
        kprobes.remove("lqkeys")


def table_hash(keys, addr, port):
    """module/core/table_hash.hh, for an IPv4 peer of LOCAL."""
    peer, local = (int.from_bytes(socket.inet_aton(one), "little") for one in (addr, LOCAL[False]))
    swapped = port >> 8 | (port & 0xFF) << 8
    total = (keys[0] + local) % 2**64 * (keys[1] + peer) + keys[8] * swapped
    mixed = total >> 32 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 16) * (keys[9] & 0xFFFFFFFF | 1) & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 15) * (keys[9] >> 32 | 1) & 0xFFFFFFFF
    return mixed ^ mixed >> 16


@lq.case("dropped", "cookies", timeout=90)
def who_knows_the_keys_fills_one_bucket(how):
    """And no more than its limit: a search is as short as ever, and others are served."""
    lq.no_timer()
    lq.sysctl("net.core.somaxconn", 4096)
    lq.sysctl("net.listenq.max_syn_backlog", 4096)
    lq.sysctl("net.listenq.syncookies", 1 if how == "cookies" else 0)
    with keys_seen() as seen:
        listener = lq.listener(backlog=1000)
    (keys,) = seen
    info = lq.Info(listener)
    lq.equal((info.shards, info.syn_buckets), (1, 512))
    peers = [(f"192.0.2.{n % 200 + 10}", 1024 + n // 200) for n in range(300 * 1024)]
    peers = [peer for peer in peers if table_hash(keys, *peer) % 1024 == 77][:200]
    lq.equal(len(peers), 200)
    limit = 64  # policy::limits()
    tun = Tun()
    with lq.Counted() as moved:
        syn_flood(tun, lq.port_of(listener), peers, MSS)
        lq.equal(lq.Info(listener).syn_qlen, limit)
        lq.equal((moved("DropSynBucketFull"), moved("CookieSent")),
                 (0, 200 - limit) if how == "cookies" else (200 - limit, 0))
        others = (port for port in range(40000, 41000)
                  if table_hash(keys, PEER[False], port) % 512 != 77)
        for port in itertools.islice(others, 20):
            Peer(tun, lq.port_of(listener), sport=port).connect()
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 20)
    lq.equal(len(lq.accept_all(listener)), 20)
    (said,) = [one["findings"] for one in
               json.loads(lq.run("lqctl", "explain", "-i0", "-j"))["listeners"]]
    assert "syn_bucket_full" in [one["code"] for one in said], said


@lq.case()
def keys_stay_inside():
    """Hash and cookie keys, read from the kernel as they are made, are in nothing that goes out."""
    with keys_seen() as of_each:
        listener = lq.listener()
        seen, cookie = leaves(Tun(), listener)
    keys = {key for keys in of_each for key in keys}
    lq.equal((len(of_each), len(keys)), (2, 2 * ALL_KEYS - SHARED_KEYS),
             "keys of two in one namespace")
    for where, data in seen.items():
        for key in keys:
            for form in (struct.pack("<Q", key), struct.pack(">Q", key), b"%x" % key, b"%d" % key,
                         struct.pack("<I", key >> 32), struct.pack(">I", key >> 32)):
                assert form not in data, f"a key is in {where}"
    cookie.close()


lq.main()
