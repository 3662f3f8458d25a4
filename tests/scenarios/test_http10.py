"""Clients that speak HTTP/1.0."""

import socket
import struct
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import head
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]


def old(target: str = "/", *fields: str, host: str | None = "api") -> bytes:
    """A request of HTTP/1.0."""
    return head("GET", target, *fields, version="1.0", host=host)


def say(*pieces: bytes, reset: bool = False) -> Callable[[Connection], None]:
    """A backend that sends these bytes after a request, then closes."""

    def answer(connection: Connection) -> None:
        assert connection.read_request() is not None
        for piece in pieces:
            connection.send(piece)
        if reset:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def test_a_connection_ends_with_its_answer(tidegate: Tidegate, backend: Backends) -> None:
    with tidegate.run(upstream(backend().address)).connect() as client:
        answer = client.ask(old())
        assert (answer.version, answer.status, answer.field("connection")) == ("HTTP/1.1", 200, "close")
        assert client.read_all() == b""


def test_a_connection_is_kept_where_that_is_asked_for(tidegate: Tidegate, backend: Backends) -> None:
    with tidegate.run(upstream(backend().address)).connect() as client:
        for _ in range(3):
            answer = client.ask(old("/", "Connection: keep-alive"))
            assert (answer.status, answer.field("connection")) == (200, "keep-alive")


def test_without_host_the_endpoint_is_sent_its_own_address(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address))
    with proxy.connect() as client:
        assert client.ask(old(host=None)).status == 200
    with proxy.connect() as client:
        assert client.ask(old(host="api")).status == 200
    assert [request.values("host") for request in one.requests] == [[one.address], ["api"]]
    assert {request.line for request in one.requests} == {"GET / HTTP/1.1"}


def test_without_host_only_routes_without_host_serve(tidegate: Tidegate, backend: Backends) -> None:
    config = upstream(backend().address)
    config["routes"] = [
        {"name": "named", "match": {"host": "api"}, "to": "api"},
        {"name": "health", "match": {"path": "/healthz"}, "respond": {"body": "fine\n"}},
    ]
    proxy = tidegate.run(config)
    for target, host, status in [("/", "api", 200), ("/", None, 404), ("/healthz", None, 200), ("/healthz", "x", 200)]:
        with proxy.connect() as client:
            assert client.ask(old(target, host=host)).status == status, (target, host)


def test_chunks_become_a_body_that_ends_with_the_connection(tidegate: Tidegate, backend: Backends) -> None:
    chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    one = backend(say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks))
    with tidegate.run(upstream(one.address)).connect() as client:
        answer = client.ask(old("/", "Connection: keep-alive"))
    assert (answer.field("transfer-encoding"), answer.field("content-length")) == (None, None)
    assert (answer.field("connection"), answer.body) == ("close", b"hello world")


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_interim_answers_are_kept_from_it(tidegate: Tidegate, backend: Backends, interim: str) -> None:
    hint = f"HTTP/1.1 {interim}\r\nLink: </a.css>\r\n\r\n".encode()
    one = backend(say(hint, hint, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    with tidegate.run(upstream(one.address)).connect() as client:
        answer = client.ask(old())
        assert (answer.status, answer.field("link"), answer.body) == (200, None, b"ok")
        assert client.read_all() == b""


@pytest.mark.parametrize(
    ("pieces", "reset"),
    [
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",), False),
        ((b"HTTP/1.1 200 OK\r\n\r\nhello",), True),
    ],
    ids=["chunks without their end", "a reset"],
)
def test_an_answer_that_is_cut_is_a_reset(
    tidegate: Tidegate, backend: Backends, pieces: tuple[bytes, ...], reset: bool
) -> None:
    proxy = tidegate.run(upstream(backend(say(*pieces, reset=reset)).address))
    with proxy.connect() as client, pytest.raises(ConnectionResetError):
        client.send(old()).read_all()


def test_an_answer_of_known_length_that_is_cut_ends_too_early(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend(say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")).address))
    with proxy.connect() as client, pytest.raises((EOFError, ConnectionResetError)):
        client.ask(old())


def test_an_upload_arrives(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        request = head("POST", "/", "Content-Length: 5", version="1.0") + b"hello"
        assert client.ask(request).status == 200
    assert one.requests[0].body == b"hello"


def test_a_chunked_request_is_refused(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        request = head("POST", "/", "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n"
        assert client.ask(request).status == 400
    assert one.requests == []
