"""What tests of telling ask of an instance, and how they read what it says."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.peers.backend import Backend
from tests.peers.tidegate import Config, Running, upstream

Backends = Callable[..., Backend]


def logged(address: str, to: Path | str, **options: Any) -> Config:
    """Everything to one backend, logged, with an admin listener."""
    # One thread: lines of several stand in the order in which their buffers were handed over.
    return {
        **upstream(address),
        "threads": 1,
        "access_log": {"to": str(to), **options},
        "admin": {"bind": "127.0.0.1:0"},
    }


def ask(running: Running, path: str, *fields: str) -> int:
    """One request on a connection of its own; its status."""
    with running.connect() as client:
        head = "".join(f"{field}\r\n" for field in ("Host: example.com", "Connection: close", *fields))
        return client.ask(f"GET {path} HTTP/1.1\r\n{head}\r\n").status


def ask_many(running: Running, first: int, last: int, padding: str = "") -> None:
    """Requests for `/first` up to `/last`, one after another on one connection; all must be answered."""
    with running.connect() as client:
        for number in range(first, last):
            request = f"GET /{number} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: {padding}\r\n\r\n"
            assert client.ask(request).status == 200


@contextmanager
def datagrams(address: tuple[str, int] | str) -> Iterator[socket.socket]:
    """A receiver of datagrams at an address, or at a path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(10)
        yield receiver


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of the log, each whole; what is still being written is left for the next look."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def paths(path: Path) -> list[str]:
    """The paths of the log's lines."""
    return [line["path"] for line in lines(path)]


def metric(running: Running, name: str, **labels: str) -> float:
    """One sample of `/metrics`."""
    with running.connect("admin") as client:
        text = client.ask(f"GET /metrics HTTP/1.1\r\nHost: {running.address('admin')}\r\n\r\n").body.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return next(sample.value for sample in samples if sample.name == name and sample.labels == labels)
