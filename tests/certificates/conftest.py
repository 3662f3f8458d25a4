"""An issuer, and answers to it, for tests of orders without an instance."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.peers.pebble import Pebble
from tidegate.certificates.answer import Presented, Way
from tidegate.certificates.issuer import Accounts, Issuer
from tidegate.certificates.order import Wanted, obtain
from tidegate.certificates.store import Certificate, Store


class Web:
    """Answers `http-01` at a port, as long as it is presented."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.asked: list[str] = []
        self.wrong = False
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.path.rpartition("/")[2]
                web.asked.append(token)
                answer = "wrong" if web.wrong else web.shown.get(token)
                self.send_response(404 if answer is None else 200)
                self.end_headers()
                self.wfile.write((answer or "").encode())

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def ways(self, name: str) -> Sequence[Way]:
        """Only this one."""
        return ("http-01",)

    def present(self, what: Presented) -> None:
        """Answer with it."""
        self.shown[what.token] = what.authorization

    def withdraw(self, what: Presented) -> None:
        """Answer no more."""
        del self.shown[what.token]

    def end(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()


class Orders:
    """Somebody who wants certificates: a store, an account, and a web server."""

    def __init__(self, folder: Path, pebble: Pebble, web: Web) -> None:
        self.pebble, self.web = pebble, web
        self.store = Store(folder)
        self.said: list[str] = []
        self.accounts = Accounts(self.store, self.said.append)
        self.issuer = Issuer("pebble", pebble.directory, str(pebble.ca), "ops@example.org")

    def obtain(self, name: str, *, now: Callable[[], float] = time.time, **wanted: Any) -> Certificate:
        """Obtain a certificate. Raises `NotIssued`."""
        order = Wanted(name, wanted.pop("names", (name,)), **wanted)
        return obtain(order, self.issuer, self.accounts, self.store, self.web, now)


@pytest.fixture
def web() -> Iterator[Web]:
    """Answers `http-01`."""
    made = Web()
    yield made
    made.end()


@pytest.fixture
def pebble(tmp_path: Path, web: Web) -> Iterator[Pebble]:
    """An issuer that asks there."""
    made = Pebble(tmp_path / "pebble", http_port=web.port)
    yield made
    made.end()


@pytest.fixture
def orders(tmp_path: Path, pebble: Pebble, web: Web) -> Orders:
    """Somebody who wants certificates of it."""
    return Orders(tmp_path, pebble, web)
