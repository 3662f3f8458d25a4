"""A download that takes its time, while all around it is reloaded, killed, adopted and drained."""

import hashlib
import os
import signal
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load
from tests.peers.messages import get
from tests.peers.sockets import Client
from tests.peers.tidegate import Config, Tidegate, upstream

Backends = Callable[..., Backend]

PIECE = 65_536
PIECES = 1000
LENGTH = PIECE * PIECES
NOISE = os.urandom(PIECE - 8)


def piece(number: int) -> bytes:
    """One piece of the download; none is like another."""
    return number.to_bytes(8) + NOISE


DIGEST = hashlib.sha256(b"".join(map(piece, range(PIECES)))).hexdigest()


def serve(connection: Connection) -> None:
    """`/length` and `/chunks` are downloads; others are answered at once."""
    while request := connection.read_request():
        if "/length" in request.line:
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")
            for number in range(PIECES):
                connection.send(piece(number))
        elif "/chunks" in request.line:
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(PIECES):
                connection.send(b"%x\r\n%b\r\n" % (PIECE, piece(number)))
            connection.send("0\r\n\r\n")
        else:
            connection.answer()


class Download:
    """A download that is read as far as the test wants."""

    def __init__(self, client: Client, target: str) -> None:
        self.client = client.send(get(target))
        self.is_chunked = b"chunked" in client.read_until(b"\r\n\r\n")
        self.left = 0
        self.read = 0
        self.digest = hashlib.sha256()

    def go_on(self, count: int) -> None:
        """Read so many bytes more of the body."""
        while count:
            if self.is_chunked and self.left == 0:
                self.left = int(self.client.read_until(b"\r\n"), 16)
                assert self.left, "the download is over"
            most = min(count, self.left) if self.is_chunked else count
            for got in self.client.read_pieces(most):
                self.digest.update(got)
            self.read, count = self.read + most, count - most
            if self.is_chunked:
                self.left -= most
                assert self.left or self.client.read_exactly(2) == b"\r\n"

    def finish(self) -> None:
        """Read the rest; all of it must be what was sent."""
        self.go_on(LENGTH - self.read)
        assert not self.is_chunked or self.client.read_exactly(5) == b"0\r\n\r\n"
        assert self.digest.hexdigest() == DIGEST


@pytest.fixture
def origin(backend: Backends) -> Backend:
    """Where the download is from."""
    return backend(serve)


@pytest.mark.parametrize("target", ["/length", "/chunks"])
def test_it_goes_on_through_reloads_a_dead_supervisor_adoption_and_a_drain(
    tidegate: Tidegate, origin: Backend, load: Load, target: str
) -> None:
    proxy = tidegate.run(upstream(origin.address))
    worker = proxy.worker_pid
    with proxy.connect(timeout_s=30, receive_buffer=PIECE) as client:
        download = Download(client, target)
        with load.steady(f"{proxy.url}/", connections=4) as seen:
            for number in range(3):
                download.go_on(3 * PIECE + 1)
                proxy.reload(upstream(origin.address, timeouts={"idle": f"{30 + number}s"}))
            proxy.kill_supervisor()
            download.go_on(10 * PIECE + 1)
            seen.wait_for(20)
            proxy.start()
            download.go_on(10 * PIECE + 1)
            proxy.reload(upstream(origin.address))
            download.go_on(10 * PIECE + 1)
            proxy.supervisor.send(signal.SIGSTOP)
            download.go_on(10 * PIECE + 1)
            proxy.supervisor.send(signal.SIGCONT)
            seen.wait_for(20)
            assert proxy.worker_pid == worker
        assert seen.failures == []
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        download.finish()
    assert proxy.supervisor.wait() == 0


def drained(origin: Backend, timeout: str) -> Config:
    """Everything to the origin; a drain takes at most so long."""
    return upstream(origin.address) | {"drain": {"timeout": timeout}}


@pytest.mark.parametrize("target", ["/length", "/chunks"])
def test_a_drain_cuts_what_takes_too_long(tidegate: Tidegate, origin: Backend, target: str) -> None:
    proxy = tidegate.run(drained(origin, "1s"))
    with proxy.connect(timeout_s=30, receive_buffer=PIECE) as client:
        download = Download(client, target)
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        download.go_on(PIECE)  # it is served on, as far as it is read
        assert proxy.supervisor.wait(10) == 0
        with pytest.raises((EOFError, ConnectionResetError)):
            download.finish()


def test_a_drain_ends_as_soon_as_nothing_is_under_way(tidegate: Tidegate, origin: Backend) -> None:
    proxy = tidegate.run(drained(origin, "10m"))
    with proxy.connect(timeout_s=30) as client:
        download = Download(client, "/length")
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        download.finish()
        assert proxy.supervisor.wait(20) == 0


def test_in_the_delay_of_a_drain_only_readyz_says_so(tidegate: Tidegate, origin: Backend) -> None:
    config = upstream(origin.address) | {"drain": {"delay": "1s"}, "admin": {"bind": "127.0.0.1:0"}}
    proxy = tidegate.run(config)
    ready = f"GET /readyz HTTP/1.1\r\nHost: {proxy.address('admin')}\r\n\r\n"
    with proxy.connect("admin") as admin:
        assert admin.ask(ready).status == 200
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        assert admin.ask(ready).status == 503
    with proxy.connect() as client:
        assert client.ask(get()).status == 200
    assert proxy.supervisor.wait(20) == 0
