"""Limits on connections, where it is hard to be exact: over threads, and for one client."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.sockets import Client
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]
GET = "GET /a HTTP/1.1\r\nHost: api\r\n\r\n"
LAST = "GET /a HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"
ADMIN = {"admin": {"bind": "127.0.0.1:0"}}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens late."""
    with ExitStack() as opened:
        yield opened


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
            return client.ask(LAST).status

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(ask, range(60))) == {200}


def test_connections_of_a_single_socket_are_counted_before_they_are_handed_out(
    tidegate: Tidegate, backend: Backends, stack: ExitStack
) -> None:
    config = upstream(backend().address, limits={"connections": 1})
    config["listeners"]["web"]["bind"] = f"unix:{tidegate.folder}/web.sock"
    proxy = tidegate.run(config)
    with proxy.connect() as first:
        assert first.ask(GET).status == 200
        second = stack.enter_context(proxy.connect()).send(GET)
        assert has_no_answer(second, proxy)
        first.close()
        assert second.read_answer().status == 200


@pytest.fixture
def one_a_client(tidegate: Tidegate, backend: Backends) -> Running:
    """An instance where a client may have one connection; one thread, so that all of them meet."""
    return tidegate.run(upstream(backend().address, limits={"connections_per_client": 1}) | {"threads": 1} | ADMIN)


def test_a_client_with_too_many_connections_is_refused_whoever_comes_meanwhile(one_a_client: Running) -> None:
    with one_a_client.connect() as first, one_a_client.connect() as second:
        assert first.ask(GET).status == 200
        with Client(one_a_client.address(), source="127.0.0.2") as other:
            assert other.ask(GET).status == 200
            answer = second.ask(GET)
            assert (answer.status, answer.field("connection"), answer.field("retry-after")) == (429, "close", "1")
            assert answer.body.startswith(b"too_many_connections: limits.connections_per_client is reached")
            assert first.ask(GET).status == other.ask(GET).status == 200
        first.close()
        while one_a_client.status()["connections"]:
            pass
        with one_a_client.connect() as third:
            assert third.ask(GET).status == 200


def test_the_client_behind_a_proxy_protocol_header_is_counted(tidegate: Tidegate, backend: Backends) -> None:
    limits = {"connections_per_client": 1}
    proxy = tidegate.run(upstream(backend().address, limits=limits, proxy_protocol="required") | {"threads": 1})
    one, two = (f"PROXY TCP4 192.0.2.{number} 192.0.2.9 5000 80\r\n" for number in (1, 2))
    with proxy.connect() as first, proxy.connect() as second, proxy.connect() as third:
        assert [first.ask(one + GET).status, second.ask(two + GET).status, third.ask(one + GET).status] == [
            200,
            200,
            429,
        ]


@pytest.mark.usefixtures("many_files")
def test_four_thousand_connections_of_one_client_are_refused_and_others_are_served(
    one_a_client: Running, stack: ExitStack
) -> None:
    assert stack.enter_context(one_a_client.connect()).ask(GET).status == 200
    crowd = [stack.enter_context(one_a_client.connect(timeout_s=30)) for _ in range(4000)]
    for client in crowd[::2]:
        client.send(GET)
    with Client(one_a_client.address(), source="127.0.0.2") as other:
        assert other.ask(GET).status == 200
    assert {client.read_answer().status for client in crowd[::2]} == {429}
    assert {client.read_all() for client in crowd} == {b""}  # also who asks nothing is closed soon
