# SPDX-License-Identifier: GPL-2.0
"""nginx as it is packaged, for tests."""
import contextlib
import os
import subprocess
import tempfile

import lq

CONFIG = """
pid {path}/pid;
error_log {path}/error.log;
worker_processes {workers};
user root;
daemon off;
events {{ worker_connections 512; }}
http {{
    access_log {path}/access.log;
    server {{
        {server}
        root {path};
    }}
}}
"""


def workers(server):
    """The pids of its worker processes."""
    return [int(pid) for pid in lq.run("pgrep", "-P", str(server.pid), check=False).split()]


def configure(path, server, count):
    """For so many workers, of the server with these lines."""
    with open(f"{path}/conf", "w", encoding="ascii") as file:
        file.write(CONFIG.format(path=path, server=server, workers=count))


def start(path, launcher, count):
    """Started by @launcher, ["lqrun"] or [], with so many workers, of the directory: its process."""
    if os.path.exists(f"{path}/pid"):
        os.unlink(f"{path}/pid")  # of one that was killed
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([*launcher, "nginx", "-e", f"{path}/error.log", "-c", f"{path}/conf"])
    lq.wait_for(lambda: os.path.exists(f"{path}/pid") and len(workers(process)) == count, 30,
                "nginx did not start")
    return process


@contextlib.contextmanager
def serving(server, launcher, count=1):
    """Started by @launcher, ["lqrun"] or [], with these lines about its one server and so many workers: the
    directory that it serves, and its process."""
    with tempfile.TemporaryDirectory() as path:
        configure(path, server, count)
        with open(f"{path}/index.html", "w", encoding="ascii") as file:
            file.write("hello\n")
        with start(path, launcher, count) as process:
            try:
                yield path, process
            finally:
                process.terminate()
                process.wait(30)
