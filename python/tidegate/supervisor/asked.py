"""What is asked of an instance: over its control socket, and through the API."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import tidegate
from tidegate.supervisor import resources
from tidegate.supervisor.api import Resources
from tidegate.supervisor.changes import Changes
from tidegate.supervisor.endpoints import NotChanged
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.parts import Parts
from tidegate.supervisor.reloading import Reloading
from tidegate.supervisor.resources import NotTold
from tidegate.supervisor.upgrade import UNDER_WAY
from tidegate.supervisor.worker import WorkerRefused

STATUS_S = 5.0

Upgrade = Callable[[str, socket.socket | None], Awaitable[dict[str, Any]]]


class Asked:
    """Does what is asked, and answers. `end` and `upgrade` are the instance's own."""

    def __init__(self, parts: Parts, reloading: Reloading, end: Callable[[str], None], upgrade: Upgrade) -> None:
        self._parts = parts
        self._reloading = reloading
        self._end = end
        self._upgrade = upgrade

    async def command(self, command: str, asked: Any, by: str, sock: socket.socket) -> dict[str, Any]:
        """Do a command of the control socket, and what is asked with it, by whom and over which connection."""
        parts = self._parts
        try:
            match command:
                case "reload":
                    return await self._reloading.reload("command")
                case "status":
                    return {"ok": True, "status": await self.status()}
                case "stop":
                    self._end("stop")
                    await parts.keeper.ended.wait()
                    return {"ok": True}
                case "upgrade":
                    return await self._upgrade("command", sock)
                case "reopen":
                    return await self._reloading.reopen()
                case "endpoints":
                    return {"ok": True, **await self.change(asked, by)}
                case "rollout":
                    return {"ok": True, **await self.roll(asked, by)}
                case "rollouts":
                    return {"ok": True, **await parts.rolling.told()}
                case "upstreams":
                    return {"ok": True, **await resources.upstreams(parts.worker, parts.snapshots.overrides)}
        except (NotChanged, NotTold) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": f"unknown command {command[:40]!r}"}

    async def status(self) -> dict[str, Any]:
        """Say how things stand, in the shape of `tidegate status --json`."""
        parts, worker = self._parts, self._parts.worker
        told: dict[str, Any] = {}
        upstreams: list[dict[str, Any]] = []
        if worker is not None and worker.is_connected:
            with suppress(Gone, WorkerRefused, TimeoutError):
                answer = (await asyncio.wait_for(worker.ask("status"), STATUS_S)).get("status")
                told = answer if isinstance(answer, dict) else {}
                upstreams = await resources.upstreams_in_brief(worker)
        served = parts.snapshots
        return {
            "threads": served.threads,
            **resources.standing_of(told),
            "upstreams": upstreams,
            "providers": parts.sources.providers.told(),
            "version": tidegate.__version__,
            "supervisor": {"pid": os.getpid(), "since": parts.since},
            "worker": worker.describe() if worker is not None and told else None,
            "older": await parts.keeper.elders.tell(),
            "snapshot": {"number": served.number, "source": self._reloading.source, "since": served.since},
            "limits": {"connections": served.connections, "files": parts.files},
            "state": str(parts.ours.state.folder),
            "generation": parts.keeper.generation,
        }

    def resources(self) -> Resources:
        """What the API tells, by name."""
        parts, snapshots = self._parts, self._parts.snapshots
        return {
            "status": self.status,
            "config": lambda: resources.configuration(snapshots.config),
            "upstreams": lambda: resources.upstreams(parts.worker, snapshots.overrides),
            "routes": lambda: resources.routes(snapshots.config, parts.worker),
            "rollouts": parts.rolling.told,
        }

    def changes(self) -> Changes:
        """What the API changes, for whoever has the token."""
        return Changes(
            token=lambda: self._parts.snapshots.secrets.get("admin.token"), change=self.change, roll=self.roll
        )

    async def change(self, asked: Any, by: str) -> dict[str, Any]:
        """Change an endpoint. Raises `NotChanged`."""
        self._refuse_during_upgrades()
        return await self._parts.endpoints.change(asked, by)

    async def roll(self, asked: Any, by: str) -> dict[str, Any]:
        """Change a rollout. Raises `NotChanged`."""
        self._refuse_during_upgrades()
        return await self._parts.rolling.change(asked, by)

    def _refuse_during_upgrades(self) -> None:
        if self._parts.upgrades.under_way:
            raise NotChanged(UNDER_WAY)
