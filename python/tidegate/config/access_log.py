"""The access log: one line for each exchange."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from tidegate.config.addresses import folder_of
from tidegate.config.complaint import later, refused
from tidegate.config.model import Model
from tidegate.config.scalar import show


def read_destination(given: Any, info: ValidationInfo) -> str:
    """Take `stdout` or the path of a file; other destinations come later."""
    if not isinstance(given, str) or not given or "\0" in given:
        raise refused(f"must be `stdout` or the path of a file, not {show(given)}")
    if given.startswith("syslog:"):
        raise later("logging to syslog")
    if given.startswith("unix:"):
        raise later("logging to a Unix socket")
    return given if given == "stdout" else str(folder_of(info) / given)


def read_format(given: Any) -> str:
    """Take `json`; format strings come later."""
    if given == "json":
        return "json"
    if isinstance(given, str) and "{" in given:
        raise later("a format string for the access log")
    raise refused(f"must be `json`, not {show(given)}")


class AccessLog(Model):
    """Where exchanges are logged, and how. Writing never holds up a request: what cannot be written is counted."""

    to: Annotated[str, BeforeValidator(read_destination)]
    """`stdout`, or the path of a file, which SIGUSR1 opens anew."""
    format: Annotated[str, BeforeValidator(read_format)] = "json"
    """`json`: one object a line."""
