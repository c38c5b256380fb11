# SPDX-License-Identifier: GPL-2.0
"""What the tests of SYN cookies share."""
import lq
from rawtcp import ACK, MSS, SACK_OK, SYN, WSCALE, Tun, flag_names, timestamp

LONG = 60000  # ms: the timer stays out of it
PORT = 8080
TS = timestamp(1000)
FULL = MSS + SACK_OK + TS + b"\x01" + WSCALE


def cookies(mode, kind="lq"):
    """Set syncookies for either kind of listener. Without any of its own, TCP takes the zero that
    it finds for a recent overflow, from 5 to 7 minutes after boot (tcp_synq_no_recent_overflow()):
    it must not check, and count, what we pass on to it."""
    if kind == "lq":
        lq.sysctl("net.listenq.syncookies", mode)
        mode = 0
    lq.sysctl("net.ipv4.tcp_syncookies", mode)
    lq.sysctl("net.listenq.synack_timeout_ms", LONG)


def mss(value):
    """An MSS option."""
    return b"\x02\x04" + value.to_bytes(2, "big")


def half_open(peer, options=MSS, **more):
    """SYN and SYN-ACK; with timestamps, those of the peer go on from there."""
    synack = peer.half_open(options, **more)
    if synack.tsval is not None:
        peer.tsval = 1001
    return synack


def as_tcp(scenario, *args):
    """A scenario gives the same with ours as with TCP's listener."""
    results = []
    for kind in ("tcp", "lq"):
        lq.unshare_net()
        results.append(scenario(Tun(), kind, *args))
    lq.equal(results[1], results[0])
    return results[0]


def reply(peer, seconds=0.2):
    """What comes next, in short. A SYN-ACK that the timer sent again is no answer."""
    segment = peer.receive(seconds)
    while segment is not None and segment.flags == SYN | ACK:
        segment = peer.receive(seconds)
    if segment is None:
        return "nothing"
    return flag_names(segment.flags), (segment.seq - peer.ack) & 0xFFFFFFFF, len(segment.data)
