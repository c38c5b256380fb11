#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# timeout=400
"""What does not come from the socket() of lqrun's library: it is listenq's all the same, where the
module takes sockets over (TCP_ULP), or one line says that it is not, and --strict fails.

    lqrun --- a server whose socket came by another way
"""
import contextlib
import errno
import os
import select
import shutil
import socket
import struct
import subprocess
import sys

import lq

TCP_ULP, TCP_SAVE_SYN = 31, 27
SERVER = """
import array, ctypes, os, socket, struct, sys
way, port = sys.argv[1], int(sys.argv[2])
if way == "inherited":
    s = socket.socket(fileno=3)
elif way == "raw" or way == "saves":
    s = socket.socket(fileno=ctypes.CDLL(None).syscall(41, socket.AF_INET, socket.SOCK_STREAM, 0))
elif way == "rights":
    with socket.socket(fileno=3) as unix:
        data, rights, *_ = unix.recvmsg(1, 100)
    s = socket.socket(fileno=struct.unpack("i", rights[0][2])[0])
elif way == "libc":
    s = socket.socket()
if way == "saves":
    s.setsockopt(socket.IPPROTO_TCP, 27, 1)
if not s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    try:
        s.listen(50)
    except OSError as error:
        print("failed", error.errno)
        sys.exit()
print("listening", flush=True)
s.accept()[0].sendall(b"served")
sys.stdin.read()
"""
PORT = 7400
WAYS = ("raw", "rights", "io_uring")


def knows_ulp():
    """Whether this module takes sockets over."""
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"listenq")
        except FileNotFoundError:
            return False
    return True


def command(way):
    """The server."""
    if way == "io_uring":
        return [os.path.join(lq.TESTS, "uring_listen"), str(PORT)]
    return [sys.executable, "-c", SERVER, way, str(PORT)]


def as_fd_3(file, words):
    """A shell that hands this on as fd 3, as systemd does."""
    number = file.fileno()
    moved = "" if number == 3 else f"exec 3<&{number} {number}<&-; "
    return ["sh", "-c", moved + 'LISTEN_PID=$$ exec "$@"', "sh", *words]


@contextlib.contextmanager
def server(words, files=(), **settings):
    """What it says first, and its process."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, **settings},
                               pass_fds=[file.fileno() for file in files])
    try:
        ready = select.select([process.stdout], [], [], 30 * lq.SCALE)[0]
        assert ready, "the server says nothing"
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def lines_of(process):
    """What was said on stderr by lqrun, once the server is at its end."""
    _, errors = process.communicate("")
    assert process.returncode == 0, (process.returncode, errors)
    return [line for line in errors.splitlines() if line.startswith("lqrun")]


def expect_served():
    """A client of the port is answered."""
    with socket.create_connection(("127.0.0.1", PORT), 10 * lq.SCALE) as client:
        lq.equal(lq.read_all(client, 6), b"served")


def expect_plain(lines, why):
    """One line has it all."""
    (line,) = lines
    for part in (f"127.0.0.1:{PORT}, is plain TCP's: ", why, f'"lqctl adopt :{PORT}"'):
        assert part in line, line


@contextlib.contextmanager
def started(way, *options, **settings):
    """Under lqrun."""
    words = ["lqrun", *options, *command(way)]
    if way != "rights":
        with server(words, **settings) as one:
            yield one
        return
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket() as given:
        ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                               struct.pack("i", given.fileno()))])
        with server(as_fd_3(theirs, words), [theirs], **settings) as one:
            yield one


@lq.case(*WAYS)
def is_taken_over_or_told(way):
    """Whatever makes the socket, listen() is libc's."""
    knows = knows_ulp()
    with started(way, "-b", "3") as (process, said):
        lq.equal(said, "listening", way)
        rows = lq.lqctl_listeners()
        lq.equal([(row["port"], row["backlog"]) for row in rows], [(PORT, 3)] if knows else [])
        expect_served()
        lines = lines_of(process)
        if knows:
            lq.equal(lines, [])
        else:
            expect_plain(lines, "takes no sockets over")


@lq.case(*WAYS)
def is_taken_over_or_fails_if_strict(way):
    """No plain TCP."""
    knows = knows_ulp()
    with started(way, "--strict", "-a", "dataready") as (process, said):
        if not knows:
            lq.equal(said, f"failed {errno.EOPNOTSUPP}")
            expect_plain(lines_of(process), "because of --strict")
            return
        lq.equal(said, "listening")
        lq.equal([row["accept_filter"] for row in lq.lqctl_listeners()], ["dataready"])


@lq.case()
def what_cannot_be_taken_over_is_told():
    """It saves SYNs, which listenq does not."""
    why = "TCP_SAVE_SYN" if knows_ulp() else "takes no sockets over"
    with started("saves") as (process, said):
        lq.equal(said, "listening")
        lq.equal(lq.lqctl_listeners(), [])
        expect_served()
        expect_plain(lines_of(process), why)
    with started("saves", "--strict") as (process, said):
        lq.equal(said, f"failed {errno.EOPNOTSUPP}")
        expect_plain(lines_of(process), "because of --strict")


