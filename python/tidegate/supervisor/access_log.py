"""The access log's file, which the worker opens: made for its user by root, and found out to be unwritable in time."""

import os
from contextlib import suppress
from pathlib import Path

from tidegate.config.config import Config
from tidegate.supervisor.refusal import Refused

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""As the worker opens it: a FIFO without a reader is no reason to wait."""


def file_of(config: Config) -> str | None:
    """Give the path of the access log, if it is a file."""
    to = config.access_log.to if config.access_log is not None else None
    return str(to.path) if to is not None and to.kind == "file" else None


def make(path: str, uid: int, gid: int) -> None:
    """Make the file for a user, unless it is there; with root's rights. What is there is nobody's to give away."""
    with suppress(FileExistsError):
        descriptor = os.open(path, FLAGS | os.O_EXCL, 0o640)
        try:
            os.fchown(descriptor, uid, gid)
        finally:
            os.close(descriptor)


def check(config: Config) -> None:
    """Open the file as the worker will, with the rights that it has. Raises `Refused`."""
    path = file_of(config)
    if path is None:
        return
    try:
        os.close(os.open(path, FLAGS, 0o640))
    except OSError as error:
        who = f" by `{config.user}`" if config.user is not None else ""
        hint = "; make it that user's" if config.user is not None and Path(path).exists() else ""
        raise Refused(f"access_log: {path} cannot be written{who}: {error.strerror}{hint}") from None
