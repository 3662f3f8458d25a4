"""Upstream connections: how many there are, who waits for one, and whose they are."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.sockets import Answer, Client
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]
GET = "GET / HTTP/1.1\r\nHost: api\r\n\r\n"


def pooled(addresses: str | list[str], **pool: Any) -> Config:
    """A configuration whose upstream has these settings of its pool."""
    config = upstream(addresses)
    config["upstreams"]["api"]["pool"] = pool
    return config


class Gated:
    """A handler that answers when the test lets it, and counts what is under way."""

    def __init__(self) -> None:
        self.open = threading.Semaphore(0)
        self.changed = threading.Condition()
        self.busy = 0
        self.most = 0

    def __call__(self, connection: Connection) -> None:
        while connection.read_request():
            with self.changed:
                self.busy += 1
                self.most = max(self.most, self.busy)
                self.changed.notify_all()
            self.open.acquire()
            with self.changed:
                self.busy -= 1
            connection.answer(str(connection.number))

    def wait_busy(self, count: int) -> None:
        """Wait until so many requests are at the backend."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.busy == count, 10), self.busy


@contextmanager
def asking(proxy: Running, count: int) -> Iterator[list[Client]]:
    """So many clients, each of which has sent a request."""
    clients = [proxy.connect().send(GET) for _ in range(count)]
    yield clients
    for client in clients:
        client.close()


def test_connections_are_bounded_over_all_threads_and_everyone_is_served(tidegate: Tidegate, backend: Backends) -> None:
    gated = Gated()
    origin = backend(gated)
    proxy = tidegate.run({**pooled(origin.address, connections=2), "threads": 4})
    with asking(proxy, 40) as clients:
        gated.wait_busy(2)
        gated.open.release(40)
        assert [client.read_answer().status for client in clients] == [200] * 40
    assert (gated.most, origin.accepted) == (2, 2)  # handed over, never closed and made anew


def test_one_connection_serves_threads_that_take_turns(tidegate: Tidegate, backend: Backends) -> None:
    origin = backend()
    proxy = tidegate.run({**pooled(origin.address, connections=1), "threads": 4})
    for _ in range(12):  # the kernel spreads them over the threads
        with proxy.connect() as client:
            assert client.ask(GET).status == 200
    assert origin.accepted == 1


