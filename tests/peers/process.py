"""A program that a test starts: what it printed, waiting for a line of it, and its end."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class Process:
    """A running program in a process group of its own. All that it prints is kept, line by line."""

    def __init__(
        self,
        words: Sequence[object],
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        folder: Path | None = None,
    ) -> None:
        self.words = [str(word) for word in words]
        self.lines: list[str] = []
        self._printed = threading.Condition()
        self._readers = 2
        self.popen = subprocess.Popen(
            self.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=descriptors,
            cwd=folder,
            start_new_session=True,
        )
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process ID."""
        return self.popen.pid

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with self._printed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._printed.notify_all()
        with self._printed:
            self._readers -= 1
            self._printed.notify_all()

    def wait_for_line(self, pattern: str, *, after: int = 0, within_s: float = 20) -> str:
        """Wait until it prints a line in which `pattern` is found, from line number `after` on; return that line."""

        def found() -> str | None:
            return next((line for line in self.lines[after:] if re.search(pattern, line)), None)

        with self._printed:
            self._printed.wait_for(lambda: found() is not None or self._readers == 0, within_s)
            line = found()
        if line is None:
            raise AssertionError(f"no line with {pattern!r} within {within_s} s from {self}")
        return line

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and only it, not the processes that it started."""
        self.popen.send_signal(number)

    def wait(self, within_s: float = 30) -> int:
        """Wait for its end; return its exit code."""
        try:
            return self.popen.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {within_s} s: {self}") from None

    def end(self, within_s: float = 10) -> None:
        """End it and all that it started: politely, then by force."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(within_s)
            except subprocess.TimeoutExpired:
                print(f"had to be killed, {within_s} s after SIGTERM: {self.words}")
        with suppress(ProcessLookupError):  # nobody of the group is left
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def __str__(self) -> str:
        return "\n  ".join([f"{' '.join(self.words)} (exit code {self.popen.poll()})", *self.lines])
