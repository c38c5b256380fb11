# SPDX-License-Identifier: GPL-2.0
"""Memory that never comes: a page that userfaultfd(2) owns and nobody fills. A system call that copies
from it waits, with whatever it holds, until the process is killed."""
import ctypes
import fcntl
import mmap
import struct

import lq

SYS_USERFAULTFD = 323  # x86-64
UFFDIO_API, UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00


def page():
    """The address of such a page; it lives as long as the process."""
    fd = lq.libc.syscall(SYS_USERFAULTFD, 0o2000000)
    if fd < 0:
        raise lq.Skip(f"no userfaultfd: errno {ctypes.get_errno()}")
    fcntl.ioctl(fd, UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(fd, UFFDIO_REGISTER, struct.pack("QQQQ", address, mmap.PAGESIZE, 1, 0))
    page.keep = getattr(page, "keep", []) + [memory]
    return address
