"""Python's `websockets` on both sides of a tunnel."""

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from tests.peers.backend import Backend, Connection
from tests.peers.messages import get
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.websocket_server import WebSocketServer


@pytest.fixture
def server() -> Iterator[WebSocketServer]:
    """A server that echoes."""
    with WebSocketServer() as made:
        yield made


@pytest.fixture
def proxy(tidegate: Tidegate, server: WebSocketServer) -> Running:
    """Tidegate in front of it."""
    return tidegate.run(upstream(server.address) | {"drain": {"timeout": "2s"}})


@pytest.fixture(scope="module")
def echo(shared_tidegate: Tidegate) -> Iterator[Running]:
    """One that all tests share which only send and receive."""
    with WebSocketServer() as made:
        yield shared_tidegate.run(upstream(made.address))


def open_tunnel(proxy: Running) -> ClientConnection:
    """A WebSocket through Tidegate."""
    return connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None, max_size=None)


def test_messages_are_echoed_both_ways(echo: Running) -> None:
    with open_tunnel(echo) as client:
        for message in ("hello", "", b"\x00\xff", "more " * 1000):
            client.send(message)
            assert client.recv(10) == message


def test_large_messages_come_whole(echo: Running) -> None:
    message = os.urandom(16 * 1024 * 1024)
    with open_tunnel(echo) as client:
        client.send(message)
        assert client.recv(30) == message


def test_a_message_in_fragments_comes_whole(echo: Running) -> None:
    with open_tunnel(echo) as client:
        client.send(f"part {number} " for number in range(100))
        assert client.recv(10) == "".join(f"part {number} " for number in range(100))


def test_a_ping_is_answered_by_the_other_end(echo: Running) -> None:
    with open_tunnel(echo) as client:
        assert client.ping(b"are you there").wait(10)


def test_a_client_closes_with_a_handshake(proxy: Running, server: WebSocketServer) -> None:
    with open_tunnel(proxy) as client:
        client.close(4000, "enough")
    assert client.close_code == 4000
    ended = server.wait_for_end()
    assert ended.rcvd == ended.sent == Close(4000, "enough")  # the close frame, and its echo


def test_a_server_closes_with_a_handshake(echo: Running) -> None:
    with open_tunnel(echo) as client:
        client.send("close, please")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd == Close(4001, "as you like")


def test_a_client_that_sends_no_more_is_told_to_the_server(proxy: Running, server: WebSocketServer) -> None:
    with open_tunnel(proxy) as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert server.wait_for_end().rcvd is None  # it ended without a close frame
        with pytest.raises(ConnectionClosed):
            client.recv(10)


def test_a_client_that_resets_is_told_to_the_server(proxy: Running, server: WebSocketServer) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    with proxy.connect() as client:
        assert client.ask(f"GET /ws HTTP/1.1\r\nHost: api\r\n{upgrade}{key}\r\n").status == 101
        client.reset()
    assert server.wait_for_end().rcvd is None


def test_a_tunnel_lives_through_reloads_and_a_dead_supervisor(proxy: Running, server: WebSocketServer) -> None:
    with open_tunnel(proxy) as client:
        for _ in range(3):
            proxy.reload()
            client.send("still here")
            assert client.recv(10) == "still here"
        proxy.kill_supervisor()
        client.send("still here")
        assert client.recv(10) == "still here"
        proxy.start()
        client.send("still here")
        assert client.recv(10) == "still here"
    assert server.wait_for_end().rcvd == Close(1000, "")


def test_a_tunnel_that_outlasts_the_drain_is_cut(proxy: Running, server: WebSocketServer) -> None:
    with open_tunnel(proxy) as client:
        proxy.supervisor.send(signal.SIGTERM)
        proxy.supervisor.wait_for_line("draining")
        client.send("still here")
        assert client.recv(10) == "still here"
        with pytest.raises(ConnectionClosed):
            client.recv(20)
    assert proxy.supervisor.wait() == 0


def test_what_comes_right_after_the_switch_and_after_half_a_close_is_passed_on(
    tidegate: Tidegate, backend: Callable[..., Backend]
) -> None:
    def serve(connection: Connection) -> None:
        request = connection.read_head()
        assert request is not None
        assert (request.values("connection"), request.values("upgrade")) == (["upgrade"], ["websocket"])
        fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        connection.send(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nhello")
        while data := connection.socket.recv(100):
            connection.send(data)
        connection.send("last words")

    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
    with tidegate.run(upstream(backend(serve).address)).connect() as client:
        assert client.ask(get("/ws", *fields)).status == 101
        assert client.read_exactly(5) == b"hello"
        client.send("ping").half_close()
        assert client.read_all() == b"pinglast words"


def test_a_server_that_refuses_is_heard(tidegate: Tidegate, backend: Callable[..., Backend]) -> None:
    refusing = backend(lambda connection: connection.answer("no\n", "403 Forbidden"))
    proxy = tidegate.run(upstream(refusing.address))
    with pytest.raises(InvalidStatus) as refused:
        open_tunnel(proxy)
    assert refused.value.response.status_code == 403


def test_a_silent_tunnel_ends_after_its_timeout(tidegate: Tidegate, server: WebSocketServer) -> None:
    proxy = tidegate.run(upstream(server.address, timeouts={"tunnel": "300ms"}))
    with open_tunnel(proxy) as client:
        client.send("hello")
        assert client.recv(10) == "hello"
        with pytest.raises(ConnectionClosed):
            client.recv(10)
    assert server.wait_for_end().rcvd is None
