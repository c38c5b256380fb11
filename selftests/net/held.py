# SPDX-License-Identifier: GPL-2.0
"""Memory that never comes: a page that userfaultfd(2) owns and nobody fills. A system call that copies
from it waits, with whatever it holds, until the process is killed."""
import ctypes
import fcntl
import mmap
import socket
import struct
import threading

import lq

UFFDIO_API, UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00
UFFDIO_COPY = 0xC028AA03
SO_ATTACH_FILTER = 26


class Page:
    """One that comes when it is given: fill()."""

    def __init__(self):
        self.fd = lq.libc.syscall(lq.CALLS["userfaultfd"], 0o2000000)
        if self.fd < 0:
            raise lq.Skip(f"no userfaultfd: errno {ctypes.get_errno()}")
        fcntl.ioctl(self.fd, UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
        self.memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        fcntl.ioctl(self.fd, UFFDIO_REGISTER,
                    struct.pack("QQQQ", self.address, mmap.PAGESIZE, 1, 0))

    def fill(self, data=b""):
        """With these bytes, and zeros; whoever waits for it goes on."""
        source = ctypes.create_string_buffer(data, 2 * mmap.PAGESIZE)
        fcntl.ioctl(self.fd, UFFDIO_COPY,
                    struct.pack("QQQQq", self.address, ctypes.addressof(source), mmap.PAGESIZE, 0, 0))


def page():
    """The address of such a page; it lives as long as the process."""
    fd = lq.libc.syscall(lq.CALLS["userfaultfd"], 0o2000000)
    if fd < 0:
        raise lq.Skip(f"no userfaultfd: errno {ctypes.get_errno()}")
    fcntl.ioctl(fd, UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(fd, UFFDIO_REGISTER, struct.pack("QQQQ", address, mmap.PAGESIZE, 1, 0))
    page.keep = getattr(page, "keep", []) + [memory]
    return address


class Call:
    """A system call on the socket, in a thread of its own, which comes to wait in it."""

    def __init__(self, name, sock, *args):
        self.result = self.tid = None
        self.number = lq.CALLS[name]
        self.thread = threading.Thread(target=self.run, args=(sock.fileno(), *args))
        self.thread.start()
        lq.wait_for(self.waits, what=f"{name} does not wait")

    def run(self, *args):
        """In the thread; by number, so that nothing of Python's is in between."""
        self.tid = threading.get_native_id()
        self.result = lq.libc.syscall(self.number, *args)

    def waits(self):
        """It sleeps in the call."""
        if not self.tid:
            return False
        with open(f"/proc/self/task/{self.tid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] == str(self.number)

    def end(self):
        """It has returned."""
        self.thread.join(20 * lq.SCALE)
        assert not self.thread.is_alive(), "a system call does not return"
        return self.result


def keep_lock(sock, page):
    """SOL_SOCKET copies the program under the socket's lock: until the page comes."""
    program = struct.pack("HxxxxxxP", 8, page.address)
    return Call("setsockopt", sock, socket.SOL_SOCKET, SO_ATTACH_FILTER, program, len(program))
