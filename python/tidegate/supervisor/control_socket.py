"""Where the control socket of an instance is. Both the instance and the commands look here."""

from collections.abc import Mapping
from pathlib import Path

MOST_PATH = 107
"""Bytes that the path of a Unix socket may have."""


def folder(environment: Mapping[str, str], uid: int) -> Path | None:
    """Give the folder of control sockets; None: there is none, so the state folder is used."""
    if environment.get("RUNTIME_DIRECTORY"):
        return Path(environment["RUNTIME_DIRECTORY"].split(":")[0])
    if uid == 0:
        return Path("/run/tidegate")
    if environment.get("XDG_RUNTIME_DIR"):
        return Path(environment["XDG_RUNTIME_DIR"]) / "tidegate"
    return None


def path(name: str, state: Path, environment: Mapping[str, str], uid: int) -> Path:
    """Give the control socket's path for an instance: named after it, shortened at the front where it is too long."""
    where = folder(environment, uid)
    if where is None:
        return state / "control.sock"
    room = MOST_PATH - len(str(where).encode()) - len("/.sock")
    return where / f"{name[-max(room, 8) :]}.sock"
