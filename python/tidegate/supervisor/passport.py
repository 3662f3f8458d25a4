"""What a worker is known by, from one supervisor to the next: its entry in `worker.json`, and in a handover."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tidegate

PROTOCOL = 1
"""What the supervisors and workers of this program speak."""


def start_time(pid: int) -> int | None:
    """Give the start of a process that runs, in clock ticks after boot: with its ID it names a process for ever.

    That is field 22 of proc(5). None where it has ended, be it a child of ours that nobody has asked about: an upgrade
    leaves such to us.
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if words[0] not in ("Z", "X"):
            return int(words[19])
    except (OSError, ValueError, IndexError):
        return None
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return None


@dataclass(frozen=True, slots=True)
class Passport:
    """One worker, and the program that it was started from."""

    pid: int
    start_time: int | None
    socket: str
    """Where it listens for supervisors, in the state folder."""
    protocol: int
    generation: int
    """Of the supervisor that started it, or adopted it last."""
    version: str
    program: str
    """The folder of the package."""

    @classmethod
    def of_child(cls, pid: int, socket: str, generation: int) -> "Passport":
        """Make one for a worker that this program has started."""
        program = str(Path(tidegate.__file__).parent)
        return cls(pid, start_time(pid), socket, PROTOCOL, generation, tidegate.__version__, program)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Passport | None":
        """Read an entry that a supervisor wrote, which may have been one of another version; None if it is none."""
        pid, socket, protocol, generation = (told.get(key) for key in ("pid", "socket", "protocol", "generation"))
        if not isinstance(pid, int) or pid <= 1 or not isinstance(socket, str) or "/" in socket:
            return None
        return cls(
            pid,
            told.get("start_time"),
            socket,
            protocol if isinstance(protocol, int) else PROTOCOL,
            generation if isinstance(generation, int) else 0,
            str(told.get("version", "")),
            str(told.get("program", "")),
        )

    def open(self) -> int | None:
        """Give a pidfd of it; None where it has ended, and its process ID is perhaps another's."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            return None
        if self.start_time is None or start_time(self.pid) != self.start_time:
            os.close(pidfd)
            return None
        return pidfd

    def record(self) -> dict[str, Any]:
        """Write it down, as `read` takes it."""
        return asdict(self)
