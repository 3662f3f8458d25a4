"""The program's own log, on stderr."""

from typing import Literal

from tidegate.config.model import Model


class ProgramLog(Model):
    """What the program says about itself, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is worth a line."""
    format: Literal["text", "json"] = "text"
    """`text` for people, `json` for programs."""
