"""The commands' side of the control socket: finding the instance that is meant, asking it, and its answer."""

import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from tidegate.supervisor import control_socket
from tidegate.supervisor.state import instance_name, state_folder

PATIENCE_S = 60.0


class NotReached(Exception):
    """No instance answers."""


class Ambiguous(Exception):
    """There are several instances, and none was named."""


def find(config: Path | None, given: Path | None) -> Path:
    """Find the control socket of the instance that is meant: `given`, CONFIG's, or the only one there is."""
    if given is not None:
        return given
    uid = os.geteuid()
    if config is not None:
        name = instance_name(str(config), "")
        found = control_socket.path(name, state_folder(None, name, os.environ, uid), os.environ, uid)
        if not found.exists() and (state := _state_in(config)) is not None and (state / "control.sock").exists():
            return state / "control.sock"
        return found
    folder = control_socket.folder(os.environ, uid)
    if folder is None:
        home = os.environ.get("XDG_STATE_HOME") or str(Path(os.environ.get("HOME") or "/") / ".local/state")
        there = sorted((Path(home) / "tidegate").glob("*/control.sock"))
    else:
        there = sorted(folder.glob("*.sock"))
    alive = [path for path in there if _answers(path)]
    if len(alive) > 1:
        names = "\n".join(f"  --socket {path}" for path in alive)
        raise Ambiguous(f"several instances run here; name one by its CONFIG, or:\n{names}")
    if not alive:
        raise NotReached(f"no instance runs here (looked in {folder or Path(home) / 'tidegate'})")
    return alive[0]


def ask(
    path: Path, command: str, asked: dict[str, Any] | None = None, patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """Ask one thing, and what goes with it; raises `NotReached` where nobody answers."""
    message = json.dumps({"command": command, **({"with": asked} if asked is not None else {})}).encode()
    try:
        with _connect(path) as sock:
            sock.settimeout(patience_s)
            sock.sendall(struct.pack(">I", len(message)) + message)
            (length,) = struct.unpack(">I", _exactly(sock, 4))
            answer = json.loads(_exactly(sock, length))
    except (OSError, ValueError) as error:
        raise NotReached(f"the instance behind {path} cannot be reached: {error}") from None
    return answer if isinstance(answer, dict) else {}


def _state_in(config: Path) -> Path | None:
    from tidegate.config.load import load

    loaded = load(config)
    return loaded.config.state if loaded.config is not None else None


def _answers(path: Path) -> bool:
    try:
        _connect(path).close()
    except OSError:
        return False
    return True


def _connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.settimeout(5)
    try:
        if len(str(path).encode()) <= control_socket.MOST_PATH:
            sock.connect(str(path))
        else:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sock.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
    except BaseException:
        sock.close()
        raise
    return sock


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = sock.recv(min(count - len(parts), 1 << 18))
        if not part:
            raise ConnectionError("it closed the connection")
        parts += part
    return bytes(parts)
