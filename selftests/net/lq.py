# SPDX-License-Identifier: GPL-2.0
"""What the system tests in Python share: TAP, network namespaces, sockets, counters.

A test file holds functions marked @case() and ends in main(). Each case runs in a process and a
network namespace of its own, in which lo is up. It fails by an exception, and skips by Skip.
"""
import contextlib
import ctypes
import errno
import functools
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback

import rtnl

AF_LISTENQ = 18
SOL_LISTENQ = 0x4C51
LQ_INFO, LQ_POLICY, LQ_SYN_BACKLOG, LQ_ABORT_ON_OVERFLOW, LQ_SYNACK_RETRIES = range(1, 6)
LQ_SYNCOOKIES, LQ_ACCEPT_FILTER, LQ_ACCEPT_FILTER_BPF, LQ_SHARDS = range(6, 10)
LQ_RELEASE = 10
LQ_ACCEPT_MAX_WAIT_MS, LQ_ACCEPT_DEAD, LQ_ACCEPT_ORDER = 11, 12, 13
LQ_CODEL_TARGET_MS, LQ_CODEL_INTERVAL_MS, LQ_SYN_ADMISSION_MS = 14, 15, 16
LQ_GRACE_MS = 17
LQ_STEAL_US = 18
LQ_STALLED_MS = 19
DEAD = ("skip", "keep", "skip-fin")
ORDERS = ("fifo", "lifo", "adaptive")
TCP_ULP = 31
F_BACKLOG_TRUNCATED, F_ABORT_ON_OVERFLOW = 1, 2
POLICIES = ("linux", "linux-classic", "linux-modern", "linux-2.4", "bsd", "berkeley", "freebsd",
            "freebsd-4", "aix", "hpux", "solaris", "xnu", "windows", "linux-2.0", "bsdos-3.0", "illumos")

HERE = os.path.dirname(os.path.abspath(__file__))


def _place(variable, *places):
    """A folder: what the variable says, or the first of these that is there."""
    return os.environ.get(variable) or next(filter(os.path.isdir, places), HERE)


# The project's; of installed tests (make -C selftests install), what they need of it.
TOP = _place("LQ_TOP", os.path.join(HERE, "../top"), os.path.join(HERE, "../.."))
# Where the compiled tests and their helpers are.
TESTS = _place("LQ_TESTS", os.path.join(TOP, "build/selftests/net"))
# A test that is run by itself finds the tools, too.
os.environ["PATH"] = os.path.join(TOP, "build/tools") + ":" + os.environ["PATH"]

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NOBODY = 65534
SCALE = int(os.environ.get("LQ_TIME_SCALE", "1"))  # how much longer anything may take
LIMIT = int(os.environ.get("LQ_TIME_LIMIT", "0"))  # seconds for each case, whatever it says itself
libc = ctypes.CDLL(None, use_errno=True)


# System calls as /proc/<pid>/syscall and syscall() number them. Those that are not here have the same
# number everywhere. On arm64 poll() and epoll_wait() are their p siblings.
CALLS = {
    "x86_64": {"connect": 42, "accept": 43, "accept4": 288, "poll": 7, "epoll_wait": 232,
               "setsockopt": 54, "bpf": 321, "userfaultfd": 323},
    "aarch64": {"connect": 203, "accept": 202, "accept4": 242, "poll": 73, "epoll_wait": 22,
                "setsockopt": 208, "bpf": 280, "userfaultfd": 282},
}[os.uname().machine]


class Skip(Exception):
    """The case cannot run here; the words say why."""


# --- TAP ---

_cases = []


def case(*params, timeout=60):
    """Mark a case. With params it runs once for each, as its only argument."""

    def mark(function):
        name = function.__name__
        for param in params or [None]:
            if param is None:
                _cases.append((name, function, (), timeout))
            else:
                _cases.append((f"{name}({param})", function, (param,), timeout))
        return function

    return mark


