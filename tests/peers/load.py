"""Steady load: connections that ask again and again, and what each of them saw."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.peers.sockets import Client


@dataclass
class Seen:
    """What the clients saw. Every failure counts, also one on a kept connection: a POST could not be repeated."""

    successes: int = 0
    failures: list[str] = field(default_factory=list)
    connections: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, more: int, within_s: float = 20) -> None:
        """Wait until so many more requests succeeded, or one failed."""
        with self._changed:
            goal, failed = self.successes + more, len(self.failures)
            met = self._changed.wait_for(lambda: self.successes >= goal or len(self.failures) > failed, within_s)
            assert met, f"only {self.successes} of {goal} requests within {within_s} s"

    def wait_for_successes(self, more: int, within_s: float = 20) -> None:
        """Wait until so many more requests succeeded, whatever else failed."""
        with self._changed:
            goal = self.successes + more
            met = self._changed.wait_for(lambda: self.successes >= goal, within_s)
            assert met, f"only {self.successes} of {goal} requests within {within_s} s"

    def add(self, failure: str | None) -> None:
        """Count one request."""
        with self._changed:
            if failure is None:
                self.successes += 1
            else:
                self.failures.append(failure)
            self._changed.notify_all()


class Load:
    """Makes requests from threads of the test."""

    @contextmanager
    def steady(
        self,
        url: str,
        *,
        connections: int = 10,
        request: Callable[[str], bytes] | None = None,
        requests_per_connection: int = 0,
    ) -> Iterator[Seen]:
        """Ask all the time over so many kept connections until the block ends, then let what began finish.

        `url` is `http://ADDRESS/PATH`. A connection is opened anew when the answer said `Connection: close`, after
        `requests_per_connection` (0: never), and after a failure.
        """
        address, _, path = url.removeprefix("http://").partition("/")
        text = request(f"/{path}") if request else f"GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        seen, over = Seen(), threading.Event()
        threads = [
            threading.Thread(target=_ask, args=(address, text, requests_per_connection, seen, over), daemon=True)
            for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        try:
            yield seen
        finally:
            over.set()
            for thread in threads:
                thread.join(30)


def _ask(address: str, text: bytes, most: int, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        asked = 0
        try:
            with Client(address) as client:
                seen.connections += 1
                while not over.is_set() and (most == 0 or asked < most):
                    answer = client.ask(text)
                    asked += 1
                    ok = 200 <= answer.status < 300
                    seen.add(None if ok else f"{answer!r}")
                    if not ok or (answer.field("connection") or "").lower() == "close":
                        break
        except (OSError, EOFError, ValueError) as error:
            seen.add(f"after {asked} requests on this connection: {error!r}")
            over.wait(0.05)  # a dead proxy is not asked a million times
