"""What all providers of endpoints share."""

from typing import Protocol


class NotFound(Exception):
    """A provider has no list now; the text says why."""


class Provider(Protocol):
    """Where a list of endpoints comes from."""

    next_s: float
    """In what time it should be looked at again."""

    async def look(self) -> bytes | None:
        """Give the list as it is written, YAML or JSON; None where it is the one of the last look.

        Raises `NotFound`. Whoever cannot read the list says so with `refuse`.
        """

    def refuse(self) -> None:
        """The last list is none: it is not what later ones may be equal to."""
