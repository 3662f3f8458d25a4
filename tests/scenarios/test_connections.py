"""Limits on connections: of one client, of one listener, and in all."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get, head
from tests.peers.sockets import Client, answered
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]
Ask = Callable[..., list[Client]]


def let_in(clients: list[Client], count: int) -> list[Client]:
    """Those of the clients that are served: so many, and nobody else."""
    found = answered(clients, count)
    assert len(found) == count
    return found


@pytest.fixture
def ask() -> Iterator[Ask]:
    """`ask(proxy, 5)` makes so many clients, each of which has sent a request."""
    made: list[Client] = []

    def make(proxy: Running, count: int, listener: str = "web", **options: Any) -> list[Client]:
        clients = [proxy.connect(listener, **options).send(get("/")) for _ in range(count)]
        made.extend(clients)
        return clients

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("whose", ["listener", "all"])
def test_who_is_one_too_many_waits_until_another_leaves(
    tidegate: Tidegate, backend: Backends, ask: Ask, whose: str
) -> None:
    config = upstream(backend().address, limits={"connections": 5} if whose == "listener" else {})
    if whose == "all":
        config["limits"] = {"connections": 5}
    proxy = tidegate.run(config)
    waiting = ask(proxy, 20)
    while waiting:
        there = let_in(waiting, 5)  # over all threads
        assert all(client.ask(get("/")).status == 200 for client in there)
        waiting = [client for client in waiting if client not in there]
        for client in there:
            client.close()


def test_a_full_instance_still_says_how_it_is(tidegate: Tidegate, backend: Backends, ask: Ask) -> None:
    limits: Config = {"limits": {"connections": 2}, "admin": {"bind": "127.0.0.1:0"}}
    proxy = tidegate.run(upstream(backend().address) | limits)
    let_in(ask(proxy, 5), 2)
    with proxy.connect("admin") as admin:
        assert admin.ask(head("GET", "/livez", host=proxy.address("admin"))).status == 200


def test_a_full_listener_does_not_hold_up_another(tidegate: Tidegate, backend: Backends, ask: Ask) -> None:
    config = upstream(backend().address, limits={"connections": 2})
    config["listeners"]["other"] = {"bind": "127.0.0.1:0"}
    proxy = tidegate.run(config)
    let_in(ask(proxy, 3), 2)
    let_in(ask(proxy, 10, "other"), 10)


def test_a_client_with_too_many_connections_is_told_and_others_are_served(
    tidegate: Tidegate, backend: Backends, ask: Ask
) -> None:
    proxy = tidegate.run(upstream(backend().address, limits={"connections_per_client": 3}))
    clients = let_in(ask(proxy, 2, source="127.0.0.2") + ask(proxy, 3), 5)
    for _ in range(4):  # whichever thread takes it
        with proxy.connect() as another:
            answer = another.ask(get("/"))
            assert (answer.status, answer.field("connection"), answer.field("retry-after")) == (429, "close", "1")
            assert b"limits.connections_per_client" in answer.body
            assert another.read_all() == b""
            assert [client.ask(get("/")).status for client in clients] == [200] * 5
    for client in clients:
        client.close()
    until(lambda: is_answered(proxy))


def is_answered(proxy: Running) -> bool:
    """Whether a new connection is served."""
    with proxy.connect() as client:
        return client.ask(get("/")).status == 200


def test_the_limits_count_again_after_a_reload(tidegate: Tidegate, backend: Backends, ask: Ask) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address, limits={"connections": 1}))
    clients = ask(proxy, 3)
    first = let_in(clients, 1)
    proxy.reload(upstream(one.address, limits={"connections": 2}))
    let_in([client for client in clients if client not in first], 1)