def each_version(*params, v4_only=(), mapped=False, timeout=60):
    """Mark a case that runs over IPv4 and over IPv6: its argument @v6 says which, and so does its
    name: name(v4), name(v6). With params it runs over both for each, which comes before @v6:
    name(param v4); for those of v4_only over IPv4 alone. If mapped, it runs over IPv4 to a listener of
    IPv6, too: name(mapped); of what family the listener is says one more argument, @v6_listener."""
    versions = {"v4": (False, False), "v6": (True, True)}
    if mapped:
        versions["mapped"] = (False, True)

    def mark(function):
        runs = [(param, version) for param in [(each,) for each in params] or [()]
                for version in versions] + [((param,), "v4") for param in v4_only]
        for param, version in runs:
            name = f"{function.__name__}({' '.join(map(str, (*param, version)))})"
            args = (*param, *versions[version][:2 if mapped else 1])
            _cases.append((name, function, args, timeout))
        return function

    return mark


def counts_failed_cookies(seconds=30):
    """Mark a case in which TcpExtSyncookiesFailed says what failed, and nothing else, for so many seconds;
    below the mark of a case. What may be a wait comes before the case has done anything: a cookie would
    grow old.

    From 300 to 420 s after boot, when jiffies are near 0, TCP takes the 0 of a listener that never
    overflowed for an overflow of late, and counts each ACK of nobody that reaches it."""

    def mark(function):
        @functools.wraps(function)
        def wait_and_run(*args):
            with open("/proc/uptime", encoding="ascii") as file:
                up = float(file.read().split()[0])
            if 299 - seconds * SCALE < up < 421:
                diag(f"{421 - up:.0f} s until TCP counts cookies as they are")
                left = signal.alarm(0)  # which are not the case's
                time.sleep(421 - up)
                signal.alarm(left)
            function(*args)

        return wait_and_run

    return mark


def diag(text):
    """Say something beside the results."""
    for line in str(text).rstrip().split("\n"):
        print(f"# {line}", flush=True)


def _run(function, args, timeout):
    """Run one case in this process; the exit status."""
    signal.alarm(LIMIT or timeout * SCALE)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("too slow")))
    try:
        unshare_net()
        function(*args)
    except Skip as why:
        diag(f"SKIP {why}")
        return 4
    except BaseException:  # pylint: disable=broad-except
        diag(traceback.format_exc())
        return 1
    return 0


def main():
    """Run the cases, or those whose names begin with one of the arguments."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(4)
    wanted = [c for c in _cases if not sys.argv[1:] or c[0].startswith(tuple(sys.argv[1:]))]
    print("TAP version 13")
    print(f"1..{len(wanted)}", flush=True)
    failed = False
    for number, (name, function, args, timeout) in enumerate(wanted, 1):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = _run(function, args, timeout)
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 4:
            print(f"ok {number} - {name} # SKIP", flush=True)
        elif code == 0:
            print(f"ok {number} - {name}", flush=True)
        else:
            failed = True
            if code < 0:
                diag(f"died of signal {-code}")
            print(f"not ok {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)


def equal(got, want, what=""):
    """Like assert got == want, and says both."""
    if got != want:
        raise AssertionError(f"{what}{': ' if what else ''}got {got!r}, want {want!r}")


def wait_for(condition, seconds=10, what="it did not happen", every=0.01):
    """Poll until condition() is true; its value. It is asked once in @every seconds."""
    end = time.monotonic() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} within {seconds} s")
        time.sleep(every)


def until_killed(*_):
    """The end of a process that only holds something: what is given, for one."""
    while True:
        signal.pause()


def never(condition, seconds=0.3, what="it happened"):
    """Poll for a while; condition() must stay false."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            raise AssertionError(what)
        time.sleep(0.01)


@contextlib.contextmanager
def fails_with(*codes):
    """The block must raise OSError with one of these numbers."""
    try:
        yield
    except OSError as error:
        names = [errno.errorcode[code] for code in codes]
        if error.errno not in codes:
            raise AssertionError(f"{error!r}, not {names}") from error
        return
    raise AssertionError(f"no error, not {[errno.errorcode[code] for code in codes]}")


# --- the system ---


