"""The new program on trial: in a child of the supervisor, on copies of what it would take over (`successor.py`)."""

import asyncio
import ctypes
import os
import subprocess
import sys
from typing import Any

from tidegate.supervisor.handover import VARIABLE, Handover
from tidegate.supervisor.keeper import Keeper
from tidegate.supervisor.log import Log

PR_SET_CHILD_SUBREAPER = 36
MOST_TOLD = 10_000
"""Bytes of what a program on trial has said that are told where it failed."""


class NotUpgraded(Exception):
    """The program that runs serves on; the text says why."""


def words() -> list[str]:
    """Give the words that this program was started with, for its interpreter as it is now on disk."""
    return [sys.executable, *sys.orig_argv[1:]]


class Trial:
    """The new program, as it tries whether it could take over."""

    def __init__(self, handover: Handover) -> None:
        packed = handover.pack()
        self._said = os.memfd_create("tidegate-said", os.MFD_CLOEXEC)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        adopt_orphans(True)  # the worker that it leaves to us is our child, and its exit status ours to know
        try:
            self._child = subprocess.Popen(
                words(),
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                pass_fds=[packed, *handover.descriptors()],
                env={**os.environ, VARIABLE: f"{packed}:{os.getpid()}"},
            )
        except OSError as error:
            os.close(self._said)
            adopt_orphans(False)
            raise NotUpgraded(f"{sys.executable} cannot be run: {error.strerror}") from None
        finally:
            os.close(packed)
        self._pidfd = os.pidfd_open(self._child.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended.set_result(self._child.wait())

    async def over(self) -> str:
        """End it, if it still runs, and give what it said."""
        if not self.ended.done():
            self._child.kill()
            await self.ended
        adopt_orphans(False)
        size = os.fstat(self._said).st_size
        said = os.pread(self._said, MOST_TOLD, max(size - MOST_TOLD, 0)).decode(errors="replace").strip()
        os.close(self._said)
        return said


async def prepare(handover: Handover, keeper: Keeper, within_s: float, log: Log) -> None:
    """Have the new program's worker serve. Raises `NotUpgraded`; then nothing has changed."""
    worker = keeper.worker
    assert worker is not None
    keeper.upgrading = True
    try:
        trial = Trial(handover)
    except NotUpgraded:
        await keeper.undo()
        raise
    ending = asyncio.ensure_future(keeper.ending.wait())
    try:
        waiting: list[asyncio.Future[Any]] = [trial.ended, ending, worker.ended]
        await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        code = trial.ended.result() if trial.ended.done() else None
        ending.cancel()
        said = await trial.over()
    if code == 0 and not keeper.ending.is_set():
        log.retell(said)
        return
    if keeper.ending.is_set():
        why = "the instance was told to end"
    elif worker.ended.done():
        why = "the worker has ended meanwhile"
    elif code is None:
        why = f"the new program did not serve within {within_s:g} s (`upgrade.ready`)"
    else:
        why = f"the new program ended with {code}" if code > 0 else f"the new program was ended by signal {-code}"
    await keeper.undo()
    raise NotUpgraded("\n".join(filter(None, [why, said])))


def adopt_orphans(yes: bool) -> None:
    """Whether processes that our children leave behind become ours (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)
