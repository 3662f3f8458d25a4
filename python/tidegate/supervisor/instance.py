"""The life of an instance: start or adopt a worker, serve commands and signals, restart what dies, drain, end.

What it is made of is in `parts.py`, what is asked of it in `asked.py`; `reloading.py` and `following.py` change what it
serves.
"""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidegate.config.load import Loaded
from tidegate.supervisor import belongings, commands, handover, notify, parts, streams
from tidegate.supervisor.api import serve_api
from tidegate.supervisor.asked import Asked
from tidegate.supervisor.belongings import Belongings
from tidegate.supervisor.elders import SPARE_S
from tidegate.supervisor.following import Following
from tidegate.supervisor.frames import Frames, Gone
from tidegate.supervisor.handover import Handover
from tidegate.supervisor.keeper import RECORD
from tidegate.supervisor.log import Log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.rehearse import rehearse
from tidegate.supervisor.reload import NotReloaded
from tidegate.supervisor.reloading import Reloading
from tidegate.supervisor.state import replace
from tidegate.supervisor.successor import prepare
from tidegate.supervisor.upgrade import heed_signals
from tidegate.supervisor.worker import Worker, WorkerRefused

INPUT_IS_WRONG = 1
MACHINE_REFUSES = 4
INTERRUPT_S = 2.0
"""How long exchanges may take to end after SIGINT."""


