#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=300
"""lqctl adopt and lqctl release: which sockets they take, what they say of those that they do not,
and how they wait; list --all and explain of what is TCP's.

    this program: TCP listeners, clients over lo          lqctl: takes their descriptors
"""
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess

import lq
from tool import lqctl, refused, valid

IPPROTO_MPTCP, TCP_MD5SIG, TCP_SAVE_SYN = 262, 14, 27
AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def tcp(port, **words):
    """A listener of plain TCP."""
    return lq.listener("tcp", port=port, **words)


def releasing(sock):
    """LQ_RELEASE; None: it is plain TCP."""
    try:
        return sock.getsockopt(lq.SOL_LISTENQ, lq.LQ_RELEASE)
    except OSError:
        return None


def outcomes(*words, status=0, before=()):
    """{port: object} of lqctl adopt or release with --json."""
    code, out, err = lqctl(*words, "--json", before=before)
    lq.equal(code, status, f"{words}: {out}{err}")
    rows = valid(words[0], json.loads(out))["listeners"]
    found = {row["port"]: row for row in rows}
    lq.equal(len(found), len(rows), rows)
    return found


def results(*words, **more):
    """{port: result} of the same."""
    return {port: row["result"] for port, row in outcomes(*words, **more).items()}


def reasons(*words, **more):
    """{port: reason} of the same, of those that fail."""
    return {port: row["reason"] for port, row in outcomes(*words, status=1, **more).items()}


def row(port):
    """The object of lqctl list --all."""
    (one,) = valid("list", json.loads(lqctl("list", "-ajp", f":{port}")[1]))["listeners"]
    return one


def fd_of(sock):
    """--pid and --fd of a socket of ours."""
    return ["--pid", str(os.getpid()), "--fd", str(sock.fileno())]


