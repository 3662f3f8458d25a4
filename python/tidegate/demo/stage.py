"""The demo's stage: what the page shows and what its buttons do, in one place that threads share."""

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from tidegate.demo.backends import NAMES, Backend
from tidegate.demo.figures import TICK_S, Figures, Tick
from tidegate.demo.watcher import Watcher

RATE, MOST_RATE = 100, 500
"""Requests a second that visitors make at first, and at most."""
LINES_KEPT = 40
SAID_AGAIN_S = 10.0
"""A reason for failures is told once in so long, however many there are."""


class Stage:
    """Backends, visitors and what is known of both. Every tick, and every act, is told to those who watch.

    Visitors come only while somebody watches: without a page in a browser the demo costs nothing, and who tries
    things in a terminal meets nobody.
    """

    def __init__(self) -> None:
        self.backends = {name: Backend(name) for name in NAMES}
        self.figures = Figures(NAMES)
        self.load = RATE
        self.lines: deque[dict[str, Any]] = deque(maxlen=LINES_KEPT)
        self.ended = False
        self._visitors: subprocess.Popen[str] | None = None
        self._watcher: Watcher | None = None
        self._expected: set[str] = set()  # who shall run
        self._failures_told: dict[str, float] = {}
        self._changed = threading.Condition()
        self._version = 0
        self._watchers = 0
        self._said = 0

    def set_up(self) -> None:
        """Start the backends."""
        for backend in self.backends.values():
            backend.start()
            self._expected.add(backend.name)

    def open(self, web: str, admin: str) -> None:
        """Tidegate is ready: let visitors come, and read what it says of the backends."""
        self._watcher = Watcher(self.backends, admin, self.say)
        words = [sys.executable, "-m", "tidegate.demo.visitors", web]
        pipe = subprocess.PIPE
        self._visitors = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        for task in (self._count, self._watcher.run):
            threading.Thread(target=task, daemon=True).start()

    def close(self) -> None:
        """Send the visitors home, and let those who watch go."""
        self.ended = True
        self._tell()
        if self._visitors is not None:
            self._visitors.kill()
            self._visitors.wait()

    def end(self) -> None:
        """End all that was started here."""
        self.close()
        for backend in self.backends.values():
            backend.end()

    def stop(self, name: str) -> None:
        """End a backend's process."""
        backend = self.backends[name]
        self._expected.discard(name)
        pid = backend.pid
        if backend.stop():
            self.say(f"You stopped {name}: process {pid} has ended, nobody listens on {backend.address}.")

    def start(self, name: str) -> None:
        """Start it again."""
        backend = self.backends[name]
        if backend.start():
            self._expected.add(name)
            self.say(f"You started {name}: process {backend.pid} listens on {backend.address}.")

    def set_load(self, rate: int) -> None:
        """Let visitors ask so often in a second."""
        with self._changed:
            self.load = rate
            self._send_visitors()
            self._tell()

    def say(self, words: str, kind: str = "did") -> None:
        """Tell what happened; `kind` is who is at the root of it: `did` a person, `saw` tidegate, `failed` nobody."""
        with self._changed:
            self._said += 1
            at = time.strftime("%H:%M:%S")
            self.lines.append({"number": self._said, "at": at, "kind": kind, "words": words})
        self._tell()

    def watch(self) -> Generator[dict[str, Any]]:
        """What the page shows, whenever that changes, until the end; the first has the chart of the last minute."""
        seen = -1
        ticks = lines = 0
        self._count_watchers(1)
        try:
            while not self.ended:
                with self._changed:
                    while self._version == seen:
                        self._changed.wait()
                    seen = self._version
                    state = self.state(ticks, lines)
                    ticks, lines = self.figures.count, self._said
                yield state
        finally:
            self._count_watchers(-1)

    def state(self, after_ticks: int = 0, after_lines: int = 0) -> dict[str, Any]:
        """All that the page shows now; of chart and lines only what is new."""
        told = self.figures.tell()
        standings = self._watcher.standings if self._watcher else {}
        for name, backend in self.backends.items():
            runs = {"address": backend.address, "pid": backend.pid, "standing": standings.get(name, "in")}
            told["backends"][name] |= runs
        return told | {
            "tick_s": TICK_S,
            "columns": self.figures.columns(after_ticks),
            "lines": [line for line in self.lines if line["number"] > after_lines],
            "load": self.load,
            "most_load": MOST_RATE,
        }

    def _count_watchers(self, more: int) -> None:
        with self._changed:
            self._watchers += more
            self._send_visitors()

    def _send_visitors(self) -> None:
        """Let them come at the rate that is set, while somebody watches."""
        if self._visitors is not None and self._visitors.stdin is not None:
            with suppress(OSError):  # they have left: all of it ends
                print(self.load if self._watchers else 0, file=self._visitors.stdin, flush=True)

    def _tell(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def _count(self) -> None:
        assert self._visitors is not None and self._visitors.stdout is not None
        for line in self._visitors.stdout:
            tick = Tick(**json.loads(line))
            for reason in tick.failures:
                if time.monotonic() - self._failures_told.get(reason, float("-inf")) > SAID_AGAIN_S:
                    self._failures_told[reason] = time.monotonic()
                    self.say(f"A visitor got no answer of a backend: {reason}", "failed")
            for name in [name for name in self._expected if self.backends[name].pid is None]:
                self._expected.discard(name)
                self.say(f"{name} has ended, and not by a button here.")
            with self._changed:
                self.figures.add(tick)
            self._tell()