@pytest.mark.parametrize("ends", [False, True], ids=["bytes nobody asked for", "the end"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_resting_connection_that_something_came_on_serves_no_thread(
    tidegate: Tidegate, backend: Backends, method: str, ends: bool
) -> None:
    came, answered = threading.Event(), threading.Event()

    def say_more(connection: Connection) -> None:
        while connection.read_request():
            connection.answer("its own")
            answered.wait(10)
            answered.clear()
            if ends:
                connection.socket.shutdown(socket.SHUT_RDWR)  # before anyone is told: a POST that meets it is lost
            else:
                connection.answer("somebody else's")
            came.set()

    proxy = tidegate.run({**pooled(backend(say_more).address, connections=1), "threads": 4})
    for _ in range(12):  # the kernel spreads them over the threads
        with proxy.connect() as client:
            answer = client.ask(f"{method} / HTTP/1.1\r\nHost: api\r\nContent-Length: 0\r\n\r\n")
            assert (answer.status, answer.body) == (200, b"its own")
        answered.set()
        assert came.wait(10)
        came.clear()


def test_a_full_queue_is_503_at_once_and_says_so(tidegate: Tidegate, backend: Backends) -> None:
    gated = Gated()
    proxy = tidegate.run(pooled(backend(gated).address, connections=1, queue=1))
    with asking(proxy, 1) as first:
        gated.wait_busy(1)
        with asking(proxy, 4) as clients, ThreadPoolExecutor() as pool:
            refused, queued = 0, []
            for client, answer in zip(clients, pool.map(lambda c: read_soon(c), clients), strict=True):
                if answer is None:
                    queued.append(client)
                else:
                    refused += 1
                    assert (answer.status, answer.field("retry-after")) == (503, "1")
                    assert b"queue_full" in answer.body
            assert (refused, len(queued)) == (3, 1)
            gated.open.release(2)
            assert [client.read_answer().status for client in (*first, *queued)] == [200, 200]


def test_more_requests_than_the_circuit_allows_are_503_at_once(tidegate: Tidegate, backend: Backends) -> None:
    gated = Gated()
    config = {**upstream([backend(gated).address, backend(gated).address]), "threads": 4}
    config["upstreams"]["api"]["circuit"] = {"requests": 3}
    proxy = tidegate.run(config)
    with asking(proxy, 3) as first:
        gated.wait_busy(3)
        with asking(proxy, 5) as others:
            for client in others:
                answer = client.read_answer()
                assert (answer.status, answer.field("retry-after")) == (503, "1")
                assert b"overloaded" in answer.body
            gated.open.release(4)
            assert [client.read_answer().status for client in first] == [200] * 3
            # Whoever was refused may ask again on the same connection, now that there is room.
            assert others[0].send(GET).read_answer().status == 200


def read_soon(client: Client) -> Answer | None:
    """The answer, if it comes before all others have had theirs; the one that waits gets none."""
    client.socket.settimeout(1)
    try:
        return client.read_answer()
    except TimeoutError:
        return None
    finally:
        client.socket.settimeout(10)


def test_who_waits_too_long_is_told(tidegate: Tidegate, backend: Backends) -> None:
    gated = Gated()
    proxy = tidegate.run(pooled(backend(gated).address, connections=1, wait="200ms"))
    with asking(proxy, 1) as first:
        gated.wait_busy(1)
        with proxy.connect() as client:
            answer = client.ask(GET)
            assert answer.status == 503
            assert b"queue_timeout" in answer.body
            gated.open.release(2)
            assert first[0].read_answer().status == 200
            assert client.ask(GET).status == 200


@pytest.mark.parametrize(
    "sent",
    [GET, GET + GET, "POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 99999\r\n\r\n" + "x" * 30000],
    ids=["one request", "another one behind it", "a part of a body"],
)
def test_a_client_that_leaves_gives_up_its_place(tidegate: Tidegate, backend: Backends, sent: str) -> None:
    gated = Gated()
    proxy = tidegate.run(pooled(backend(gated).address, connections=1, queue=1))
    with asking(proxy, 1) as first:
        gated.wait_busy(1)
        gone = proxy.connect().send(sent)
        assert read_soon(gone) is None  # it has the one place
        assert read_probe(proxy) == 503
        gone.reset()
        until(lambda: takes_a_place(proxy))
        gated.open.release(9)
        assert first[0].read_answer().status == 200


def read_probe(proxy: Running) -> int:
    """The status of a request that does not wait for its turn; 0 where it would have to."""
    with proxy.connect() as client:
        answer = read_soon(client.send(GET))
        return answer.status if answer else 0


def takes_a_place(proxy: Running) -> bool:
    """Whether a request may wait now."""
    return read_probe(proxy) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    """Look again and again; each look takes its time."""
    assert any(holds() for _ in range(50))


def test_a_request_takes_the_endpoint_that_has_room(tidegate: Tidegate, backend: Backends) -> None:
    gates = [Gated(), Gated()]
    proxy = tidegate.run({**pooled([backend(gate).address for gate in gates], connections=1), "threads": 1})
    with asking(proxy, 2) as clients:
        for gate in gates:
            gate.wait_busy(1)
        with proxy.connect() as third:
            third.send(GET)
            gates[1].open.release(2)
            third.read_answer()
            gates[0].open.release(1)
        assert [client.read_answer().status for client in clients] == [200, 200]


def test_a_reload_changes_the_bound_and_lets_waiters_in(tidegate: Tidegate, backend: Backends) -> None:
    gated = Gated()
    address = backend(gated).address
    proxy = tidegate.run(pooled(address, connections=1))
    with asking(proxy, 3) as clients:
        gated.wait_busy(1)
        proxy.reload(pooled(address, connections=3))
        gated.wait_busy(3)
        gated.open.release(3)
        assert [client.read_answer().status for client in clients] == [200] * 3


def test_idle_connections_are_counted_and_close_after_their_time(tidegate: Tidegate, backend: Backends) -> None:
    origin = backend()
    config = pooled(origin.address, idle="300ms")
    proxy = tidegate.run({**config, "admin": {"bind": "127.0.0.1:0"}})
    with proxy.connect() as client, proxy.connect("admin") as admin:
        client.ask(GET)
        metric = f'tidegate_endpoint_connections_idle{{upstream="api",endpoint="{origin.address}"}}'

        def idle() -> str:
            text = admin.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body.decode()
            return next(line.removeprefix(metric).strip() for line in text.splitlines() if line.startswith(metric))

        assert idle() == "1"
        wait_until(lambda: idle() == "0" or read_soon(client) is not None)


@pytest.mark.parametrize("challenge", ["NTLM TlRMTVNTUAAC", "Negotiate TlRMTVNTUAAC"])
def test_a_connection_that_carries_a_login_stays_with_its_client(
    tidegate: Tidegate, backend: Backends, challenge: str
) -> None:
    def logs_in(name: str) -> Backend:
        def answer(connection: Connection) -> None:
            while connection.read_request():
                connection.answer(f"{name}{connection.number}", "401 Unauthorized", f"WWW-Authenticate: {challenge}")

        return backend(answer)

    proxy = tidegate.run({**upstream([logs_in(name).address for name in "ab"]), "threads": 1})
    with proxy.connect() as first, proxy.connect() as second:
        seen = [(first.ask(GET).body, second.ask(GET).body) for _ in range(4)]
    assert len(set(seen)) == 1
    assert seen[0][0] != seen[0][1]
