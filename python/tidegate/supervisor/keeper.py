"""The worker's keeper: adopts or starts it, connects again when it lost us, replaces it when it ends."""

import asyncio
import os
import time
from contextlib import suppress

from tidegate.supervisor.frames import Gone
from tidegate.supervisor.log import Log
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.sockets import Sockets
from tidegate.supervisor.state import State
from tidegate.supervisor.worker import PROTOCOL, Worker, WorkerRefused

QUICK_DEATH_S = 10.0
"""A worker that lived for less is started again with a pause, which grows to `LONGEST_PAUSE_S`."""
LONGEST_PAUSE_S = 5.0
SPARE_S = 5.0
"""How much longer than its drain a worker may live before it is killed."""


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

    async def begin(self) -> Worker | None:
        """Adopt the worker of an earlier supervisor, or start one. Gives one of another version, to be seen off."""
        left = self.state.read("worker.json") or {}
        if isinstance(left.get("generation"), int):
            self.generation = left["generation"] + 1
        found = Worker.find(self.state)
        old: Worker | None = None
        if found is not None:
            protocol = left.get("protocol")
            try:
                hello = await found.connect(self.generation, protocol if isinstance(protocol, int) else PROTOCOL)
                self.sockets.adopt(await found.take())
                chosen = left.get("chosen")
                self.sockets.chosen = {str(key): str(value) for key, value in (chosen or {}).items()}
                self.snapshots.adopt(hello.get("snapshot"))
            except (Gone, WorkerRefused) as error:
                self.log.error(f"the worker with pid {found.pid} cannot be adopted ({error}): it is ended")
                found.kill()
                await found.ended
            else:
                if protocol == PROTOCOL:
                    self.worker = found
                    self.log.info(f"adopted the worker with pid {found.pid}, snapshot {hello.get('snapshot')}")
                else:
                    old = found
                try:
                    await found.give_streams()
                except (Gone, WorkerRefused) as error:
                    self.log.warning(f"the worker with pid {found.pid} keeps its old stdout and stderr: {error}")
        if self.worker is None:
            self.worker = await self._start()
            await self.worker.give(self.sockets.all())
        return old

    async def see_off(self, old: Worker) -> None:
        """Let the worker of an earlier version finish what it began."""
        timeout_ms = self.snapshots.config.drain.timeout.milliseconds
        with suppress(Gone, WorkerRefused):
            await old.ask("drain", delay_ms=0, timeout_ms=timeout_ms)
        done, _ = await asyncio.wait([old.ended], timeout=timeout_ms / 1000 + SPARE_S)
        if not done:
            old.kill()
        self.log.info(f"the worker with pid {old.pid} {await old.ended}")
        self.state.remove(os.path.basename(old.path))

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
        """Write down how another supervisor finds the worker."""
        assert self.worker is not None
        self.state.write("worker.json", self.worker.record(self.generation, {"chosen": self.sockets.chosen}))

    async def keep(self) -> None:
        """Reconnect to a worker that lost us, and replace one that ended; never give up."""
        quick = 0
        while not self.ended.is_set():
            worker = self.worker
            assert worker is not None
            began = time.monotonic()
            await worker.lost.wait()
            if not await self._is_over(worker):
                continue
            what = worker.ended.result()
            if self.ending.is_set():
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
