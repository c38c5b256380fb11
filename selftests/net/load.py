# SPDX-License-Identifier: GPL-2.0
"""Clients that connect all the time while something happens: load.c, and what came of it."""
import json
import re
import signal
import subprocess

import lq

# A SYN is unanswered until its SYN-ACK goes out; one that comes while another of its port is, came again
# for want of an answer. One that a slow machine handles only after the one that was sent again finds the
# connection, which challenges it: it is forgotten before the port comes again.
COUNT = """
table inet seen {
	set asked { typeof meta nfproto . tcp sport; flags dynamic, timeout; timeout 20s; size 65536; }
	counter syn { }
	counter synack { }
	counter unanswered { }
	chain input {
		type filter hook input priority 0;
		tcp flags & (fin | syn | rst | ack) != syn return
		counter name syn
		meta nfproto . tcp sport @asked counter name unanswered return
		add @asked { meta nfproto . tcp sport }
	}
	chain output {
		type filter hook output priority 0;
		tcp flags & (fin | syn | rst | ack) != (syn | ack) return
		counter name synack
		delete @asked { meta nfproto . tcp dport }
	}
}
"""


def segments_seen():
    """How many SYNs came in, how many of them for want of an answer, and how many SYN-ACKs went out; or None
    where the kernel cannot count them."""
    done = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return None
    counters = [entry["counter"] for entry in json.loads(done.stdout)["nftables"]
                if "counter" in entry]
    return {counter["name"]: counter["packets"] for counter in counters} or None


class Load:
    """Clients that go on until the end of the block; then self.result has what they say.

    Once it is over every SYN was answered or sent again, so what was lost is what came again unanswered. No
    port has TIME_WAIT, whose answer to a SYN may be an ACK."""

    def __init__(self, port):
        lq.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
        lq.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
        subprocess.run(["nft", "-f", "-"], input=COUNT, text=True, check=False, capture_output=True)
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
        lost = seen["unanswered"] if seen else 0
        self.result = done, failed, lost
        self.failed_cookies = self.ours("CookieFailed")


def expect_no_loss(load, moved, at_least, lost_at_most=0):
    """After the block: all were served, and at once, but for so many whose SYN had to come again."""
    done, failed, lost = load.result
    if failed or lost:
        lq.diag(f"counted: {lq.all_counted()}")
    lq.equal(failed, 0, "failed connections")
    # Of a port that comes again before its last connection has gone: TCP itself answers that one by an ACK.
    lost -= min(lost, moved("TcpExtTCPSYNChallenge"))
    assert lost <= lost_at_most, f"{lost} lost SYNs"
    assert done >= at_least, f"{done} connections"
    # Not TcpExtSyncookiesFailed: lq.trust_failed_cookies() says what else it counts.
    for name in ("TcpExtListenDrops", "TcpExtListenOverflows", "TcpExtTCPReqQFullDrop",
                 "TcpExtSyncookiesSent"):
        lq.equal(moved(name), 0, name)
    lq.equal(load.failed_cookies, 0, "cookies that failed")
