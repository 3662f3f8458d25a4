"""Reloads under load: nobody loses a request, and who must go is told."""

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack

from websockets.sync.client import connect

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load
from tests.peers.messages import chunked, get, post
from tests.peers.tidegate import Config, Tidegate, upstream
from tests.peers.websocket_server import WebSocketServer

Backends = Callable[..., Backend]


def test_a_hundred_reloads_lose_no_request(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    addresses = [backend().address, backend().address]

    def turn(number: int) -> Config:
        """One endpoint or two, one thread or two, and a timeout that makes each upstream's route another."""
        config = upstream(addresses[: 1 + number % 2], timeouts={"idle": f"{30 + number}s"})
        return {**config, "threads": 1 + number // 2 % 2}

    proxy = tidegate.run(turn(0))
    kinds: list[tuple[Callable[[str], bytes], int]] = [
        (get, 0),  # on kept connections
        (get, 1),  # each on a connection of its own
        (lambda path: post(path, b"x" * 5000), 0),
        (lambda path: chunked(path, b"x" * 100, b"y" * 30_000), 3),
    ]
    with ExitStack() as loads:
        seen = [
            loads.enter_context(
                load.steady(f"{proxy.url}/a", connections=5, request=request, requests_per_connection=most)
            )
            for request, most in kinds
        ]
        for number in range(1, 101):
            proxy.write(turn(number))
            proxy.supervisor.send(signal.SIGHUP)
            proxy.supervisor.wait_for_line(rf"snapshot {number + 1} is served")
            for each in seen:
                each.wait_for(2)
    assert [each.failures for each in seen] == [[]] * len(kinds)
    assert proxy.status()["snapshot"]["number"] == 101


def test_two_hundred_reloads_touch_no_request_no_download_and_no_tunnel(
    tidegate: Tidegate, backend: Backends, load: Load
) -> None:
    goes_on = threading.Semaphore(0)

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            if "/long" not in request.line:
                connection.answer()
                continue
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
            for _ in range(200):
                goes_on.acquire()
                connection.send(b"x" * 1000)

    with WebSocketServer() as server, ExitStack() as open_ones:
        config = upstream(backend(serve).address)
        config["routes"] += [{"match": {"path": "/ws"}, "to": "sockets"}]
        config["upstreams"]["sockets"] = {"endpoints": [server.address]}
        proxy = tidegate.run(config)
        tunnel = open_ones.enter_context(connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None))
        download = open_ones.enter_context(proxy.connect()).send(get("/long"))
        assert download.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        kinds = [(get, 0), (get, 1), (lambda path: post(path, b"x" * 5000), 0)]
        seen = [
            open_ones.enter_context(
                load.steady(f"{proxy.url}/a", connections=3, request=request, requests_per_connection=most)
            )
            for request, most in kinds
        ]
        for number in range(200):
            proxy.write({**config, "drain": {"timeout": f"{number + 1}s"}, "threads": 1 + number % 2})
            proxy.supervisor.send(signal.SIGHUP)
            proxy.supervisor.wait_for_line(rf"snapshot {number + 2} is served")
            goes_on.release()
            assert download.read_exactly(1000) == b"x" * 1000
            tunnel.send(str(number))
            assert tunnel.recv(10) == str(number)
        for each in seen:
            each.wait_for(3)
        assert [each.failures for each in seen] == [[]] * len(kinds)


def test_a_reload_does_not_touch_kept_connections(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    proxy = tidegate.run(upstream(one.address))
    with proxy.connect() as client:
        for number in range(5):
            assert client.ask(get(f"/{number}")).field("connection") is None
            proxy.reload(upstream(one.address, timeouts={"header": f"{number + 5}s"}))
    assert one.accepted == 1  # nor does it touch the pool of an upstream that is as it was


def test_a_request_ends_with_the_snapshot_that_it_began_with(tidegate: Tidegate, backend: Backends) -> None:
    there, go_on = threading.Event(), threading.Event()

    def wait(connection: Connection) -> None:
        while connection.read_request():
            there.set()
            assert go_on.wait(10)
            connection.answer("old\n")

    old, new = backend(wait), backend(lambda connection: [connection.read_request(), connection.answer("new\n")][1])
    proxy = tidegate.run(upstream(old.address))
    with proxy.connect() as client, proxy.connect() as other:
        client.send(get())
        assert there.wait(10)
        proxy.reload(upstream(new.address))
        assert other.ask(get()).body == b"new\n"
        go_on.set()
        assert client.read_answer().body == b"old\n"
        assert client.ask(get()).body == b"new\n"


def test_connections_of_a_listener_that_goes_are_told_with_an_answer(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    config = upstream(one.address)
    with_other = {**config, "listeners": {**config["listeners"], "other": {"bind": "127.0.0.1:0"}}}
    proxy = tidegate.run(with_other)
    with proxy.connect() as stays, proxy.connect("other") as asks, proxy.connect("other") as idle:
        for client in (stays, asks, idle):
            assert client.ask(get()).field("connection") is None
        proxy.reload(config)
        assert asks.ask(get()).field("connection") == "close"
        assert asks.read_all() == b""
        assert idle.read_all() == b""  # not in the same breath: it had its time to carry one more request
        assert stays.ask(get()).field("connection") is None


def test_a_listener_that_comes_is_served_when_the_reload_answers(tidegate: Tidegate, backend: Backends) -> None:
    config = upstream(backend().address)
    proxy = tidegate.run(config)
    path = proxy.folder / "more.sock"
    more = {**config, "listeners": {**config["listeners"], "more": {"bind": f"unix:{path}"}}}
    proxy.reload(more)
    proxy.addresses["more"] = f"unix:{path}"
    with proxy.connect("more") as client:
        assert client.ask(get()).status == 200
    proxy.reload(config)
    assert not path.exists()


def test_a_reload_that_is_wrong_changes_nothing(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    config = upstream(backend().address)
    proxy = tidegate.run(config)
    with load.steady(f"{proxy.url}/a", connections=4) as seen:
        wrongs: list[Config] = [{"routes": [{"to": "nobody"}]}, {"thread": 1}, {"upstreams": {"api": {}}}]
        for wrong in wrongs:
            proxy.write({**config, **wrong})
            done = proxy.call("reload")
            assert (done.returncode, f"{proxy.path}:" in done.stderr) == (1, True), wrong
            seen.wait_for(20)
    assert seen.failures == []
    assert proxy.status()["snapshot"]["number"] == 1
