"""What tidegate says of the backends, read from its admin as a monitor would: `GET /api/v1/status`."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any

from tidegate.demo.backends import Backend

INTERVAL_S = 0.25


class Watcher:
    """Looks four times a second; what changed is said in a sentence."""

    def __init__(self, backends: Mapping[str, Backend], admin: str, say: Callable[[str, str], None]) -> None:
        self.standings: dict[str, str] = {}
        self._backends = backends
        self._admin = HTTPConnection(admin, timeout=5)
        self._say = say
        self._passed_over: set[str] = set()

    def run(self) -> None:
        """Look for ever. While tidegate does not answer, what it said last counts."""
        while True:
            with suppress(OSError, HTTPException, ValueError, KeyError):
                self._look()
            time.sleep(INTERVAL_S)

    def _look(self) -> None:
        try:
            self._admin.request("GET", "/api/v1/status")
            status: dict[str, Any] = json.loads(self._admin.getresponse().read())
        except BaseException:
            self._admin.close()  # the next look connects anew
            raise
        told = {each["address"]: each for upstream in status["upstreams"] for each in upstream["endpoints"]}
        for name, backend in self._backends.items():
            if (endpoint := told.get(backend.address)) is not None:
                self.standings[name] = endpoint["standing"]
                self._compare(name, endpoint["reason"])

    def _compare(self, name: str, reason: str) -> None:
        """While a backend is stopped tidegate tries it every 10 s: that is said once."""
        if self.standings[name] != "in":
            if name not in self._passed_over:
                self._passed_over.add(name)
                others = any(each.pid is not None for other, each in self._backends.items() if other != name)
                went = " Its requests go to the others." if others else ""
                self._say(f"tidegate passes {name} over for 10 s: {reason}.{went}", "saw")
        elif name in self._passed_over and self._backends[name].pid is not None:
            self._passed_over.discard(name)
            self._say(f"tidegate chooses {name} again.", "saw")
