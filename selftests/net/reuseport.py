# SPDX-License-Identifier: GPL-2.0
"""Groups of listeners: SO_REUSEPORT."""
import ctypes
import socket
import struct

import lq

REUSEPORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
SO_ATTACH_REUSEPORT_CBPF = 51
SO_DETACH_REUSEPORT_BPF = 68


def member(port=0, v6=False, backlog=64):
    """One of a group."""
    return lq.listener(backlog=backlog, port=port, v6=v6, options=[REUSEPORT])


def choose(sock, index):
    """The group's program: always this member."""
    # struct sock_filter: BPF_RET | BPF_K
    program = struct.pack("=HBBI", 0x06, 0, 0, index)
    buffer = ctypes.create_string_buffer(program)
    prog = struct.pack("@HP", 1, ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, prog)


def choose_by_hash(sock):
    """The group has no program any more."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)
