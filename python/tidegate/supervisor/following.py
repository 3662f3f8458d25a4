"""What changes by itself is followed: the worker serves what names stand for and providers list now."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tidegate.supervisor.frames import Gone
from tidegate.supervisor.parts import Parts
from tidegate.supervisor.worker import Worker, WorkerRefused

TELL_S = 5.0
PATIENCE_S = 5.0


class Following:
    """Follows what names and providers say. `parts` gives those of the instance, which are made after this."""

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts

    async def name_changed(self, entry: str) -> None:
        """A name stands for other addresses now."""
        await self._change(self._parts().snapshots.change_name, entry)

    async def list_changed(self, key: str) -> None:
        """A provider lists other endpoints now."""
        await self._change(self._parts().snapshots.change_provider, key)

    async def tell_providers(self) -> None:
        """Tell the worker how old each list is, for its metrics; for ever."""
        told: tuple[Worker | None, dict[str, float]] = (None, {})
        while True:
            await asyncio.sleep(TELL_S)
            worker, good = self._parts().worker, self._parts().sources.providers.good()
            if worker is not None and (worker, good) != told and (good or told[1]):
                with suppress(Gone, WorkerRefused, TimeoutError):
                    await asyncio.wait_for(worker.ask("providers", good=good), PATIENCE_S)
                    told = (worker, good)

    async def _change(self, change: Callable[[Worker, str], Awaitable[None]], entry: str) -> None:
        parts = self._parts()
        async with parts.keeper.changing:
            if parts.worker is not None and not parts.keeper.ending.is_set():
                try:
                    await change(parts.worker, entry)
                except (Gone, WorkerRefused) as error:
                    parts.log.error(f"the endpoints of {entry} were not changed: {error}")
                parts.sources.watch(parts.snapshots.config)
