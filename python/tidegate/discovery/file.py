"""A file as a provider: looked at twice a second, read once it has been left alone for a look."""

import asyncio
import os
from pathlib import Path

from tidegate.discovery.provider import NotFound

LOOK_S = 0.5
MOST_BYTES = 4 * 2**20
"""No list is longer; 10,000 endpoints take about half a MiB."""

Stamp = tuple[int, int, int, int]


class WatchedFile:
    """A file that may be replaced, or written in several steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next_s = LOOK_S
        self._read: Stamp | None = None
        """What the file looked like when it was read last."""
        self._seen: Stamp | None = None
        self._is_first = True

    async def look(self) -> bytes | None:
        """Look at it. The first look reads it as it is, later ones wait until it is as the look before saw it."""
        is_first, self._is_first = self._is_first, False
        try:
            stamp = stamp_of(self.path)
        except OSError as error:
            self._read = self._seen = None
            raise NotFound(f"it cannot be read: {error.strerror}") from None
        is_still, self._seen = stamp == self._seen, stamp
        if stamp == self._read or not (is_first or is_still):
            return None
        self._read = stamp
        return await asyncio.to_thread(self._content)

    def refuse(self) -> None:
        """Wait until it changes: what is wrong with it stays wrong."""

    def _content(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise NotFound(f"it cannot be read: {error.strerror}") from None
        if len(content) > MOST_BYTES:
            raise NotFound(f"it is longer than the {MOST_BYTES // 2**20} MiB that a list may have")
        return content


def stamp_of(path: Path) -> Stamp:
    """Tell a file's state as far as it shows from outside. Raises `OSError`."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
