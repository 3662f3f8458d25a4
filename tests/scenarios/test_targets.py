"""Request targets in their four forms, Max-Forwards, and the methods that are refused."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import head
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, shared_backend: Backends) -> tuple[Running, Backend]:
    """An instance with one backend."""
    one = shared_backend()
    return shared_tidegate.run(upstream(one.address)), one


@pytest.fixture
def proxy(shared: tuple[Running, Backend]) -> Running:
    """The instance."""
    return shared[0]


@pytest.fixture
def origin(shared: tuple[Running, Backend]) -> Backend:
    """Its backend, which has seen nothing yet."""
    shared[1].requests.clear()
    return shared[1]


@pytest.mark.parametrize(
    ("request_bytes", "line", "max_forwards"),
    [
        (head("OPTIONS", "*"), "OPTIONS * HTTP/1.1", []),
        (head("OPTIONS", "/", "Max-Forwards: 1"), "OPTIONS / HTTP/1.1", ["0"]),
        (head("OPTIONS", "*", "Max-Forwards: 10"), "OPTIONS * HTTP/1.1", ["9"]),
        (head("GET", "/", "Max-Forwards: 0"), "GET / HTTP/1.1", ["0"]),  # it counts for OPTIONS and TRACE alone
        (head("GET", "http://api/a?b=c"), "GET /a?b=c HTTP/1.1", []),
        (head("GET", "HTTP://API:80"), "GET / HTTP/1.1", []),
        (head("GET", "http://api?b"), "GET /?b HTTP/1.1", []),
        (head("GET", "/a//b/%41?c=%zz"), "GET /a//b/%41?c=%zz HTTP/1.1", []),
        (head("PURGE", "/"), "PURGE / HTTP/1.1", []),
    ],
    ids=lambda value: value.split(b"\r\n")[0].decode() if isinstance(value, bytes) else None,
)
def test_a_target_is_passed_on_in_the_form_that_an_origin_reads(
    proxy: Running, origin: Backend, request_bytes: bytes, line: str, max_forwards: list[str]
) -> None:
    with proxy.connect() as client:
        assert client.ask(request_bytes).status == 200
    assert (origin.requests[0].line, origin.requests[0].values("max-forwards")) == (line, max_forwards)


@pytest.mark.parametrize("target", ["*", "/a"])
def test_at_max_forwards_0_we_answer_for_ourselves(proxy: Running, origin: Backend, target: str) -> None:
    with proxy.connect() as client:
        answer = client.ask(head("OPTIONS", target, "Max-Forwards: 0"))
        assert (answer.status, answer.body) == (200, b"")
        assert answer.field("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        assert client.ask(head("GET", "/")).status == 200  # the connection goes on
    assert [request.line for request in origin.requests] == ["GET / HTTP/1.1"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (head("TRACE", "/", "Max-Forwards: 0"), 405),
        (head("TRACE", "/", "Max-Forwards: 1"), 405),
        (head("CONNECT", "api:443", host="api:443"), 405),
        (head("GET", "*"), 400),
        (head("GET", "http://api/", host="other"), 400),
        (head("GET", "ftp://api/"), 400),
        (head("GET", "https://api/"), 421),
        (head("GET", "http://user@api/"), 400),
        (head("GET", "a"), 400),
        (head("OPTIONS", "*", "Max-Forwards: -1"), 400),
        (head("OPTIONS", "*", "Max-Forwards: 1", "Max-Forwards: 1"), 400),
    ],
    ids=lambda value: value.split(b"\r\n")[0].decode() if isinstance(value, bytes) else None,
)
def test_what_no_origin_should_see_is_refused(
    proxy: Running, origin: Backend, request_bytes: bytes, status: int
) -> None:
    with proxy.connect() as client:
        assert client.ask(request_bytes).status == status
    assert origin.requests == []


def test_an_https_target_is_believed_of_who_may_have_secured_it(tidegate: Tidegate, backend: Backends) -> None:
    with tidegate.run(upstream(backend().address, forwarded={"from": ["127.0.0.1"]})).connect() as client:
        answer = client.ask(head("GET", "https://api/a"))
        assert (answer.status, b"GET /a HTTP/1.1" in answer.body) == (200, True)
