"""gunicorn behind Tidegate: its sync worker closes after each answer, its threaded one after 2 s without a request."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator

import pytest

from tests.peers.load import Load
from tests.peers.messages import get, post
from tests.peers.python_apps import TOGETHER
from tests.peers.python_servers import PythonServers
from tests.peers.sockets import Client, established_to
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until

pytestmark = pytest.mark.needs("gunicorn")

THREADED = ("--worker-class", "gthread", "--threads", str(2 * TOGETHER), "--keep-alive", "2")


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that all tests share which do not stream."""
    starter = PythonServers(tmp_path_factory.mktemp("gunicorn"))
    yield shared_tidegate.run(upstream(starter.gunicorn()))
    starter.end()


def ask_all(clients: list[Client], request: bytes) -> list[int | str]:
    """Ask on every connection at once; the statuses, or what went wrong."""
    seen: list[int | str] = []

    def ask(client: Client) -> None:
        try:
            seen.append(client.ask(request).status)
        except (OSError, EOFError) as error:
            seen.append(repr(error))

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return seen


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_sync_worker_loses_no_request(shared: Running, load: Load, method: str) -> None:
    request = get if method == "GET" else lambda path: post(path, b"x" * 2000)
    with load.steady(f"{shared.url}/p", connections=8, request=request) as seen:
        seen.wait_for(500)
    assert seen.failures == []


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
def test_a_post_arrives_whole(shared: Running, size: int) -> None:
    body = os.urandom(size)
    with shared.connect() as client:
        told = json.loads(client.ask(post("/p", body)).body)
    assert (told["body"], told["sha256"]) == (size, hashlib.sha256(body).hexdigest())


def test_an_answer_in_chunks_comes_whole(shared: Running) -> None:
    with shared.connect() as client:
        answer = client.ask(get("/stream"))
    assert answer.body == b"".join(b"%d\n" % number * 100 for number in range(1000))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_that_meet_the_end_of_idle_connections_are_not_lost(
    tidegate: Tidegate, python_servers: PythonServers, method: str
) -> None:
    address = python_servers.gunicorn(*THREADED)
    proxy = tidegate.run(upstream(address))
    request = get("/") if method == "GET" else post("/", b"x" * 100)
    clients = [proxy.connect() for _ in range(TOGETHER)]
    assert ask_all(clients, get("/together")) == [200] * TOGETHER
    kept = established_to(address)
    assert kept == TOGETHER  # each has left a connection of its own in a pool
    until(lambda: established_to(address) < TOGETHER)  # the first of them is closed: the others are about to be
    assert ask_all(clients, request) == [200] * TOGETHER
    for client in clients:
        client.close()


def test_a_worker_that_is_reloaded_loses_no_request(
    tidegate: Tidegate, python_servers: PythonServers, load: Load
) -> None:
    proxy: Running = tidegate.run(upstream(python_servers.gunicorn("--max-requests", "50")))  # then another takes over
    with load.steady(f"{proxy.url}/", connections=4) as seen:
        seen.wait_for(200)
    assert seen.failures == []
