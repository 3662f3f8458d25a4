"""Clients and servers of HTTP/2 whose every frame the test decides. They read frames, and no header blocks."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11


@dataclass(frozen=True)
class Frame:
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def error(self) -> int:
        """The error code of a RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return int(struct.unpack_from(">I", self.payload, at)[0])


def frame(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    """Write a frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """Write a field that no table has (RFC 7541, section 6.2.2)."""
    return b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def get(authority: str, path: str = "/", *fields: tuple[str, str], method: str = "GET") -> bytes:
    """Write the header block of a request."""
    pseudo = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
    return b"".join(literal(name, value) for name, value in (*pseudo, *fields))


class Frames:
    """One side of a connection; SETTINGS are acknowledged when they are read."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def frames(self) -> Iterator[Frame]:
        """Read frames until the connection ends."""
        while (head := self._take(9)) is not None:
            size, (kind, flags) = int.from_bytes(head[:3], "big"), head[3:5]
            payload = self._take(size)
            if payload is None:
                return
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, flags=ACK))
            yield Frame(kind, flags, struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF, payload)

    def read_until(self, kind: int, stream: int | None = None) -> Frame:
        """Read until a frame of this kind comes."""
        for each in self.frames():
            if each.kind == kind and stream in (None, each.stream):
                return each
        raise EOFError(f"the connection ended before a frame {kind}")

    def _take(self, count: int) -> bytes | None:
        while len(self.unread) < count:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.unread += data
        taken, self.unread = self.unread[:count], self.unread[count:]
        return taken


class FrameClient(Frames):
    """A client that has said the preface."""

    def __init__(self, address: str, *, before: bytes = b"") -> None:
        host, _, port = address.rpartition(":")
        super().__init__(socket.create_connection((host, int(port)), timeout=20))
        self.authority = address
        self.send(before + PREFACE + frame(SETTINGS))

    def flood(self, data: bytes) -> None:
        """Send bytes beside what else is done, for as long as somebody takes them."""

        def send() -> None:
            with suppress(OSError):
                self.send(data)

        threading.Thread(target=send, daemon=True).start()

    def ask(self, stream: int, path: str = "/", *, method: str = "GET", flags: int = END_STREAM | END_HEADERS) -> None:
        """Send the head of a request."""
        self.send(frame(HEADERS, stream, get(self.authority, path, method=method), flags))


class FrameServer(Frames):
    """The side of a server, once the preface has come."""

    def __init__(self, sock: socket.socket, settings: bytes = b"") -> None:
        super().__init__(sock)
        assert self._take(len(PREFACE)) == PREFACE
        self.send(frame(SETTINGS, payload=settings))

    def answer(self, stream: int, body: bytes = b"") -> None:
        """Send a 200."""
        self.send(frame(HEADERS, stream, b"\x88", END_HEADERS) + frame(DATA, stream, body, END_STREAM))
