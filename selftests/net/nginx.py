# SPDX-License-Identifier: GPL-2.0
"""nginx as it is packaged, with one worker, for tests."""
import contextlib
import os
import subprocess
import tempfile

import lq

CONFIG = """
pid {path}/pid;
error_log {path}/error.log;
worker_processes 1;
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


@contextlib.contextmanager
def serving(server, launcher):
    """Started by @launcher, ["lqrun"] or [], with these lines about its one server: the directory that it
    serves, and its process."""
    with tempfile.TemporaryDirectory() as path:
        with open(f"{path}/conf", "w", encoding="ascii") as file:
            file.write(CONFIG.format(path=path, server=server))
        with open(f"{path}/index.html", "w", encoding="ascii") as file:
            file.write("hello\n")
        with subprocess.Popen([*launcher, "nginx", "-e", f"{path}/error.log",
                               "-c", f"{path}/conf"]) as process:
            try:
                lq.wait_for(lambda: os.path.exists(f"{path}/pid") and len(workers(process)) == 1,
                            30, "nginx did not start")
                yield path, process
            finally:
                process.terminate()
                process.wait(30)
