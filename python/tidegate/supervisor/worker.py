"""The process that serves: starting it, adopting one, asking it, and knowing when it ends or stands still."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import tidegate
from tidegate.supervisor.frames import MOST_DESCRIPTORS, MOST_FROM_WORKER, Frames, Gone
from tidegate.supervisor.passport import Passport
from tidegate.supervisor.state import State

TICK_S = 1.0
STUCK_AFTER = 10
"""Ticks without a beat after which a worker is killed. Our own ticks: a machine that slept has missed none."""
HELLO_S = 30.0
"""How long a worker may take to say who it is."""


class WorkerRefused(Exception):
    """The worker did not do what it was asked; nothing has changed."""


def command(descriptor: int) -> list[str]:
    """Give the words that start a worker on the listening socket `descriptor`."""
    home = str(Path(tidegate.__file__).parent.parent)
    program = (
        "import signal, sys\n"
        "for name in ('INT', 'HUP', 'USR1', 'USR2'):\n"
        "    signal.signal(getattr(signal, 'SIG' + name), signal.SIG_IGN)\n"
        f"sys.path.insert(0, {home!r})\n"
        "from tidegate import _engine\n"
        f"_engine.work({descriptor})\n"
    )
    return [sys.executable, "-I", "-c", program]


class Worker:
    """One worker, our child or adopted. `on_end` is called once, when its process has ended, with what it came to."""

    def __init__(self, passport: Passport, pidfd: int, path: str, child: subprocess.Popen[bytes] | None) -> None:
        self.passport = passport
        self.pid = passport.pid
        self.path = path
        self.since = 0.0
        self.hello: dict[str, Any] = {}
        self.last_words = ""
        self.is_leaving = False
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pidfd = pidfd
        self._child = child
        self.lost = asyncio.Event()
        self._frames: Frames | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._given: list[tuple[int, str, socket.socket]] = []
        self._next = 0
        self._silent = 0
        self._watch = asyncio.create_task(self._watch_beats())
        asyncio.get_running_loop().add_reader(pidfd, self._end)

    @classmethod
    def start(cls, state: State, generation: int) -> "Worker":
        """Start a worker that listens for supervisors at `worker-GENERATION.sock`."""
        name = f"worker-{generation}.sock"
        listening = state.listen(name)
        try:
            descriptor = listening.fileno()
            child = subprocess.Popen(command(descriptor), pass_fds=(descriptor,), stdin=subprocess.DEVNULL)
        except OSError as error:
            raise Gone(f"{sys.executable} cannot be run as this user: {error.strerror}") from None
        finally:
            listening.close()
        passport = Passport.of_child(child.pid, name, generation)
        return cls(passport, os.pidfd_open(child.pid), state.short(name), child)

    @classmethod
    def find(cls, state: State, told: Any) -> "Worker | None":
        """Find a worker that an earlier supervisor left, by its entry in `worker.json`, if it still runs."""
        passport = Passport.read(told) if isinstance(told, dict) else None
        pidfd = passport.open() if passport is not None else None
        return cls(passport, pidfd, state.short(passport.socket), None) if passport and pidfd is not None else None

    async def connect(self, generation: int) -> dict[str, Any]:
        """Say hello in its protocol. Raises `WorkerRefused` when it does not take us, `Gone` when nobody is there."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, self.path), HELLO_S)
        except (OSError, TimeoutError) as error:
            sock.close()
            raise Gone(str(error)) from None
        self._frames = Frames(sock, MOST_FROM_WORKER)
        self._silent = 0
        self.lost.clear()
        self._reader = asyncio.create_task(self._read(self._frames))
        ask = self.ask("hello", protocol=self.passport.protocol, generation=generation)
        try:
            self.hello = await asyncio.wait_for(ask, HELLO_S)
        except TimeoutError:
            raise Gone(f"the worker said nothing for {HELLO_S:.0f} s") from None
        since = self.hello.get("since")
        self.since = float(since) if isinstance(since, int | float) else 0.0
        return self.hello

    async def ask(self, kind: str, descriptors: Sequence[int] = (), **fields: Any) -> dict[str, Any]:
        """Ask one thing and wait for its answer. Raises `WorkerRefused`, or `Gone` when the worker goes meanwhile."""
        frames = self._frames
        if frames is None:
            raise Gone("the worker is not connected")
        self._next += 1
        number = self._next
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await frames.send({"kind": kind, "id": number, **fields}, descriptors)
            told = await answer
        finally:
            self._answers.pop(number, None)
        if told.get("ok") is not True:
            raise WorkerRefused(str(told.get("error", "it gave no reason"))[:10_000])
        return told

    async def give(self, sockets: Sequence[tuple[int, str, socket.socket]]) -> None:
        """Give listening sockets for coming snapshots."""
        for begin in range(0, len(sockets), MOST_DESCRIPTORS):
            lot = sockets[begin : begin + MOST_DESCRIPTORS]
            named = [{"id": number, "address": address} for number, address, _ in lot]
            await self.ask("sockets", [sock.fileno() for _, _, sock in lot], sockets=named)

    async def give_database(self, digest: str, content: bytes) -> None:
        """Give a database for the coming snapshot: as a file in memory, since one on disk may change meanwhile."""
        descriptor = os.memfd_create("database", os.MFD_CLOEXEC)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            await self.ask("database", [descriptor], digest=digest)

    async def take(self) -> list[tuple[int, str, socket.socket]]:
        """Take duplicates of the sockets that the worker holds."""
        self._given = []
        await self.ask("give_sockets")
        return self._given

    async def give_streams(self, streams: tuple[int, int] = (1, 2)) -> None:
        """Make it write to our stdout and stderr, or these, in place of those that it was started with."""
        await self.ask("streams", streams)

    async def _read(self, frames: Frames) -> None:
        why: Exception = Gone("it closed the connection")
        try:
            while True:
                message = await frames.receive()
                self._silent = 0
                match message.get("kind"):
                    case "answer":
                        number = message.get("id")
                        answer = self._answers.get(number) if isinstance(number, int) else None
                        if answer is not None and not answer.done():
                            answer.set_result(message)
                    case "sockets":
                        for named in message["sockets"]:
                            sock = socket.socket(fileno=frames.descriptors.popleft())
                            self._given.append((int(named["id"]), str(named["address"]), sock))
                    case "stuck":
                        thread, route, stage = (str(message.get(key))[:200] for key in ("thread", "route", "stage"))
                        self.last_words = f"thread {thread} stood still, last at route {route}, stage {stage}"
        except (Gone, KeyError, TypeError, ValueError, IndexError) as error:
            why = error if isinstance(error, Gone) else Gone(f"the worker does not keep the protocol: {error!r}")
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(why)
            if self._frames is frames:
                self._frames = None
                self.lost.set()
            frames.close()

    @property
    def is_adopted(self) -> bool:
        """Whether an earlier supervisor started it."""
        return self._child is None

    @property
    def is_connected(self) -> bool:
        """Whether it can be asked."""
        return self._frames is not None

    async def _watch_beats(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._silent += 1
            if self._silent > STUCK_AFTER and self._frames is not None:
                self.last_words = self.last_words or f"it did not beat for {STUCK_AFTER} s"
                self.kill()

    def kill(self) -> None:
        """End it at once. By pidfd: the process ID may be another's by now."""
        if self.ended.done():
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._watch.cancel()
        self.lost.set()
        status = self._child.wait() if self._child is not None else orphan_status(self.pid)
        if status is None:
            what = "ended (an adopted worker's exit status is not ours to know)"
        elif status < 0:
            what = f"was ended by {signal.Signals(-status).name}"
        else:
            what = f"exited with {status}"
        if not self.ended.done():
            self.ended.set_result(f"{what}; its last words: {self.last_words}" if self.last_words else what)

    def describe(self) -> dict[str, Any]:
        """Tell of it, as the status does."""
        passport = self.passport
        program = {"version": passport.version, "program": passport.program}
        return {"pid": self.pid, "since": self.since, "generation": passport.generation, **program}

    def forget(self) -> None:
        """Close the connection; the worker goes on."""
        if self._reader is not None:
            self._reader.cancel()
        self._watch.cancel()


def orphan_status(pid: int) -> int | None:
    """Give the exit status of a worker that has ended, where an earlier program in this process, or one of its
    children, had started it; None where it was another's child."""
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)
