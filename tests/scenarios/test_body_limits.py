"""Bodies that are too large or too slow: 413 and 408, and that the client gets to read them."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import chunk, chunked, get, head, post
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address, limits={"body_bytes": "1000B"}))
    with proxy.connect() as client:
        assert client.ask(post("/", b"x" * 1000)).status == 200
        answer = client.ask(head("POST", "/", "Content-Length: 1001"))
        assert (answer.status, answer.field("connection")) == (413, "close")
        assert b"limits.body_bytes" in answer.body
    assert len(one.requests) == 1


@pytest.mark.parametrize("limit", [1000, 100_000], ids=["before an endpoint is asked", "while it is streamed"])
def test_chunks_are_counted_as_they_come(tidegate: Tidegate, backend: Backends, limit: int) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address, limits={"body_bytes": f"{limit}B"}))
    with proxy.connect() as client:
        assert client.ask(chunked("/", b"x" * (limit - 1), b"y")).status == 200
        client.send(head("POST", "/", "Transfer-Encoding: chunked") + chunk(b"x" * limit))
        answer = client.ask(chunk(b"y"))
        assert (answer.status, answer.field("connection")) == (413, "close")
        assert client.read_all() == b""
    assert [len(request.body) for request in one.requests] == [limit]  # of the other it had no end


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_413_reaches_a_client_that_is_still_sending(tidegate: Tidegate, backend: Backends, framing: str) -> None:
    proxy = tidegate.run(upstream(backend().address, limits={"body_bytes": "1000B"}))
    body = b"x" * (16 * 1024 * 1024)
    with proxy.connect() as client:
        client.send(post("/", body) if framing == "length" else chunked("/", body))  # all of it, unread answer or not
        assert client.read_answer().status == 413
        assert client.read_all() == b""


def test_a_client_that_never_stops_sending_is_cut_off(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, limits={"body_bytes": "1000B"}))
    with proxy.connect(timeout_s=30) as client:
        client.send(head("POST", "/", "Transfer-Encoding: chunked"))
        with pytest.raises(OSError):
            while True:  # the lingering ends
                client.send(chunk(b"x" * 1000))


def test_a_body_slower_than_its_rate_is_given_up_and_a_tunnel_is_not(tidegate: Tidegate, backend: Backends) -> None:
    def echo(connection: Connection) -> None:
        request = connection.read_head()
        if request is not None and request.values("upgrade"):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            connection.send(connection.socket.recv(100))
        elif request is not None:
            connection.read_body(request)

    one = backend(echo)
    proxy = tidegate.run(upstream(one.address, limits={"body_rate": "100B/s"}))
    with proxy.connect() as tunnel, proxy.connect() as slow, proxy.connect() as quick:
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
        assert tunnel.ask(get("/ws", upgrade, "Sec-WebSocket-Key: x")).status == 101
        quick.send(head("POST", "/", "Content-Length: 100000") + b"x" * 600)
        slow.send(head("POST", "/", "Content-Length: 100000") + b"x" * 400)
        answer = slow.read_answer()
        assert (answer.status, answer.field("connection")) == (408, "close")
        assert b"limits.body_rate" in answer.body
        quick.send(b"x" * 600)  # had enough in its first window, and is not given up for the other's
        assert tunnel.send(b"ping").read_exactly(4) == b"ping"


def test_a_body_that_pauses_too_long_is_given_up(tidegate: Tidegate, backend: Backends) -> None:
    config = upstream(backend().address, limits={"body_rate": 0})
    config["routes"][0]["timeouts"] = {"idle": "300ms"}
    with tidegate.run(config).connect() as client:
        answer = client.ask(head("POST", "/", "Content-Length: 10") + b"12345")
        assert (answer.status, b"timeouts.idle" in answer.body) == (408, True)


def test_many_clients_that_are_refused_do_not_hold_up_others(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, limits={"body_bytes": "1000B"}))
    lingering = [proxy.connect().send(head("POST", "/", "Content-Length: 100000")) for _ in range(50)]
    assert all(client.read_answer().status == 413 for client in lingering)
    with proxy.connect() as client:
        assert client.ask(get("/")).status == 200
    for each in lingering:
        each.close()
