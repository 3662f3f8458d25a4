"""Endpoints of every kind of address, their weights, and those that cannot be reached."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get, post
from tests.peers.sockets import closed_port
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]


def answers(proxy: Running, count: int, request: bytes | None = None) -> Counter[str]:
    """Which backends answer so many requests on one connection, by name."""
    seen: Counter[str] = Counter()
    with proxy.connect() as client:
        for _ in range(count):
            answer = client.ask(request or get())
            assert answer.status == 200, answer
            seen[answer.body.decode()] += 1
    return seen


def named(backend: Backends, name: str, **options: Any) -> Backend:
    """A backend that answers with its name."""

    def say(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            connection.answer(name)

    made = backend(say, **options)
    return made


@pytest.mark.parametrize("kind", ["ipv4", "ipv6", "unix"])
def test_each_kind_of_address_is_connected_to(tidegate: Tidegate, backend: Backends, tmp_path: Path, kind: str) -> None:
    host = {"ipv4": "127.0.0.1", "ipv6": "::1", "unix": f"unix:{tmp_path}/backend.sock"}[kind]
    one = named(backend, "one", host=host)
    proxy = tidegate.run(upstream(one.address))
    assert answers(proxy, 20) == {"one": 20}
    assert answers(proxy, 2, post("/", b"x" * 1_000_000)) == {"one": 2}
    assert len(one.requests[-1].body) == 1_000_000
    assert proxy.status()["upstreams"][0]["endpoints"][0]["address"] == one.address


def test_requests_are_shared_by_weight(tidegate: Tidegate, backend: Backends) -> None:
    addresses = [named(backend, name).address for name in ("three", "one", "none")]
    config = upstream([])
    config["upstreams"]["api"]["endpoints"] = [
        {"address": address, "weight": weight} for address, weight in zip(addresses, (3, 1, 0), strict=True)
    ]
    assert answers(tidegate.run(config), 40) == {"three": 30, "one": 10}


@pytest.mark.parametrize("request_bytes", [get(), post("/", b"hello"), post("/", b"x" * 100_000)])
def test_an_endpoint_that_cannot_be_reached_is_passed_over(
    tidegate: Tidegate, backend: Backends, request_bytes: bytes
) -> None:
    one = named(backend, "one")
    proxy = tidegate.run(upstream([closed_port(), one.address, "unix:/nonexistent/backend.sock"]))
    assert answers(proxy, 20, request_bytes) == {"one": 20}
    dead, alive, missing = proxy.status()["upstreams"][0]["endpoints"]
    assert (dead["standing"], alive["standing"], missing["standing"]) == ("out", "in", "out")


def test_where_none_can_be_reached_the_client_is_told_without_addresses(tidegate: Tidegate) -> None:
    dead = [closed_port(), closed_port()]
    proxy = tidegate.run(upstream(dead))
    with proxy.connect() as client:
        for _ in range(3):  # also once all are passed over: then all are tried
            answer = client.ask(get())
            assert (answer.status, b"connect_refused" in answer.body) == (502, True)
            assert not any(address in (answer.head + answer.body).decode() for address in dead)
