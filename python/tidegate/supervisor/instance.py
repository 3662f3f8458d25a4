"""The life of an instance: start or adopt a worker, serve commands and signals, restart what dies, drain, end."""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import tidegate
from tidegate.config.config import Config
from tidegate.config.load import Loaded, load
from tidegate.supervisor import belongings, commands, handover, notify, resources, streams
from tidegate.supervisor.api import Resources, serve_api
from tidegate.supervisor.belongings import Belongings
from tidegate.supervisor.changes import Changes
from tidegate.supervisor.elders import SPARE_S
from tidegate.supervisor.endpoints import Endpoints, NotChanged
from tidegate.supervisor.frames import Frames, Gone
from tidegate.supervisor.handover import Handover
from tidegate.supervisor.keeper import RECORD, Keeper
from tidegate.supervisor.log import Log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.rehearse import rehearse
from tidegate.supervisor.reload import NotReloaded, Snapshots
from tidegate.supervisor.resources import NotTold
from tidegate.supervisor.rolling import Rolling
from tidegate.supervisor.sources import Sources
from tidegate.supervisor.state import replace
from tidegate.supervisor.successor import prepare
from tidegate.supervisor.upgrade import UNDER_WAY, Upgrades, heed_signals
from tidegate.supervisor.watch import stamps, watch_files
from tidegate.supervisor.worker import Worker, WorkerRefused

