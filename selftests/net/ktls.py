# SPDX-License-Identifier: GPL-2.0
"""kTLS between two connected sockets of one program: keys are agreed by being the same."""
import errno
import struct
import socket

import lq

TLS_TX, TLS_RX, SOL_TLS = 1, 2, 282


def crypto_info(salt=b"s"):
    """struct tls12_crypto_info_aes_gcm_128"""
    return struct.pack("HH", 0x0303, 51) + b"\0" * 8 + b"k" * 16 + salt * 4 + b"q" * 8


def talk(one, other):
    """Data by kTLS from one connected socket to the other."""
    for sock, direction in ((one, TLS_TX), (other, TLS_RX)):
        sock.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, b"tls")
        sock.setsockopt(SOL_TLS, direction, crypto_info())
    one.sendall(b"secret")
    lq.equal(lq.read_all(other, 6), b"secret")


def load():
    """Load kTLS, or skip."""
    lq.run("modprobe", "tls", check=False)
    with lq.stream("tcp") as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, lq.TCP_ULP, b"tls")
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise lq.Skip("no kTLS") from error
