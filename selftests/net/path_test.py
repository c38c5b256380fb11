#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""What stands between a segment and the listener: early demux, firewall, socket filters, TTL,
addresses, options and extension headers of IP. Each does what it does before TCP's listener.

    stack under test --- tun0 --- the peers, played by this program
"""
import socket
import struct

import lq
from rawtcp import ACK, MSS, RST, SYN, Peer, Tun, listener_and_peer

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


@lq.each_version()
def without_early_demux(v6):
    """ip_early_demux=0: established segments reach the hook, and pass."""
    lq.sysctl("net.ipv4.ip_early_demux", 0)
    lq.sysctl("net.ipv4.tcp_early_demux", 0)
    listener, peer = listener_and_peer(v6=v6)
    peer.connect()
    child = lq.accept(listener)
    for n in range(10):
        peer.send(b"%d" % n)
    lq.equal(lq.read_all(child, 10), b"0123456789")
    client = lq.connect_to(listener, v6=v6)
    server = lq.accept(listener)
    client.send(b"x" * 100000)
    lq.equal(len(lq.read_all(server, 100000)), 100000)


@lq.each_version()
def firewall_drops_the_ack(v6):
    """An nft rule at the input hook sees the ACK before we do."""
    listener, peer = listener_and_peer(v6=v6)
    lq.sysctl("net.listenq.synack_timeout_ms", 300)
    lq.run("modprobe", "-a", "nf_tables", "nft_counter", check=False)
    lq.run("nft", f"""
        table inet t {{
            chain c {{
                type filter hook input priority 0; policy accept;
                tcp dport {lq.port_of(listener)} tcp flags & (syn|ack) == ack counter drop
            }}
        }}""")
    peer.half_open()
    peer.final_ack()
    lq.nothing_to_accept(listener)
    lq.equal(lq.Info(listener).syn_qlen, 1)
    lq.run("nft", "flush", "ruleset")
    peer.expect(SYN | ACK)
    peer.segment(ACK)
    lq.accept(listener)


def attach(sock, program):
    """A classic BPF program on a socket."""
    import ctypes  # pylint: disable=import-outside-toplevel

    code = b"".join(struct.pack("=HBBI", *op) for op in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("@HP", len(program), ctypes.addressof(buffer)))


@lq.each_version()
def socket_filter_of_the_listener(v6):
    """A filter that drops everything stops SYN and ACK, as it does with TCP."""
    tun = Tun()
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, v6=v6)
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.half_open()
        attach(listener, [(6, 0, 0, 0)])  # ret 0
        peer.final_ack()
        lq.nothing_to_accept(listener, 0.2)
        peer.silent(0.1)
        other = Peer(tun, lq.port_of(listener), v6=v6)
        other.syn()
        other.silent(0.2)
        listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, b"\0\0\0\0")
        peer.segment(ACK)
        lq.accept(listener)
        listener.close()


@lq.each_version()
def socket_filter_that_trims(v6):
    """A filter that keeps a part of the segment must not break the handshake."""
    tun = Tun()
    for kind in ("tcp", "lq"):
        listener = lq.listener(kind, v6=v6)
        attach(listener, [(6, 0, 0, 0xFFFFFFFF)])
        peer = Peer(tun, lq.port_of(listener), v6=v6)
        peer.half_open()
        peer.final_ack(b"data")
        lq.equal(lq.read_all(lq.accept(listener), 4), b"data")
        listener.close()


@lq.each_version()
def minimum_ttl(v6):
    """IP_MINTTL and IPV6_MINHOPCOUNT hold for SYN and ACK (TCP lets the ACK pass)."""
    level, option = (socket.IPPROTO_IPV6, 73) if v6 else (socket.IPPROTO_IP, 21)
    listener, peer = listener_and_peer(v6=v6)
    peer.half_open()
    listener.setsockopt(level, option, 255)
    peer.segment(ACK, ttl=64)
    peer.silent(0.2)
    lq.nothing_to_accept(listener, 0)
    other = Peer(peer.tun, lq.port_of(listener), v6=v6)
    other.syn()
    other.silent(0.2)
    peer.segment(ACK, ttl=255)
    lq.accept(listener)


@lq.case()
def listener_on_one_address():
    """A listener bound to one address does not answer for another."""
    tun = Tun()
    lq.add_address("tun0", "192.0.2.9", 24)
    listener = lq.listener(addr="192.0.2.9")
    peer = Peer(tun, lq.port_of(listener))  # to 192.0.2.1
    peer.syn()
    peer.expect(RST | ACK)


@lq.case()
def ipv4_options_in_the_syn():
    """An IP header longer than 20 bytes is read past."""
    listener, peer = listener_and_peer()
    send = peer.tun.send

    def with_options(packet):
        head = bytearray(packet[:20])
        head[0] = 0x46
        head[2:4] = struct.pack("!H", len(packet) + 4)
        head[10:12] = b"\0\0"
        head += b"\x01\x01\x01\x00"
        from rawtcp import checksum  # pylint: disable=import-outside-toplevel

        head[10:12] = struct.pack("!H", checksum(bytes(head)))
        send(bytes(head) + packet[20:])

    peer.tun.send = with_options
    peer.half_open()
    peer.final_ack(b"hello")
    lq.equal(lq.read_all(lq.accept(listener), 5), b"hello")


@lq.case()
def ipv6_extension_headers():
    """Destination options before the TCP header."""
    listener, peer = listener_and_peer(v6=True)
    send = peer.tun.send

    def with_options(packet):
        head = bytearray(packet[:40])
        head[4:6] = struct.pack("!H", len(packet) - 40 + 8)
        head[6] = 60
        send(bytes(head) + bytes([6, 0, 1, 4, 0, 0, 0, 0]) + packet[40:])

    peer.tun.send = with_options
    peer.half_open()
    peer.final_ack(b"hello")
    lq.equal(lq.read_all(lq.accept(listener), 5), b"hello")


@lq.each_version()
def fastopen_falls_back(v6):
    """TCP_FASTOPEN is accepted, and data in a SYN waits for the handshake."""
    lq.sysctl("net.ipv4.tcp_fastopen", 3)
    listener, peer = listener_and_peer(v6=v6, options=[(socket.IPPROTO_TCP, 23, 5)])
    peer.syn(MSS + b"\x22\x02", data=b"early")
    peer.synack = peer.expect(SYN | ACK)
    lq.equal(peer.synack.ack, peer.isn + 1, "only the SYN is acknowledged")
    assert peer.synack.option(34) is None, "a cookie was given"
    peer.seq, peer.ack = peer.isn + 1, peer.synack.seq + 1
    lq.nothing_to_accept(listener)
    peer.final_ack(b"early")
    lq.equal(lq.read_all(lq.accept(listener), 5), b"early")


@lq.case()
def broadcast_and_multicast_syns():
    """Never answered."""
    listener, peer = listener_and_peer()
    for local in (b"\xc0\x00\x02\xff", b"\xe0\x00\x00\x01"):
        peer.local = local
        peer.syn()
        peer.silent(0.1)
    lq.equal(lq.Info(listener).syn_qlen, 0)


lq.main()
