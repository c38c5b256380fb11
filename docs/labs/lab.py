#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Servers and clients of the labs, which stay until they are stopped.

    lab.py serve [-6] [-t] [-a SECONDS] [-p POLICY] PORT BACKLOG
        listens and never accepts; with -a one connection in so many seconds, to which it says hello;
        -t: by plain TCP; -p: with this policy
    lab.py knock [-6] [-H HOST] PORT COUNT
        so many clients, until none of them gets further for a second; what became of them
    lab.py ask [-6] PORT COUNT
        so many clients at once, and after how many milliseconds each was answered
    lab.py flood ADDRESS PORT COUNT
        so many SYNs in the name of 10.9.1.1 and following
    lab.py stop [serve | knock]
        all of them, or these
"""
import argparse
import glob
import os
import select
import signal
import socket
import struct
import sys
import time

AF_LISTENQ, SOL_LISTENQ, LQ_POLICY = 18, 0x4C51, 2


def stay(name, held):
    """Go on in a process of our own, until "stop"; the command is over. @held: sockets."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        with open(f"{name}.{pid}.pid", "w", encoding="ascii") as file:
            file.write(str(pid))
        os._exit(0)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)

    def end(*_):
        for sock in held:
            sock.close()
        os.unlink(f"{name}.{os.getpid()}.pid")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)


def stop(args):
    """Returns when they have closed what they had."""
    for path in glob.glob(f"{args.which}.*.pid"):
        with open(path, encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
        while os.path.exists(path):
            time.sleep(0.02)


def stream(v6, listenq=False):
    """A TCP socket, or one of listenq's."""
    family = socket.AF_INET6 if v6 else socket.AF_INET
    if not listenq:
        return socket.socket(family, socket.SOCK_STREAM)
    made = socket.socket(AF_LISTENQ, socket.SOCK_STREAM, int(v6))
    # Its addresses are those of AF_INET and AF_INET6.
    return socket.socket(family, socket.SOCK_STREAM, 0, fileno=made.detach())


def serve(args):
    """A listener."""
    sock = stream(args.v6, not args.tcp)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if args.policy:
        sock.setsockopt(SOL_LISTENQ, LQ_POLICY, args.policy.encode())
    sock.bind(("::" if args.v6 else "0.0.0.0", args.port))
    sock.listen(args.backlog)
    held = [sock]
    stay("serve", held)
    while True:
        if args.accept is None:
            signal.pause()
        connection = sock.accept()[0]
        connection.send(b"hello\n")
        held.append(connection)
        time.sleep(args.accept)


def begin(args, host):
    """connect(), which goes on."""
    client = stream(args.v6)
    client.setblocking(False)
    client.connect_ex((host, args.port))
    return client


def states(clients):
    """How many are connected, still under way, or have failed."""
    found = [0, 0, 0]
    for client in clients:
        state = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        found[{1: 0, 2: 1}.get(state, 2)] += 1  # TCP_ESTABLISHED, TCP_SYN_SENT
    return found


def knock(args):
    """Clients that say nothing."""
    host = args.host or ("::1" if args.v6 else "127.0.0.1")
    clients = [begin(args, host) for _ in range(args.count)]
    before, since = None, time.monotonic()
    while time.monotonic() - since < 1:
        now = states(clients)
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.02)
    print("{} connected, {} waiting, {} refused".format(*before))
    stay("knock", clients)
    signal.pause()


def ask(args):
    """Clients that wait for hello."""
    start = time.monotonic()
    clients = [begin(args, "::1" if args.v6 else "127.0.0.1") for _ in range(args.count)]
    waiting, number = set(clients), 0
    while waiting:
        for client in select.select(waiting, [], [])[0]:
            number += 1
            waiting.remove(client)
            try:
                said = client.recv(100).decode().strip() or "closed"
            except OSError as error:
                said = os.strerror(error.errno)
            print(f"{number}: {said} after {int((time.monotonic() - start) * 1000)} ms")


def checksum(data):
    """The Internet's."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def flood(args):
    """SYNs with MSS 1460, from port 1024 each."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    to = socket.inet_aton(args.address)
    for number in range(args.count):
        source = socket.inet_aton(f"10.9.{1 + number // 250}.{1 + number % 250}")
        tcp = [1024, args.port, number, 0, 6 << 12 | 2, 65535, 0, 0, 2, 4, 1460]
        pseudo = source + to + struct.pack("!HH", socket.IPPROTO_TCP, 24)
        tcp[6] = checksum(pseudo + struct.pack("!HHIIHHHHBBH", *tcp))
        head = struct.pack("!BBHHHBBH", 0x45, 0, 44, 0, 0, 64, socket.IPPROTO_TCP, 0)
        raw.sendto(head + source + to + struct.pack("!HHIIHHHHBBH", *tcp), (args.address, 0))


def main():
    """One of the commands."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function in (serve, knock, ask, flood, stop):
        command = commands.add_parser(function.__name__)
        command.set_defaults(run=function)
        if function is stop:
            command.add_argument("which", nargs="?", default="*")
            continue
        if function is flood:
            command.add_argument("address")
        else:
            command.add_argument("-6", dest="v6", action="store_true")
        if function is knock:
            command.add_argument("-H", dest="host")
        command.add_argument("port", type=int)
        if function is serve:
            command.add_argument("-t", dest="tcp", action="store_true")
            command.add_argument("-a", dest="accept", type=float)
            command.add_argument("-p", dest="policy")
        command.add_argument("backlog" if function is serve else "count", type=int)
    args = parser.parse_args()
    args.run(args)


main()