INPUT_IS_WRONG = 1
MACHINE_REFUSES = 4
INTERRUPT_S = 2.0
"""How long exchanges may take to end after SIGINT."""
STATUS_S = 5.0
TELL_S = 5.0


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
        assert loaded.config is not None
        self.source = loaded.source
        self.watched = loaded.files
        self.seen = stamps(loaded.files)
        self.ours = ours
        self.given = given
        self.state, self.sockets, self.household = ours.state, ours.sockets, ours.household
        self.log = log
        self.files = files
        self.since = given.since if given is not None else time.time()
        read_secret = ours.household.read_secret
        self.sources = Sources(ours.state, log, self._name_changed, self._list_changed, read_secret)
        self.snapshots = Snapshots(
            loaded.source, loaded.config, ours.state, ours.sockets, self.sources, read_secret, log
        )
        self.keeper = Keeper(ours.state, ours.sockets, self.snapshots, log)
        self.endpoints = Endpoints(self.snapshots, log, self.keeper.changing, lambda: self.worker)
        self.rolling = Rolling(self.snapshots, log, self.keeper.changing, lambda: self.worker)
        self.upgrades = Upgrades(ours, self.keeper, self.snapshots, self.since, log)
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
            (signal.SIGHUP, lambda: self._spawn(self.reload("SIGHUP"))),
            (signal.SIGUSR1, lambda: self._spawn(self.reopen())),
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
                self.state.remove(RECORD)
            self._leave()
            if isinstance(error, Refused):
                raise
            print(f"tidegate: {error}", file=sys.stderr)
            return INPUT_IS_WRONG
        self._spawn(commands.serve_commands(self.ours.commands, self.command))
        self._spawn(serve_api(self.ours.api, self.resources(), self.changes()))
        self._spawn(self.endpoints.expire())
        self._spawn(self.rolling.watch())
        self._spawn(self._tell_providers())
        self._spawn(self.keeper.keep())
        if watch:
            self._spawn(self._watch())
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
        self.sockets.close()
        worker_socket = [os.path.basename(self.worker.path)] if self.worker is not None else []
        for name in (RECORD, "api.sock", *worker_socket):
            self.state.remove(name)
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
        self.keeper.elders.see_off(self.snapshots.config.upgrade.generations)

    def _write_pid_file(self) -> None:
        pid_file = self.snapshots.config.pid_file
        if pid_file is None:
            return None
        try:
            if self.household.write_pid_file is not None:
                return self.household.write_pid_file()
            replace(pid_file, f"{os.getpid()}\n".encode(), 0o644)
        except Refused as error:
            self.log.warning(str(error))
        except OSError as error:
            self.log.warning(f"pid_file {pid_file} cannot be written: {error.strerror}")

    def _say_ready(self) -> None:
        bound = self.snapshots.bound
        places = [f"{name}={each.address}" for name, listener in bound.listeners.items() for each in listener.bind]
        places += [f"admin={each.address}" for each in (bound.admin.bind if bound.admin is not None else ())]
        limits = f"threads={self.snapshots.threads} connections={self.snapshots.connections} files={self.files}"
        self.log.announce(f"ready: {' '.join(places)} {limits} snapshot={self.snapshots.number} pid={os.getpid()}")
        notify.ready(f"serving snapshot {self.snapshots.number} of {self.source}")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error(f"the supervisor made a mistake: {error!r}")

    # What is asked

    async def command(self, command: str, asked: Any, by: str, sock: socket.socket) -> dict[str, Any]:
        """Do a command of the control socket, and what is asked with it, by whom and over which connection."""
        match command:
            case "reload":
                return await self.reload("command")
            case "status":
                return {"ok": True, "status": await self.status()}
            case "stop":
                self.end("stop")
                await self.keeper.ended.wait()
                return {"ok": True}
            case "upgrade":
                return await self.upgrade("command", sock)
            case "reopen":
                return await self.reopen()
            case "endpoints":
                try:
                    return {"ok": True, **await self.change(asked, by)}
                except NotChanged as error:
                    return {"ok": False, "error": str(error)}
            case "rollout":
                try:
                    return {"ok": True, **await self.roll(asked, by)}
                except NotChanged as error:
                    return {"ok": False, "error": str(error)}
            case "rollouts":
                return {"ok": True, **await self.rolling.told()}
            case "upstreams":
                try:
                    return {"ok": True, **await resources.upstreams(self.worker, self.snapshots.overrides)}
                except NotTold as error:
                    return {"ok": False, "error": str(error)}
            case _:
                return {"ok": False, "error": f"unknown command {command[:40]!r}"}

    async def reload(self, cause: str) -> dict[str, Any]:
        """Read the configuration anew and serve it, or say why not; then nothing has changed."""
        if self.source == "proxy":
            return {"ok": False, "error": "this instance was started without a file: there is nothing to reload"}
        if self.upgrades.under_way:
            if cause != "command":  # whoever asked by a signal hears nothing, and may rely on it
                self.upgrades.reload = True
                self.log.info(f"reload ({cause}): an upgrade is under way; then it is done")
            return {"ok": False, "error": UNDER_WAY}
        async with self.keeper.changing:
            worker = self.worker
            if self.keeper.ending.is_set() or worker is None:
                return {"ok": False, "error": "the instance is ending"}
            notify.reloading()
            try:
                loaded = await asyncio.to_thread(load, self.source)  # a Python file may take its time
                if loaded.printed:
                    self.log.info(f"{self.source} printed:\n{loaded.printed.rstrip()}")
                self.watched = loaded.files or self.watched
                if loaded.config is None:
                    raise NotReloaded("\n".join(map(str, loaded.problems)))
                self._tell_what_needs_a_start(loaded.config)
                await self.sources.look_up_new(loaded.config)
                await self.snapshots.serve(worker, loaded.config)
            except (NotReloaded, Refused, Gone, WorkerRefused) as error:
                says = f"the worker went away meanwhile: {error}" if isinstance(error, Gone) else str(error)
                self.log.error(f"reload ({cause}): nothing has changed:\n{says}")
                notify.ready(f"the last reload failed; serving snapshot {self.snapshots.number}")
                return {"ok": False, "error": says}
            self.keeper.record()
            self.log.level, self.log.format = loaded.config.log.level, loaded.config.log.format
            self.sources.watch(self.snapshots.config)
            self.log.info(f"reload ({cause}): snapshot {self.snapshots.number} is served")
            notify.ready(f"serving snapshot {self.snapshots.number} of {self.source}")
            return {"ok": True, "snapshot": self.snapshots.number}

    def _tell_what_needs_a_start(self, config: Config) -> None:
        for key in ("state", "user", "pid_file"):
            if getattr(config, key) != getattr(self.snapshots.config, key):
                self.log.warning(f"`{key}` has changed: that counts from the next start")

    async def reopen(self) -> dict[str, Any]:
        """Make the worker open its log files anew."""
        try:
            assert self.worker is not None
            self.upgrades.reopen = self.upgrades.under_way  # and once more by the worker that comes
            if self.household.make_access_log is not None:
                self.household.make_access_log()
            await self.worker.ask("reopen")
            await self.keeper.elders.ask_all("reopen")
        except (Gone, WorkerRefused, Refused) as error:
            self.log.error(f"logs were not reopened: {error}")
            return {"ok": False, "error": str(error)}
        self.log.info("logs were reopened")
        return {"ok": True}

    async def status(self) -> dict[str, Any]:
        """Say how things stand, in the shape of `tidegate status --json`."""
        worker = self.worker
        told: dict[str, Any] = {}
        upstreams: list[dict[str, Any]] = []
        if worker is not None and worker.is_connected:
            with suppress(Gone, WorkerRefused, TimeoutError):
                answer = (await asyncio.wait_for(worker.ask("status"), STATUS_S)).get("status")
                told = answer if isinstance(answer, dict) else {}
                upstreams = await resources.upstreams_in_brief(worker)
        served = self.snapshots
        return {
            "threads": served.threads,
            **resources.standing_of(told),
            "upstreams": upstreams,
            "providers": self.sources.providers.told(),
            "version": tidegate.__version__,
            "supervisor": {"pid": os.getpid(), "since": self.since},
            "worker": worker.describe() if worker is not None and told else None,
            "older": await self.keeper.elders.tell(),
            "snapshot": {"number": served.number, "source": self.source, "since": served.since},
            "limits": {"connections": served.connections, "files": self.files},
            "state": str(self.state.folder),
            "generation": self.keeper.generation,
        }

    def resources(self) -> Resources:
        """What the API tells, by name."""
        return {
            "status": self.status,
            "config": lambda: resources.configuration(self.snapshots.config),
            "upstreams": lambda: resources.upstreams(self.worker, self.snapshots.overrides),
            "routes": lambda: resources.routes(self.snapshots.config, self.worker),
            "rollouts": self.rolling.told,
        }

    def changes(self) -> Changes:
        """What the API changes, for whoever has the token."""
        return Changes(
            token=lambda: self.snapshots.secrets.get("admin.token"),
            change=self.change,
            roll=self.roll,
        )

    async def change(self, asked: Any, by: str) -> dict[str, Any]:
        """Change an endpoint. Raises `NotChanged`."""
        if self.upgrades.under_way:
            raise NotChanged(UNDER_WAY)
        return await self.endpoints.change(asked, by)

    async def roll(self, asked: Any, by: str) -> dict[str, Any]:
        """Change a rollout. Raises `NotChanged`."""
        if self.upgrades.under_way:
            raise NotChanged(UNDER_WAY)
        return await self.rolling.change(asked, by)

    async def upgrade(self, cause: str, asker: socket.socket | None = None) -> dict[str, Any]:
        """Have the program that is now on disk take over. Comes back only where it does not."""
        if self.keeper.ending.is_set():
            return {"ok": False, "error": "the instance is ending"}
        answer = await self.upgrades.upgrade(cause, asker)
        if self.upgrades.reload and not self.upgrades.under_way:
            self.upgrades.reload = False
            self._spawn(self.reload("asked for during an upgrade"))
        return answer

    async def _go_on(self) -> None:
        """Do what the program before us was asked for and left to us."""
        if self.given is None:
            return
        if self.given.reopen:
            await self.reopen()
        if self.given.reload:
            await self.reload("asked for during an upgrade")
        if self.given.asker is not None:
            frames = Frames(socket.socket(fileno=self.given.asker), commands.MOST)
            with suppress(Gone):
                await frames.send({"ok": True, "status": await self.status()})
            frames.close()

    # Where endpoints come from

    async def _tell_providers(self) -> None:
        """Tell the worker how old each list is, for its metrics; for ever."""
        told: tuple[Worker | None, dict[str, float]] = (None, {})
        while True:
            await asyncio.sleep(TELL_S)
            worker, good = self.worker, self.sources.providers.good()
            if worker is not None and (worker, good) != told and (good or told[1]):
                with suppress(Gone, WorkerRefused, TimeoutError):
                    await asyncio.wait_for(worker.ask("providers", good=good), STATUS_S)
                    told = (worker, good)

    async def _name_changed(self, entry: str) -> None:
        """A name stands for other addresses now."""
        await self._change(self.snapshots.change_name, entry)

    async def _list_changed(self, key: str) -> None:
        """A provider lists other endpoints now."""
        await self._change(self.snapshots.change_provider, key)

    async def _change(self, change: Callable[[Worker, str], Awaitable[None]], entry: str) -> None:
        async with self.keeper.changing:
            if self.worker is not None and not self.keeper.ending.is_set():
                try:
                    await change(self.worker, entry)
                except (Gone, WorkerRefused) as error:
                    self.log.error(f"the endpoints of {entry} were not changed: {error}")
                self.sources.watch(self.snapshots.config)

    async def _watch(self) -> None:
        async for _ in watch_files(lambda: self.watched, self.seen):
            await self.reload("--watch")

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
