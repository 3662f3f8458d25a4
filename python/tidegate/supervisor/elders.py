"""Workers of earlier generations: they take no new connections, and end with the last thing that they began."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tidegate.supervisor.frames import Gone
from tidegate.supervisor.log import Log
from tidegate.supervisor.state import State
from tidegate.supervisor.worker import Worker, WorkerRefused

SPARE_S = 5.0
"""How much longer than its drain a worker may live before it is killed."""
STATUS_S = 2.0


@dataclass
class Elder:
    """One of them."""

    worker: Worker
    until: float
    """When it must have ended, in seconds since 1970."""
    sooner: asyncio.Event

    def record(self) -> dict[str, Any]:
        """What another supervisor needs to see it off."""
        return {**self.worker.passport.record(), "until": self.until}


class Elders:
    """All of them, oldest first. `changed` is called when one has ended."""

    def __init__(self, state: State, log: Log, changed: Callable[[], None]) -> None:
        self.all: list[Elder] = []
        self._state = state
        self._log = log
        self._changed = changed
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def add(self, worker: Worker, until: float) -> None:
        """Take a worker that another one has replaced, or will in a moment; `see_off` makes it drain."""
        self.all.append(Elder(worker, until, asyncio.Event()))

    def records(self) -> list[dict[str, Any]]:
        """What another supervisor needs to see them off."""
        return [each.record() for each in self.all]

    async def make_room(self, most: int) -> None:
        """Of more than `most` let those end at once that have no connections and only hand on what older ones tell,
        then the oldest. The last has just been replaced: what was on its way to it counts as a connection."""
        all_of_them, beyond = list(self.all), len(self.all) - most
        if beyond <= 0:
            return
        told = await asyncio.gather(*(self._tell(each) for each in all_of_them))
        is_idle = [each["connections"] == 0 for each in told[:-1]] + [False]
        in_order = sorted(zip(is_idle, all_of_them, strict=True), key=lambda each: not each[0])
        for idle, elder in in_order[:beyond]:
            if elder.until > time.time():
                self._say_that_it_leaves(elder, most, idle=idle)
                self._hurry(elder, 0)

    def _say_that_it_leaves(self, elder: Elder, most: int, *, idle: bool) -> None:
        which = f"the worker with pid {elder.worker.pid}, generation {elder.worker.passport.generation}, ends"
        why = f"`upgrade.generations` keeps {most} old ones"
        if idle:
            self._log.info(f"{which}: it has no connections, and {why}")
        else:
            self._log.warning(f"{which} before its time: {why}")

    def see_off(self) -> None:
        """Let each finish what it began."""
        for elder in self.all:
            if elder.worker.pid not in self._tasks:
                task = asyncio.get_running_loop().create_task(self._see_off(elder))
                self._tasks[elder.worker.pid] = task

    async def tell(self) -> list[dict[str, Any]]:
        """Tell of each, as the status does."""
        return list(await asyncio.gather(*(self._tell(each) for each in self.all)))

    async def ask_all(self, kind: str) -> None:
        """Ask the same of each; one that does not answer is passed over."""
        for elder in self.all:
            with suppress(Gone, WorkerRefused, TimeoutError):
                await asyncio.wait_for(elder.worker.ask(kind), STATUS_S)

    async def end(self, within_s: float) -> None:
        """End all of them; what they began may take so long."""
        for elder in self.all:
            self._hurry(elder, within_s)
        self.see_off()
        await self.over()

    async def over(self) -> None:
        """Wait until the last of them has ended."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _hurry(self, elder: Elder, within_s: float) -> None:
        elder.until = min(elder.until, time.time() + within_s)
        elder.sooner.set()

    async def _tell(self, elder: Elder) -> dict[str, Any]:
        worker = elder.worker
        connections: Any = None
        with suppress(Gone, WorkerRefused, TimeoutError):
            answer = (await asyncio.wait_for(worker.ask("status"), STATUS_S)).get("status")
            connections = answer.get("connections") if isinstance(answer, dict) else None
        told = {"connections": connections if isinstance(connections, int) else None, "until": elder.until}
        return {**worker.describe(), **told}

    async def _see_off(self, elder: Elder) -> None:
        worker = elder.worker
        while not worker.ended.done():
            elder.sooner.clear()
            left_s = max(elder.until - time.time(), 0.0)
            with suppress(Gone, WorkerRefused, TimeoutError):
                ask = worker.ask("drain", delay_ms=0, timeout_ms=int(left_s * 1000), succeeded=True)
                await asyncio.wait_for(ask, SPARE_S)
            sooner = asyncio.ensure_future(elder.sooner.wait())
            waiting: list[asyncio.Future[Any]] = [worker.ended, sooner]
            await asyncio.wait(waiting, timeout=left_s + SPARE_S, return_when=asyncio.FIRST_COMPLETED)
            if not worker.ended.done() and not sooner.done():
                self._log.warning(f"the worker with pid {worker.pid} did not end in time: it is killed")
                worker.kill()
                await worker.ended
            sooner.cancel()
        self._log.info(
            f"the worker with pid {worker.pid}, generation {worker.passport.generation}, {worker.ended.result()}"
        )
        self._state.remove(worker.passport.socket)
        self._tasks.pop(worker.pid, None)
        self.all.remove(elder)
        self._changed()