@contextlib.contextmanager
def process(work, *args):
    """A process that does work(*args), says that it is ready, and is ended."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        kept = work(*args)
        os.write(tell, b"x")
        lq.until_killed(kept)
    os.close(tell)
    lq.equal(os.read(ready, 1), b"x")
    os.close(ready)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def queued(listener, count=1):
    """Clients whose connections wait for accept()."""
    clients = [lq.connect_to(listener) for _ in range(count)]
    lq.wait_for(lambda: lq.ss_queues(lq.port_of(listener))[0] == count)
    return clients


# --- which ---


@lq.case()
def by_what_they_are_named():
    """Port, address, several of them, filter, process, all."""
    socks = {port: tcp(port) for port in range(8080, 8085)}
    socks[8085] = tcp(8085, addr="127.0.0.1")
    socks[8086] = tcp(8086, v6=True)
    lq.equal(results("adopt", ":8080"), {8080: "taken"})
    lq.equal(results("adopt", ":8080"), {8080: "already"})
    lq.equal(results("adopt", "127.0.0.1:8085", ":8081"), {8081: "taken", 8085: "taken"})
    lq.equal(results("adopt", "sport", "=", ":8086"), {8086: "taken"})
    lq.equal(results("adopt", "policy = tcp and sport < 8083"), {8082: "taken"})
    lq.equal(results("adopt", "--pid", str(os.getpid()), ":8083"), {8083: "taken"})
    lq.equal([port for port, sock in socks.items() if lq.is_ours(sock)],
             [8080, 8081, 8082, 8083, 8085, 8086])
    every = results("adopt", "--all")
    lq.equal((len(every), every.pop(8084), set(every.values())), (7, "taken", {"already"}))
    for port, sock in socks.items():
        lq.expect_serves(sock, v6=port == 8086)
        lq.equal(lq.Info(sock).accepted, 1)
    lq.equal(results("release", "--pid", str(os.getpid()), "sport < 8082"),
             {8080: "released", 8081: "released"})
    lq.equal(results("release", ":8080", ":8082"), {8080: "already", 8082: "released"})
    code, out, err = lqctl("release", "--all", "--json")
    lq.equal((code, {one["result"] for one in json.loads(out)["listeners"]}), (0, {"released"}),
             err)
    assert not any(lq.is_ours(sock) for sock in socks.values())
    for port, sock in socks.items():
        lq.expect_serves(sock, v6=port == 8086)


@lq.case()
def nothing_is_named_or_there():
    """What is wrong, and what to say instead."""
    listener = tcp(8080)
    for words in ("adopt", "release", "adopt -N nowhere"):
        assert "say which listeners" in refused(*words.split()), words
    for words in ("adopt --all :80", "adopt --all --pid 1", "adopt --fd 3",
                  "adopt --fd 3 --pid 1 --pid 2", "adopt :80 --fd 3 --pid 1", "adopt --pid x",
                  "adopt :8080 --policy no", "adopt :8080 --accept-filter no",
                  "adopt :8080 --syn-backlog 0", "adopt :8080 -b -1", "adopt ( :8080",
                  "release :8080 -t x", "release :8080 -t 0"):
        refused(*words.split())
    for words in ("adopt :9", "release :9", "adopt --dry-run [::1]:8080"):
        assert "no listener matches" in refused(*words.split()), words
    with process(lambda: None) as pid:
        lq.equal(lq.is_ours(listener), False)
        # It has the listener by fork().
        lq.equal(results("adopt", "--dry-run", "--pid", str(pid)), {8080: "would_take"})
    assert "there is no process" in refused("adopt", "--pid", str(pid))
    assert "is listenq's" in refused("release", "--pid", str(os.getpid()))
    lq.equal(lq.is_ours(listener), False)
    listener.close()
    assert "no TCP socket listens" in refused("adopt", "--all")
    assert "has no TCP socket that listens" in refused("adopt", "--pid", str(os.getpid()))
    lq.equal(results("release", "--all"), {})


@lq.case()
def dry_run_changes_nothing():
    """It says what would be done."""
    listener, ours = tcp(8080), lq.listener(port=8081)
    lq.equal(results("adopt", "--all", "-d"), {8080: "would_take", 8081: "already"})
    lq.equal((lq.is_ours(listener), lq.is_ours(ours)), (False, True))
    client = lq.connect_to(ours)
    lq.wait_for(lambda: lq.Info(ours).accept_qlen)
    (one,) = outcomes("release", "--all", "-d").values()
    lq.equal((one["result"], one["accept_qlen"], one["syn_qlen"]), ("would_release", 1, 0))
    lq.equal((releasing(ours), lq.Info(ours).accept_qlen), (0, 1))
    client.close()


@lq.case()
def a_table_for_people():
    """Who it is, and why not."""
    keep = [tcp(8080), tcp(8081)]
    keep[1].setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
    with open("/proc/self/comm", encoding="ascii") as file:
        me = f"{file.read().strip()} (pid {os.getpid()})"
    code, out, err = lqctl("adopt", "--all", "-n")
    lq.equal(code, 1)
    lines = [line.split(None, 1) for line in out.splitlines()]
    lq.equal(lines[1], ["taken", f"0.0.0.0:8080       {me}"])
    lq.equal(lines[2][0], "not")
    assert lines[2][1].endswith(f"{me} it keeps SYNs (TCP_SAVE_SYN)"), out
    lq.equal(err, "lqctl: 1 of 2 listeners could not be taken as asked\n")
    assert "0.0.0.0:http-alt" in lqctl("adopt", ":8080")[1]


@lq.case()
def shared_by_processes():
    """One socket of several is taken once; another one of the same port is another one."""
    reuse = ((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),)
    listener = tcp(8080, options=reuse)
    with process(lambda: None) as one, process(lambda: None) as two:
        found = outcomes("adopt", ":8080")
        lq.equal({p["pid"] for p in found[8080]["processes"]}, {os.getpid(), one, two})
        lq.equal((found[8080]["result"], lq.is_ours(listener)), ("taken", True))
        # The first that has it is not the only one.
        lq.equal(results("release", "--pid", str(two)), {8080: "released"})
    second = tcp(8080, options=reuse)
    rows = json.loads(lqctl("adopt", ":8080", "-j")[1])["listeners"]
    lq.equal([one["result"] for one in rows], ["taken", "taken"])
    assert lq.is_ours(listener) and lq.is_ours(second)


@lq.case()
def what_is_set_on_them():
    """As lqctl set and lqrun have it; what was ours before stays as it is."""
    listener, ours = tcp(8080, backlog=100), lq.listener(port=8081, backlog=7)
    lq.equal(results("adopt", "--all", "--policy", "aix", "--accept-filter", "httpready",
                     "--syn-backlog", "64", "--abort-on-overflow", "1", "--synack-retries", "3",
                     "--syncookies", "2", "--backlog", "9"), {8080: "taken", 8081: "already"})
    info = lq.Info(listener)
    lq.equal((info.policy, info.accept_filter, info.max_syn_backlog, info.flags & 2,
              info.synack_retries, info.syncookies, info.backlog_asked),
             ("aix", "httpready", 64, 2, 3, 2, 9))
    info = lq.Info(ours)
    lq.equal((info.policy, info.accept_filter, info.backlog_asked), ("linux", "", 7))


# --- what cannot be taken ---


@lq.case()
def not_taken_and_why():
    """Each reason; the sockets stay TCP's."""
    save_syn, md5, plain = tcp(8081), tcp(8082), tcp(8084)
    save_syn.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
    key = struct.pack("=H2s4s120sBBHI80s", socket.AF_INET, b"\0\0", socket.inet_aton("127.0.0.2"),
                      b"", 0, 0, 3, 0, b"key")
    md5.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, key)
    want = {8081: "save_syn", 8082: "md5_keys"}
    with contextlib.suppress(OSError):
        mptcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        mptcp.bind(("0.0.0.0", 8083))
        mptcp.listen()
        want[8083] = "mptcp"
    for dry in ((), ("--dry-run",)):
        lq.equal(reasons("adopt", "sport < 8084", *dry), want)
    lq.equal(lq.is_ours(plain), False)
    assert not lq.is_ours(save_syn) and not lq.is_ours(md5)
    lq.expect_serves(save_syn)
    # What could not be set is told; the socket is taken.
    (one,) = outcomes("adopt", ":8084", "--syn-backlog", "1048576", status=1,
                      before=("setpriv", "--bounding-set", "-net_admin")).values()
    lq.equal((one["result"], one["reason"], lq.is_ours(plain)), ("taken", "option_refused", True))
    assert "max_syn_backlog" in one["text"] and "CAP_NET_ADMIN" in one["text"], one


