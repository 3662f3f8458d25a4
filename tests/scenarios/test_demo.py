"""`tidegate demo` does what it says: everything that it tells to try is tried, in the words that it prints."""

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.peers.messages import get
from tests.peers.process import Process
from tests.peers.sockets import Client
from tests.peers.tidegate import COMMAND

ADDRESS = "^  http://(.+)/$"
HERE = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]


@pytest.fixture
def demo() -> Iterator[Process]:
    """The demo, once it has said all."""
    with Process([*COMMAND, "demo", *HERE]) as process:
        process.wait_for_line("^Ctrl-C ends all of it")
        yield process


def said(demo: Process, pattern: str) -> str:
    """What the pattern's group is in what the demo said."""
    found = re.search(pattern, "\n".join(demo.lines), re.MULTILINE)
    assert found, pattern
    return found[1]


@pytest.mark.needs("curl")
def test_all_that_it_tells_to_try_works(demo: Process) -> None:
    page, *tries = [line.strip() for line in demo.lines if line.startswith("  ")]
    assert "<title>Tidegate demo</title>" in run(f"curl {page}")
    outputs = [run(re.split(" {2,}", line)[0]) for line in tries]
    each, healthz, refused, metrics, _, status, reload = outputs
    assert re.search('"backend": "(tern|gull|heron)"', each)
    assert healthz == "ok\n"
    assert refused.startswith("HTTP/1.1 400")
    assert "tidegate_requests_total" in metrics
    assert re.search(r"^upstream birds$", status, re.MULTILINE)
    assert reload == ""
    with Client(said(demo, ADDRESS)) as client:
        answers = [client.ask(get("/hello")) for _ in range(12)]  # the first backend has been killed
    assert {answer.status for answer in answers} == {200}
    assert {answer.field("x-backend") for answer in answers} == {"gull", "heron"}


def run(command: str) -> str:
    """What a command of the demo prints."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_all_that_it_started(demo: Process, number: signal.Signals) -> None:
    address, folder = said(demo, ADDRESS), said(demo, r"^The configuration is (\S+)/tidegate.yaml")
    victim = int(said(demo, r"^  kill (\d+)"))
    demo.send(number)
    assert demo.wait() == 0
    assert not os.path.exists(folder)
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)
    with pytest.raises(ConnectionRefusedError):
        Client(address)


def test_an_address_in_use_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Process([*COMMAND, "demo", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]) as process:
            assert process.wait() == 4
            process.wait_for_line(f"127.0.0.1:{port} cannot be bound: Address already in use")
            process.wait_for_line("Other addresses: tidegate demo --listen")
