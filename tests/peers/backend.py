"""A backend inside the test, whose every byte the test decides."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.peers.sockets import address_of, listen


@dataclass
class Request:
    """A request as a backend saw it."""

    line: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0
    trailers: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """All values of a field, in their order."""
        return [value for each, value in self.fields if each.lower() == name.lower()]


@dataclass
class Connection:
    """A connection that a backend accepted: reads requests, sends whatever the test wants."""

    socket: socket.socket
    number: int
    unread: bytes = b""
    requests: list[Request] = field(default_factory=list)

    def read_request(self) -> Request | None:
        """Read one request with its body; None when the other side has closed."""
        request = self.read_head()
        if request is not None:
            self.read_body(request)
        return request

    def read_head(self) -> Request | None:
        """Read a request as far as its body begins; None when the other side has closed."""
        while b"\r\n\r\n" not in self.unread:
            if not self._more():
                return None
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Request(first, fields, connection=self.number)

    def read_body(self, request: Request) -> None:
        """Read the body of a request, and its trailers."""
        if request.values("transfer-encoding"):
            request.body = self._read_chunks(request)
        else:
            request.body = self._read(int((request.values("content-length") or ["0"])[0]))

    def read_chunk(self) -> bytes:
        """Read one chunk of a body; the last one is empty."""
        piece = self._read(int(self._read_line().split(b";")[0], 16))
        self._read(2)
        return piece

    def send(self, data: bytes | str) -> None:
        """Send all of it."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self, body: bytes | str = b"ok\n", status: str = "200 OK", *fields: str) -> None:
        """Send a whole answer with a Content-Length."""
        data = body.encode() if isinstance(body, str) else body
        head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *fields))
        self.send(head.encode("latin-1") + b"\r\n" + data)

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self.unread += data
        return bool(data)

    def _read(self, count: int) -> bytes:
        while len(self.unread) < count:
            if not self._more():
                raise EOFError(f"the body ended after {len(self.unread)} of {count} bytes")
        found, self.unread = self.unread[:count], self.unread[count:]
        return found

    def _read_line(self) -> bytes:
        while b"\r\n" not in self.unread:
            if not self._more():
                raise EOFError("the body ended within a chunk")
        line, _, self.unread = self.unread.partition(b"\r\n")
        return line

    def _read_chunks(self, request: Request) -> bytes:
        body = b""
        while size := int(self._read_line().split(b";")[0], 16):
            body += self._read(size)
            self._read(2)
        while line := self._read_line():
            request.trailers.append(line.decode("latin-1"))
        return body


Handler = Callable[[Connection], None]


class Backend:
    """A backend inside the test; `handler` runs in a thread for each connection, which closes when it returns.

    Handlers that a side that left had interrupted are in `cut`.
    """

    def __init__(
        self, handler: Handler | None = None, *, name: str = "backend", host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.name = name
        self.handler = handler or self.tell
        self.requests: list[Request] = []
        self.accepted = 0
        self.cut: list[str] = []
        self.changed = threading.Condition()
        self.listening = listen(host, port)
        self.address = address_of(self.listening)
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self, connection: Connection) -> None:
        """Answer each request with what was received, as JSON."""
        while request := connection.read_request():
            self.saw(request)
            seen = {"name": self.name, "line": request.line, "fields": request.fields, "body": len(request.body)}
            connection.answer(json.dumps(seen), "200 OK", "Content-Type: application/json")

    def saw(self, request: Request) -> None:
        """Keep a request for the test to look at."""
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[["Backend"], object], within_s: float = 10) -> None:
        """Wait until something holds that requests or connections change."""
        with self.changed:
            assert self.changed.wait_for(lambda: bool(condition(self)), within_s), (
                f"{self.accepted=} {self.requests=} {self.cut=}"
            )

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listening.accept()
            except OSError:
                return  # closed by `end`
            with self.changed:
                self.accepted += 1
                self._open.add(sock)
                self.changed.notify_all()
            threading.Thread(target=self._serve, args=(sock, self.accepted), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            self.handler(Connection(sock, number))
        except (OSError, EOFError) as error:
            with self.changed:
                self.cut.append(repr(error))  # the other side left
        finally:
            with self.changed:
                self._open.discard(sock)
                self.changed.notify_all()
            sock.close()

    def end(self) -> None:
        """Refuse new connections and cut the open ones."""
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        with self.changed:
            for sock in self._open:
                sock.close()
