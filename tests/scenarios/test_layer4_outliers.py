"""Endpoints that accept connections, or take datagrams, and then serve nobody: they leave after a handful."""

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.carried import carried, echo
from tests.peers.datagrams import Sender, Server, datagrams
from tests.peers.messages import head
from tests.peers.tidegate import Config, Running, Tidegate
from tests.peers.waiting import until
from tests.telling.asking import metric

Backends = Callable[..., Backend]
OUTLIER = {"ejection_time": "500ms", "most_ejection_time": "5s"}
ADMIN = {"admin": {"bind": "127.0.0.1:0"}, "threads": 1}


class Moody(Backend):
    """Carries on or resets at once, as the test says."""

    def __init__(self) -> None:
        super().__init__(self.serve)
        self.mood = "echo"

    def serve(self, connection: Connection) -> None:
        """Do as the mood is."""
        if self.mood == "echo":
            echo(connection)
            return
        connection.socket.recv(1)  # a reset that comes sooner may meet the connect, which tries another endpoint
        if self.mood == "resets":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def watched(config: Config, upstream: str) -> Config:
    """With outliers, and an admin listener."""
    config["upstreams"][upstream]["outlier"] = OUTLIER
    return {**config, **ADMIN}


def is_served(proxy: Running, number: int) -> bool:
    """Whether one client, with an address of its own, gets back what it sent."""
    with suppress(OSError, EOFError), proxy.connect(source=f"127.0.1.{number % 250 + 1}") as client:
        return client.send(b"x").read_exactly(1) == b"x"
    return False


def outlier(proxy: Running, of: Backend) -> str:
    """The third axis of an endpoint."""
    with proxy.connect("admin") as client:
        answer = client.ask(head("GET", "/api/v1/upstreams", host=proxy.address("admin")))
    endpoints = json.loads(answer.body)["upstreams"][0]["endpoints"]
    return next(str(each["outlier"]) for each in endpoints if each["address"] == of.address)


@pytest.mark.parametrize("mood", ["resets", "hangs up"])
def test_an_endpoint_that_serves_nobody_leaves_and_returns(tidegate: Tidegate, mood: str) -> None:
    well, ill = Moody(), Moody()
    proxy = tidegate.run(watched(carried([well.address, ill.address]), "db"))
    assert all(is_served(proxy, number) for number in range(4))
    ill.mood = mood
    assert sum(not is_served(proxy, number) for number in range(40)) == 5
    proxy.supervisor.wait_for_line(f"upstream db: {ill.address} is ejected: 5 requests in a row .*; for 0.5 s")
    # On trial it costs one connection, and goes for longer.
    proxy.supervisor.wait_for_line(f"upstream db: {ill.address} is on trial")
    assert sum(not is_served(proxy, number) for number in range(20)) == 1
    proxy.supervisor.wait_for_line(f"{ill.address} is ejected: a request on trial went wrong: .*; for 1 s")
    ill.mood = "echo"
    until(lambda: is_served(proxy, 7) and outlier(proxy, ill) == "in")
    proxy.supervisor.wait_for_line(f"{ill.address} is taken again: 3 requests on trial went well")
    assert metric(proxy, "tidegate_endpoint_failures_total", upstream="db", endpoint=ill.address) == 6


def test_a_name_server_that_is_silent_leaves_and_returns(tidegate: Tidegate) -> None:
    well, ill = Server("well "), Server()
    ill.answer = lambda _: []
    try:
        config = datagrams([well.address, ill.address], udp={"responses": 1, "idle": "200ms"})
        proxy = tidegate.run(watched(config, "dns"))
        with Sender(proxy.address()) as client:

            def asks() -> bool:
                """Whether an answer comes."""
                return not client.send(b"?").hears_nothing(0.5) and bool(client.receive())

            until(lambda: asks() and len(ill.heard) >= 5, within_s=30)
            proxy.supervisor.wait_for_line(
                f"{ill.address} is ejected: .*: it did not answer within udp.idle; for 0.5 s"
            )
            ill.answer = lambda data: [b"ill " + data]
            heard = len(ill.heard)
            until(lambda: asks() and len(ill.heard) > heard + 3)
            proxy.supervisor.wait_for_line(f"{ill.address} is taken again: 3 requests on trial went well")
    finally:
        well.end()
        ill.end()
