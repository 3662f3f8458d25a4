"""The program's own log, on stderr: a line for each event, as text for people or as JSON for programs."""

import json
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

LEVELS = ("debug", "info", "warning", "error")

Level = Literal["debug", "info", "warning", "error"]


@dataclass
class Log:
    """Where what happens is told. A reload may change level and format."""

    level: Level = "info"
    format: Literal["text", "json"] = "text"

    def say(self, level: Level, says: str) -> None:
        """Write one event, if it is worth it; each further line of a text is indented. Never fails."""
        if LEVELS.index(level) >= LEVELS.index(self.level):
            when = now()
            text = f"{when} {level} " + says.replace("\n", "\n    ")
            self._write(text, time=when, level=level, room="supervisor", message=says)

    def announce(self, says: str) -> None:
        """Write one line for who started us, whatever the level; as text it begins with its own words."""
        self._write(says, time=now(), level="info", room="supervisor", message=says)

    def retell(self, lines: str) -> None:
        """Write lines that another process of ours has said, as they are. Never fails."""
        if lines:
            with suppress(OSError, ValueError):
                sys.stderr.write(lines + "\n")
                sys.stderr.flush()

    def _write(self, text: str, **fields: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write((json.dumps(fields) if self.format == "json" else text) + "\n")
            sys.stderr.flush()

    def info(self, says: str) -> None:
        """Something happened."""
        self.say("info", says)

    def warning(self, says: str) -> None:
        """Something should be looked at."""
        self.say("warning", says)

    def error(self, says: str) -> None:
        """Something went wrong."""
        self.say("error", says)


def now() -> str:
    """Write the time as both processes do, in UTC to the millisecond."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"
