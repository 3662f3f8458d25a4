"""uvicorn behind Tidegate: an ASGI application that streams, in both directions."""

import hashlib
import json
import os
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect

from tests.peers.load import Load
from tests.peers.messages import chunk, get, head, post
from tests.peers.python_servers import PythonServers
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until

pytestmark = pytest.mark.needs("uvicorn")


@pytest.fixture
def proxy(tidegate: Tidegate, python_servers: PythonServers) -> Running:
    """Tidegate in front of it."""
    return tidegate.run(upstream(python_servers.uvicorn()))


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that all tests share which do not stream."""
    starter = PythonServers(tmp_path_factory.mktemp("uvicorn"))
    yield shared_tidegate.run(upstream(starter.uvicorn()))
    starter.end()


def test_each_event_arrives_while_the_stream_is_open(proxy: Running) -> None:
    with proxy.connect() as reader, proxy.connect() as writer:
        reader.send(get("/events"))
        assert b"content-type: text/event-stream" in reader.read_until(b"\r\n\r\n")
        for number in range(20):
            event = b"data: event %d\n\n" % number
            assert writer.ask(post("/events", b"event %d" % number)).status == 200
            assert reader.read_until(b"\n\n\r\n").endswith(event + b"\r\n")  # each its own chunk, and not one later
        reader.reset()  # or uvicorn would wait for it when it ends


def test_a_reader_of_events_that_resets_is_told_to_the_application(
    proxy: Running, python_servers: PythonServers
) -> None:
    with proxy.connect() as reader:
        reader.send(get("/events")).read_until(b"\r\n\r\n")
        reader.reset()
    python_servers.started[0].wait_for_line("the client left")


def test_a_reader_of_events_that_closes_is_told_with_the_next_ones(
    proxy: Running, python_servers: PythonServers
) -> None:
    with proxy.connect() as reader:
        reader.send(get("/events")).read_until(b"\r\n\r\n")
    with proxy.connect() as writer:

        def has_left() -> bool:
            assert writer.ask(post("/events", b"event")).status == 200
            return "the client left" in python_servers.started[0].lines

        until(has_left)  # it could have been one that half-closed and still reads


def test_a_body_is_answered_while_it_comes(proxy: Running) -> None:
    with proxy.connect() as client:
        client.send(head("POST", "/echo", "Transfer-Encoding: chunked"))
        for number in range(5):
            part = b"%d" % number * 20_000
            client.send(chunk(part))
            if number == 0:  # what is answered before the request's end must be the connection's last
                assert b"connection: close\r\n" in client.read_until(b"\r\n\r\n")
            seen = b""
            while len(seen) < len(part):
                size = int(client.read_until(b"\r\n"), 16)
                seen += client.read_exactly(size)
                client.read_exactly(2)
            assert seen == part
        client.send(chunk(b"") + b"\r\n")
        assert client.read_all() == b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
def test_a_post_arrives_whole(shared: Running, size: int) -> None:
    body = os.urandom(size)
    with shared.connect() as client:
        told = json.loads(client.ask(post("/p", body)).body)
    assert (told["body"], told["sha256"]) == (size, hashlib.sha256(body).hexdigest())


def test_the_application_sees_the_host_that_the_client_named(shared: Running) -> None:
    with shared.connect() as client:
        assert json.loads(client.ask(post("/", b"")).body)["host"] == "api"


def test_websockets_pass(shared: Running) -> None:
    with connect(f"ws://{shared.address()}/ws", proxy=None) as client:
        for message in ("hello", os.urandom(500_000)):
            client.send(message)
            assert client.recv(10) == message
        client.send("close, please")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd == Close(4001, "as you like")


def test_a_steady_load_of_posts_loses_none(shared: Running, load: Load) -> None:
    with load.steady(f"{shared.url}/p", connections=8, request=lambda path: post(path, b"x" * 2000)) as seen:
        seen.wait_for(300)
    assert seen.failures == []
