"""Where something stands in a configuration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file. Lines and columns count from 1, in characters."""

    file: str
    line: int
    column: int
    keys: str = ""
    """In a Python file, where all values stand at one spot: the path of keys, as `routes[0].filters[1]`."""

    def __str__(self) -> str:
        spot = f"{self.file}:{self.line}:{self.column}"
        return f"{spot} {self.keys}" if self.keys else spot
