"""The admin listener over TCP: it tells, changes nothing, and answers no stranger's page in an operator's browser."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import head
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]


@pytest.fixture
def running(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> Running:
    """An instance whose admin has a token, which allows no changes over TCP before there are any."""
    secret = tmp_path / "token"
    secret.write_text("hush\n")
    running = tidegate.prepare("")
    running.write(
        f"state: {running.state}\nadmin: {{bind: '127.0.0.1:0', token: !secret file:{secret}}}\n"
        f"upstreams: {json.dumps(upstream(backend().address)['upstreams'])}\n"
        "listeners: {web: {bind: '127.0.0.1:0'}}\nroutes: [{to: api}]\n"
    )
    return running.start()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 200),
        (["Origin: http://{admin}"], 200),
        (["Origin: http://evil.example"], 403),
        (["Origin: http://127.0.0.1"], 403),
        (["Origin: null"], 403),
        (["Origin: http://{admin}", "Origin: http://evil.example"], 403),
    ],
    ids=["no page", "its own", "a stranger's", "another port's", "a file's", "two"],
)
def test_an_origin_must_be_its_own(running: Running, fields: list[str], status: int) -> None:
    admin = running.address("admin")
    with running.connect("admin") as client:
        sent = [field.format(admin=admin) for field in fields]
        assert client.ask(head("GET", "/metrics", *sent, host=admin)).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("[::1]:9901", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)],
)
def test_a_host_must_be_an_address_or_localhost(running: Running, host: str, status: int) -> None:
    with running.connect("admin") as client:
        assert client.ask(head("GET", "/api/v1/status", host=host)).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/reload", "/api/v1/stop", "/metrics"])
def test_nothing_can_be_changed_not_even_with_the_token(running: Running, method: str, path: str) -> None:
    with running.connect("admin") as client:
        fields = ("Authorization: Bearer hush", "Content-Length: 2")
        answer = client.ask(head(method, path, *fields, host=running.address("admin")) + b"{}")
    assert answer.status in (200, 404, 405)
    assert answer.status != 200 or path == "/metrics"  # which tells, however it is asked
    assert running.status()["snapshot"]["number"] == 1
