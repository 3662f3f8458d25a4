"""The PROXY protocol on real sockets: who the client is, as a balancer before us says and as we say to backends."""

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.haproxy import HAProxy
from tests.peers.nginx import Nginx
from tests.peers.tidegate import Config, Tidegate, upstream

Backends = Callable[..., Backend]
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n"
V2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 7]) + struct.pack("!HH", 4711, 443)


def sending(addresses: str | list[str], version: str) -> Config:
    """A configuration whose endpoints get a header."""
    config = upstream(addresses)
    config["upstreams"]["api"]["proxy_protocol"] = version
    return config


def forwarded(body: bytes) -> list[str]:
    """X-Forwarded-For and -Port, as the backend saw them."""
    fields = {name.lower(): value for name, value in json.loads(body)["fields"]}
    return [fields["x-forwarded-for"], fields["x-forwarded-port"]]


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "at once"])
def test_the_header_tells_the_client_and_the_port(
    tidegate: Tidegate, backend: Backends, header: bytes, step: int
) -> None:
    proxy = tidegate.run(upstream(backend().address, proxy_protocol="required"))
    with proxy.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = header + GET
        for at in range(0, len(whole), step):
            client.send(whole[at : at + step])
        assert forwarded(client.read_answer().body) == ["192.0.2.1", "443"]
        assert forwarded(client.ask(GET).body) == ["192.0.2.1", "443"]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"], ids=["v1", "v2 local"])
def test_without_a_client_the_connection_speaks_for_itself(
    tidegate: Tidegate, backend: Backends, header: bytes
) -> None:
    proxy = tidegate.run(upstream(backend().address, proxy_protocol="required"))
    with proxy.connect() as client:
        answer = client.ask(header + GET)
        assert forwarded(answer.body) == ["127.0.0.1", proxy.address().rpartition(":")[2]]


def test_a_connection_without_a_header_is_closed_without_a_word(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run({**upstream(backend().address, proxy_protocol="required"), "admin": {"bind": "127.0.0.1:0"}})
    for bytes_sent in (GET, b"PROXY TCP4 nonsense\r\n" + GET, SIGNATURE + b"\x31\x11\x00\x00" + GET):
        with proxy.connect() as client:
            client.send(bytes_sent)
            with suppress(ConnectionResetError):  # what it sent was not read
                assert client.read_all() == b""
    proxy.supervisor.wait_for_line("no PROXY protocol header from 127.0.0.1")
    with proxy.connect("admin") as admin:
        metrics = admin.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body.decode()
    assert 'kind="invalid_proxy_protocol",stage="proxy_protocol"} 3' in metrics


def test_a_header_that_does_not_come_is_not_waited_for_longer_than_a_head(
    tidegate: Tidegate, backend: Backends
) -> None:
    listener = {"proxy_protocol": "required", "timeouts": {"header": "200ms"}}
    proxy = tidegate.run(upstream(backend().address, **listener))
    with proxy.connect() as client:
        assert client.send(b"PROXY TCP4 192.0.2.1").read_all() == b""


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_haproxy_before_us_is_understood(tidegate: Tidegate, backend: Backends, haproxy: HAProxy, version: str) -> None:
    proxy = tidegate.run(upstream(backend().address, proxy_protocol="required"))
    before = haproxy.start(to=proxy.address(), server_options="send-proxy-v2" if version == "v2" else "send-proxy")
    host, _, port = before.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(GET + GET)
        seen = b""
        while seen.count(b"x-forwarded-port") < 2:
            seen += client.recv(65536)
    assert f'"{port}"'.encode() in seen  # the port that the client came to is HAProxy's


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_each_client_connection_has_its_own_to_the_endpoint_and_the_header_is_sent_once(
    tidegate: Tidegate, backend: Backends, version: str
) -> None:
    told: list[tuple[bytes, int]] = []

    def with_header(connection: Connection) -> None:
        size = len(V2) if version == "v2" else None
        while b"\n" not in connection.unread or (size and len(connection.unread) < size):
            connection.unread += connection.socket.recv(65536)
        end = size or connection.unread.index(b"\r\n") + 2
        header, connection.unread = connection.unread[:end], connection.unread[end:]
        while connection.read_request():
            told.append((header, connection.number))
            connection.answer()

    proxy = tidegate.run({**sending(backend(with_header).address, version), "threads": 1})
    ports = []
    for _ in range(2):
        with proxy.connect() as client:
            ports.append(client.socket.getsockname()[1])
            assert [client.ask(GET).status for _ in range(3)] == [200] * 3
    assert [number for _, number in told] == [1, 1, 1, 2, 2, 2]
    to = int(proxy.address().rpartition(":")[2])
    for port, (header, _) in zip(ports, told[::3], strict=True):
        if version == "v1":
            assert header == f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {to}\r\n".encode()
        else:
            assert header[12:16] == b"\x21\x11\x00\x0c"
            assert struct.unpack("!HH", header[-4:]) == (port, to)


@pytest.mark.needs("nginx")
def test_nginx_behind_us_learns_the_client(tidegate: Tidegate, nginx: Nginx) -> None:
    tells = 'location = /told { return 200 "$proxy_protocol_addr $proxy_protocol_server_port"; }'
    behind = nginx.start(listening="proxy_protocol", more=tells)
    proxy = tidegate.run(
        {**sending(behind.addresses, "v2"), "listeners": {"web": {"bind": "127.0.0.1:0", "proxy_protocol": "required"}}}
    )
    with proxy.connect() as client:
        assert client.ask(V1 + GET.replace(b"/", b"/told", 1)).body == b"192.0.2.1 443"
