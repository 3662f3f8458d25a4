"""An upgrade: the program that is now on disk takes over, without a lost connection and under the same process ID.

It is tried first in a child (`trial.py`), which checks the configuration and has a worker of its own serve on the same
sockets. Then the old worker finishes what it began, and this process executes the new program in its place. Until then
whatever fails leaves all as it was, and is told.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tidegate.supervisor import notify
from tidegate.supervisor.belongings import Belongings
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.handover import VARIABLE, Handover, Role
from tidegate.supervisor.keeper import Keeper
from tidegate.supervisor.log import Log
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.succession import forget_heir, name_heir
from tidegate.supervisor.trial import NotUpgraded, prepare, words
from tidegate.supervisor.worker import Worker, WorkerRefused

HELD_BACK = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
"""Signals that wait while the program is replaced: the new one has not said yet what it does on them."""
DRAIN_ASKED_S = 5.0
UNDER_WAY = "an upgrade is under way; try again when it has ended, in a few seconds"
MACHINE_REFUSES = 4


class Upgrades:
    """Where upgrades are asked for: one at a time."""

    def __init__(self, ours: Belongings, keeper: Keeper, snapshots: Snapshots, since: float, log: Log) -> None:
        self.under_way = False
        self.over = asyncio.Event()
        """None is under way."""
        self.over.set()
        self.reload = False
        """A reload was asked for meanwhile."""
        self.reopen = False
        """The logs were to be opened anew meanwhile."""
        self._ours = ours
        self._keeper = keeper
        self._snapshots = snapshots
        self._since = since
        self._log = log

    async def upgrade(self, cause: str, asker: socket.socket | None) -> dict[str, Any]:
        """Have the program on disk take over; it answers `asker`. Comes back only where it does not, and says why."""
        if self.under_way:
            self._log.warning(f"upgrade ({cause}): one is under way already")
            return {"ok": False, "error": UNDER_WAY}
        self.under_way, self.reload, self.reopen = True, False, False
        self.over.clear()
        try:
            async with self._keeper.changing:
                await self._upgrade(cause, asker)
        except NotUpgraded as error:
            self._log.error(f"upgrade ({cause}): the program that runs serves on:\n{error}")
            notify.ready(f"the last upgrade failed; serving snapshot {self._snapshots.number}")
            return {"ok": False, "error": str(error)}
        finally:
            self.under_way = False
            self.over.set()
        raise AssertionError("the new program runs in this process")

    async def _upgrade(self, cause: str, asker: socket.socket | None) -> None:
        worker, policy = self._keeper.worker, self._snapshots.config.upgrade
        if worker is None or not worker.is_connected:
            raise NotUpgraded("no worker is connected; try again in a moment")
        self._log.info(f"upgrade ({cause}): {' '.join(words())} is tried")
        notify.reloading()
        await self._try(worker, policy.ready.milliseconds / 1000)
        await send_off(worker, policy.timeout.milliseconds)
        try:
            execute(self._handover("take over", (1, 2), asker))
        except NotUpgraded as error:
            await self._stay(worker, time.time() + policy.timeout.milliseconds / 1000)
            raise NotUpgraded(f"{error}; the new worker serves under the supervisor of before") from None

    async def _try(self, worker: Worker, within_s: float) -> None:
        streams, elder = (os.dup(1), os.dup(2)), []
        try:
            elder = await name_heir(worker)
            await prepare(self._handover("prepare", streams, None, elder), self._keeper, within_s, self._log)
        except Gone as error:
            raise NotUpgraded(f"the worker went away meanwhile: {error}") from None
        except NotUpgraded:
            await forget_heir(worker)
            raise
        finally:
            for each in (*streams, *elder):
                os.close(each)

    async def _stay(self, old: Worker, until: float) -> None:
        """The new worker serves, but its program cannot be executed here."""
        try:
            await self._keeper.succeed(old, until)
        except (Gone, WorkerRefused) as error:
            says = (
                f"the new worker serves, but does not take this supervisor ({error}): it ends, and may be started anew"
            )
            self._log.error(says)
            os._exit(MACHINE_REFUSES)
        self.reload = True  # the new worker may have read another file than we know

    def _handover(
        self, role: Role, streams: tuple[int, int], asker: socket.socket | None, elder: Sequence[int] = ()
    ) -> Handover:
        ours, keeper = self._ours, self._keeper
        assert keeper.worker is not None
        broker = ours.household.root
        return Handover(
            role=role,
            supervisor=os.getpid(),
            since=self._since,
            folder=str(ours.state.folder),
            lock=ours.state.lock,
            control=str(ours.control),
            commands=ours.commands.fileno(),
            api=ours.api.fileno(),
            broker=broker.fileno() if broker is not None else None,
            streams=streams,
            generation=keeper.generation,
            snapshot=self._snapshots.number,
            sockets=[(number, address, sock.fileno()) for number, address, sock in ours.sockets.all()],
            chosen=ours.sockets.chosen,
            inherited={key: sock.fileno() for key, sock in ours.sockets.inherited.items()},
            worker=keeper.worker.passport.record(),
            older=keeper.elders.records(),
            elder=elder,
            asker=asker.fileno() if asker is not None else None,
            reload=self.reload,
            reopen=self.reopen,
        )


async def send_off(worker: Worker, left_ms: int) -> None:
    """Let the old worker finish what it began; the new one has its sockets."""
    with suppress(Gone, WorkerRefused, TimeoutError):
        ask = worker.ask("drain", delay_ms=0, timeout_ms=left_ms, succeeded=True)
        await asyncio.wait_for(ask, DRAIN_ASKED_S)


def execute(handover: Handover) -> None:
    """Replace this program by the one on disk. Comes back only by raising `NotUpgraded`."""
    packed = handover.pack()
    descriptors = [packed, *handover.descriptors()]
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        for each in descriptors:
            os.set_inheritable(each, True)
        os.execve(sys.executable, words(), {**os.environ, VARIABLE: f"{packed}:{os.getpid()}"})
    except OSError as error:
        for each in descriptors:
            os.set_inheritable(each, each in (1, 2))
        os.close(packed)
        raise NotUpgraded(f"{sys.executable} cannot be executed: {error.strerror}") from None
    finally:
        heed_signals()


def heed_signals() -> None:
    """Let the signals come that were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
