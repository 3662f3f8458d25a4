"""Sockets that the service manager bound: one descriptor an address, served by all threads, over restarts."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.activation import activate
from tests.peers.backend import Backend
from tests.peers.load import Load
from tests.peers.messages import get
from tests.peers.sockets import Client
from tests.peers.tidegate import COMMAND, Running, Tidegate, upstream

Backends = Callable[..., Backend]


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """A TCP and a Unix socket that listen, as a service manager would hold them."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "web.sock"))
        unix.listen()
        yield [tcp, unix]


@pytest.fixture
def activated(tidegate: Tidegate, backend: Backends, bound: list[socket.socket]) -> Running:
    """An instance that was started with both: one found by its listener's name, one by its address."""
    config = upstream(backend().address)
    config["listeners"]["other"] = {"bind": f"unix:{bound[1].getsockname()}"}
    running = tidegate.prepare(config)
    running.command = [*activate(bound, "web:unknown"), *COMMAND[1:]]
    running.descriptors = [each.fileno() for each in bound]
    return running.start()


def test_they_are_served_over_a_reload_and_a_new_supervisor(
    activated: Running, bound: list[socket.socket], load: Load
) -> None:
    port, path = bound[0].getsockname()[1], bound[1].getsockname()
    assert activated.addresses == {"web": f"127.0.0.1:{port}", "other": f"unix:{path}"}
    worker = activated.worker_pid
    with load.steady(f"{activated.url}/a", connections=10) as seen:
        seen.wait_for(50)
        activated.reload()
        activated.kill_supervisor()
        seen.wait_for(50)
        activated.start()
        seen.wait_for(50)
        for _ in range(4):  # the threads take turns
            with Client(f"unix:{path}") as client:
                assert client.ask(get("/")).status == 200
    assert seen.failures == []
    assert activated.worker_pid == worker


def test_who_comes_while_the_service_is_down_is_served_by_the_next(
    activated: Running, bound: list[socket.socket]
) -> None:
    assert activated.stop() == 0
    assert Path(bound[1].getsockname()).exists()  # it is the service manager's
    with Client(f"127.0.0.1:{bound[0].getsockname()[1]}") as early, Client(f"unix:{bound[1].getsockname()}") as late:
        early.send(get("/"))
        activated.start()
        assert early.read_answer().status == 200
        assert late.ask(get("/")).status == 200
