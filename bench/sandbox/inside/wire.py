"""Framed messages over a Unix socket: a four-byte length, then the codec's bytes."""

from __future__ import annotations

import array
import os
import socket
import struct
from typing import Any

from .codec import MAX_BYTES, CodecError, decode, encode

_LENGTH = struct.Struct("<I")


class Gone(Exception):
    """The other side closed its end or broke the framing."""


class Wire:
    """One end of a connection, by its descriptor."""

    def __init__(self, fd: int):
        self.fd = fd
        self._buffer = bytearray()

    def send(self, value: Any) -> None:
        """Send a plain value. Raises `CodecError` if it is not plain, `Gone` if nobody listens."""
        self.send_bytes(encode(value))

    def send_bytes(self, message: bytes) -> None:
        """Send a message that is already encoded."""
        data = memoryview(_LENGTH.pack(len(message)) + message)
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError as error:
            raise Gone(str(error)) from None

    def receive(self) -> Any:
        """The next value. Raises `Gone`, or `CodecError` for bytes that are no message."""
        return decode(self.receive_bytes())

    def receive_bytes(self) -> bytes:
        """The next message, still encoded."""
        self._fill(4)
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAX_BYTES:
            raise CodecError(f"a message of {length} bytes is too large")
        self._fill(4 + length)
        message = bytes(self._buffer[4 : 4 + length])
        del self._buffer[: 4 + length]
        return message

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            try:
                data = os.read(self.fd, 1 << 18)
            except OSError as error:
                raise Gone(str(error)) from None
            if not data:
                raise Gone("closed")
            self._buffer += data

    def close(self) -> None:
        """Close this end."""
        os.close(self.fd)


def send_with_fds(sock: socket.socket, value: Any, fds: list[int]) -> None:
    """Send one short value as one datagram, with open descriptors. For SOCK_SEQPACKET sockets."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([encode(value)], ancillary)


def receive_with_fds(sock: socket.socket) -> tuple[Any, list[int]]:
    """The counterpart of `send_with_fds`. Raises `Gone` when the other side has closed."""
    message, ancillary, _, _ = sock.recvmsg(1 << 16, socket.CMSG_SPACE(4 * 8))
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    for fd in fds:
        os.set_inheritable(fd, False)
    if not message:
        raise Gone("closed")
    return decode(message), list(fds)
