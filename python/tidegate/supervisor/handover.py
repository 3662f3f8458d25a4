"""What one supervisor hands to the next over `execve`: words in a memfd, and descriptors that stay open.

The program that is to take over is tried first, in a child that gets the same (`successor.py`).
"""

import json
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.supervisor.refusal import Refused

FORMAT = 1
"""What this program hands over, and takes."""
VARIABLE = "TIDEGATE_HANDOVER"
"""Names the memfd, and the process that it is meant for or comes from, as `FD:PID`."""
MOST = 256 << 20

Role = Literal["prepare", "take over"]
Held = Sequence[tuple[int, str, socket.socket]]
"""Listening sockets: id, address, socket."""


@dataclass
class Handover:
    """All that a supervisor leaves to the next one. Descriptors are the receiver's own, and inherited by nobody."""

    role: Role
    supervisor: int
    """The process that hands over."""
    since: float
    folder: str
    """The state folder."""
    lock: int
    control: str
    """Path of the control socket."""
    commands: int
    """The descriptor that listens there."""
    api: int
    broker: int | None
    """The supervisor's side of the broker, if there is one."""
    streams: tuple[int, int]
    """The stdout and stderr of the instance."""
    generation: int
    snapshot: int
    sockets: list[tuple[int, str, int]]
    chosen: dict[str, str]
    inherited: dict[str, int]
    """Sockets of the service manager, by address and by name."""
    worker: dict[str, Any]
    """The passport of the worker that serves."""
    older: list[dict[str, Any]]
    """Those of earlier generations, with the time when each must have ended."""
    elder: Sequence[int] = ()
    """Over these the worker that serves tells the one that takes its place what it knows."""
    asker: int | None = None
    """Who asked for the upgrade, and waits for what becomes of it."""
    reload: bool = False
    """A reload was asked for meanwhile."""
    reopen: bool = False
    """The logs were to be opened anew meanwhile."""

    def descriptors(self) -> list[int]:
        """List every descriptor that it names."""
        named = [self.lock, self.commands, self.api, *self.streams, *self.inherited.values()]
        named += [*self.elder, *(fd for _, _, fd in self.sockets)]
        return sorted({*named, *(fd for fd in (self.broker, self.asker) if fd is not None)})

    def pack(self) -> int:
        """Write it into a new memfd."""
        fd = os.memfd_create("tidegate-handover", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(json.dumps({"format": FORMAT, **vars(self)}).encode())
        os.lseek(fd, 0, os.SEEK_SET)
        return fd


def take(environment: MutableMapping[str, str]) -> Handover | None:
    """Take what was handed over to this process, if something was. Raises `Refused` where it is of another format."""
    fd, _, pid = environment.pop(VARIABLE, "").partition(":")
    if not fd.isdecimal() or pid not in (str(os.getpid()), str(os.getppid())):
        return None
    try:
        with os.fdopen(int(fd), "rb") as file:
            words = json.loads(file.read(MOST))
    except (OSError, ValueError) as error:
        raise Refused(f"what the running program hands over cannot be read: {error}") from None
    return unpack(words)


def unpack(words: Mapping[str, Any]) -> Handover:
    """Read what was handed over. Raises `Refused` where it is of another format."""
    if words.get("format") != FORMAT:
        says = f"the running program hands over in format {words.get('format')}, and this one takes {FORMAT}"
        raise Refused(f"{says}: stop the instance and start it anew")
    fields = {key: value for key, value in words.items() if key != "format"}
    handover = Handover(**fields)
    handover.sockets = [(number, address, fd) for number, address, fd in handover.sockets]
    handover.streams = (handover.streams[0], handover.streams[1])
    for each in handover.descriptors():
        with suppress(OSError):
            os.set_inheritable(each, False)
    return handover
