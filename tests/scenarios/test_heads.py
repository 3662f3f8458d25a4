"""Heads that are too large, too many or too slow: 431, 414 and 408; and how long a connection may be idle or live."""

import itertools
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import chunk, get, head
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]

SMALL = {
    "header_bytes": "1KiB",
    "headers": 5,
    "request_line": "100B",
    "trailer_bytes": "50B",
    "chunk_extension_bytes": "20B",
}
CHUNKS = head("POST", "/", "Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def small(shared_tidegate: Tidegate, shared_backend: Backends) -> Running:
    """An instance with small limits."""
    return shared_tidegate.run(upstream(shared_backend().address, limits=SMALL))


def lines(count: int, size: int = 1) -> list[str]:
    """Header lines that mean nothing."""
    return [f"X-{number}: {'y' * size}" for number in range(count)]


@pytest.mark.parametrize(
    ("request_bytes", "status", "says"),
    [
        (get("/", *lines(4)), 200, ""),
        (get("/", *lines(5)), 431, "limits.headers"),
        (get("/", "X: " + "y" * 900), 200, ""),
        (get("/", "X: " + "y" * 1024), 431, "limits.header_bytes"),
        (get("/" + "y" * (100 - len("GET / HTTP/1.1"))), 200, ""),
        (get("/" + "y" * (101 - len("GET / HTTP/1.1"))), 414, "limits.request_line"),
        (CHUNKS + b"0\r\nX-Sum: 1\r\n\r\n", 200, ""),
        (CHUNKS + b"0\r\nX-Sum: " + b"1" * 50 + b"\r\n\r\n", 431, "limits.trailer_bytes"),
        (CHUNKS + b"1;x=" + b"y" * 10 + b"\r\nz\r\n0\r\n\r\n", 200, ""),
        (CHUNKS + b"1;x=" + b"y" * 30 + b"\r\nz\r\n0\r\n\r\n", 400, "limits.chunk_extension_bytes"),
    ],
    ids=[
        f"{what}{how}"
        for what, how in itertools.product(
            ["fields", "bytes", "line", "trailers", "extension"], [" within the limit", " beyond it"]
        )
    ],
)
def test_a_limit_is_named_where_it_is_passed(small: Running, request_bytes: bytes, status: int, says: str) -> None:
    with small.connect() as client:
        answer = client.ask(request_bytes)
        assert (answer.status, says in answer.body.decode()) == (status, True), answer
        if status != 200:
            assert answer.field("connection") == "close"
            assert client.read_all() == b""


def test_a_head_that_dribbles_in_is_given_up(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, timeouts={"header": "500ms"}))
    with proxy.connect() as client:
        client.send("GET / HTTP/1.1\r\nHost: api\r\nX: ")
        client.socket.settimeout(0.05)
        for _ in range(200):  # a byte now and then is not enough
            try:
                client.send("y").unread += client.socket.recv(65536)
                break
            except TimeoutError:
                continue
        client.socket.settimeout(10)
        answer = client.read_answer()
        assert (answer.status, answer.field("connection")) == (408, "close")
        assert b"timeouts.header" in answer.body


def test_a_slow_head_does_not_hold_up_others(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address))
    slow = [proxy.connect().send("GET / HTTP/1.1\r\nHost: api\r\n") for _ in range(100)]
    with proxy.connect() as client:
        assert client.ask(get("/")).status == 200
    for each in slow:
        assert each.ask("\r\n").status == 200
        each.close()


@pytest.mark.parametrize("before", [b"", get("/"), b"\r\n"], ids=["new", "used", "an empty line"])
def test_an_idle_connection_ends_without_a_word(tidegate: Tidegate, backend: Backends, before: bytes) -> None:
    proxy = tidegate.run(upstream(backend().address, timeouts={"idle": "300ms", "header": "300ms"}))
    with proxy.connect() as client:
        client.send(before)
        if before == get("/"):
            assert client.read_answer().field("connection") is None
        assert client.read_all() == b""


def test_an_old_connection_is_told_to_go_with_an_answer(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, timeouts={"max_age": "300ms"}))
    with proxy.connect() as client:
        assert client.ask(get("/")).field("connection") is None
        until(lambda: client.ask(get("/")).field("connection") == "close")
        assert client.read_all() == b""


def test_a_head_in_single_bytes_is_read(tidegate: Tidegate, backend: Backends) -> None:
    with tidegate.run(upstream(backend().address)).connect() as client:
        for byte in get("/bytes") + CHUNKS + chunk(b"hello") + b"0\r\n\r\n":
            client.send(bytes([byte]))
        assert b"GET /bytes" in client.read_answer().body
        assert b'"body": 5' in client.read_answer().body
