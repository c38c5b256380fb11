# SPDX-License-Identifier: GPL-2.0
"""Clients that connect all the time while something happens: load.c, and what came of it."""
import json
import re
import signal
import subprocess

import lq

# TCP and we answer a SYN where it came in, on its CPU, before another segment is looked at there. So one whose
# CPU sent neither SYN-ACK nor challenge is unanswered, however slow the machine is, and whenever its client
# sends it again: its mark stays, until the end or until its port comes by that CPU once more. A challenge is
# told from a connection's later ACKs by its time, which is before the SYN could have come again.
# A SYN that meets the end of its pair's last connection (a socket with an address of its own) is not for a
# listener: TCP challenges it, or loses it in the backlog of a socket whose owner has it, as that closes.
COUNT = """
table inet seen {
	set asked { typeof meta cpu . meta nfproto . tcp sport; flags dynamic, timeout; timeout 1h; size 65536; }
	set recent { typeof meta cpu . meta nfproto . tcp sport; flags dynamic, timeout; timeout 500ms; size 65536; }
	counter syn { }
	counter synack { }
	counter unanswered { }
	chain input {
		type filter hook input priority 0;
		tcp flags & (fin | syn | rst | ack) != syn return
		socket wildcard 0 return
		counter name syn
		meta cpu . meta nfproto . tcp sport @asked counter name unanswered
		update @recent { meta cpu . meta nfproto . tcp sport }
		add @asked { meta cpu . meta nfproto . tcp sport }
	}
	chain output {
		type filter hook output priority 0;
		tcp flags & (fin | syn | rst | psh | ack) == ack meta cpu . meta nfproto . tcp dport @recent \
			delete @asked { meta cpu . meta nfproto . tcp dport }
		tcp flags & (fin | syn | rst | ack) != (syn | ack) return
		counter name synack
		delete @asked { meta cpu . meta nfproto . tcp dport }
	}
}
"""


def nft_list(*what):
    """What nft has of a kind in the namespace, or None where there is no nft."""
    done = subprocess.run(["nft", "-j", "list", *what], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    return [entry[kind] for entry in json.loads(done.stdout)["nftables"]
            for kind in ("counter", "set") if kind in entry]


def segments_seen():
    """How many SYNs came in, how many of them nothing answered, and how many SYN-ACKs went out; or None where
    the kernel cannot count them."""
    counters = nft_list("counters")
    marks = nft_list("set", "inet", "seen", "asked")
    if not counters or not marks:
        return None
    seen = {counter["name"]: counter["packets"] for counter in counters}
    seen["unanswered"] += len(marks[0].get("elem", ()))
    return seen


def count_segments():
    """Segments are counted from now on, in this namespace."""
    subprocess.run(["nft", "-f", "-"], input=COUNT, text=True, check=False, capture_output=True)


class Load:
    """Clients that go on until the end of the block; then self.result has what they say.

    Once it is over, what was lost is what nothing answered. No port has TIME_WAIT."""

    def __init__(self, port):
        lq.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
        lq.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
        count_segments()
        self.process = subprocess.Popen([f"{lq.TESTS}/load", str(port)], stdout=subprocess.PIPE,
                                        text=True)
        self.result = None
        self.ours = lq.Counted()
        self.failed_cookies = None

    def __enter__(self):
        self.ours.__enter__()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        words = self.process.communicate(timeout=60 * lq.SCALE)[0]
        done, failed, late = map(int, re.findall(r"\d+", words))
        seen = segments_seen()
        lq.diag(f"{done} done, {failed} failed, {late} SYNs sent again; seen: {seen}")
        assert not seen or 2 * seen["syn"] >= done, "not the listener's SYNs are counted"
        lost = seen["unanswered"] if seen else 0
        self.result = done, failed, lost
        self.failed_cookies = self.ours("CookieFailed")


def expect_no_loss(load, moved, at_least):
    """After the block: all were served, and no SYN went without an answer."""
    done, failed, lost = load.result
    if failed or lost:
        lq.diag(f"counted: {lq.all_counted()}")
    lq.equal(failed, 0, "failed connections")
    lq.equal(lost, 0, "SYNs without an answer")
    assert done >= at_least, f"{done} connections"
    # Not TcpExtSyncookiesFailed: lq.counts_failed_cookies() says what else it counts.
    for name in ("TcpExtListenDrops", "TcpExtListenOverflows", "TcpExtTCPReqQFullDrop",
                 "TcpExtSyncookiesSent"):
        lq.equal(moved(name), 0, name)
    lq.equal(load.failed_cookies, 0, "cookies that failed")
