#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""The route of a SYN-ACK, input by input: what the kernel's lookup heeds, a listener heeds, for a
peer that was answered before ("same") and for peers that never came ("strangers"). Each case answers
peers, changes one input, and looks where the next SYN-ACK goes; TCP's listener has to do the same.

    stack under test --- tun0, tun1 --- the peers, played by this program
"""
import ipaddress
import os
import socket
import struct

import lq
import rtnl
from rawtcp import ACK, LOCAL, MSS, PEER, SYN, Peer, Tun, checksum, icmp_error

SOL_IPV6 = 41
IP_XFRM_POLICY, IPV6_XFRM_POLICY = 17, 35
XFRM_POLICY_OUT, IPPROTO_ESP, XFRM_INF = 1, 50, 0xFFFFFFFFFFFFFFFF
FAR = {False: "203.0.113.9", True: "2001:db8:99::9"}  # a peer behind a gateway
WHO = ("same", "strangers")
# Where strangers come from, on the link and from far.
NEAR_NET = {False: "192.0.2.128/25", True: "2001:db8::8000/113"}
FAR_NET = {False: "203.0.113.0/24", True: "2001:db8:99::/64"}


class From:  # pylint: disable=too-few-public-methods
    """Addresses that SYNs come from: always the same, or each of a network once."""

    def __init__(self, who, address, net):
        self.net = net if who == "strangers" else address
        self.hosts = None if who == "same" else ipaddress.ip_network(net).hosts()
        self.address = address

    def next(self):
        """The next SYN's."""
        return self.address if self.hosts is None else str(next(self.hosts))


def stay():
    """On one CPU: each remembers routes of its own."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def sysctl(name, value):
    """A sysctl that not every kernel has."""
    try:
        lq.sysctl(name, value)
    except FileNotFoundError as why:
        raise lq.Skip(why) from why


class Ways:
    """Two devices, a listener, and SYNs from a peer that come in by the first device."""

    def __init__(self, kind, v6, who="same", far=False, options=()):
        stay()
        for device in ("all", "default"):
            lq.sysctl(f"net.ipv4.conf.{device}.rp_filter", 0)
        self.v6 = v6
        self.peers = From(who, *((FAR[v6], FAR_NET[v6]) if far else (PEER[v6], NEAR_NET[v6])))
        self.tuns = [Tun(name="tun0"), Tun(name="tun1", addresses=False)]
        self.listener = lq.listener(kind, v6=v6, options=options)
        self.sport, self.last = 30000, None

    def syn(self):
        """Which way the SYN-ACK to another port of the peer, or to a stranger, goes: 0, 1, or None."""
        self.sport += 1
        peer = Peer(self.tuns[0], lq.port_of(self.listener), v6=self.v6, addr=self.peers.next(),
                    sport=self.sport)
        peer.syn(MSS)
        # What is sent in answer is sent before write() returns.
        for number, tun in enumerate(self.tuns):
            segment = tun.receive(peer.sport, 0)
            if segment:
                lq.equal(segment.flags, SYN | ACK)
                self.last = segment
                return number
        return None


def changes(change, want, who, v6):
    """Before the change the SYN-ACK goes by tun0, afterwards by @want."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, who)
        lq.equal([ways.syn() for _ in range(3)], [0, 0, 0], f"{kind}: before")
        change(ways)
        lq.equal([ways.syn() for _ in range(3)], [want] * 3, f"{kind}: afterwards")


