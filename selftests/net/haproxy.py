# SPDX-License-Identifier: GPL-2.0
"""HAProxy as it is packaged, for tests: a master and a worker, which answers by itself."""
import contextlib
import os
import shutil
import subprocess
import tempfile

import lq

CONFIG = """
global
    maxconn 512
    nbthread {threads}
{more}
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend test
{binds}
    http-request return status 200 content-type text/plain string "hello\\n"
"""


def workers(master):
    """The pids of its worker processes."""
    return [int(pid) for pid in lq.run("pgrep", "-P", str(master.pid), check=False).split()]


def tell(master, told):
    """The signal, once the master takes signals: it loses one that comes between the fork of its worker,
    which serves already, and its own loop. It blocks all of them till then."""
    def takes_signals():
        with open(f"/proc/{master.pid}/status", encoding="ascii") as file:
            return "SigBlk:\t0000000000000000\n" in file.read()
    lq.wait_for(takes_signals, 30, "haproxy blocks its signals")
    master.send_signal(told)


def configure(path, binds, threads, more=""):
    """For so many threads, with these lines of the frontend and of the global section."""
    with open(f"{path}/conf", "w", encoding="ascii") as file:
        file.write(CONFIG.format(binds=binds, threads=threads, more=more))


def start(path, launcher, port):
    """Started by @launcher, ["lqrun"] or [], of the directory: its master, once it listens."""
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([*launcher, "haproxy", "-W", "-db", "-f", f"{path}/conf"],
                               stderr=subprocess.DEVNULL)

    def listens():
        return (len(workers(process)) == 1 and
                len(lq.run("ss", "-Hltn", f"sport = :{port}").splitlines()) >= 2)
    lq.wait_for(listens, 30, "haproxy did not start")
    return process


@contextlib.contextmanager
def serving(binds, launcher, port, threads=2, more=""):
    """The directory of its configuration, and its master."""
    if not shutil.which("haproxy"):
        raise lq.Skip("no haproxy")
    with tempfile.TemporaryDirectory() as path:
        configure(path, binds, threads, more)
        with start(path, launcher, port) as process:
            try:
                yield path, process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    for pid in (process.pid, *workers(process)):
                        os.kill(pid, 9)
                process.wait(30 * lq.SCALE)
