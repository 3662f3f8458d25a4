"""The demo's page: what it sends, and that its buttons obey nobody but a person who looks at it here."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.messages import get, head
from tests.peers.process import Process
from tests.peers.sockets import Answer, Client
from tests.peers.tidegate import COMMAND

NAMES = {"tern", "gull", "heron"}
STOP = "/demo/backends/gull/stop"


class Demo:
    """A running demo, and where its page is."""

    def __init__(self, process: Process) -> None:
        said = "\n".join(process.lines)
        [self.address] = re.findall(r"^  http://(\S+)/$", said, re.MULTILINE)
        [configuration] = re.findall(r"^The configuration is (\S+): change it", said, re.MULTILINE)
        [self.page_server] = re.findall(r'^  page:\n    endpoints: \["(.+)"\]', Path(configuration).read_text(), re.M)
        self.origin = f"Origin: http://{self.address}"

    def ask(self, request: bytes) -> Answer:
        """Ask through tidegate."""
        with Client(self.address) as client:
            return client.ask(request)

    def watch(self) -> dict[str, object]:
        """What the page is told first."""
        with Client(self.address) as client:
            client.send(head("GET", "/demo/events", host=self.address))
            client.read_until(b"\r\n\r\n")
            client.read_until(b"data: ")
            state: dict[str, object] = json.loads(client.read_until(b"\n\n"))
            return state


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """A demo that all tests of this file share."""
    with Process([*COMMAND, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]) as process:
        process.wait_for_line("^Ctrl-C ends all of it")
        yield Demo(process)


def test_the_page_runs_its_own_script_and_nothing_else(demo: Demo) -> None:
    answer = demo.ask(head("GET", "/", host=demo.address))
    assert (answer.status, answer.field("content-type")) == (200, "text/html; charset=utf-8")
    policy = answer.field("content-security-policy") or ""
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(rb'(src|href|url\()="?(https?:)?//', answer.body)
    assert not re.search(rb"\son\w+=|\sstyle=", answer.body)


def test_the_stream_tells_of_every_backend(demo: Demo) -> None:
    told = demo.watch()
    assert isinstance(told["backends"], dict)
    assert set(told["backends"]) == NAMES
    assert all(each["pid"] and each["standing"] == "in" for each in told["backends"].values())


@pytest.mark.parametrize(
    ("method", "target", "fields", "host", "status"),
    [
        ("POST", STOP, ["Origin: http://evil.example"], None, 403),
        ("POST", STOP, ["Origin: null"], None, 403),
        ("POST", STOP, [], None, 403),
        ("POST", STOP, ["{origin}", "Origin: http://evil.example"], None, 403),
        ("POST", STOP, ["Origin: http://127.0.0.1:1"], None, 403),
        ("POST", STOP, ["Origin: http://evil.example"], "evil.example", 421),
        ("GET", "/", [], "evil.example", 421),
        ("GET", "/demo/events", [], "127.0.0.1.evil.example", 421),
        ("GET", STOP, ["{origin}"], None, 405),
        ("PUT", STOP, ["{origin}"], None, 405),
        ("OPTIONS", STOP, ["{origin}", "Access-Control-Request-Method: POST"], None, 405),
        ("POST", "/demo/backends/robin/stop", ["{origin}"], None, 404),
        ("POST", "/demo/backends/gull/end", ["{origin}"], None, 404),
        ("POST", "/", ["{origin}"], None, 405),
        ("PUT", "/demo/load", ["{origin}", "Content-Length: 0"], None, 400),
        ("GET", "/demo/load", [], None, 405),
    ],
)
def test_who_is_not_the_page_presses_nothing(
    demo: Demo, method: str, target: str, fields: list[str], host: str | None, status: int
) -> None:
    sent = [field.format(origin=demo.origin) for field in fields]
    answer = demo.ask(head(method, target, *sent, host=host or demo.address))
    assert answer.status == status
    assert (answer.field("allow") is not None) == (status == 405)
    told = demo.watch()
    assert isinstance(told["backends"], dict)
    assert all(each["pid"] for each in told["backends"].values())


@pytest.mark.parametrize("client", ["192.0.2.1", "", "127.0.0.1, 192.0.2.1"])
def test_a_client_elsewhere_presses_nothing(demo: Demo, client: str) -> None:
    with Client(demo.page_server) as here:
        answer = here.ask(head("POST", STOP, demo.origin, f"X-Forwarded-For: {client}", host=demo.address))
    assert (answer.status, answer.body) == (403, b"buttons are pressed on the machine where the demo runs\n")


@pytest.mark.parametrize("rate", ["-1", "501", "many", "1e2", "9" * 200])
def test_a_load_that_is_none_is_refused(demo: Demo, rate: str) -> None:
    length = f"Content-Length: {len(rate)}"
    answer = demo.ask(head("PUT", "/demo/load", demo.origin, length, host=demo.address) + rate.encode())
    assert answer.status in (400, 413)
    assert demo.watch()["load"] == 100


def test_buttons_stop_and_start_the_process(demo: Demo) -> None:
    def press(act: str) -> int:
        target = f"/demo/backends/tern/{act}"
        return demo.ask(head("POST", target, demo.origin, host=demo.address)).status

    def tern() -> dict[str, object]:
        backends = demo.watch()["backends"]
        assert isinstance(backends, dict)
        told: dict[str, object] = backends["tern"]
        return told

    before = tern()
    assert press("stop") == press("stop") == 204
    assert tern()["pid"] is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(before["pid"])), 0)
    with pytest.raises(ConnectionRefusedError):
        Client(str(before["address"]))
    assert {demo.ask(get("/hello")).field("x-backend") for _ in range(6)} == {"gull", "heron"}
    assert press("start") == press("start") == 204
    assert (tern()["address"], tern()["pid"] is None) == (before["address"], False)
    with Client(str(before["address"])) as client:
        assert client.ask(get("/hello")).field("x-backend") == "tern"
