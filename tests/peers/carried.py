"""What tests of layer 4 start from: a listener that carries bytes, and backends that speak no HTTP."""

from collections.abc import Iterable
from typing import Any

from tests.peers.backend import Connection
from tests.peers.tidegate import Config


def carried(addresses: str | Iterable[str], *, tcp: Config | None = None, **listener: Any) -> Config:
    """A configuration with the listener `web`, whose connections are carried to the upstream `db`."""
    endpoints = [addresses] if isinstance(addresses, str) else list(addresses)
    return {
        "listeners": {"web": {"bind": "127.0.0.1:0", "tcp": {"to": "db", **(tcp or {})}, **listener}},
        "upstreams": {"db": {"endpoints": endpoints}},
    }


def echo(connection: Connection) -> None:
    """A backend that sends back what it gets, and ends when the client does."""
    while data := connection.socket.recv(65536):
        connection.socket.sendall(data)
