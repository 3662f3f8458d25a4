"""Notices that a configuration's files have changed, for `--watch`: looks at them twice a second."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

LOOK_S = 0.5

Stamp = tuple[int, int, int, int] | None


async def watch_files(files: Callable[[], Sequence[Path]], seen: dict[Path, Stamp]) -> AsyncIterator[None]:
    """Yield when a file is not as `seen` and has then been left alone for a look; `files` may change meanwhile."""
    while True:
        await asyncio.sleep(LOOK_S)
        now = stamps(files())
        if now == seen:
            continue
        while True:  # an editor may write in several steps
            await asyncio.sleep(LOOK_S)
            later = stamps(files())
            if later == now:
                break
            now = later
        seen = now
        yield


def stamps(files: Sequence[Path]) -> dict[Path, Stamp]:
    """Tell each file's state as far as it shows from outside."""
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
