"""The secrets of a configuration: read when it is served, and kept in memory alone."""

from collections.abc import Callable

from tidegate.config.config import Config
from tidegate.config.secret import Secret, SecretUnreadable

ReadSecret = Callable[[str], bytes]
"""Reads a file that only the broker may open."""


def read_secrets(config: Config, open_secret: ReadSecret | None = None) -> dict[str, str]:
    """Read the secrets that the worker needs, by their places. They go to it in a frame of their own."""
    token = config.admin.token if config.admin is not None else None
    return {} if token is None else {"admin.token": read_secret(token, open_secret)}


def read_secret(secret: Secret, open_secret: ReadSecret | None) -> str:
    """Read one; a file that is root's alone is opened by the broker, if there is one: `open_secret`.

    Raises `SecretUnreadable` or `Refused`.
    """
    try:
        return secret.read()
    except SecretUnreadable:
        if open_secret is None or secret.kind != "file":
            raise
        return open_secret(secret.name).decode(errors="strict").removesuffix("\n").removesuffix("\r")
