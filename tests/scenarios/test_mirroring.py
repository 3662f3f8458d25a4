"""Copies of requests for another upstream: what that gets, and that nothing of it disturbs a client."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import chunked, get, head, post
from tests.peers.sockets import closed_port
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]


def mirroring(api: Backend, shadow: str, mirror: dict[str, Any] | None = None, **parts: Any) -> Config:
    """A configuration whose route is mirrored, with metrics."""
    config = upstream([api.address])
    config["routes"][0] |= {"mirror": {"to": "shadow", **(mirror or {})}}
    config["upstreams"]["shadow"] = {"endpoints": [shadow]}
    return {**config, "threads": 1, "admin": {"bind": "127.0.0.1:0"}, **parts}


def fates(proxy: Running) -> dict[str, int]:
    """What became of copies so far."""
    with proxy.connect("admin") as admin:
        text = admin.ask(head("GET", "/metrics", host="localhost")).body.decode()
    found = re.findall(r'^tidegate_mirrored_total\{upstream="shadow",outcome="(\w+)"\} (\d+)$', text, re.MULTILINE)
    return {outcome: int(count) for outcome, count in found}


def wait_for_answered(proxy: Running, copies: int) -> None:
    """Wait until so many copies were answered, and came to no other end."""
    until(lambda: fates(proxy) == {"answered": copies})


def ask(proxy: Running, count: int, request: bytes) -> list[int]:
    """The statuses of so many answers, on one connection."""
    with proxy.connect() as client:
        return [client.ask(request).status for _ in range(count)]


@pytest.mark.parametrize(
    ("request_bytes", "body"),
    [
        (get("/a?b=c", "X-Own: 1"), b""),
        (post("/a", b"x" * 50_000), b"x" * 50_000),
        (chunked("/a", b"one", b"two"), b"onetwo"),
    ],
    ids=["GET", "POST", "chunks"],
)
def test_a_copy_is_what_the_endpoint_gets_and_a_mark(
    tidegate: Tidegate, backend: Backends, request_bytes: bytes, body: bytes
) -> None:
    api, shadow = backend(name="api"), backend(name="shadow")
    proxy = tidegate.run(mirroring(api, shadow.address))
    with proxy.connect() as client:
        answer = client.ask(request_bytes)
    assert b'"api"' in answer.body
    shadow.wait_for(lambda it: it.requests)
    copy, request = shadow.requests[0], api.requests[0]
    assert copy.values("x-tidegate-mirror") == ["1"]
    assert not request.values("x-tidegate-mirror")
    assert (copy.line, copy.body) == (request.line, body)
    assert [field for field in copy.fields if field[0] != "x-tidegate-mirror"] == request.fields
    wait_for_answered(proxy, 1)


def test_copies_share_a_connection(tidegate: Tidegate, backend: Backends) -> None:
    api, shadow = backend(), backend()
    proxy = tidegate.run(mirroring(api, shadow.address))
    for count in range(1, 6):
        assert ask(proxy, 1, get()) == [200]
        wait_for_answered(proxy, count)
    assert (shadow.accepted, len(shadow.requests)) == (1, 5)


def test_a_share_is_copied(tidegate: Tidegate, backend: Backends) -> None:
    api, shadow = backend(), backend()
    proxy = tidegate.run(mirroring(api, shadow.address, {"share": "50%", "most": 1000}))
    assert ask(proxy, 200, get()) == [200] * 200
    until(lambda: sum(fates(proxy).values()) == len(shadow.requests) > 0)
    assert 50 < len(shadow.requests) < 150
    assert len(api.requests) == 200


class Trouble:
    """Makes addresses at which copies come to nothing, each in one way."""

    def __init__(self, backend: Backends) -> None:
        self.backend = backend
        self.over = threading.Event()

    def address(self, how: str) -> str:
        """Where that happens."""
        if how == "refuses":
            return closed_port()

        def suffer(connection: Connection) -> None:
            request = connection.read_request()
            if request is None:
                return
            match how:
                case "hangs":
                    self.over.wait(30)
                case "dribbles":
                    connection.send("HTTP/1.1 200 OK\r\nContent-Le")
                    self.over.wait(30)
                case "says nonsense":
                    connection.send("+PONG\r\n")
                case "dies":
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly")

        return self.backend(suffer).address


@pytest.fixture
def trouble(backend: Backends) -> Any:
    made = Trouble(backend)
    yield made
    made.over.set()


@pytest.mark.parametrize("how", ["refuses", "hangs", "dribbles", "says nonsense", "dies"])
def test_no_client_hears_of_trouble(tidegate: Tidegate, backend: Backends, trouble: Trouble, how: str) -> None:
    api = backend()
    config = mirroring(api, trouble.address(how), {"most": 5, "timeout": "300ms"})
    proxy = tidegate.run(config)
    assert ask(proxy, 100, post("/", b"hello")) == [200] * 100
    until(lambda: sum(fates(proxy).values()) == 100)
    assert set(fates(proxy)) <= {"late" if how in ("hangs", "dribbles") else "failed", "full"}
    assert len(api.requests) == 100


def test_what_is_not_copied_is_counted(tidegate: Tidegate, backend: Backends, trouble: Trouble) -> None:
    api = backend()
    proxy = tidegate.run(mirroring(api, trouble.address("hangs"), {"most": 1, "body": "4B", "timeout": "30s"}))
    assert ask(proxy, 1, post("/", b"hello")) == [200]
    assert ask(proxy, 1, chunked("/", b"one", b"two")) == [200]
    assert ask(proxy, 1, get()) == [200]
    assert ask(proxy, 3, post("/", b"four")) == [200] * 3
    assert fates(proxy) == {"too_large": 2, "full": 3}


def test_an_end_waits_for_no_copy(tidegate: Tidegate, backend: Backends, trouble: Trouble) -> None:
    api = backend()
    config = mirroring(api, trouble.address("hangs"), {"timeout": "1h"}, drain={"timeout": "1h"})
    proxy = tidegate.run(config)
    assert ask(proxy, 3, get()) == [200] * 3
    assert proxy.stop() == 0


def test_bounded_pools_are_waited_for_and_left_clean(tidegate: Tidegate, backend: Backends) -> None:
    api, shadow = backend(), backend()
    config = mirroring(api, shadow.address)
    config["upstreams"]["shadow"]["pool"] = {"connections": 1}
    proxy = tidegate.run({**config, "threads": 2})
    for _ in range(4):
        assert ask(proxy, 5, get()) == [200] * 5
    wait_for_answered(proxy, 20)
