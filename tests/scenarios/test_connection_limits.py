"""Limits on connections: of one client, of one listener, and in all; over threads, and through sockets of all kinds."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
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
    """`ask(proxy, 5)` makes so many clients, each of which has sent a request, or what is given instead of one."""
    made: list[Client] = []

    def make(
        proxy: Running, count: int, listener: str = "web", request: bytes = get("/"), **options: Any
    ) -> list[Client]:
        for _ in range(count):
            made.append(proxy.connect(listener, **options))
            if request:
                made[-1].send(request)
        return made[len(made) - count :]

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


def test_a_limit_is_exact_over_all_threads_and_all_of_it_is_used(tidegate: Tidegate, backend: Backends) -> None:
    together = threading.Barrier(3)
    inside = threading.Semaphore(3)

    def three_at_a_time(connection: Connection) -> None:
        while connection.read_request():
            if not inside.acquire(blocking=False):
                connection.answer(status="500 Too Many")
                continue
            together.wait(10)
            inside.release()
            connection.answer()

    proxy = tidegate.run(upstream(backend(three_at_a_time).address, limits={"connections": 3}))

    def ask(_: int) -> int:
        with proxy.connect(timeout_s=30) as client:
            return client.ask(get("/", "Connection: close")).status

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(ask, range(60))) == {200}


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


def has_no_answer(client: Client, proxy: Running) -> bool:
    """Whether nothing has come once every thread has had a turn."""
    proxy.reload()  # acknowledged by each thread, between two events
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, socket.MSG_PEEK) is None
    except BlockingIOError:
        return True
    finally:
        client.socket.settimeout(10)


def test_connections_of_a_single_socket_are_counted_before_they_are_handed_out(
    tidegate: Tidegate, backend: Backends, ask: Ask
) -> None:
    config = upstream(backend().address, limits={"connections": 1})
    config["listeners"]["web"]["bind"] = f"unix:{tidegate.folder}/web.sock"
    proxy = tidegate.run(config)
    [first] = let_in(ask(proxy, 1), 1)
    [second] = ask(proxy, 1)
    assert has_no_answer(second, proxy)
    first.close()
    assert second.read_answer().status == 200


def test_a_client_with_too_many_connections_is_told_and_others_are_served(
    tidegate: Tidegate, backend: Backends, ask: Ask
) -> None:
    proxy = tidegate.run(upstream(backend().address, limits={"connections_per_client": 3}))
    clients = let_in(ask(proxy, 2, source="127.0.0.2") + ask(proxy, 3), 5)
    for _ in range(4):  # whichever thread takes it
        with proxy.connect() as another:
            answer = another.ask(get("/"))
            assert (answer.status, answer.field("connection"), answer.field("retry-after")) == (429, "close", "1")
            assert answer.body.startswith(
                b"too_many_connections: limits.connections_per_client or limits.connection_rate is reached"
            )
            assert another.read_all() == b""
            assert [client.ask(get("/")).status for client in clients] == [200] * 5
    for client in clients:
        client.close()
    until(lambda: is_answered(proxy))


def is_answered(proxy: Running) -> bool:
    """Whether a new connection is served."""
    with proxy.connect() as client:
        return client.ask(get("/")).status == 200


def test_the_client_behind_a_proxy_protocol_header_is_counted(tidegate: Tidegate, backend: Backends) -> None:
    limits = {"connections_per_client": 1}
    proxy = tidegate.run(upstream(backend().address, limits=limits, proxy_protocol="required") | {"threads": 1})
    one, two = (f"PROXY TCP4 192.0.2.{number} 192.0.2.9 5000 80\r\n" for number in (1, 2))
    request = get("/").decode()
    with proxy.connect() as first, proxy.connect() as second, proxy.connect() as third:
        answers = [first.ask(one + request), second.ask(two + request), third.ask(one + request)]
        assert [answer.status for answer in answers] == [200, 200, 429]


@pytest.mark.usefixtures("many_files")
def test_four_thousand_connections_of_one_client_are_refused_and_others_are_served(
    tidegate: Tidegate, backend: Backends, ask: Ask
) -> None:
    limits = {"connections_per_client": 1}
    proxy = tidegate.run(upstream(backend().address, limits=limits) | {"threads": 1})  # so that all of them meet
    let_in(ask(proxy, 1), 1)
    crowd = ask(proxy, 4000, request=b"", timeout_s=30)
    for client in crowd[::2]:
        client.send(get("/"))
    [other] = ask(proxy, 1, source="127.0.0.2")
    assert other.read_answer().status == 200
    assert {client.read_answer().status for client in crowd[::2]} == {429}
    assert {client.read_all() for client in crowd} == {b""}  # also who asks nothing is closed soon


def test_the_limits_count_again_after_a_reload(tidegate: Tidegate, backend: Backends, ask: Ask) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address, limits={"connections": 1}))
    clients = ask(proxy, 3)
    first = let_in(clients, 1)
    proxy.reload(upstream(one.address, limits={"connections": 2}))
    let_in([client for client in clients if client not in first], 1)