@lq.case()
def a_listener_of_systemd_s():
    """It listens before lqrun starts, and nobody calls listen() again."""
    knows = knows_ulp()
    for options in ((), ("--strict",)):
        with socket.create_server(("127.0.0.1", PORT)) as given:
            words = as_fd_3(given, ["lqrun", *options, "-b", "3", *command("inherited")])
            with server(words, [given], LISTEN_FDS="1") as (process, said):
                if not knows and options:
                    lq.equal(said, "")
                    lq.equal(process.wait(), 1)
                    assert "--strict" in process.stderr.read()
                    continue
                lq.equal(said, "listening")
                rows = lq.lqctl_listeners()
                lq.equal([row["backlog"] for row in rows], [3] if knows else [])
                expect_served()
                lines = lines_of(process)
                if knows:
                    lq.equal(lines, [])
                else:
                    expect_plain(lines, "takes no sockets over")


@lq.case()
def systemd_socket_activate():
    """The same by systemd's own program."""
    if not shutil.which("systemd-socket-activate"):
        raise lq.Skip("no systemd-socket-activate")
    words = ["systemd-socket-activate", "-l", f"127.0.0.1:{PORT}", "-E", "PATH", "lqrun", "-b",
             "3", *command("inherited")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        lq.wait_for(lambda: lq.ss_queues(PORT), 30)
        expect_served()
        lq.equal([row["port"] for row in lq.lqctl_listeners()], [PORT] if knows_ulp() else [])
        said = [line for line in lines_of(process) if "plain TCP's" in line]
        lq.equal(len(said), 0 if knows_ulp() else 1)
    finally:
        process.kill()
        process.communicate()


def refuse_family(number):
    """A seccomp filter as systemd's RestrictAddressFamilies= makes it: socket(AF_LISTENQ) fails."""
    program = b"".join(struct.pack("=HBBI", *step) for step in (
        (0x20, 0, 0, 0),                    # the number of the call
        (0x15, 0, 3, 41),                   # socket()
        (0x20, 0, 0, 16),                   # its first argument
        (0x15, 0, 1, lq.AF_LISTENQ),
        (0x06, 0, 0, 0x50000 | number),     # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7FFF0000)))          # SECCOMP_RET_ALLOW
    buffer = lq.ctypes.create_string_buffer(program)
    filters = struct.pack("HL", len(program) // 8, lq.ctypes.addressof(buffer))
    lq.equal(lq.libc.prctl(38, 1, 0, 0, 0), 0)  # PR_SET_NO_NEW_PRIVS
    lq.equal(lq.libc.prctl(22, 2, filters), 0)  # PR_SET_SECCOMP


@lq.case(errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES)
def a_forbidden_family(number):
    """The server starts, on listenq where it can be; what forbids is named, and not the module."""
    knows = knows_ulp()
    refuse_family(number)
    with started("libc") as (process, said):
        lq.equal(said, "listening")
        lq.equal(len(lq.lqctl_listeners()), 1 if knows else 0)
        expect_served()
        lines = lines_of(process)
    assert "RestrictAddressFamilies= must name AF_ASH" in lines[0], lines
    assert "not loaded" not in lines[0] and "loaded?" not in lines[0], lines
    lq.equal(len(lines), 2 if knows else 1)
    lq.equal("AppArmor" in lines[0], number != errno.EAFNOSUPPORT)
    done = subprocess.run(["lqrun", "-s", sys.executable, "-c", "import socket; socket.socket()"],
                          capture_output=True, text=True, check=False)
    assert "because of --strict" in done.stderr, done.stderr
    lq.equal(done.returncode, 1)


@lq.case(timeout=120)
def no_module():
    """Then, and only then, it says so; once."""
    lq.wait_for(lambda: lq.module_users() == 0, 60, "somebody uses the module")
    with lq.unloaded():
        for way in ("libc", "raw"):
            with started(way) as (process, said):
                lq.equal(said, "listening")
                expect_served()
                (line,) = lines_of(process)
                assert "the listenq module is not loaded" in line, line


@lq.case()
def launchers():
    """What they clear is told, and refused with --strict."""
    done = subprocess.run(["lqrun", "env", "-i", "/bin/sh", "-c", "echo \"($LD_PRELOAD)\""],
                          capture_output=True, text=True, check=True)
    lq.equal(done.stdout, "()\n")
    assert "env clears the environment" in done.stderr, done.stderr
    for words in (["env", "-i", "true"], ["service", "ssh", "start"], ["systemctl", "start", "x"]):
        if shutil.which(words[0]):
            done = subprocess.run(["lqrun", "-s", *words], capture_output=True, text=True,
                                  check=False)
            lq.equal((done.returncode, done.stderr.count("\n")), (1, 1), words)


@lq.case()
def programs_of_go():
    """Any of them: the compiler's own command."""
    if not shutil.which("go"):
        raise lq.Skip("no go")
    done = subprocess.run(["lqrun", "go", "version"], capture_output=True, text=True, check=False)
    lq.equal((done.returncode, done.stdout), (1, ""))
    assert "written in Go" in done.stderr and "lqctl adopt :PORT" in done.stderr, done.stderr


lq.main()
