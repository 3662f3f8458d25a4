"""TLS carried on by its ClientHello: real clients (Python's `ssl`, `openssl s_client`), and hellos in pieces."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.carried import carried
from tests.peers.certificate import make_certificate
from tests.peers.tidegate import Config, Running, Tidegate
from tests.peers.waiting import until
from tests.telling.asking import lines

Backends = Callable[..., Backend]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, in one file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def tells(name: str, certificate: Path) -> Callable[[Connection], None]:
    """A backend that ends TLS, and says who it is, which name it was asked for, and which protocol was agreed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "postgresql"])

    def serve(connection: Connection) -> None:
        with suppress(OSError), context.wrap_socket(connection.socket, server_side=True) as secure:
            secure.sendall(f"{name} {secure.selected_alpn_protocol()}\n".encode())
            while secure.recv(100):
                pass

    return serve


def plain(connection: Connection) -> None:
    """A backend without TLS, which says what came first."""
    connection.send(b"plain " + connection.socket.recv(100))


def by_name(backend: Backends, certificate: Path, *, with_default: bool = True, **listener: Any) -> Config:
    """`*.db.test` goes to one backend, `web.test` and h2 to others, all else to one without TLS."""
    config = carried(backend(plain).address, **listener)
    for name in ("named", "web", "spoken"):
        config["upstreams"][name] = {"endpoints": [backend(tells(name, certificate)).address]}
    config["listeners"]["web"]["tcp"] = {
        "routes": [
            {"name": "databases", "match": {"sni": "*.db.test"}, "to": "named"},
            {"match": {"sni": "web.test"}, "to": "web"},
            {"match": {"sni": "*.db.test", "alpn": "h2"}, "to": "spoken"},
        ],
        **({"to": "db"} if with_default else {}),
    }
    return config


def asks(proxy: Running, name: str | None, *protocols: str) -> str:
    """What a client of Python's `ssl` is told."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    with proxy.connect() as client, context.wrap_socket(client.socket, server_hostname=name) as secure:
        return secure.recv(100).decode().strip()


@pytest.mark.needs("openssl")
def test_the_name_and_the_protocols_of_a_client_choose_the_endpoint(
    tidegate: Tidegate, backend: Backends, certificate: Path, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    proxy = tidegate.run({**by_name(backend, certificate), "access_log": {"to": str(log)}})
    assert asks(proxy, "a.db.test") == "named None"
    assert asks(proxy, "X.Y.DB.test", "postgresql") == "named postgresql"
    assert asks(proxy, "a.db.test", "http/1.1", "h2") == "spoken h2"
    assert asks(proxy, "web.test", "h2") == "web h2"
    with pytest.raises(ssl.SSLError):
        asks(proxy, "other.test")  # the one without TLS answers
    until(lambda: len(lines(log)) == 5)
    told = {line.get("sni"): line.get("route") for line in lines(log)}
    assert told["x.y.db.test"] == "databases"
    assert told["other.test"] is None


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_is_understood(tidegate: Tidegate, backend: Backends, certificate: Path, version: str) -> None:
    proxy = tidegate.run(by_name(backend, certificate))
    words = ["openssl", "s_client", "-connect", proxy.address(), "-servername", "a.db.test", version, "-alpn", "h2"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert client.stdout is not None
        said = next(line for line in client.stdout if line.startswith(b"spoken"))
        client.terminate()
    assert said == b"spoken h2\n"


def hello_of(name: str) -> bytes:
    """A ClientHello as Python's `ssl` makes it."""
    context = ssl.create_default_context()
    to_server = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), to_server, server_hostname=name).do_handshake()
    return to_server.read()


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_hello_in_pieces_and_in_many_records_goes_on_as_it_came(
    tidegate: Tidegate, backend: Backends, certificate: Path, size: int
) -> None:
    heard: list[bytes] = []

    def listen(connection: Connection) -> None:
        while data := connection.socket.recv(65536):
            heard.append(data)

    config = by_name(backend, certificate)
    config["upstreams"]["named"] = {"endpoints": [backend(listen).address]}
    proxy = tidegate.run(config)
    message = hello_of("a.db.test")[5:]
    fragments = [message[at : at + size] for at in range(0, len(message), size)]
    records = b"".join(b"\x16\x03\x01" + len(each).to_bytes(2, "big") + each for each in fragments)
    with proxy.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(records), 50):
            client.send(records[at : at + 50])
        client.send(b"and more")
        client.half_close()
        assert client.read_all() == b""
    assert b"".join(heard) == records + b"and more"


@pytest.mark.needs("openssl")
def test_what_is_no_tls_goes_where_all_else_goes_or_is_reset(
    tidegate: Tidegate, backend: Backends, certificate: Path
) -> None:
    proxy = tidegate.run(by_name(backend, certificate))
    with proxy.connect() as client:
        assert client.send(b"SSH-2.0-x\r\n").read_all() == b"plain SSH-2.0-x\r\n"
    proxy.reload(by_name(backend, certificate, with_default=False))
    with pytest.raises(ConnectionResetError), proxy.connect() as client:
        client.send(b"SSH-2.0-x\r\n").read_all()


@pytest.mark.needs("openssl")
def test_a_hello_that_is_wrong_or_does_not_come_is_reset_with_its_reason(
    tidegate: Tidegate, backend: Backends, certificate: Path, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    config = by_name(backend, certificate, timeouts={"header": "300ms"})
    proxy = tidegate.run({**config, "access_log": {"to": str(log)}})
    too_long = b"\x16\x03\x01\x01\x00\x01\x00\xff\xff" + bytes(252)
    for sent in (b"\x16\x03\x01\x00\x00", too_long, hello_of("a.db.test")[:30], b""):
        with pytest.raises(ConnectionResetError), proxy.connect() as client:
            client.send(sent).read_all()
    until(lambda: len(lines(log)) == 4)
    kinds = sorted(line["failure"] for line in lines(log))
    assert kinds == ["head_timeout", "head_timeout", "invalid_hello", "invalid_hello"]
