"""Where the access log may go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tidegate.config.addresses import EndpointAddress, Written, read_path
from tidegate.config.complaint import refused
from tidegate.config.scalar import show


@dataclass(frozen=True)
class Destination(Written):
    """`stdout`, the path of a file, `syslog:HOST:PORT`, or `unix:PATH`."""

    kind: Literal["stdout", "file", "syslog", "unix"]
    path: Path | None = None
    """Of a file or a Unix socket; absolute when it came from a file."""
    peer: EndpointAddress | None = None
    """Who takes messages of syslog: an IP address or a DNS name, and a port."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read one of the four forms."""
        if not isinstance(given, str) or not given or "\0" in given:
            says = "must be `stdout`, the path of a file, `syslog:HOST:PORT` or `unix:PATH`"
            raise refused(f"{says}, not {show(given)}")
        if given == "stdout":
            return cls("stdout")
        if given.startswith("unix:"):
            return cls("unix", path=read_path(given, folder))
        if given.startswith("syslog:"):
            address = given.removeprefix("syslog:")
            if address.startswith(("unix:", "/")):
                path = address.removeprefix("unix:")
                hint = f"`to: unix:{path}` with `syslog: {{}}` beside it sends messages of syslog there"
                raise refused("must be `syslog:HOST:PORT`", hint)
            return cls("syslog", peer=EndpointAddress.read(address, folder))
        return cls("file", path=folder / given)

    def __str__(self) -> str:
        match self.kind:
            case "stdout":
                return "stdout"
            case "file":
                return str(self.path)
            case "unix":
                return f"unix:{self.path}"
            case "syslog":
                return f"syslog:{self.peer}"
