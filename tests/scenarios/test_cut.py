"""What is left when the time to drain is over: it is cut, and a line tells of each."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.peers.backend import Backend, Connection
from tests.peers.carried import carried, echo
from tests.peers.frames import FrameClient
from tests.peers.messages import get
from tests.peers.tidegate import Tidegate, upstream
from tests.peers.websocket_server import WebSocketServer
from tests.telling.asking import lines

Backends = Callable[..., Backend]


def test_a_line_tells_of_each_connection_that_a_drain_cuts(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    there = threading.Semaphore(0)

    def stop_in_the_midst(connection: Connection) -> None:
        request = connection.read_request()
        assert request is not None
        if "/long" in request.line:
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        there.release()
        connection.read_request()

    log = tmp_path / "access.log"
    config = upstream(backend(stop_in_the_midst).address)
    layer4 = carried(backend(echo).address)
    config["listeners"]["stream"] = layer4["listeners"]["web"]
    with WebSocketServer() as server, ExitStack() as open_ones:
        config["routes"] += [{"match": {"path": "/ws"}, "to": "sockets"}]
        config["upstreams"] |= {**layer4["upstreams"], "sockets": {"endpoints": [server.address]}}
        drain = {"drain": {"timeout": "300ms"}, "access_log": {"to": str(log)}}
        proxy = tidegate.run({**config, **drain})
        tunnel = open_ones.enter_context(connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None))
        tunnel.send("a")
        assert tunnel.recv(10) == "a"
        stream = open_ones.enter_context(proxy.connect("stream"))
        assert stream.send(b"12345").read_exactly(5) == b"12345"
        download, waiting, idle = (open_ones.enter_context(proxy.connect()) for _ in range(3))
        download.send(get("/long"))
        assert download.read_until(b"half")
        waiting.send(get("/silent"))
        open_ones.enter_context(FrameClient(proxy.address())).ask(1, "/of-many")
        assert all(there.acquire(timeout=10) for _ in range(3))
        assert proxy.stop(within_s=10) == 0
        with pytest.raises(ConnectionResetError):
            stream.read_all()
        with pytest.raises(ConnectionResetError):
            download.read_all()
        assert idle.read_all() == b""
    told = {str(line.get("path", line.get("protocol"))): line for line in lines(log)}
    assert sorted(told) == ["/long", "/of-many", "/silent", "/ws", "tcp"]
    assert {(line["failure"], line["stage"]) for line in told.values()} == {("shutting_down", "exchange")}
    assert {line["reason"] for line in told.values()} == {"the time to drain is over, and the connection was cut"}
    assert (told["tcp"]["bytes_in"], told["tcp"]["bytes_out"]) == (5, 5)
    proxy.supervisor.wait_for_line("time is over: 5 connections are cut")
