"""Slow uploads do not sit on connections of the backend: when one is taken, and when not."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get, head
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]


@pytest.mark.usefixtures("many_files")
def test_a_thousand_slow_uploads_do_not_sit_on_connections_of_the_backend(
    tidegate: Tidegate, backend: Backends
) -> None:
    one = backend()
    config = upstream(one.address)
    config["routes"][0]["filters"] = [{"buffer_request": {"size": "64KiB"}}]
    proxy = tidegate.run(config)
    clients = [proxy.connect() for _ in range(1000)]
    for piece in (head("POST", "/", "Content-Length: 3000") + b"x" * 1000, b"x" * 1000, b"x" * 999):
        for client in clients:
            client.send(piece)
    with proxy.connect() as other:
        assert other.ask(get("/")).status == 200
    assert len(one.requests) == one.accepted == 1
    for client in clients:
        assert client.ask(b"x").status == 200
        client.close()
    assert len(one.requests) == 1001
    assert one.accepted <= 4  # two threads, each of which has one for one request at a time


def test_an_upload_that_stays_small_and_slow_takes_a_connection_after_a_second(
    tidegate: Tidegate, backend: Backends
) -> None:
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        client.send(head("POST", "/", "Content-Length: 2") + b"x")
        one.wait_for(lambda it: it.accepted == 1)
        assert client.ask(b"y").status == 200
    assert one.requests[0].body == b"xy"