def as_user(function, uid=NOBODY, own_namespaces=False):
    """Run it in a process of an ordinary user's, with user and network namespaces of its own if so said;
    what it raises fails the case."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self is the user's again
            if own_namespaces:
                if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
                    os._exit(4)
                with open("/proc/self/uid_map", "w", encoding="ascii") as file:
                    file.write(f"0 {uid} 1")
                rtnl.link_up("lo")
            function()
            status = 0
        except BaseException as error:  # pylint: disable=broad-except
            diag(f"as a user: {error!r}")
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 4:
        raise Skip("no user namespaces for users here")
    equal(code, 0, "as a user")


def run(*command, check=True, env=None):
    """Run a command; its standard output."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def ip(words):
    """ip(8), its arguments as one string."""
    return run("ip", *words.split())


def has_local_route(address):
    """Whether what comes for this IPv6 address is for us."""
    wanted = [ipaddress.ip_address(address).packed.hex(), "80"]
    with open("/proc/net/ipv6_route", encoding="ascii") as file:
        return any(line.split()[:2] == wanted for line in file)


def add_address(device, address, length):
    """Give a device an address, IPv6's without duplicate address detection. The kernel's own answer
    comes too early for IPv6: a workqueue adds the route that makes the address ours
    (addrconf_dad_start()), and until then a segment to it is dropped (Ip6InAddrErrors)."""
    rtnl.add_address(device, address, length)
    if ":" in address:
        wait_for(lambda: has_local_route(address), 30, f"no route to {address} of our own")


def unshare_net():
    """Enter a new network namespace with lo up."""
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    rtnl.link_up("lo")


class Netns:
    """A further network namespace, entered by with."""

    def __init__(self):
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare_net()
        self.fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.outside = []
        libc.setns(here, CLONE_NEWNET)
        os.close(here)

    def __enter__(self):
        self.outside.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        libc.setns(self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        fd = self.outside.pop()
        libc.setns(fd, CLONE_NEWNET)
        os.close(fd)

    def close(self):
        """Nothing of ours keeps it alive any more."""
        os.close(self.fd)


def sysctl(name, value=None):
    """Read or write a sysctl of this namespace."""
    path = "/proc/sys/" + name.replace(".", "/")
    if value is None:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))
    return None


def no_timer():
    """The stack's own timer stays out of it, and no cookies."""
    sysctl("net.listenq.synack_timeout_ms", 60000)
    sysctl("net.listenq.syncookies", 0)
    sysctl("net.ipv4.tcp_syncookies", 0)


def all_counted():
    """What is not 0 of the namespace's counters, ours and the kernel's: for a message."""
    found = {name: value for name, value in counters().items() if value}
    for path in ("/proc/self/net/netstat", "/proc/self/net/snmp"):
        found.update((name, value) for name, value in two_line_counters(path).items() if value)
    with open("/proc/self/net/snmp6", encoding="ascii") as file:
        found.update((name, int(value)) for name, value in map(str.split, file) if int(value))
    return found


def two_line_counters(path):
    """A file of the format of /proc/net/netstat: {"TcpExtListenDrops": 3, ...}"""
    counters = {}
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        prefix, _, names = names.partition(": ")
        for name, value in zip(names.split(), values.partition(": ")[2].split()):
            counters[prefix + name] = int(value)
    return counters


def mib():
    """TCP's own counters in this namespace."""
    return {
        **two_line_counters("/proc/self/net/netstat"),
        **two_line_counters("/proc/self/net/snmp"),
    }


def counters():
    """listenq's counters in this namespace, without the prefix."""
    every = two_line_counters("/proc/self/net/listenq")
    return {name.removeprefix("ListenQ"): value for name, value in every.items()}


class Counted:
    """How much counters moved: with Counted() as moved: ...; moved("DropNoRoute"). Of several names, which
    are read at once, a tuple."""

    def __init__(self, read=counters):
        self.read = read
        self.before = {}

    def __enter__(self):
        self.before = self.read()
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, *names):
        now = self.read()
        moved = tuple(now[name] - self.before[name] for name in names)
        return moved if len(moved) > 1 else moved[0]


