"""Sockets for tests: listening ones to hand to a program, and a client that sees bytes."""

import select
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

Address = tuple[str, int]


def listen(host: str = "127.0.0.1", port: int = 0, *, backlog: int = 1024) -> socket.socket:
    """Make a listening socket on a port of the kernel's choice, or at `unix:PATH`; programs inherit it."""
    if host.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(host.removeprefix("unix:"))
        sock.listen(backlog)
        sock.set_inheritable(True)
        return sock
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((host, port))
    sock.listen(backlog)
    sock.set_inheritable(True)
    return sock


def address_of(sock: socket.socket) -> str:
    """The address of a listening socket, as a configuration has it: `127.0.0.1:40123`, `unix:/tmp/a`."""
    if sock.family == socket.AF_UNIX:
        return f"unix:{sock.getsockname()}"
    host, port, *_ = sock.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def closed_port() -> str:
    """An address where nobody listens: bound by us for the life of the program, never listened on."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    _KEPT.append(sock)
    return address_of(sock)


def established_to(address: str) -> int:
    """How many IPv4 connections to `address` the kernel has in ESTABLISHED, seen from those who connected."""
    host, _, port = address.rpartition(":")
    number = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    remote = f"{number:08X}:{int(port):04X}"
    with open("/proc/net/tcp") as table:
        return sum(words[2] == remote and words[3] == "01" for words in map(str.split, table))


_KEPT: list[socket.socket] = []


class Client:
    """One connection that sends and receives bytes as they are. Every wait ends after `timeout_s`."""

    def __init__(
        self, address: str, *, timeout_s: float = 10, receive_buffer: int | None = None, source: str | None = None
    ) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET6 if address.startswith("[") else socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout_s)
        if address.startswith("unix:"):
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            self.socket.connect((host.strip("[]"), int(port)))
        self.unread = b""

    def send(self, data: bytes | str) -> Self:
        """Send all of it."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def read_until(self, end: bytes) -> bytes:
        """Read up to and with `end`; what came after it stays for the next read."""
        while end not in self.unread:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"the connection ended after {self.unread!r}, before {end!r}")
            self.unread += data
        found, self.unread = self.unread[: (at := self.unread.index(end) + len(end))], self.unread[at:]
        return found

    def read_exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        while len(self.unread) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"the connection ended after {len(self.unread)} of {count} bytes")
            self.unread += data
        found, self.unread = self.unread[:count], self.unread[count:]
        return found

    def read_pieces(self, count: int) -> Iterator[bytes]:
        """Read so many bytes, piece by piece as they come."""
        while count:
            piece, self.unread = self.unread or self.socket.recv(min(count, 1024 * 1024)), b""
            if not piece:
                raise EOFError(f"the connection ended {count} bytes too early")
            self.unread, piece = piece[count:], piece[:count]
            count -= len(piece)
            yield piece

    def read_all(self) -> bytes:
        """Read until the other side closes. A reset raises `ConnectionResetError`."""
        while data := self.socket.recv(65536):
            self.unread += data
        found, self.unread = self.unread, b""
        return found

    def read_answer(self, *, head_only: bool = False) -> "Answer":
        """Read one answer, by its Content-Length or its chunks, else until the end of the connection."""
        head = self.read_until(b"\r\n\r\n")
        answer = Answer(head)
        if head_only or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.field("transfer-encoding") == "chunked":
            while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
                answer.body += self.read_exactly(size)
                self.read_exactly(2)
            while (line := self.read_until(b"\r\n")) != b"\r\n":
                answer.trailers.append(line.decode("latin-1").removesuffix("\r\n"))
        elif (length := answer.field("content-length")) is not None:
            answer.body = self.read_exactly(int(length))
        else:
            answer.body = self.read_all()
        return answer

    def ask(self, request: bytes | str) -> "Answer":
        """Send, then read one answer."""
        return self.send(request).read_answer()

    def half_close(self) -> None:
        """Send no more, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Answer:
    """What came back: status line, fields as they came, body."""

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.head = head
        self.version, status, *reason = first.split(" ", 2)
        self.status = int(status)
        self.reason = "".join(reason)
        self.fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.body = b""
        self.trailers: list[str] = []

    def field(self, name: str) -> str | None:
        """The values of a field, joined by `, `; None where it is missing."""
        values = [value for each, value in self.fields if each == name.lower()]
        return ", ".join(values) if values else None

    def __repr__(self) -> str:
        return f"{self.status} {self.reason} {self.fields} {self.body[:200]!r}"


def answered(clients: Iterable[Client], at_least: int = 1) -> list[Client]:
    """Those of the clients whose answer comes: so many, however long that takes, then all until nobody's comes."""
    waiting = {client.socket: client for client in clients}
    found: list[Client] = []
    while waiting and (ready := select.select(list(waiting), [], [], 10 if len(found) < at_least else 0.3)[0]):
        for sock in ready:
            found.append(waiting.pop(sock))
            assert found[-1].read_answer().status == 200
    return found