@lq.each_version(*WHO)
def policy_of_the_socket(who, v6):
    """IP_XFRM_POLICY: ESP is demanded, and there is none."""
    lq.run("modprobe", "-a", "xfrm_user", "esp4", "esp6", check=False)

    def demand(ways):
        family = socket.AF_INET6 if v6 else socket.AF_INET
        selector = struct.pack("16s16sHHHHHBBB3xiI", b"", b"", 0, 0, 0, 0, family, 0, 0, 0, 0, 0)
        policy = (selector + struct.pack("=8Q", *([XFRM_INF] * 4 + [0] * 4)) + bytes(32)
                  + struct.pack("=IIBBBB4x", 0, 0, XFRM_POLICY_OUT, 0, 0, 0))
        template = struct.pack("=16sIB3xH2x16sIBBBBIII", b"", 0, IPPROTO_ESP, family, b"", 0, 0, 0,
                               0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        level, name = (SOL_IPV6, IPV6_XFRM_POLICY) if v6 else (0, IP_XFRM_POLICY)
        ways.listener.setsockopt(level, name, policy + template)

    changes(demand, None, who, v6)


@lq.each_version(*WHO)
def default_policy(who, v6):
    """`ip xfrm policy setdefault out block`"""
    lq.run("modprobe", "-a", "xfrm_user", check=False)
    changes(lambda ways: lq.ip("xfrm policy setdefault out block"), None, who, v6)


@lq.each_version(*WHO)
def policy_of_the_namespace(who, v6):
    """`ip xfrm policy add dir out action block`"""
    lq.run("modprobe", "-a", "xfrm_user", check=False)
    change = f"xfrm policy add dir out src {LOCAL[v6]} dst %s action block"
    changes(lambda ways: lq.ip(change % ways.peers.net), None, who, v6)


@lq.each_version(*WHO)
def another_route(who, v6):
    """A better one, and the old one again."""

    def better(ways):
        rtnl.link_up("tun1")
        lq.ip(f"route add {ways.peers.net} dev tun1")

    changes(better, 1, who, v6)


@lq.each_version(*WHO)
def a_rule(who, v6):
    """Another table, for the mark that the SYN brought."""
    family = "-6" if v6 else "-4"

    def rule(ways):
        lq.ip(f"{family} route add default dev tun1 table 7")
        lq.ip(f"{family} rule add sport {lq.port_of(ways.listener)} ipproto tcp table 7")

    changes(rule, 1, who, v6)


@lq.case(*WHO)
def ds_field(who):
    """IP_TOS, where routes go by it."""

    def tos(ways):
        lq.ip(f"route add {ways.peers.net} tos 0x10 dev tun1")
        lq.equal(ways.syn(), 0)
        ways.listener.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)

    changes(tos, 1, who, False)


@lq.each_version(*WHO)
def device_of_the_socket(who, v6):
    """SO_BINDTODEVICE says which way."""

    def bind(ways):
        rtnl.link_up("tun1")
        lq.ip(f"route add {ways.peers.net} dev tun1")
        lq.equal(ways.syn(), 1)
        ways.listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tun0")

    changes(bind, 0, who, v6)


@lq.case(*WHO)
def dont_route(who):
    """SO_DONTROUTE: what is behind a gateway is not reached. IPv6 takes no notice of it."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, False, who, far=True)
        lq.ip(f"route add {FAR_NET[False]} via 192.0.2.3 dev tun0")
        lq.equal(ways.syn(), 0, kind)
        ways.listener.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        lq.equal(ways.syn(), None, kind)


@lq.each_version("blackhole", "unreachable", "prohibit")
def no_way(route, v6):
    """A route that says no, below a gateway's that says yes."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, "strangers", far=True)
        lq.ip(f"route add default via {'2001:db8::3' if v6 else '192.0.2.3'} dev tun0")
        lq.equal([ways.syn() for _ in range(3)], [0] * 3, f"{kind}: before")
        lq.ip(f"route add {route} {ways.peers.net}")
        lq.equal([ways.syn() for _ in range(3)], [None] * 3, f"{kind}: no way")
        lq.ip(f"route del {route} {ways.peers.net}")
        lq.equal([ways.syn() for _ in range(3)], [0] * 3, f"{kind}: again")