@lq.case()
def by_descriptor():
    """Any socket that may listen; and what is none."""
    early = lq.stream("tcp")
    early.bind(("127.0.0.1", 8080))
    lq.equal(results("adopt", *fd_of(early)), {8080: "taken"})
    assert lq.is_ours(early)
    early.listen(3)
    early.setblocking(False)
    lq.expect_serves(early)
    lq.equal(row(8080)["stack"], "listenq")
    # It does not listen: TCP's at once.
    idle = lq.stream("lq")
    lq.equal(results("release", *fd_of(idle)), {0: "released"})
    lq.equal(lq.is_ours(idle), False)

    client = lq.connect_to(early)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for sock, why in ((client, "connected"), (udp, "not_tcp")):
        (one,) = outcomes("adopt", *fd_of(sock), status=1).values()
        lq.equal(one["reason"], why)
    reader, _ = os.pipe()
    pid = str(os.getpid())
    (one,) = outcomes("adopt", "--pid", pid, "--fd", str(reader), status=1).values()
    lq.equal(one["reason"], "not_tcp")
    (one,) = outcomes("adopt", "--pid", pid, "--fd", "999", status=1).values()
    lq.equal(one["reason"], "closed")
    with process(lambda: None) as gone:
        pass
    (one,) = outcomes("adopt", "--pid", str(gone), "--fd", "3", status=1).values()
    lq.equal(one["reason"], "process_ended")

    other = lq.stream("tcp")
    with contextlib.suppress(OSError):
        other.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, b"espintcp")
        (one,) = outcomes("adopt", *fd_of(other), status=1).values()
        lq.equal(one["reason"], "other_ulp")
        assert "espintcp" in one["text"], one


