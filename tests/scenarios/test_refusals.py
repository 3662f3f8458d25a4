"""Requests that are refused: the client is told why, nothing that follows is served, no backend sees any of it."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get, head
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, shared_backend: Backends) -> tuple[Running, Backend]:
    """An instance with one backend."""
    one = shared_backend()
    return shared_tidegate.run(upstream(one.address)), one


POST = b"POST / HTTP/1.1\r\nHost: api\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "invalid_host"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nHost: api\r\n\r\n", "invalid_host"),
        (b"GET / HTTP/1.1\nHost: api\n\n", "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nX: a\r\n b\r\n\r\n", "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nX : a\r\n\r\n", "malformed_request"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nX: a\0b\r\n\r\n", "malformed_request"),
        (b"GET  / HTTP/1.1\r\nHost: api\r\n\r\n", "malformed_request"),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous_framing"),
        (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "ambiguous_framing"),
        (POST + b"Content-Length: +1\r\n\r\n", "ambiguous_framing"),
        (POST + b"Content-Length: 1, 1\r\n\r\n", "ambiguous_framing"),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "ambiguous_framing"),
        (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous_framing"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\naX\r\n0\r\n\r\n", "ambiguous_framing"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "ambiguous_framing"),
        (POST + b"Connection: Content-Length\r\nContent-Length: 1\r\n\r\na", "forbidden_connection_option"),
        (b"GET /../etc HTTP/1.1\r\nHost: api\r\n\r\n", "ambiguous_path"),
        (b"GET /a/%2e%2e/etc HTTP/1.1\r\nHost: api\r\n\r\n", "ambiguous_path"),
        (b"GET /a/..;/etc HTTP/1.1\r\nHost: api\r\n\r\n", "ambiguous_path"),
        (b"GET /a\\..\\etc HTTP/1.1\r\nHost: api\r\n\r\n", "ambiguous_path"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else value,
)
def test_nothing_is_served_after_what_two_readers_could_read_differently(
    shared: tuple[Running, Backend], request_bytes: bytes, kind: str
) -> None:
    proxy, origin = shared
    with proxy.connect() as client:
        client.send(request_bytes + get("/smuggled")).half_close()
        answer = client.read_all().decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert (answer.count("HTTP/1.1 "), kind in answer) == (1, True), answer
    assert origin.requests == []


@pytest.mark.parametrize(
    ("request_bytes", "status", "kind"),
    [
        (head("TRACE", "/"), 405, "method_refused"),
        (head("GET", "/", "Expect: tea"), 417, "expectation_failed"),
        (head("GET", "/", version="2.0"), 505, "unsupported_version"),
        (head("GET", "/", "X: " + "y" * 70_000), 431, "head_too_large"),
        (head("GET", "/", *["X: y"] * 200), 431, "too_many_headers"),
        (head("GET", "/" + "y" * 20_000), 414, "request_line_too_long"),
    ],
    ids=["method", "expectation", "version", "bytes", "fields", "line"],
)
def test_what_is_not_served_is_told_by_its_status_and_kind(
    shared: tuple[Running, Backend], request_bytes: bytes, status: int, kind: str
) -> None:
    proxy, origin = shared
    with proxy.connect() as client:
        answer = client.ask(request_bytes)
    assert (answer.status, answer.body.decode().split(":")[0]) == (status, kind)
    assert f'details="{kind}"' in (answer.field("proxy-status") or "")
    assert origin.requests == []
