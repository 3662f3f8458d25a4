"""One frame: a length of four bytes, big-endian, then that many bytes of JSON; descriptors ride on its first byte."""

import array
import asyncio
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

MOST_FROM_WORKER = 4 << 20
MOST_FROM_SUPERVISOR = 256 << 20
MOST_DESCRIPTORS = 200
"""Most descriptors on a frame; the kernel takes 253 (SCM_MAX_FD)."""

LENGTH = struct.Struct(">I")
ANCILLARY = socket.CMSG_SPACE(253 * 4)


class Gone(Exception):
    """The peer closed, or does not keep the rules of frames."""


def encode(message: dict[str, Any]) -> bytes:
    """Write a frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


def peer_uid(sock: socket.socket) -> int:
    """Say who is on the other side, by the kernel's word."""
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


class Frames:
    """A stream of frames over a Unix socket, both ways. What comes in is bounded, and must be objects."""

    def __init__(self, sock: socket.socket, most: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.most = most
        self.descriptors: deque[int] = deque()
        self._buffer = bytearray()
        self._writing = asyncio.Lock()

    async def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Write one frame, whole."""
        loop = asyncio.get_running_loop()
        data = encode(message)
        async with self._writing:
            try:
                if descriptors:
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
                    while True:
                        try:
                            sent = self.sock.sendmsg([data], rights)
                            break
                        except BlockingIOError:
                            await _ready(self.sock, loop.add_writer, loop.remove_writer)
                    data = data[sent:]
                await loop.sock_sendall(self.sock, data)
            except OSError as error:
                raise Gone(str(error)) from None

    async def receive(self) -> dict[str, Any]:
        """Read the next frame. Its descriptors, if it has any, are the next in `descriptors`."""
        while True:
            message = self._take()
            if message is not None:
                return message
            await self._more()

    def _take(self) -> dict[str, Any] | None:
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        if not 0 < length <= self.most:
            raise Gone(f"a frame of {length} bytes: it must have 1 to {self.most}")
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[LENGTH.size : end])
        del self._buffer[:end]
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Gone(f"a frame that is not JSON: {error}") from None
        if not isinstance(message, dict):
            raise Gone("a frame that is no object")
        return message

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                data, ancillary, flags, _ = self.sock.recvmsg(1 << 18, ANCILLARY, socket.MSG_CMSG_CLOEXEC)
                break
            except BlockingIOError:
                await _ready(self.sock, loop.add_reader, loop.remove_reader)
            except OSError as error:
                raise Gone(str(error)) from None
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                came = array.array("i")
                came.frombytes(content[: len(content) - len(content) % came.itemsize])
                self.descriptors.extend(came)
        if flags & socket.MSG_CTRUNC:
            raise Gone("descriptors were lost on the way: are there too many open files?")
        if not data:
            raise Gone("it closed the connection")
        self._buffer += data

    def close(self) -> None:
        """Close it, and what descriptors nobody took."""
        while self.descriptors:
            os.close(self.descriptors.popleft())
        self.sock.close()


async def _ready(sock: socket.socket, add: Any, remove: Any) -> None:
    ready = asyncio.Event()
    add(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        remove(sock.fileno())
