"""Which instance a command means, as options that several commands have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class Meant:
    """Which instance, and how."""

    config: Path | None = None
    """The configuration that it was started with; default: the only instance there is."""
    socket: Path | None = None
    """Its control socket."""
    json: Annotated[bool, Parameter(negative=())] = False
    """Print JSON."""


MEANT = Meant()
"""The only instance there is."""
