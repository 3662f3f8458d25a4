"""Killed, stopped, started twice, drained: what clients see of it, which is nothing they must not."""

import json
import os
import signal
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load
from tests.peers.process import Process
from tests.peers.sockets import Client
from tests.peers.tidegate import COMMAND, Tidegate, upstream
from tests.scenarios.stopped_thread import stopped_thread

GET = "GET /a HTTP/1.1\r\nHost: api\r\n\r\n"
CHUNK = b"x" * 65_536


@pytest.fixture
def origin(backend: Callable[..., Backend]) -> Backend:
    """A backend whose download `/long` goes on for as long as the test lets its client read; others are answered."""

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            if "/long" not in request.line:
                connection.answer()
                continue
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(CHUNK) * 400}\r\n\r\n")
            for _ in range(400):
                connection.send(CHUNK)

    return backend(serve)


def test_a_killed_worker_is_replaced_under_load(tidegate: Tidegate, origin: Backend, load: Load) -> None:
    proxy = tidegate.run(upstream(origin.address))
    with load.steady(f"{proxy.url}/a", connections=10) as seen:
        seen.wait_for(100)
        killed = proxy.worker_pid
        os.kill(killed, signal.SIGKILL)
        proxy.supervisor.wait_for_line(f"the worker with pid {killed} was ended by SIGKILL")
        proxy.supervisor.wait_for_line(r"serves snapshot 1")
        lost = len(seen.failures)
        seen.wait_for(200)
    assert proxy.worker_pid != killed
    assert len(seen.failures) == lost <= 10  # one for each connection that the dead worker had, and nothing else


def test_a_stopped_worker_is_replaced_under_load(tidegate: Tidegate, origin: Backend, load: Load) -> None:
    proxy = tidegate.run(upstream(origin.address))
    stopped = proxy.worker_pid
    with load.steady(f"{proxy.url}/a", connections=10) as seen:
        seen.wait_for(100)
        os.kill(stopped, signal.SIGSTOP)
        proxy.supervisor.wait_for_line("it did not beat for 10 s", within_s=30)
        proxy.supervisor.wait_for_line(r"serves snapshot 1")
        seen.wait_for_successes(200)
    assert len(seen.failures) <= 10  # one for each connection that the stopped worker had, and nothing else
    assert proxy.worker_pid != stopped


def test_a_stuck_thread_ends_the_worker_and_the_log_says_where_it_stood(tidegate: Tidegate, origin: Backend) -> None:
    proxy = tidegate.run(upstream(origin.address) | {"threads": 1, "log": {"format": "json"}})
    stuck = proxy.worker_pid
    with proxy.connect() as client:
        client.send("GET /long HTTP/1.1\r\nHost: api\r\n\r\n")
        client.read_exactly(len(CHUNK))  # and no more: the worker is in the midst of it
        with stopped_thread(stuck, "serve-0"):
            proxy.supervisor.wait_for_line("the worker aborts", within_s=30)
    proxy.supervisor.wait_for_line(rf"the worker with pid {stuck} was ended by SIGABRT")
    proxy.supervisor.wait_for_line(r"serves snapshot 1")
    said = [json.loads(line) for line in proxy.supervisor.lines]
    where = 'thread serve-0 has stood still for 10 s, last at route "all", stage exchange: the worker aborts'
    assert [each["message"] for each in said if each["room"] == "engine"] == [where]
    last_words = "its last words: thread serve-0 stood still, last at route all, stage exchange; another is started"
    assert any(each["message"].endswith(last_words) for each in said)
    with proxy.connect() as client:
        assert client.ask(GET).status == 200


def test_a_killed_supervisor_is_not_noticed_and_another_adopts(tidegate: Tidegate, origin: Backend, load: Load) -> None:
    proxy = tidegate.run(upstream(origin.address))
    worker = proxy.worker_pid
    with load.steady(f"{proxy.url}/a", connections=10) as seen, proxy.connect() as kept:
        assert kept.ask(GET).status == 200
        proxy.kill_supervisor()
        seen.wait_for(100)
        proxy.start()
        seen.wait_for(100)
        assert proxy.status()["worker"]["pid"] == proxy.worker_pid == worker
        assert kept.ask(GET).status == 200
    assert seen.failures == []


def test_a_stopped_supervisor_is_not_noticed(tidegate: Tidegate, origin: Backend, load: Load) -> None:
    proxy = tidegate.run(upstream(origin.address))
    with load.steady(f"{proxy.url}/a", connections=4) as seen:
        proxy.supervisor.send(signal.SIGSTOP)
        seen.wait_for(500)
        proxy.supervisor.send(signal.SIGCONT)
        assert proxy.status()["snapshot"]["number"] == 1
    assert seen.failures == []


def test_started_twice_the_second_is_refused_and_the_first_goes_on(tidegate: Tidegate, origin: Backend) -> None:
    proxy = tidegate.run(upstream(origin.address))
    with Process([*COMMAND, "run", proxy.path, "--socket", proxy.folder / "second.sock"]) as second:
        assert second.wait() == 4
        second.wait_for_line(f"already running as pid {proxy.supervisor.pid}")
    with proxy.connect() as client:
        assert client.ask(GET).status == 200


def test_draining_tells_kept_connections_and_ends_when_they_are_done(tidegate: Tidegate, origin: Backend) -> None:
    proxy = tidegate.run(upstream(origin.address) | {"drain": {"timeout": "20s"}})
    with proxy.connect() as client:
        assert client.ask(GET).field("connection") is None
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        assert client.ask(GET).field("connection") == "close"
    assert proxy.supervisor.wait(20) == 0


def test_a_second_sigterm_ends_at_once(tidegate: Tidegate, backend: Callable[..., Backend]) -> None:
    def never(connection: Connection) -> None:
        silent.saw(connection.read_request() or pytest.fail("no request"))
        connection.read_request()

    silent = backend(never)
    proxy = tidegate.run(upstream(silent.address) | {"drain": {"timeout": "10m"}})
    with Client(proxy.address()) as client:
        client.send(GET)
        silent.wait_for(lambda it: len(it.requests) == 1)
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        proxy.supervisor.send(signal.SIGTERM)
        assert proxy.supervisor.wait(20) == 0