@lq.each_version()
def prefixes(v6):
    """Of two neighbours in the address space one goes one way and one the other."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, "strangers", far=True)
        rtnl.link_up("tun1")
        lq.ip(f"route add default via {'2001:db8::3' if v6 else '192.0.2.3'} dev tun0")
        for number in range(4, 40, 4):
            where = f"2001:db8:99::{number:x}/127" if v6 else f"203.0.113.{number}/31"
            lq.ip(f"route add {where} dev tun1")
        # From 1 on.
        got = [ways.syn() for _ in range(40)]
        want = [1 if 4 <= n < 40 and n % 4 in (0, 1) else 0 for n in range(1, 41)]
        lq.equal(got, want, kind)


@lq.each_version("siblings", "objects")
def several_ways(what, v6):
    """A multipath route: each stranger goes the way that TCP's answer would; where TCP chooses by
    chance (IPv6 since 7.2), some go either way."""
    if not v6 and not os.path.exists("/proc/sys/net/ipv4/fib_multipath_hash_policy"):
        raise lq.Skip("a kernel without multipath routes")
    via = ["2001:db8::3", "2001:db8:1::4"] if v6 else ["192.0.2.3", "198.51.100.4"]
    ways_of = {}
    for run, kind in (("tcp", "tcp"), ("tcp again", "tcp"), ("lq", "lq")):
        lq.unshare_net()
        ways = Ways(kind, v6, "strangers", far=True)
        rtnl.link_up("tun1")
        lq.ip("addr add 198.51.100.1/24 dev tun1")
        lq.ip("addr add 2001:db8:1::1/64 dev tun1 nodad")
        if what == "objects":
            for number in (0, 1):
                lq.ip(f"{'-6' if v6 else '-4'} nexthop add id {number + 1} via {via[number]}"
                      f" dev tun{number}")
            lq.ip("nexthop add id 3 group 1/2")
            lq.ip(f"route add {ways.peers.net} nhid 3")
        else:
            lq.ip(f"route add {ways.peers.net} " + " ".join(
                f"nexthop via {via[number]} dev tun{number}" for number in (0, 1)))
        ways_of[run] = [ways.syn() for _ in range(32)]
    if ways_of["tcp"] == ways_of["tcp again"]:
        lq.equal(ways_of["lq"], ways_of["tcp"])
    else:
        lq.equal(set(ways_of["lq"]), {0, 1})


@lq.each_version()
def path_mtu_of_one(v6):
    """Behind one gateway one peer has a path MTU of its own, which a connection of before learnt."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, far=True)
        lq.ip(f"route add default via {'2001:db8::3' if v6 else '192.0.2.3'} dev tun0")
        others = From("strangers", None, FAR_NET[v6])
        lq.equal(path_mtu(ways, others.next()), 1500, f"{kind}: a stranger")
        child, peer = connected(ways, FAR[v6])
        child.send(bytes(1000))
        data = peer.receive()
        ways.tuns[0].send(icmp_error(*((2, 0) if v6 else (3, 4)), data.packet, 1300))
        lq.equal(path_mtu(ways, FAR[v6]), 1300, f"{kind}: the peer again")
        lq.equal(path_mtu(ways, others.next()), 1500, f"{kind}: another stranger")
        # No slot has it any more.
        for _ in range(40):
            path_mtu(ways, others.next())
        lq.equal(path_mtu(ways, FAR[v6]), 1300, f"{kind}: the peer, much later")


def connected(ways, address):
    """The accepted socket and the peer."""
    peer = Peer(ways.tuns[0], lq.port_of(ways.listener), v6=ways.v6, addr=address).connect()
    child = lq.accept(ways.listener)
    return child, peer


def path_mtu(ways, address):
    """TCP_INFO's tcpi_pmtu of a new connection."""
    child, _peer = connected(ways, address)
    with child:
        info = child.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
        return struct.unpack_from("=I", info, 60)[0]


def mtu_of(way):
    """The MSS option of the last SYN-ACK, and so the MTU that was reckoned with."""
    return struct.unpack("!H", way.last.option(2))[0]


