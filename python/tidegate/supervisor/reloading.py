"""Reading the configuration anew, when somebody asks for it or its files change; and opening the logs anew."""

import asyncio
from typing import Any

from tidegate.config.config import Config
from tidegate.config.load import Loaded, load
from tidegate.supervisor import notify
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.parts import Parts
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.reload import NotReloaded
from tidegate.supervisor.upgrade import UNDER_WAY
from tidegate.supervisor.watch import stamps, watch_files
from tidegate.supervisor.worker import Worker, WorkerRefused


class Reloading:
    """Where reloads are asked for."""

    def __init__(self, loaded: Loaded, parts: Parts) -> None:
        self.source = loaded.source
        self._files = loaded.files
        self._seen = stamps(loaded.files)
        self._parts = parts

    async def watch(self) -> None:
        """Reload whenever a file of the configuration has changed; for ever."""
        async for _ in watch_files(lambda: self._files, self._seen):
            await self.reload("--watch")

    async def reload(self, cause: str) -> dict[str, Any]:
        """Read the configuration anew and serve it, or say why not; then nothing has changed."""
        parts, upgrades = self._parts, self._parts.upgrades
        if self.source == "proxy":
            return {"ok": False, "error": "this instance was started without a file: there is nothing to reload"}
        if upgrades.under_way:
            if cause != "command":  # whoever asked by a signal hears nothing, and may rely on it
                upgrades.reload = True
                parts.log.info(f"reload ({cause}): an upgrade is under way; then it is done")
            return {"ok": False, "error": UNDER_WAY}
        async with parts.keeper.changing:
            worker = parts.worker
            if parts.keeper.ending.is_set() or worker is None:
                return {"ok": False, "error": "the instance is ending"}
            notify.reloading()
            try:
                await self._serve(worker)
            except (NotReloaded, Refused, Gone, WorkerRefused) as error:
                says = f"the worker went away meanwhile: {error}" if isinstance(error, Gone) else str(error)
                parts.log.error(f"reload ({cause}): nothing has changed:\n{says}")
                notify.ready(f"the last reload failed; serving snapshot {parts.snapshots.number}")
                return {"ok": False, "error": says}
            number = parts.snapshots.number
            parts.log.info(f"reload ({cause}): snapshot {number} is served")
            notify.ready(f"serving snapshot {number} of {self.source}")
            return {"ok": True, "snapshot": number}

    async def _serve(self, worker: Worker) -> None:
        parts = self._parts
        loaded = await asyncio.to_thread(load, self.source)  # a Python file may take its time
        if loaded.printed:
            parts.log.info(f"{self.source} printed:\n{loaded.printed.rstrip()}")
        self._files = loaded.files or self._files
        if loaded.config is None:
            raise NotReloaded("\n".join(map(str, loaded.problems)))
        self._tell_what_needs_a_start(loaded.config)
        await parts.sources.look_up_new(loaded.config)
        await parts.snapshots.serve(worker, loaded.config)
        parts.keeper.record()
        parts.log.level, parts.log.format = loaded.config.log.level, loaded.config.log.format
        parts.sources.watch(parts.snapshots.config)

    def _tell_what_needs_a_start(self, config: Config) -> None:
        for key in ("state", "user", "pid_file"):
            if getattr(config, key) != getattr(self._parts.snapshots.config, key):
                self._parts.log.warning(f"`{key}` has changed: that counts from the next start")

    async def reopen(self) -> dict[str, Any]:
        """Make the workers open their log files anew."""
        parts, upgrades = self._parts, self._parts.upgrades
        try:
            assert parts.worker is not None
            upgrades.reopen = upgrades.under_way  # and once more by the worker that comes
            if parts.ours.household.make_access_log is not None:
                parts.ours.household.make_access_log()
            await parts.worker.ask("reopen")
            await parts.keeper.elders.ask_all("reopen")
        except (Gone, WorkerRefused, Refused) as error:
            parts.log.error(f"logs were not reopened: {error}")
            return {"ok": False, "error": str(error)}
        parts.log.info("logs were reopened")
        return {"ok": True}
