"""Descriptors run out: accepting pauses without spinning, and whoever waits is served later."""

import os
import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get
from tests.peers.sockets import Client, answered
from tests.peers.tidegate import COMMAND, Config, Running, Tidegate, upstream

Backends = Callable[..., Backend]

FILES = 400
CLIENTS = 500
LIMIT = ["sh", "-c", f'ulimit -n {FILES} && exec "$@"', "sh"]
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """How long the process has computed, in user and kernel mode (proc(5))."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(tidegate: Tidegate, address: str, connections: int | str) -> Running:
    """An instance that may have few files."""
    config: Config = {
        **upstream(address),
        "limits": {"connections": connections},
        "routes": [
            {"name": "all", "to": "api", "timeouts": {"response": "2s"}},
            {"name": "own", "match": {"path": "/own"}, "respond": {"body": "ok\n"}},
        ],
    }
    proxy = tidegate.prepare(config)
    proxy.command = [*LIMIT, *COMMAND]
    return proxy.start()


@pytest.fixture
def crowd() -> Iterator[list[Client]]:
    """Clients that are closed with the test."""
    made: list[Client] = []
    yield made
    for each in made:
        each.close()


def silence(connection: Connection) -> None:
    """Answer the first request, and no other."""
    assert connection.read_request()
    connection.answer()
    while connection.read_request():
        pass


@pytest.mark.parametrize("connections", ["auto", 0], ids=["by its own limit", "by the kernel's"])
def test_accepting_pauses_without_spinning_and_whoever_waits_is_served(
    tidegate: Tidegate, backend: Backends, crowd: list[Client], connections: int | str
) -> None:
    proxy = run(tidegate, backend(silence).address, connections)
    ready = next(line for line in proxy.supervisor.lines if line.startswith("ready"))
    assert f" files={FILES} " in ready
    most = int(re.findall(r"connections=(\d+)", ready)[0])
    assert most == (0 if connections == 0 else (FILES - 256) // 2)
    with proxy.connect() as kept:
        assert kept.ask(get()).status == 200
        crowd.extend(proxy.connect().send(get("/own")) for _ in range(CLIENTS))
        there = answered(crowd)
        if connections == 0:
            assert 0 < len(there) < CLIENTS
            proxy.supervisor.wait_for_line("listener web pauses: .*; raise the file limit")
        else:
            assert len(there) == most - 1
        before, began = cpu_s(proxy.worker_pid), time.monotonic()
        assert kept.ask(get()).status == 504  # over the connection that the pool had; it takes 2 s
        assert cpu_s(proxy.worker_pid) - before < 0.1 * (time.monotonic() - began)
        while waiting := [client for client in crowd if client not in there]:
            for client in there:
                client.close()
            more = answered(waiting)
            assert more
            there += more
