# SPDX-License-Identifier: GPL-2.0
"""Clients that connect all the time while something happens: load.c, and what came of it."""
import json
import re
import signal
import subprocess

import lq

COUNT = """
table inet seen {
	counter syn { }
	counter synack { }
	chain input {
		type filter hook input priority 0;
		tcp flags & (fin | syn | rst | ack) == syn counter name syn
		tcp flags & (fin | syn | rst | ack) == (syn | ack) counter name synack
	}
}
"""


def segments_seen():
    """How many SYNs and SYN-ACKs came in, or None where the kernel cannot count them."""
    done = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        return None
    counters = [entry["counter"] for entry in json.loads(done.stdout)["nftables"]
                if "counter" in entry]
    return {counter["name"]: counter["packets"] for counter in counters} or None


class Load:
    """Clients that go on until the end of the block; then self.result has what they say.

    A SYN that a slow machine answers late is sent again, and answered twice: by a SYN-ACK, or by a challenge
    where the connection is there already. So what was lost is what was not answered. A pair in TIME_WAIT
    would answer by an ACK that nobody counts, so there is none."""

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
        lq.diag(f"{done} done, {failed} failed, {late} SYNs sent again; came in: {seen}")
        lost = seen["syn"] - seen["synack"] if seen else 0
        self.result = done, failed, lost
        self.failed_cookies = self.ours("CookieFailed")


def expect_no_loss(load, moved, at_least):
    """After the block: all were served at once."""
    done, failed, lost = load.result
    lost -= moved("TcpExtTCPSYNChallenge")
    if failed or lost > 0:
        lq.diag(f"counted: {lq.all_counted()}")
    lq.equal(failed, 0, "failed connections")
    lq.equal(max(lost, 0), 0, "lost SYNs")
    assert done >= at_least, f"{done} connections"
    # Not TcpExtSyncookiesFailed: lq.trust_failed_cookies() says what else it counts.
    for name in ("TcpExtListenDrops", "TcpExtListenOverflows", "TcpExtTCPReqQFullDrop",
                 "TcpExtSyncookiesSent"):
        lq.equal(moved(name), 0, name)
    lq.equal(load.failed_cookies, 0, "cookies that failed")
