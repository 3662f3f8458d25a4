"""A named set: many networks or texts that expressions look into; the core does, `crates/core/src/rule/set.rs`."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from tidegate._engine import read_set
from tidegate.config.addresses import FilePath
from tidegate.config.complaint import refused
from tidegate.config.model import Model

MOST_BYTES = 128 * 2**20
"""No set is larger; a million networks take about 15 MiB."""


class NamedSet(Model):
    """Entries that expressions look for by the set's name: `client.ip in sets["office"]`, or a text in a set of texts.

    Where every entry is an address or a network it is a set of networks, else of texts. A file is read when the
    configuration is: a reload reads it again.
    """

    file: FilePath | None = None
    """A file with an entry a line; a `#` at the line's beginning or behind a blank begins a comment."""
    values: Annotated[tuple[str, ...], Field(max_length=100_000)] | None = None
    """The entries themselves."""

    _lines: str = PrivateAttr(default="")
    _count: int = PrivateAttr(default=0)
    _first_text: tuple[int, str] | None = PrivateAttr(default=None)
    _digest: str = PrivateAttr(default="")

    @property
    def lines(self) -> str:
        """The entries, one a line."""
        return self._lines

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self._count

    @property
    def first_text(self) -> tuple[int, str] | None:
        """Line and text of the first entry that is no network; none in a set of networks."""
        return self._first_text

    @property
    def digest(self) -> str:
        """What it holds, in short: equal digests hold the same."""
        return self._digest

    @model_validator(mode="after")
    def is_read(self) -> "NamedSet":
        """Read the entries, and refuse what holds none."""
        if (self.file is None) == (self.values is None):
            raise refused("must have exactly one of `file` and `values`")
        text = self._of_file(self.file) if self.file is not None else self._of_values(self.values or ())
        self._lines, self._count, self._first_text = read_set(text, self.file is not None)
        self._digest = hashlib.sha256(self._lines.encode()).hexdigest()
        return self

    @staticmethod
    def _of_file(path: Path) -> str:
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise refused(f"`{path}` cannot be read: {error.strerror or error}", at=("file",)) from None
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise refused(f"`{path}` is not UTF-8 text: see its line {line}", at=("file",)) from None
        if len(content) > MOST_BYTES:
            says = f"`{path}` is longer than the {MOST_BYTES // 2**20} MiB that a set may have"
            raise refused(says, at=("file",))
        return text

    @staticmethod
    def _of_values(values: tuple[str, ...]) -> str:
        for index, value in enumerate(values):
            if not value or value != value.strip() or "\n" in value or "\r" in value:
                raise refused(
                    "an entry is a text without line ends, and without blanks around it", at=("values", index)
                )
        return "\n".join(values)