def run(loaded: Loaded, *, watch: bool = False, socket: Path | None = None) -> int:
    """Run an instance until it is told to end; gives the exit code of the command."""
    streams.fill()
    config = loaded.config
    assert config is not None, "the command has told the problems"
    log = Log(config.log.level, config.log.format)
    files = raise_file_limit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # secrets pass through
    try:
        given = handover.take(os.environ)
        if given is not None and given.role == "prepare":
            return asyncio.run(prepare(loaded, given, log))
        ours = belongings.take_over(given) if given is not None else belongings.make(loaded, socket, log)
        return asyncio.run(Instance(loaded, ours, given, log, files).live(watch=watch))
    except Refused as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return MACHINE_REFUSES


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, and give it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Instance:
    """One running instance. All of it lives on one event loop."""

    def __init__(self, loaded: Loaded, ours: Belongings, given: Handover | None, log: Log, files: int) -> None:
        self.given = given
        self.log = log
        self.following = Following(lambda: self.parts)
        changed = (self.following.name_changed, self.following.list_changed)
        self.parts = parts.make(loaded, ours, given, log, files, *changed)
        self.ours, self.keeper, self.snapshots = ours, self.parts.keeper, self.parts.snapshots
        self.sources, self.upgrades = self.parts.sources, self.parts.upgrades
        self.reloading = Reloading(loaded, self.parts)
        self.asked = Asked(self.parts, self.reloading, self.end, self.upgrade)
        self._ends = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def worker(self) -> Worker | None:
        """The worker that serves, once there is one."""
        return self.keeper.worker

    # The life

    async def live(self, *, watch: bool) -> int:
        """Live until told to end."""
        loop = asyncio.get_running_loop()
        for number, react in (
            (signal.SIGHUP, lambda: self._spawn(self.reloading.reload("SIGHUP"))),
            (signal.SIGUSR1, lambda: self._spawn(self.reloading.reopen())),
            (signal.SIGUSR2, lambda: self._spawn(self.upgrade("SIGUSR2"))),
            (signal.SIGTERM, lambda: self.end("SIGTERM")),
            (signal.SIGINT, lambda: self.end("SIGINT", INTERRUPT_S)),
        ):
            loop.add_signal_handler(number, react)
        heed_signals()
        try:
            await self._begin()
        except (NotReloaded, Refused, Gone, WorkerRefused) as error:
            if self.worker is not None and not self.worker.is_adopted:
                await self.keeper.end()
                self.ours.state.remove(RECORD)
            self._leave()
            if isinstance(error, Refused):
                raise
            print(f"tidegate: {error}", file=sys.stderr)
            return INPUT_IS_WRONG
        self._spawn(commands.serve_commands(self.ours.commands, self.asked.command))
        self._spawn(serve_api(self.ours.api, self.asked.resources(), self.asked.changes()))
        self._spawn(self.parts.endpoints.expire())
        self._spawn(self.parts.rolling.watch())
        self._spawn(self.following.tell_providers())
        self._spawn(self.keeper.keep())
        if watch:
            self._spawn(self.reloading.watch())
        self._write_pid_file()
        rehearse()
        self._say_ready()
        self._spawn(self._go_on())
        self.sources.watch(self.snapshots.config)
        await self.keeper.ended.wait()
        await self.keeper.end()  # it was told to end while it was starting
        await self.upgrades.over.wait()  # the worker of one that came to nothing is an elder by then
        await self.keeper.elders.end(INTERRUPT_S if self._ends == 1 else 0)
        self.sources.stop()
        for task in list(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        self.ours.sockets.close()
        worker_socket = [os.path.basename(self.worker.path)] if self.worker is not None else []
        for name in (RECORD, "api.sock", *worker_socket):
            self.ours.state.remove(name)
        self._leave()
        self.log.info("ended")
        return 0

    def _leave(self) -> None:
        belongings.leave(self.ours)
        pid_file = self.snapshots.config.pid_file
        if pid_file is not None:
            with suppress(OSError, ValueError):
                if int(pid_file.read_text()) == os.getpid():
                    pid_file.unlink()

    async def _begin(self) -> None:
        """Have a worker, and serve the configuration."""
        await self.keeper.begin()
        assert self.worker is not None
        await self.sources.look_up_new(self.snapshots.config)
        await self.snapshots.serve(self.worker, self.snapshots.config)
        self.keeper.record()
        await self.keeper.elders.make_room(self.snapshots.config.upgrade.generations)
        self.keeper.elders.see_off()

    def _write_pid_file(self) -> None:
        pid_file = self.snapshots.config.pid_file
        if pid_file is None:
            return None
        try:
            if self.ours.household.write_pid_file is not None:
                return self.ours.household.write_pid_file()
            replace(pid_file, f"{os.getpid()}\n".encode(), 0o644)
        except Refused as error:
            self.log.warning(str(error))
        except OSError as error:
            self.log.warning(f"pid_file {pid_file} cannot be written: {error.strerror}")

    def _say_ready(self) -> None:
        bound = self.snapshots.bound
        places = [f"{name}={each.address}" for name, listener in bound.listeners.items() for each in listener.bind]
        places += [f"admin={each.address}" for each in (bound.admin.bind if bound.admin is not None else ())]
        limits = f"threads={self.snapshots.threads} connections={self.snapshots.connections} files={self.parts.files}"
        self.log.announce(f"ready: {' '.join(places)} {limits} snapshot={self.snapshots.number} pid={os.getpid()}")
        notify.ready(f"serving snapshot {self.snapshots.number} of {self.reloading.source}")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error(f"the supervisor made a mistake: {error!r}")

    async def upgrade(self, cause: str, asker: socket.socket | None = None) -> dict[str, Any]:
        """Have the program that is now on disk take over. Comes back only where it does not."""
        if self.keeper.ending.is_set():
            return {"ok": False, "error": "the instance is ending"}
        answer = await self.upgrades.upgrade(cause, asker)
        if self.upgrades.reload and not self.upgrades.under_way:
            self.upgrades.reload = False
            self._spawn(self.reloading.reload("asked for during an upgrade"))
        return answer

    async def _go_on(self) -> None:
        """Do what the program before us was asked for and left to us."""
        if self.given is None:
            return
        if self.given.reopen:
            await self.reloading.reopen()
        if self.given.reload:
            await self.reloading.reload("asked for during an upgrade")
        if self.given.asker is not None:
            frames = Frames(socket.socket(fileno=self.given.asker), commands.MOST)
            with suppress(Gone):
                await frames.send({"ok": True, "status": await self.asked.status()})
            frames.close()

    # The end

    def end(self, cause: str, timeout_s: float | None = None) -> None:
        """Drain and end; asked for a second time, end at once."""
        self._ends += 1
        self.keeper.ending.set()
        if self._ends == 1:
            notify.stopping()
        else:
            self.log.info(f"{cause}: ending at once")
            timeout_s = 0
        self._spawn(self._drain(cause, timeout_s))

    async def _drain(self, cause: str, timeout_s: float | None) -> None:
        drain = self.snapshots.config.drain
        delay_ms, timeout_ms = drain.delay.milliseconds, drain.timeout.milliseconds
        if timeout_s is not None:
            delay_ms, timeout_ms = 0, min(timeout_ms, int(timeout_s * 1000))
        worker = self.worker
        if worker is None:
            self.keeper.ended.set()
            return
        with suppress(Gone, WorkerRefused, TimeoutError):
            await asyncio.wait_for(worker.ask("drain", delay_ms=delay_ms, timeout_ms=timeout_ms), SPARE_S)
            if self._ends == 1:  # said once it is so: whoever reads it finds that answers end their connections
                self.log.info(f"{cause}: draining")
        elders = asyncio.ensure_future(self.keeper.elders.end((delay_ms + timeout_ms) / 1000))
        done, _ = await asyncio.wait([worker.ended], timeout=(delay_ms + timeout_ms) / 1000 + SPARE_S)
        if not done:
            self.log.warning("the worker did not end in time: it is killed")
            worker.kill()
            await worker.ended
        await elders
        self.keeper.ended.set()
