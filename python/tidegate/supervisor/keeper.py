"""The worker's keeper: adopts or starts it, connects again when it lost us, replaces it when it ends."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from tidegate.supervisor.elders import Elders
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.log import Log
from tidegate.supervisor.passport import PROTOCOL, Passport
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.sockets import Sockets
from tidegate.supervisor.state import State
from tidegate.supervisor.succession import forget_heir
from tidegate.supervisor.worker import Worker, WorkerRefused

QUICK_DEATH_S = 10.0
"""A worker that lived for less is started again with a pause, which grows to `LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S = 5.0
UNDO_S = 2.0
"""How long a worker may take to say hello that serves nobody any more."""
RECORD = "worker.json"
"""The file of the state folder that says who serves, and who is to be seen off."""


class Keeper:
    """Keeps one worker serving, from adoption or start to the instance's end."""

    def __init__(self, state: State, sockets: Sockets, snapshots: Snapshots, log: Log) -> None:
        self.state = state
        self.sockets = sockets
        self.snapshots = snapshots
        self.log = log
        self.generation = 1
        self.worker: Worker | None = None
        self.changing = asyncio.Lock()
        """Held by whoever changes what is served."""
        self.ending = asyncio.Event()
        """The instance was told to end."""
        self.ended = asyncio.Event()
        """Nothing serves any more, and nothing will."""
        self.upgrading = False
        """A new program is tried, and writes down who serves."""
        self.replaced = asyncio.Event()
        """Another worker serves than the one that is watched."""
        self.elders = Elders(state, log, self.record)

    async def begin(self) -> None:
        """Adopt what an earlier supervisor left, or start a worker. Those to be seen off are among the elders."""
        left = self.state.read(RECORD) or {}
        older = left.get("older")
        entries = [each for each in (older if isinstance(older, list) else []) if isinstance(each, dict)]
        given = [each.get("generation") for each in (left, *entries)]
        self.generation = max([each for each in given if isinstance(each, int)], default=0) + 1
        for entry in entries:
            await self._adopt_elder(entry)
        found = Worker.find(self.state, left)
        if found is not None and await self._adopt(found, left):
            if found.passport.protocol == PROTOCOL:
                self.worker = found
            else:
                says = f"the worker with pid {found.pid} speaks another protocol: it drains, and another serves"
                self.log.info(says)
                self.elders.add(found, time.time() + self.snapshots.config.upgrade.timeout.milliseconds / 1000)
        if self.worker is None:
            self.worker = await self._start()
            await self.worker.give(self.sockets.all())

    async def _adopt(self, found: Worker, left: dict[str, Any]) -> bool:
        try:
            hello = await found.connect(self.generation)
            self.sockets.adopt(await found.take())
            self.sockets.chosen = {str(key): str(value) for key, value in (left.get("chosen") or {}).items()}
            self.snapshots.adopt(hello.get("snapshot"))
        except (Gone, WorkerRefused) as error:
            self.log.error(f"the worker with pid {found.pid} cannot be adopted ({error}): it is ended")
            found.kill()
            await found.ended
            return False
        self.log.info(f"adopted the worker with pid {found.pid}, snapshot {hello.get('snapshot')}")
        await self._give_streams(found)
        await forget_heir(found)  # one that was tried and left alone
        return True

    async def _adopt_elder(self, entry: dict[str, Any]) -> None:
        found, until = Worker.find(self.state, entry), entry.get("until")
        if found is None:
            self._forget(entry)
            return
        try:
            await found.connect(self.generation)
        except (Gone, WorkerRefused) as error:
            done, _ = await asyncio.wait([found.ended], timeout=UNDO_S)  # it may have been about to end
            if not done:
                self.log.error(f"the worker with pid {found.pid} cannot be seen off ({error}): it is ended")
                found.kill()
            self._forget(entry)
            return
        await self._give_streams(found)
        self.elders.add(found, float(until) if isinstance(until, int | float) else 0.0)

    def _forget(self, entry: dict[str, Any]) -> None:
        if (passport := Passport.read(entry)) is not None:
            self.state.remove(passport.socket)

    async def _give_streams(self, worker: Worker) -> None:
        try:
            await worker.give_streams()
        except (Gone, WorkerRefused) as error:
            self.log.warning(f"the worker with pid {worker.pid} keeps its old stdout and stderr: {error}")

    async def _start(self) -> Worker:
        worker = Worker.start(self.state, self.generation)
        try:
            await worker.connect(self.generation)
        except (Gone, WorkerRefused):
            worker.kill()
            self.log.error(f"a worker could not be started: it {await worker.ended}")
            raise
        except BaseException:  # the instance ends
            worker.kill()
            raise
        self.log.info(f"started a worker with pid {worker.pid}")
        return worker

    def record(self) -> None:
        """Write down how another supervisor finds the workers."""
        if self.worker is not None and not self.upgrading:  # then it is the new program's to write
            entry = {**self.worker.passport.record(), "generation": self.generation, "chosen": self.sockets.chosen}
            self.state.write(RECORD, {**entry, "older": self.elders.records()})

    async def undo(self) -> None:
        """An upgrade came to nothing: see off the worker that it may have started, and write down again who serves."""
        left = self.state.read(RECORD) or {}
        known = {self.worker.pid if self.worker is not None else 0, *(each.worker.pid for each in self.elders.all)}
        for entry in [left, *left.get("older", [])]:
            if entry.get("pid") in known or (found := Worker.find(self.state, entry)) is None:
                continue
            try:
                await asyncio.wait_for(found.connect(found.passport.generation), UNDO_S)
                self.elders.add(found, time.time() + self.snapshots.config.drain.timeout.milliseconds / 1000)
            except (Gone, WorkerRefused, TimeoutError):
                found.kill()
                await found.ended
        self.generation += 1  # the next one shall not listen where that one did
        self.upgrading = False
        self.snapshots.keep()
        self.record()
        self.elders.see_off()

    async def succeed(self, old: Worker, until: float) -> None:
        """Go on with the worker that an upgrade has started. Raises `Gone` or `WorkerRefused`."""
        left = self.state.read(RECORD) or {}
        found = Worker.find(self.state, left)
        self.generation += 1
        if found is None:
            raise Gone("it has ended")
        hello = await found.connect(self.generation)
        self.sockets.adopt(await found.take())
        self.snapshots.adopt(hello.get("snapshot"))
        self.worker = found
        self.elders.add(old, until)
        self.upgrading = False
        self.replaced.set()
        self.record()
        self.elders.see_off()

    async def keep(self) -> None:
        """Reconnect to a worker that lost us, and replace one that ended; never give up."""
        quick = 0
        while not self.ended.is_set():
            worker = self.worker
            assert worker is not None
            began = time.monotonic()
            await self._lost_or_replaced(worker)
            if worker is not self.worker or not await self._is_over(worker):
                continue
            what = worker.ended.result()
            if self.ending.is_set():
                await self.elders.over()
                self.ended.set()
                return
            self.log.error(f"the worker with pid {worker.pid} {what}; another is started")
            quick = quick + 1 if time.monotonic() - began < QUICK_DEATH_S else 0
            while not self.ending.is_set():
                if quick > 1:
                    await asyncio.sleep(min(0.1 * 2.0 ** min(quick, 10), LONGEST_PAUSE_S))
                try:
                    async with self.changing:
                        await self._replace()
                    break
                except (Gone, WorkerRefused, OSError) as error:
                    quick += 1
                    self.log.error(f"no worker serves: {error}; tried again")
            else:
                self.ended.set()

    async def _lost_or_replaced(self, worker: Worker) -> None:
        waiting = [asyncio.ensure_future(each.wait()) for each in (worker.lost, self.replaced)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        self.replaced.clear()

    async def _replace(self) -> None:
        worker = await self._start()
        try:
            await worker.give(self.sockets.all())
            await self.snapshots.serve_again(worker)
        except (Gone, WorkerRefused):
            worker.kill()
            await worker.ended
            raise
        except BaseException:  # the instance ends
            worker.kill()
            raise
        self.worker = worker
        self.record()
        self.log.info(f"the worker with pid {worker.pid} serves snapshot {self.snapshots.number}")

    async def _is_over(self, worker: Worker) -> bool:
        """The connection is gone: wait for the process's end, or connect again; kill what does neither."""
        for _ in range(10):
            done, _ = await asyncio.wait([worker.ended], timeout=0.5)
            if done:
                return True
            with suppress(Gone, WorkerRefused):
                await worker.connect(self.generation)
                self.log.warning(f"the connection to the worker with pid {worker.pid} was lost, and is there again")
                return False
        worker.last_words = "it let nobody connect"
        worker.kill()
        await worker.ended
        return True

    async def end(self) -> None:
        """End the worker at once, if it still lives."""
        if self.worker is not None and not self.worker.ended.done():
            self.worker.kill()
            await self.worker.ended
