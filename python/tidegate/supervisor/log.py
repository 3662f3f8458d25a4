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
        if LEVELS.index(level) < LEVELS.index(self.level):
            return
        now = time.time()
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
        if self.format == "json":
            line = json.dumps({"time": when, "level": level, "room": "supervisor", "message": says})
        else:
            line = f"{when} {level} " + says.replace("\n", "\n    ")
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
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