@lq.each_version(*WHO)
def mtu_of_the_device(who, v6):
    """The MSS that is offered follows it."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, who)
        headers = 60 if v6 else 40
        ways.syn()
        lq.equal(mtu_of(ways), 1500 - headers, kind)
        lq.ip("link set tun0 mtu 1400")
        ways.syn()
        lq.equal(mtu_of(ways), 1400 - headers, kind)


@lq.each_version(*WHO)
def min_adv_mss(who, v6):
    """net.ipv4.route.min_adv_mss, net.ipv6.route.min_adv_mss"""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Ways(kind, v6, who)
        ways.syn()
        sysctl(f"net.ipv{6 if v6 else 4}.route.min_adv_mss", 4000)
        ways.syn()
        lq.equal(mtu_of(ways), 4000, kind)


# --- neighbours: two veths, whose far ends are nobody's ---


class Gateways:
    """Two ways to a far peer, by gateways whose state this program sets; SYNs come in by tun0."""

    def __init__(self, kind, v6, who="same"):
        stay()
        for device in ("all", "default"):
            lq.sysctl(f"net.ipv4.conf.{device}.rp_filter", 0)
        self.v6, self.peers = v6, From(who, FAR[v6], FAR_NET[v6])
        self.tun = Tun()
        lq.run("modprobe", "veth", check=False)
        for number in (0, 1):
            lq.ip(f"link add w{number} type veth peer name p{number}")
            lq.sysctl(f"net.ipv6.conf.w{number}.accept_dad", 0)
            lq.sysctl(f"net.ipv6.conf.w{number}.accept_ra", 2)
            # What is reachable stays so.
            lq.sysctl(f"net.ipv{6 if v6 else 4}.neigh.w{number}.base_reachable_time_ms", 3600000)
            rtnl.link_up(f"p{number}")
            rtnl.link_up(f"w{number}")
            lq.add_address(f"w{number}", f"2001:db8:{number}::1" if v6 else f"10.{number}.0.1",
                           64 if v6 else 24)
        self.sockets = [packet_socket(f"p{number}") for number in (0, 1)]
        self.listener = lq.listener(kind, v6=v6)
        self.sport = 30000

    def gateway(self, number):
        """Its address."""
        return f"2001:db8:{number}::2" if self.v6 else f"10.{number}.0.2"

    def state(self, number, state):
        """reachable or failed"""
        self.neighbour(self.gateway(number), number, state)

    @staticmethod
    def neighbour(address, number, state):
        """The same, of anybody at a device."""
        lladdr = "" if state == "failed" else "lladdr 02:00:00:00:00:01"
        lq.ip(f"neigh replace {address} dev w{number} nud {state} {lladdr}")

    def syn(self, local=None):
        """Which way the SYN-ACK goes: 0 or 1."""
        self.sport += 1
        peer = Peer(self.tun, lq.port_of(self.listener), v6=self.v6, addr=self.peers.next(),
                    sport=self.sport)
        if local:
            peer.local = ipaddress.ip_address(local).packed
        peer.syn(MSS)
        return lq.wait_for(lambda: self.came(peer.sport), 5, "a SYN-ACK") - 1

    def came(self, port):
        """1 or 2: it came by the first or the second; 0: nothing has."""
        for number, sock in enumerate(self.sockets):
            while True:
                try:
                    frame = sock.recv(2048)
                except BlockingIOError:
                    break
                packet = frame[14:]
                at = 40 if self.v6 else 20
                protocol = packet[6] if self.v6 else packet[9]
                if protocol == 6 and struct.unpack("!H", packet[at + 2 : at + 4])[0] == port:
                    return number + 1
        return 0


def packet_socket(device):
    """All that a device receives."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 3))
    sock.setblocking(False)
    return sock


@lq.case()
def dead_gateway_of_a_multipath_route():
    """net.ipv4.fib_multipath_use_neigh"""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        sysctl("net.ipv4.fib_multipath_use_neigh", 1)
        ways = Gateways(kind, False)
        for number in (0, 1):
            ways.state(number, "permanent")
        lq.ip(f"route add {FAR[False]} nexthop via {ways.gateway(0)} dev w0"
              f" nexthop via {ways.gateway(1)} dev w1")
        way = ways.syn()
        lq.equal(ways.syn(), way, f"{kind}: the same way")
        ways.state(way, "failed")
        lq.equal([ways.syn() for _ in range(3)], [1 - way] * 3, f"{kind}: the gateway is dead")


