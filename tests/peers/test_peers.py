"""The peers themselves: a test that fails must not fail because of them."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.haproxy import HAProxy
from tests.peers.load import Load
from tests.peers.nginx import Nginx
from tests.peers.python_servers import PythonServers
from tests.peers.sockets import Client, closed_port
from tests.peers.tidegate import read_ready


def get(path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"


@pytest.mark.needs("nginx")
def test_each_address_of_nginx_has_its_name(nginx: Nginx) -> None:
    origin = nginx.start(endpoints=2)
    (origin.files / "a").write_bytes(b"x" * 100_000)
    with Client(origin.addresses[1]) as client:
        assert client.ask(get("/")).body == b"origin-2\n"
        assert len(client.ask(get("/files/a")).body) == 100_000


@pytest.mark.needs("haproxy")
def test_haproxy_passes_on_what_a_backend_tells(haproxy: HAProxy, backend: Callable[..., Backend]) -> None:
    with Client(haproxy.start(to=backend().address)) as client:
        assert b'"line": "GET /a HTTP/1.1"' in client.ask(get("/a")).body


@pytest.mark.needs("gunicorn", "uvicorn")
@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_python_servers_read_the_body(python_servers: PythonServers, server: str) -> None:
    with Client(getattr(python_servers, server)()) as client:
        answer = client.ask("POST /p HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello")
        assert b'"body": 5' in answer.body


def test_load_counts_what_clients_see(load: Load, backend: Callable[..., Backend]) -> None:
    one = backend()
    with load.steady(f"http://{one.address}/", connections=3) as seen:
        seen.wait_for(50)
    assert seen.failures == []
    assert seen.connections == 3
    with load.steady(f"http://{closed_port()}/", connections=1) as seen:
        seen.wait_for(1)
    assert "ConnectionRefusedError" in seen.failures[0]


def test_the_ready_line_tells_addresses() -> None:
    line = "ready web=127.0.0.1:4001 web=[::1]:4002 admin=unix:/run/a.sock connections=5000 threads=2"
    assert read_ready(line) == {"web": "127.0.0.1:4001", "admin": "unix:/run/a.sock"}