def module_users():
    """The reference count of the module, or None when it is not loaded."""
    with open("/proc/modules", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == "listenq":
                return int(words[2])
    return None


def objects_in_memory(*caches):
    """Objects of slab caches that are in use in the whole system, or None where caches are merged,
    or not shown."""
    if not os.path.exists("/proc/slabinfo"):
        return None
    for name in caches:
        path = f"/sys/kernel/slab/{name}/shrink"
        if os.path.exists(path):
            # Else what lies free on a CPU's own list counts as in use.
            with open(path, "w", encoding="ascii") as file:
                file.write("1")
    with open("/proc/slabinfo", encoding="ascii") as file:
        rows = [line.split() for line in file]
    counts = [int(row[1]) for row in rows if row[0] in caches]
    return sum(counts) if len(counts) == len(caches) else None


def requests_in_memory():
    """Requests allocated in the whole system, or None."""
    return objects_in_memory("listenq_request_v4", "listenq_request_v6")


def module_file():
    """Where the module was loaded from."""
    if "LQ_MODULE" in os.environ:
        return os.environ["LQ_MODULE"]
    try:
        with open("/run/vm/config", encoding="ascii") as file:
            words = file.read().split()
        for word in words:
            if word.startswith("module=/"):
                return word.removeprefix("module=")
    except FileNotFoundError:
        pass
    return os.path.join(TOP, "build", os.uname().release, "listenq.ko")


def test_module_file(name):
    """A module of selftests/modules, built beside ours."""
    path = os.path.join(os.path.dirname(os.path.realpath(module_file())), "selftests/modules",
                        f"{name}.ko")
    if not os.path.exists(path):
        raise Skip(f"no {path}")
    return path


@contextlib.contextmanager
def unloaded():
    """The module is removed, and loaded again afterwards."""
    run("rmmod", "listenq")
    try:
        yield
    finally:
        run("insmod", module_file())


# --- sockets ---


def stream(kind, v6=False):
    """A stream socket: kind "lq" (ours) or "tcp" (the kernel's)."""
    family = socket.AF_INET6 if v6 else socket.AF_INET
    if kind == "tcp":
        return socket.socket(family, socket.SOCK_STREAM)
    made = socket.socket(AF_LISTENQ, socket.SOCK_STREAM, 1 if v6 else 0)
    # Python packs addresses by family, and ours are AF_INET's and AF_INET6's.
    return socket.socket(family, socket.SOCK_STREAM, 0, fileno=made.detach())


def listener(kind="lq", backlog=8, addr=None, port=0, v6=False, options=()):
    """A non-blocking listening socket."""
    sock = stream(kind, v6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        sock.setsockopt(*option)
    sock.bind((addr if addr is not None else ("::" if v6 else "0.0.0.0"), port))
    sock.listen(backlog)
    sock.setblocking(False)
    return sock


def adopt(sock):
    """A socket of TCP's becomes ours."""
    sock.setsockopt(socket.SOL_TCP, TCP_ULP, b"listenq")


def release(sock, on=1):
    """And TCP's again, at once or when its queues are empty."""
    sock.setsockopt(SOL_LISTENQ, LQ_RELEASE, on)


def is_ours(sock):
    """Whether it knows our options."""
    try:
        sock.getsockopt(SOL_LISTENQ, LQ_RELEASE)
        return True
    except OSError as error:
        if error.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
            return False
        raise


def md5_key(address, key=b"secret"):
    """struct tcp_md5sig"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    name = (struct.pack("=HHI16sI", family, 0, 0, packed, 0) if ":" in address
            else struct.pack("=HH4s", family, 0, packed))
    return name.ljust(128, b"\0") + struct.pack("=BBHI80s", 0, 0, len(key), 0, key)


def accept_waiters():
    """How many threads of this process sleep in accept()."""
    calls = {str(CALLS[name]) for name in ("accept", "accept4")}
    count = 0
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/syscall", encoding="ascii") as file:
            count += file.read().split()[0] in calls
    return count


def listen(sock, backlog):
    """listen() with any backlog: Python makes 0 of a negative one."""
    if libc.listen(sock.fileno(), ctypes.c_int(backlog)) != 0:
        raise OSError(ctypes.get_errno(), "listen")


def port_of(sock):
    """The local port."""
    return sock.getsockname()[1]


def reset(sock):
    """It leaves, with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def connect_to(sock, v6=False, addr=None, timeout=10):
    """A client of a listener, over lo."""
    client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(timeout * SCALE)
    client.connect((addr or ("::1" if v6 else "127.0.0.1"), port_of(sock)))
    return client


def begin_connect(sock, v6=False):
    """A client whose connect() may still be under way."""
    client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    client.connect_ex(("::1" if v6 else "127.0.0.1", port_of(sock)))
    return client


def connected(client):
    """Whether connect() is over, well or not."""
    return bool(select.select([], [client], [], 0)[1])


def accept(sock, seconds=10):
    """accept() on a non-blocking listener, once there is something."""
    if not select.select([sock], [], [], seconds * SCALE)[0]:
        raise AssertionError(f"nothing to accept within {seconds} s")
    return sock.accept()[0]


def accept_all(sock):
    """Everything that is there now."""
    accepted = []
    while True:
        try:
            accepted.append(sock.accept()[0])
        except BlockingIOError:
            return accepted


def read_all(sock, length, seconds=10):
    """So many bytes from a socket."""
    sock.settimeout(seconds * SCALE)
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise AssertionError(f"end after {len(data)} of {length} bytes")
        data += more
    return data


def expect_serves(sock, v6=False):
    """A client of the listener connects, its connection is accepted and works."""
    client = connect_to(sock, v6=v6)
    child = accept(sock)
    client.send(b"well?")
    equal(read_all(child, 5), b"well?")
    child.send(b"well")
    equal(read_all(client, 4), b"well")
    child.close()
    client.close()


class Info:  # pylint: disable=too-few-public-methods
    """getsockopt(LQ_INFO)."""

    FORMAT = "=Q16sIi12I3Q16s19I"
    FIELDS = (
        "id policy flags backlog_asked backlog accept_qlen accept_limit syn_qlen syn_young"
        " syn_limit syn_buckets max_syn_backlog synack_retries accept_qlen_peak syn_qlen_peak pad"
        " accepted established drops accept_filter filter_qlen filter_limit syncookies shards"
        " accept_max_wait_ms accept_dead accept_order codel_target_ms codel_interval_ms"
        " syn_admission_ms accept_gone accept_interval_us grace_ms overflows overflow_ago_s"
        " overflow_shortest_ms overflow_longest_ms steal_us stalled_ms"
    ).split()

    def __init__(self, sock):
        data = sock.getsockopt(SOL_LISTENQ, LQ_INFO, struct.calcsize(self.FORMAT))
        for name, value in zip(self.FIELDS, struct.unpack(self.FORMAT, data)):
            setattr(self, name, value)
        self.policy = self.policy.rstrip(b"\0").decode()
        self.accept_filter = self.accept_filter.rstrip(b"\0").decode()


def nothing_to_accept(listener, seconds=0.2):
    """No connection comes."""
    assert not select.select([listener], [], [], seconds)[0], "a connection came"


def quiet():
    """No timer and no cookie changes what is seen."""
    sysctl("net.listenq.synack_timeout_ms", 60000)
    sysctl("net.listenq.syncookies", 0)


def set_policy(sock, name):
    """setsockopt(LQ_POLICY)"""
    sock.setsockopt(SOL_LISTENQ, LQ_POLICY, name.encode())


def set_filter(sock, name):
    """setsockopt(LQ_ACCEPT_FILTER)"""
    sock.setsockopt(SOL_LISTENQ, LQ_ACCEPT_FILTER, struct.pack("16s240s", name.encode(), b""))


def remove_filter(sock):
    """setsockopt(LQ_ACCEPT_FILTER) of no length."""
    if libc.setsockopt(sock.fileno(), SOL_LISTENQ, LQ_ACCEPT_FILTER, None, 0) != 0:
        raise OSError(ctypes.get_errno(), "setsockopt")


def lqctl_listeners():
    """lqctl list --json"""
    return json.loads(run("lqctl", "list", "--json"))["listeners"]


def row_of(listener):
    """The listener's object of lqctl list --json."""
    (row,) = [row for row in lqctl_listeners() if row["port"] == port_of(listener)]
    return row


def ss_queues(port):
    """Recv-Q and Send-Q of the listener, as ss(8) shows them."""
    out = run("ss", "-H", "-l", "-t", "-n", f"sport = :{port}").split()
    return (int(out[1]), int(out[2])) if out else None