@lq.case(*WHO)
def dead_default_gateway(who):
    """Two default routes of the same metric: fib_select_default()."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Gateways(kind, False, who)
        for number in (0, 1):
            ways.state(number, "reachable")
            lq.ip(f"route append default via {ways.gateway(number)} dev w{number}")
        way = ways.syn()
        lq.equal(ways.syn(), way, f"{kind}: the same way")
        ways.state(way, "failed")
        lq.equal([ways.syn() for _ in range(3)], [1 - way] * 3, f"{kind}: the gateway is dead")


def advertise(sock, router):
    """A router advertisement (RFC 4861 4.2) out of a packet socket."""
    source = ipaddress.ip_address(router).packed
    group = ipaddress.ip_address("ff02::1").packed
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 9000, 0, 0)
    total = checksum(source + group + struct.pack("!II", len(body), 58) + body)
    body = body[:2] + struct.pack("!H", total) + body[4:]
    sock.send(bytes.fromhex("333300000001 020000000001 86dd")
              + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + group + body)


@lq.case(*WHO)
def dead_router(who):
    """IPv6: two routers that advertised themselves; rt6_score_route() goes by the neighbours."""
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Gateways(kind, True, who)
        routers = ["fe80::aa:1", "fe80::bb:1"]
        for number, router in enumerate(routers):
            lq.wait_for(lambda way=f"w{number}": "fe80::" in lq.run("ip", "addr", "show", way))
            advertise(ways.sockets[number], router)
        lq.wait_for(lambda: all(router in lq.run("ip", "-6", "route") for router in routers))
        for number, router in enumerate(routers):
            ways.neighbour(router, number, "reachable")
        way = ways.syn()
        lq.equal(ways.syn(), way, f"{kind}: the same way")
        ways.neighbour(routers[way], way, "failed")
        lq.equal([ways.syn() for _ in range(3)], [1 - way] * 3, f"{kind}: the router is dead")


@lq.case()
def optimistic_address():
    """IPv6: while our address is optimistic, an unknown neighbour is reached by the router."""
    local = "2001:db8:55::1"
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        ways = Gateways(kind, True)
        # Duplicate address detection takes longer than the test.
        for name, value in (("conf.w0.optimistic_dad", 1), ("conf.w0.accept_dad", 1),
                            ("conf.w0.dad_transmits", 1), ("neigh.w0.retrans_time_ms", 600000)):
            sysctl(f"net.ipv6.{name}", value)
        lq.ip(f"addr add {local}/64 dev w0 optimistic")
        lq.wait_for(lambda: lq.has_local_route(local))
        if "optimistic" not in lq.run("ip", "addr", "show", "dev", "w0"):
            raise lq.Skip("no optimistic addresses")
        # The peer is on the link of w0, the router on that of w1.
        lq.ip(f"-6 route add default via {ways.gateway(1)} dev w1")
        ways.state(1, "reachable")
        lq.ip(f"-6 route add {FAR[True]} dev w0")
        ways.neighbour(FAR[True], 0, "reachable")
        lq.equal([ways.syn(local) for _ in range(2)], [0, 0], f"{kind}: before")
        ways.neighbour(FAR[True], 0, "failed")
        lq.equal([ways.syn(local) for _ in range(2)], [1, 1], f"{kind}: not known any more")


# --- what a held route must not hold ---


@lq.each_version()
def device_goes(v6):
    """The device of a remembered route is deleted at once."""
    ways = Ways("lq", v6)
    lq.equal(ways.syn(), 0)
    for tun in ways.tuns:
        os.close(tun.fd)  # this deletes it, and waits for whoever holds it
    lq.wait_for(lambda: not os.path.exists("/sys/class/net/tun0"), 5, "tun0 is still there")
    lq.equal(lq.run("dmesg").count("waiting for tun0 to become free"), 0)


@lq.each_version()
def namespace_goes(v6):
    """So does a namespace with remembered routes."""
    space = lq.Netns()
    with space:
        ways = Ways("lq", v6)
        lq.equal(ways.syn(), 0)
        ways.listener.close()
        for tun in ways.tuns:
            os.close(tun.fd)
    space.close()
    users = lq.objects_in_memory("net_namespace")
    if users is None:
        raise lq.Skip("namespaces are not counted")
    lq.wait_for(lambda: lq.objects_in_memory("net_namespace") < users, 20,
                "the namespace is still there")


if __name__ == "__main__":
    lq.main()
