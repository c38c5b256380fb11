# SPDX-License-Identifier: GPL-2.0
"""bpf(2) for tests: sockmaps, and programs of a few instructions."""
import ctypes
import os
import struct

import lq

(MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, _, PROG_LOAD, _, _,
 PROG_ATTACH, PROG_DETACH) = range(10)
OBJ_PIN = 6
LINK_CREATE = 28
MAP_TYPE_SOCKMAP = 15
PROG_TYPE_SCHED_CLS, PROG_TYPE_SK_SKB, PROG_TYPE_SK_LOOKUP = 3, 14, 30
SK_SKB_STREAM_VERDICT, SK_LOOKUP = 5, 36
FUNC_MAP_LOOKUP_ELEM, FUNC_SK_REDIRECT_MAP, FUNC_SK_RELEASE, FUNC_SK_ASSIGN = 1, 52, 86, 124
SK_PASS, TC_ACT_OK = 1, 0


def bpf(command, attributes):
    """The system call; its result."""
    attributes = ctypes.create_string_buffer(attributes)
    result = lq.libc.syscall(lq.CALLS["bpf"], command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return result


class Sockmap:
    """BPF_MAP_TYPE_SOCKMAP: sockmap[0] = sock, del sockmap[0], 0 in sockmap."""

    def __init__(self, size=2):
        # Values of 8 bytes can be looked up: they are cookies then.
        self.fd = bpf(MAP_CREATE, struct.pack("=5I", MAP_TYPE_SOCKMAP, 4, 8, size, 0))

    def _element(self, command, key, value=None):
        key = ctypes.c_uint32(key)
        bpf(command, struct.pack("=IxxxxQQQ", self.fd, ctypes.addressof(key),
                                 0 if value is None else ctypes.addressof(value), 0))

    def __setitem__(self, key, sock):
        self._element(MAP_UPDATE_ELEM, key, ctypes.c_uint64(sock.fileno()))

    def __delitem__(self, key):
        self._element(MAP_DELETE_ELEM, key)

    def __contains__(self, key):
        try:
            self._element(MAP_LOOKUP_ELEM, key, ctypes.c_uint64())
        except FileNotFoundError:
            return False
        return True

    def attach(self, program, kind):
        """A program for what is put into it from now on."""
        bpf(PROG_ATTACH, struct.pack("=4I", self.fd, program, kind, 0))

    def detach(self, program, kind):
        """Map and program hold one another, if the program uses the map."""
        bpf(PROG_DETACH, struct.pack("=4I", self.fd, program, kind, 0))

    def close(self):
        """Whatever is in it is let go, soon."""
        os.close(self.fd)


def insn(code, dst=0, src=0, off=0, imm=0):
    """One instruction."""
    return struct.pack("=BBhi", code, dst | src << 4, off, imm)


def mov(dst, src):
    """A register to a register."""
    return insn(0xBF, dst, src)


def mov_imm(dst, value):
    """A number to a register."""
    return insn(0xB7, dst, imm=value)


def map_fd(dst, sockmap):
    """A map's address to a register."""
    return insn(0x18, dst, 1, imm=sockmap.fd) + insn(0)


def call(function):
    """A helper."""
    return insn(0x85, imm=function)


EXIT = insn(0x95)


def load(program_type, attach_type, *instructions):
    """BPF_PROG_LOAD; its descriptor."""
    code = ctypes.create_string_buffer(b"".join(instructions))
    license_text = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(8192)
    try:
        return bpf(PROG_LOAD, struct.pack(
            "=IIQQIIQII16sII", program_type, (len(code) - 1) // 8, ctypes.addressof(code),
            ctypes.addressof(license_text), 1, len(log), ctypes.addressof(log), 0, 0, b"", 0,
            attach_type))
    except OSError as error:
        raise AssertionError(f"{error}: {log.value.decode()}") from error


def echo(sockmap):
    """For a sockmap: what is received goes back, by the connection at its key 0. To be detached."""
    return load(PROG_TYPE_SK_SKB, 0, map_fd(2, sockmap), mov_imm(3, 0), mov_imm(4, 0),
                call(FUNC_SK_REDIRECT_MAP), EXIT)


def pin(program, path):
    """BPF_OBJ_PIN, in a file system of bpf's."""
    name = ctypes.create_string_buffer(path.encode())
    bpf(OBJ_PIN, struct.pack("=QII", ctypes.addressof(name), program, 0))


def _assign(sockmap, result):
    """What is at the context goes to the socket at key 0, if there is one; then the program returns."""
    found = (mov(7, 0), mov(1, 6), mov(2, 7), mov_imm(3, 0), call(FUNC_SK_ASSIGN),
             mov(1, 7), call(FUNC_SK_RELEASE))
    return (mov(6, 1),
            insn(0x62, 10, off=-4, imm=0),  # *(u32 *)(r10 - 4) = 0
            mov(2, 10), insn(0x07, 2, imm=-4), map_fd(1, sockmap), call(FUNC_MAP_LOOKUP_ELEM),
            insn(0x15, 0, off=len(found)),  # if r0 == 0
            *found, mov_imm(0, result), EXIT)


def assign(sockmap):
    """For tc: whatever comes in by a device is for the socket at key 0; its descriptor."""
    return load(PROG_TYPE_SCHED_CLS, 0, *_assign(sockmap, TC_ACT_OK))


def steer(sockmap):
    """Whatever comes in to this namespace is for the socket at key 0; a link, while it is open."""
    program = load(PROG_TYPE_SK_LOOKUP, SK_LOOKUP, *_assign(sockmap, SK_PASS))
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
    link = bpf(LINK_CREATE, struct.pack("=4I", program, namespace, SK_LOOKUP, 0))
    os.close(namespace)
    os.close(program)
    return link