@lq.case()
def without_the_right():
    """Another user's sockets are not seen, or not given; one's own are."""
    yama = "/proc/sys/kernel/yama/ptrace_scope"
    listener = tcp(8080)
    (one,) = outcomes("adopt", ":8080", status=1, before=AS_NOBODY).values()
    lq.equal((one["result"], one["reason"], lq.is_ours(listener)), ("not_taken", "no_right", False))
    assert "run as root" in one["text"], one
    assert "cannot be seen: run as root" in refused("adopt", "--pid", str(os.getpid()),
                                                    before=AS_NOBODY)
    with subprocess.Popen([*AS_NOBODY, "python3", "-c", "import socket, signal\n"
                           "s = socket.socket(); s.bind(('127.0.0.1', 8081)); s.listen()\n"
                           "print(flush=True); signal.pause()"], stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        if os.path.exists(yama):
            with open(yama, encoding="ascii") as file:
                before = file.read()
            for scope, status in (("1", 1), ("0", 0)):
                with open(yama, "w", encoding="ascii") as file:
                    file.write(scope)
                found = outcomes("adopt", ":8081", status=status, before=AS_NOBODY)[8081]
                lq.equal(found["reason"], "no_right" if status else None)
            with open(yama, "w", encoding="ascii") as file:
                file.write(before)
        else:
            lq.equal(results("adopt", ":8081", before=AS_NOBODY), {8081: "taken"})
        lq.equal(row(8081)["stack"], "listenq")
        server.kill()


@lq.case()
def nobody_has_it():
    """It lies in a message that nobody has read."""
    listener = tcp(8080)
    one, other = socket.socketpair(socket.AF_UNIX)
    socket.send_fds(one, [b"x"], [listener.fileno()])
    listener.close()
    lq.equal(reasons("adopt", ":8080"), {8080: "no_process"})
    lq.equal(row(8080)["processes"], [])
    other.close()


@lq.case()
def another_namespace():
    """By pid, file and name; who is elsewhere is said to be so."""

    def elsewhere():
        lq.unshare_net()
        return tcp(8080)

    with process(elsewhere) as pid:
        here = tcp(8080)
        assert f'add "-N {pid}"' in refused("adopt", "--pid", str(pid))
        lq.equal(results("adopt", "-N", str(pid), "--pid", str(pid)), {8080: "taken"})
        lq.equal(lq.is_ours(here), False)
        lq.equal(results("release", "-N", f"/proc/{pid}/ns/net", ":8080"), {8080: "released"})
        lq.ip(f"netns attach there {pid}")
        lq.equal(results("adopt", "-N", "there", "--all"), {8080: "taken"})
        lq.equal(lq.is_ours(here), False)
        # Who uses the module, and which command lets go of it.
        err = refused_after("release", "--all", "-t", "1")
        assert f'"lqctl release --all -N {pid}"' in err, err
        lq.equal(results("release", "--all", "-N", str(pid)), {8080: "released"})
        lq.equal(lqctl("release", "--all", "-j")[0], 0)
        lq.ip("netns delete there")
    for where in ("nowhere", "/dev/null", "999999", "/nonexistent"):
        assert "namespace" in refused("adopt", "--all", "-N", where), where
    assert "run as root" in refused("adopt", "--all", "-N", "1", before=AS_NOBODY)


def refused_after(*words):
    """What lqctl says on stderr, after what it says on stdout."""
    code, out, err = lqctl(*words)
    lq.equal((code, err.count("\n")), (1, 1), out + err)
    return out + err


# --- list --all, explain ---


@lq.case()
def whoever_listens_later_in_a_cgroup():
    """--cgroup: by systemd's name or its directory, until it is released; what is none is refused."""
    lq.run("mount", "-t", "cgroup2", "c", "/sys/fs/cgroup", check=False)
    if not os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        raise lq.Skip("no cgroups of version 2")
    os.makedirs("/sys/fs/cgroup/lq-tool", exist_ok=True)
    try:
        def listens():
            return lq.is_ours(tcp(0))

        with open("/sys/fs/cgroup/lq-tool/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        lq.sysctl("net.listenq.adopt_cgroups", "77")
        for name in ("lq-tool", "/sys/fs/cgroup/lq-tool"):
            assert "would be" in lq.run("lqctl", "adopt", "--cgroup", name, "--dry-run")
            assert not listens()
            assert "from now on" in lq.run("lqctl", "adopt", "--cgroup", name)
            assert "already" in lq.run("lqctl", "adopt", "--cgroup", name)
            assert listens()
            assert "no more" in lq.run("lqctl", "release", "--cgroup", name)
            assert " not " in lq.run("lqctl", "release", "--cgroup", name)
            assert not listens()
            lq.equal(lq.sysctl("net.listenq.adopt_cgroups"), "77")
    finally:
        with open("/sys/fs/cgroup/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        os.rmdir("/sys/fs/cgroup/lq-tool")
    for name in ("nothing", "/proc", "/etc/passwd"):
        assert "cgroup" in refused("adopt", "--cgroup", name), name
    assert "--all" in refused("adopt", "--cgroup", "/sys/fs/cgroup", "--all")
    assert "first user namespace" in refused("adopt", "--cgroup", "/sys/fs/cgroup",
                                             before=AS_NOBODY)


@lq.case()
def what_is_not_ours_is_shown():
    """list --all has both; explain and others name the command that takes it over."""
    plain, ours = tcp(8080, backlog=5), lq.listener(port=8081, backlog=6)
    six = tcp(8082, addr="::1", v6=True)
    clients = queued(plain, 2)
    lines = lqctl("list", "-anH")[1].splitlines()
    lq.equal([line.split() for line in lines], [
        ["LISTEN", "2", "5", "-", "-", "5", "-", "tcp", "0.0.0.0:8080"],
        ["LISTEN", "0", "6", "0/16", "0", "6", "0", "linux", "0.0.0.0:8081"],
        ["LISTEN", "0", "8", "-", "-", "8", "-", "tcp", "[::1]:8082"]])
    lq.equal(len(lqctl("list", "-nH")[1].splitlines()), 1)
    one = row(8080)
    lq.equal((one["stack"], one["id"], one["policy"], one["accept_qlen"], one["accept_limit"]),
             ("tcp", None, None, 2, 6))
    lq.equal([p["fd"] for p in one["processes"] if p["pid"] == os.getpid()], [plain.fileno()])
    lq.equal(row(8081)["stack"], "listenq")
    lq.equal(valid("list", json.loads(lqctl("list", "-j")[1]))["listeners"][0]["stack"], "listenq")
    assert "8080" in lqctl("list", "-a", "name", "=", one["processes"][0]["name"], "-n")[1]
    assert lqctl("list", "-aL")[1] and lqctl("list", "-ae")[1]

    for words in ("show", "requests", "reset"):
        err = refused(*words.split(), ":8080")
        assert '"lqctl adopt :8080"' in err and "0.0.0.0:8080" in err, err
    out = lqctl("explain", "-n", ":8080")[1]
    assert "plain_tcp" in out and "0.0.0.0:8080" in out and "$ lqctl adopt :8080" in out, out
    assert "'sport < 8081'" in refused("explain", "sport < 8081")
    out = lqctl("explain", "-i", "0", "-n", "sport < 8082")[1]
    assert "0.0.0.0:8081 (" in out and "$ lqctl adopt :8080" in out, out
    assert "$ lqctl adopt --all" in lqctl("explain", "-i", "0")[1]
    found = valid("explain", json.loads(lqctl("explain", "-i", "0", "-j")[1]))
    lq.equal([one["port"] for one in found["plain"]], [8080, 8082])
    lqctl("adopt", ":8080")
    lq.equal([one["stack"] for one in json.loads(lqctl("list", "-aj")[1])["listeners"]],
             ["listenq", "listenq", "tcp"])
    lq.equal(len(lq.accept_all(plain)), 2)
    del clients, six, ours


# --- release ---


@lq.case()
def release_waits_for_the_queue():
    """Until the program has taken what waits; new connections are TCP's, and nothing is lost."""
    listener = tcp(8080)
    lqctl("adopt", ":8080")
    clients = queued(listener, 3)
    with subprocess.Popen(["lqctl", "release", ":8080", "-j"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as release:
        lq.wait_for(lambda: releasing(listener) == 1)
        # It says what it waits for.
        lq.equal(release.stderr.readline(), "lqctl: waiting for 1 listener: 3 queued\n")
        lq.equal(release.poll(), None)
        lq.equal(outcomes("release", ":8080", "-w")[8080]["accept_qlen"], 3)
        clients.append(lq.connect_to(listener))
        taken = []
        lq.wait_for(lambda: taken.extend(lq.accept_all(listener)) or len(taken) == 4)
        out = release.communicate(timeout=20 * lq.SCALE)[0]
        lq.equal(release.returncode, 0)
    lq.equal(valid("release", json.loads(out))["listeners"][0]["result"], "released")
    lq.equal(lq.is_ours(listener), False)
    lq.expect_serves(listener)


@lq.case()
def release_is_not_waited_for():
    """A timeout, Ctrl-C, --no-wait: it goes on, and adopt takes it back."""
    listener = tcp(8080)
    lqctl("adopt", ":8080")
    clients = queued(listener)
    code, out, err = lqctl("release", ":8080", "-t", "300ms", "-n")
    lq.equal(code, 1)
    assert out.splitlines()[1].startswith("draining"), out
    assert "not done within 300ms" in err and "1 queued" in err and "goes on" in err, err
    lq.equal(releasing(listener), 1)
    lq.equal(results("adopt", "-d", ":8080"), {8080: "would_take"})
    lq.equal((results("adopt", ":8080"), releasing(listener)), ({8080: "taken"}, 0))
    clients += queued_more(listener)
    with subprocess.Popen(["lqctl", "release", ":8080"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as release:
        release.stderr.readline()
        release.send_signal(signal.SIGINT)
        _, err = release.communicate(timeout=20 * lq.SCALE)
        lq.equal(release.returncode, 1)
    assert "interrupted" in err and "goes on by itself" in err, err
    lq.equal(results("release", ":8080", "--no-wait"), {8080: "draining"})
    lq.equal(len(lq.accept_all(listener)), 2)
    lq.wait_for(lambda: not lq.is_ours(listener))
    lq.equal(results("release", ":8080"), {8080: "already"})


def queued_more(listener):
    """One more."""
    client = lq.connect_to(listener)
    lq.wait_for(lambda: lq.Info(listener).accept_qlen == 2)
    return [client]


@lq.case()
def taken_back_while_it_is_waited_for():
    """Whoever waits is told."""
    listener = tcp(8080)
    lqctl("adopt", ":8080")
    clients = queued(listener)
    with subprocess.Popen(["lqctl", "release", ":8080", "-j"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as release:
        # It waits.
        assert "1 queued" in release.stderr.readline()
        lq.equal(results("adopt", ":8080"), {8080: "taken"})
        out = release.communicate(timeout=20 * lq.SCALE)[0]
        lq.equal(release.returncode, 1)
    lq.equal(json.loads(out)["listeners"][0]["reason"], "taken_back")
    del clients


@lq.case()
def the_program_ends_meanwhile():
    """Its socket is closed, and is not kept open by who waits."""

    def server():
        listener = tcp(8080)
        lqctl("adopt", ":8080")
        return listener, queued(listener)

    with process(server) as pid:
        with subprocess.Popen(["lqctl", "release", ":8080", "-j"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as release:
            assert "1 queued" in release.stderr.readline()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            out = release.communicate(timeout=20 * lq.SCALE)[0]
            lq.equal(release.returncode, 0)
    lq.equal(json.loads(out)["listeners"][0]["result"], "released")
    tcp(8080)


@lq.case(timeout=240)
def until_the_kernel_lets_go():
    """The module is used until every task has paused, which may take longer than the 5 s after which sockets are
    said to be in the way: release --all waits for it, and says so."""
    listener = tcp(8080)
    lqctl("adopt", "--all")
    # Nearly always inside of one read(), which never waits.
    with subprocess.Popen(["dd", "if=/dev/urandom", "of=/dev/null", "bs=64M"],
                          stderr=subprocess.DEVNULL) as busy:
        try:
            with subprocess.Popen(["lqctl", "release", "--all"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as release:
                lq.wait_for(lambda: not lq.is_ours(listener), 60, "it is not TCP's")
                lq.never(lambda: release.poll() is not None, 7, "it did not wait")
                busy.kill()
                _, err = release.communicate(timeout=60 * lq.SCALE)
        finally:
            busy.kill()
    lq.equal(release.returncode, 0, err)
    assert "the kernel has yet to let go of the module" in err, err
    lq.equal(lq.module_users(), 0)


@lq.case(timeout=120)
def until_rmmod():
    """release --all && rmmod; what is in the way is named, with the command that helps."""
    listener, idle = tcp(8080), lq.stream("lq")
    lqctl("adopt", "--all")
    err = refused_after("release", "--all", "-t", "1")
    command = f"lqctl release --pid {os.getpid()} --fd {idle.fileno()}"
    assert "still used 1 time:" in err and f'"{command}"' in err, err
    lq.run(*command.split())
    lq.equal(lqctl("release", "--all", "-j")[0], 0)
    lq.equal(lq.module_users(), 0)
    with lq.unloaded():
        lq.expect_serves(listener)
        for words in ("adopt :8080", "release --all", "list --all"):
            assert "is not loaded" in refused(*words.split(), status=2), words
    lq.equal(results("adopt", "--all"), {8080: "taken"})
    lq.expect_serves(listener)


lq.main()
