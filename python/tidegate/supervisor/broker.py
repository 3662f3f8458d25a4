"""The broker: all that keeps root's rights when the program runs as another user. It binds, opens secrets, makes
the pid file and the access log's, and does nothing else; it ends when the supervisor does.

The supervisor's questions are treated as a stranger's: bounded, typed, and only for what the configuration that root
has read could name.
"""

import json
import os
import pwd
import signal
import socket
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tidegate.config.config import Config
from tidegate.config.listener import Bind
from tidegate.config.provider import UrlProvider
from tidegate.config.secret import Secret
from tidegate.supervisor import access_log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.sockets import bind_address
from tidegate.supervisor.state import replace

MOST = 65_536
MOST_SOCKETS = 64


class Broker:
    """The supervisor's side: asks, and waits; the broker answers at once or ends."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        """Give our side's descriptor."""
        return self._sock.fileno()

    def bind(self, bind: Bind, count: int) -> list[socket.socket]:
        """Bind an address with root's rights. Raises `Refused`."""
        asked = {"address": str(bind.address), "mode": bind.mode, "owner": bind.owner, "count": count}
        return [socket.socket(fileno=each) for each in self._ask({"do": "bind", **asked}, MOST_SOCKETS)]

    def read_secret(self, path: str) -> bytes:
        """Read the file of a secret with root's rights. Raises `Refused`."""
        (descriptor,) = self._ask({"do": "open", "path": path}, 1)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(MOST + 1)

    def write_pid_file(self) -> None:
        """Write the pid file; it is removed when the supervisor ends. Raises `Refused`."""
        self._ask({"do": "pid_file"}, 0)

    def make_access_log(self) -> None:
        """Make the access log's file for the user that serves, after it was renamed. Raises `Refused`."""
        self._ask({"do": "access_log"}, 0)

    def _ask(self, asked: dict[str, Any], descriptors: int) -> list[int]:
        try:
            self._sock.send(json.dumps(asked).encode())
            told, came, _, _ = socket.recv_fds(self._sock, MOST, descriptors)
            answer = json.loads(told)
        except (OSError, ValueError) as error:
            raise Refused(f"the broker does not answer: {error}") from None
        if answer.get("error") is not None:
            raise Refused(str(answer["error"]))
        for each in came:
            os.set_inheritable(each, False)
        return came


def start(config: Config, folder: Path) -> Broker:
    """Fork the broker. The caller goes on, and then gives its own rights away."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() != 0:
        theirs.close()
        return Broker(ours)
    code = 1
    try:
        ours.close()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)  # a terminal sends them to all; the supervisor's end is ours
        keep = theirs.fileno()
        os.closerange(3, keep)
        os.closerange(keep + 1, 1 << 16)
        serve(theirs, config, folder, os.getppid())
        code = 0
    finally:
        os._exit(code)


def serve(sock: socket.socket, config: Config, folder: Path, supervisor: int) -> None:
    """Answer until the supervisor is gone."""
    while True:
        asked = sock.recv(MOST)
        if not asked:
            break
        answer: dict[str, str] = {}
        sockets: list[socket.socket] = []
        try:
            descriptors, sockets = _do(json.loads(asked), config, folder, supervisor)
        except Refused as error:
            answer, descriptors = {"error": str(error)}, []
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
            answer, descriptors = {"error": "the broker does not know that"}, []
        socket.send_fds(sock, [json.dumps(answer).encode()], descriptors)
        for each in sockets:
            each.close()
        if not sockets:
            for descriptor in descriptors:
                os.close(descriptor)
    if config.pid_file is not None:
        with suppress(OSError, ValueError):
            if int(config.pid_file.read_text()) == supervisor:
                config.pid_file.unlink()


def _do(asked: dict[str, Any], config: Config, folder: Path, supervisor: int) -> tuple[list[int], list[socket.socket]]:
    match asked["do"]:
        case "bind":
            given = {"address": asked["address"]}
            bind = Bind.model_validate(given, context={"folder": folder})
            if bind.address.is_unix:
                mode, owner = asked["mode"], asked["owner"]
                given |= {"mode": f"{int(mode):04o}"} if mode is not None else {}
                given |= {"owner": owner} if owner is not None else {}
                bind = Bind.model_validate(given, context={"folder": folder})
            sockets = bind_address(bind, max(1, min(int(asked["count"]), MOST_SOCKETS)))
            return [each.fileno() for each in sockets], sockets
        case "open":
            path = Path(asked["path"])
            if not may_open(path, config, folder):
                raise Refused(f"{path} is neither beside the configuration nor a secret that it names")
            try:
                return [os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)], []
            except OSError as error:
                raise Refused(f"{path} cannot be read: {error.strerror}") from None
        case "pid_file":
            if config.pid_file is not None:
                try:
                    replace(config.pid_file, f"{supervisor}\n".encode(), 0o644)
                except OSError as error:
                    raise Refused(f"pid_file {config.pid_file} cannot be written: {error.strerror}") from None
            return [], []
        case "access_log":
            log_file = access_log.file_of(config)
            if log_file is not None and config.user is not None:
                user = pwd.getpwnam(config.user)
                try:
                    access_log.make(log_file, user.pw_uid, user.pw_gid)
                except OSError as error:
                    raise Refused(f"access_log: {log_file} cannot be made: {error.strerror}") from None
            return [], []
        case _:
            raise KeyError


def may_open(path: Path, config: Config, folder: Path) -> bool:
    """Say whether a path is a secret that the configuration named at the start, or lies beside it."""
    token = config.admin.token if config.admin is not None else None
    kept = (each.persist.secrets for each in config.upstreams.values() if each.persist is not None)
    providers = (each for upstream in config.upstreams.values() for each in upstream.providers)
    tokens = (each.token for each in providers if isinstance(each, UrlProvider))
    named = {each.name for each in chain((token,), tokens, *kept) if isinstance(each, Secret) and each.kind == "file"}
    return str(path) in named or (path.is_absolute() and path.resolve().is_relative_to(folder.resolve()))
