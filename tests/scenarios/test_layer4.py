"""Layer 4: bytes of TCP connections carried on as they are, on real sockets."""

import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.carried import carried, echo
from tests.peers.sockets import Client, closed_port
from tests.peers.tidegate import Config, Running, Tidegate
from tests.peers.waiting import until
from tests.telling.asking import lines, metric

Backends = Callable[..., Backend]
ADMIN = {"admin": {"bind": "127.0.0.1:0"}}


def told(path: Path, count: int) -> list[Config]:
    """So many lines of the access log."""
    until(lambda: len(lines(path)) >= count)
    return lines(path)


def named(name: str) -> Callable[[Connection], None]:
    """A backend that speaks first, then echoes."""

    def speak(connection: Connection) -> None:
        connection.send(name)
        echo(connection)

    return speak


def send_all(client: Client, data: bytes) -> None:
    """Send, and then no more."""
    client.send(data)
    client.half_close()


def test_bytes_go_both_ways_whoever_speaks_first(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(carried(backend(named("welcome\n")).address))
    with proxy.connect() as client:
        assert client.read_until(b"\n") == b"welcome\n"
        assert client.send(b"\x00\xff").read_exactly(2) == b"\x00\xff"


@pytest.mark.parametrize("size", [1, 16 * 1024, 3_000_000, 40_000_000])
def test_every_byte_comes_once_and_in_order(tidegate: Tidegate, backend: Backends, size: int) -> None:
    proxy = tidegate.run(carried(backend(echo).address))
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    with proxy.connect() as client:
        sender = threading.Thread(target=send_all, args=(client, data))
        sender.start()
        assert client.read_all() == data
        sender.join()


def test_each_side_may_end_first_and_the_other_goes_on(tidegate: Tidegate, backend: Backends) -> None:
    def count(connection: Connection) -> None:
        total = 0
        while data := connection.socket.recv(65536):
            total += len(data)
        connection.send(f"{total}\n")

    def speak_and_listen(connection: Connection) -> None:
        connection.send("all of it")
        connection.socket.shutdown(socket.SHUT_WR)
        heard.append(connection.socket.recv(100))

    heard: list[bytes] = []
    first = tidegate.run(carried(backend(count).address))
    with first.connect() as client:
        client.send(b"x" * 100_000).half_close()
        assert client.read_all() == b"100000\n"
    second = tidegate.run(carried(backend(speak_and_listen).address))
    with second.connect() as client:
        assert client.read_all() == b"all of it"
        client.send(b"thanks")
        until(lambda: heard == [b"thanks"])


@pytest.mark.parametrize("who", ["client", "endpoint"])
def test_a_reset_of_one_side_is_a_reset_for_the_other(
    tidegate: Tidegate, backend: Backends, tmp_path: Path, who: str
) -> None:
    seen: list[str] = []
    linger = struct.pack("ii", 1, 0)

    def serve(connection: Connection) -> None:
        connection.socket.recv(1)
        if who == "endpoint":
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        connection.send("ready")
        try:
            seen.append(f"end {connection.socket.recv(1)!r}")
        except ConnectionResetError:
            seen.append("reset")

    log = tmp_path / "access.log"
    proxy = tidegate.run({**carried(backend(serve).address), "access_log": {"to": str(log)}})
    client = proxy.connect().send(b"x")
    if who == "endpoint":
        with pytest.raises(ConnectionResetError):
            client.read_all()
        kind = "upstream_reset"
    else:
        client.read_exactly(5)
        client.reset()
        until(lambda: seen == ["reset"])
        kind = "client_gone"
    assert told(log, 1)[0]["failure"] == kind


def test_a_refused_connect_tries_another_endpoint_and_no_byte_is_lost(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    config = {**carried([closed_port(), closed_port(), backend(echo).address]), **ADMIN, "threads": 1}
    proxy = tidegate.run({**config, "access_log": {"to": str(log)}})
    for _ in range(6):
        with proxy.connect() as client:
            assert client.send(b"all of it").read_exactly(9) == b"all of it"
    attempts = [line["attempts"] for line in told(log, 6)]
    assert sum(attempts) == 8, attempts  # each dead one is asked once, then passed over
    passed = [each["outlier"] for each in proxy.status()["upstreams"][0]["endpoints"] if each.get("outlier")]
    assert passed == [] or passed.count("out") == 2


def test_without_an_endpoint_the_client_is_reset_and_the_log_says_why(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    proxy = tidegate.run({**carried([closed_port()]), "access_log": {"to": str(log)}, **ADMIN})
    with pytest.raises(ConnectionResetError), proxy.connect() as client:
        client.read_all()
    line = told(log, 1)[0]
    assert (line["failure"], line["stage"], line["bytes_in"]) == ("connect_refused", "connect", 0)
    assert metric(proxy, "tidegate_failures_total", kind="connect_refused", stage="connect") == 1


def test_one_line_tells_of_each_connection(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    server = backend(echo)
    proxy = tidegate.run({**carried(server.address), "access_log": {"to": str(log)}, **ADMIN})
    with proxy.connect() as client:
        client.send(b"12345").half_close()
        assert client.read_all() == b"12345"
    line = told(log, 1)[0]
    assert line.pop("duration") > 0
    del line["time"]
    assert line == {
        "client": "127.0.0.1",
        "listener": "web",
        "upstream": "db",
        "endpoint": server.address,
        "protocol": "tcp",
        "bytes_in": 5,
        "bytes_out": 5,
        "attempts": 1,
    }
    assert metric(proxy, "tidegate_connections_received_bytes_total", listener="web") == 5
    assert metric(proxy, "tidegate_connections_accepted_total", listener="web") == 1
    assert metric(proxy, "tidegate_endpoint_requests_total", upstream="db", endpoint=server.address) == 1


def test_a_connection_outlives_reloads_and_its_own_listener(tidegate: Tidegate, backend: Backends) -> None:
    old, new = backend(named("old\n")), backend(named("new\n"))
    proxy = tidegate.run(carried(old.address))
    with proxy.connect() as client:
        assert client.read_until(b"\n") == b"old\n"
        proxy.reload(carried(new.address))
        with proxy.connect() as another:
            assert another.read_until(b"\n") == b"new\n"
        proxy.reload({"listeners": {}})
        assert client.send(b"still there").read_exactly(11) == b"still there"


def test_a_drain_waits_for_connections_until_its_time_is_over(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run({**carried(backend(echo).address), "drain": {"timeout": "20s"}})
    with proxy.connect() as client:
        assert client.send(b"a").read_exactly(1) == b"a"
        proxy.supervisor.send(signal.SIGTERM)
        until(lambda: not accepts(proxy))
        assert client.send(b"b").read_exactly(1) == b"b"
        client.half_close()
        assert client.read_all() == b""
    assert proxy.supervisor.wait(15) == 0


def accepts(proxy: Running) -> bool:
    """Whether a new connection is taken."""
    with suppress(OSError), Client(proxy.address(), timeout_s=0.3) as client:
        return client.send(b"x").read_exactly(1) == b"x"
    return False


def test_who_says_nothing_for_the_idle_time_is_closed(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    proxy = tidegate.run({**carried(backend(echo).address, tcp={"idle": "300ms"}), "access_log": {"to": str(log)}})
    with proxy.connect() as client:
        assert client.send(b"a").read_exactly(1) == b"a"
        assert client.read_all() == b""
    line = told(log, 1)[0]
    assert line["failure"] == "connection_idle"
    assert line["duration"] >= 0.3


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_endpoint_is_told_the_client_that_a_header_told_us(
    tidegate: Tidegate, backend: Backends, version: str
) -> None:
    heard: list[bytes] = []

    def listen(connection: Connection) -> None:
        while data := connection.socket.recv(65536):
            heard.append(data)

    config = carried(backend(listen).address, proxy_protocol="required")
    config["upstreams"]["db"]["proxy_protocol"] = version
    proxy = tidegate.run(config)
    with proxy.connect() as client:
        client.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\nhello").half_close()
        assert client.read_all() == b""
    told = b"".join(heard)
    if version == "v1":
        assert told == b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\nhello"
    else:
        addresses = bytes([192, 0, 2, 1, 198, 51, 100, 7]) + struct.pack("!HH", 4711, 443)
        assert told == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + addresses + b"hello"


def test_bytes_without_the_header_are_refused(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(
        {**carried(backend(echo).address, proxy_protocol="required", timeouts={"header": "200ms"}), **ADMIN}
    )
    for sent in (b"hello, this is no header", b""):
        with suppress(ConnectionResetError), proxy.connect() as client:
            assert client.send(sent).read_all() == b""
    assert metric(proxy, "tidegate_failures_total", kind="invalid_proxy_protocol", stage="proxy_protocol") == 2


def test_a_client_may_come_so_often_and_no_more(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(carried(backend(named("hi")).address, limits={"connection_rate": "3/h"}))

    def is_served() -> bool:
        with suppress(ConnectionResetError), proxy.connect() as client:
            return client.read_exactly(2) == b"hi"
        return False

    assert [is_served() for _ in range(5)] == [True, True, True, False, False]


def test_a_client_may_have_so_many_and_a_listener_so_many(tidegate: Tidegate, backend: Backends) -> None:
    server = backend(named("hi"))
    proxy = tidegate.run(carried(server.address, limits={"connections_per_client": 2}))
    with proxy.connect() as one, proxy.connect() as two:
        assert one.read_exactly(2) + two.read_exactly(2) == b"hihi"
        with pytest.raises(ConnectionResetError), proxy.connect() as three:
            three.read_all()
    proxy.reload(carried(server.address, limits={"connections": 1}))
    first = proxy.connect()
    assert first.read_exactly(2) == b"hi"
    with proxy.connect(timeout_s=10) as second:
        first.close()
        assert second.read_exactly(2) == b"hi"


def test_a_bounded_pool_lets_the_next_one_wait(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    config: Config = carried(backend(named("hi")).address)
    config["upstreams"]["db"]["pool"] = {"connections": 1, "queue": 1}
    proxy = tidegate.run({**config, "threads": 1, "access_log": {"to": str(log)}})
    first = proxy.connect()
    assert first.read_exactly(2) == b"hi"
    with proxy.connect() as second:
        until(lambda: proxy.status()["connections"] == 2)
        with pytest.raises(ConnectionResetError), proxy.connect() as third:
            third.read_all()
        first.close()
        assert second.read_exactly(2) == b"hi"
    assert "queue_full" in [line.get("failure") for line in told(log, 1)]


def one_at_a_time(tidegate: Tidegate, backend: Backends, log: Path) -> Running:
    """An instance that carries one connection, and lets one more wait for as long as it likes."""
    config: Config = carried(backend(named("hi")).address)
    config["upstreams"]["db"]["pool"] = {"connections": 1, "queue": 1, "wait": "1h"}
    return tidegate.run({**config, "threads": 1, "access_log": {"to": str(log)}})


@pytest.mark.parametrize("how", ["ends", "resets", "speaks and resets"])
def test_who_leaves_the_queue_makes_room_in_it_at_once(
    tidegate: Tidegate, backend: Backends, tmp_path: Path, how: str
) -> None:
    log = tmp_path / "access.log"
    proxy = one_at_a_time(tidegate, backend, log)
    with proxy.connect() as first:
        assert first.read_exactly(2) == b"hi"
        second = proxy.connect()
        until(lambda: proxy.status()["connections"] == 2)
        if how == "speaks and resets":
            second.send(b"?")
        if how == "ends":
            second.close()
        else:
            second.reset()
        line = told(log, 1)[0]
        assert (line["failure"], line["stage"]) == ("client_gone", "connect")
        with proxy.connect() as third:
            until(lambda: proxy.status()["connections"] == 2)
            first.close()
            assert third.read_exactly(2) == b"hi"


def test_who_has_asked_and_ends_waits_for_the_answer(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    proxy = one_at_a_time(tidegate, backend, tmp_path / "access.log")
    with proxy.connect() as first, proxy.connect() as second:
        assert first.read_exactly(2) == b"hi"
        second.send(b"?").half_close()
        until(lambda: proxy.status()["connections"] == 2)
        first.close()
        assert second.read_all() == b"hi?"


@pytest.mark.parametrize("side", ["listener", "endpoint", "ipv6"])
def test_unix_sockets_and_ipv6_do_as_well(tidegate: Tidegate, backend: Backends, tmp_path: Path, side: str) -> None:
    bind = {"listener": f"unix:{tmp_path}/in.sock", "endpoint": "127.0.0.1:0", "ipv6": "[::1]:0"}[side]
    host = {"listener": "127.0.0.1", "endpoint": f"unix:{tmp_path}/out.sock", "ipv6": "::1"}[side]
    proxy = tidegate.run(carried(backend(echo, host=host).address, bind=bind))
    data = b"0123456789" * 100_000
    with proxy.connect() as client:
        sender = threading.Thread(target=send_all, args=(client, data))
        sender.start()
        assert client.read_all() == data
        sender.join()


def test_several_upstreams_share_by_weight(tidegate: Tidegate, backend: Backends) -> None:
    config: Config = carried(backend(named("a")).address)
    config["upstreams"]["other"] = {"endpoints": [backend(named("b")).address]}
    config["listeners"]["web"]["tcp"]["to"] = [{"upstream": "db", "weight": 1}, {"upstream": "other", "weight": 1}]
    proxy = tidegate.run(config)

    def who() -> bytes:
        with proxy.connect() as client:
            return client.read_exactly(1)

    assert {who() for _ in range(60)} == {b"a", b"b"}
