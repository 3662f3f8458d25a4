"""Where an instance keeps what outlives its supervisor: the state folder, its lock, and the files in it."""

import fcntl
import json
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegate.supervisor.refusal import Refused


def instance_name(source: str, first_bind: str) -> str:
    """Name an instance after its configuration's path; one without a file after its first address."""
    meant = first_bind if source == "proxy" else str(Path(source).resolve())
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", meant).strip("-")[-100:] or "tidegate"


def state_folder(given: Path | None, name: str, environment: Mapping[str, str], uid: int) -> Path:
    """Choose the state folder: the configuration's, systemd's, or one named after the instance."""
    if given is not None:
        return given
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    if uid == 0:
        return Path("/var/lib/tidegate") / name
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME") or "/") / ".local/state")
    return Path(home) / "tidegate" / name


class State:
    """An open and locked state folder. Paths in it may be longer than a Unix socket's 108 bytes: see `short`.

    `lock` is a descriptor that holds the lock already.
    """

    def __init__(self, folder: Path, lock: int | None = None) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if os.fstat(self.fd).st_mode & 0o077:
                os.fchmod(self.fd, 0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self.lock = lock if lock is not None else os.open("lock", flags, 0o600, dir_fd=self.fd)
        except OSError as error:
            raise Refused(f"the state folder {folder} cannot be used: {error.strerror}") from None
        if lock is not None:
            return
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self.lock, 100, 0).decode(errors="replace").strip() or "unknown"
            raise Refused(f"already running as {holder} (it holds {folder / 'lock'})") from None
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, f"pid {os.getpid()}\n".encode(), 0)

    def short(self, name: str) -> str:
        """Give a path to a file in the folder that fits a Unix socket's address."""
        return f"/proc/self/fd/{self.fd}/{name}"

    def read(self, name: str) -> dict[str, Any] | None:
        """Read a JSON file of the folder; None if there is none that can be read."""
        try:
            content = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file so that a crash leaves the old or the new one, readable by nobody else."""
        replace(self.folder / name, json.dumps(content).encode(), 0o600)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)

    def listen(self, name: str) -> socket.socket:
        """Listen on a Unix socket in the folder, for our own user alone; only the holder of the lock may."""
        self.remove(name)
        return listen_unix(self.short(name))


def listen_unix(path: str) -> socket.socket:
    """Listen on a Unix socket that is ours alone from its first moment."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    sock.listen(64)
    return sock


def replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
