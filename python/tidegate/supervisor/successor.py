"""What the new program does before it takes over, in a child of the old one: read the configuration, start its worker
on the same sockets, and wait until that serves. Whatever goes wrong, the old program serves on.

The supervisor takes this process's end for its word: 0, and the worker in `worker.json` serves. What is printed is why
not.
"""

import ctypes
import os
import signal
import sys
import time
from typing import Any

import tidegate
from tidegate.config.load import Loaded
from tidegate.supervisor.belongings import Belongings, take_over
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.handover import Handover
from tidegate.supervisor.log import Log
from tidegate.supervisor.refusal import Refused
from tidegate.supervisor.reload import NotReloaded, Snapshots
from tidegate.supervisor.sources import Sources
from tidegate.supervisor.succession import meet_elder
from tidegate.supervisor.worker import Worker, WorkerRefused

PR_SET_PDEATHSIG = 1


async def prepare(loaded: Loaded, handover: Handover, log: Log) -> int:
    """Have a worker of this program serve, and write down that it does. Gives the exit code."""
    end_with(handover.supervisor)
    config = loaded.config
    assert config is not None, "the command has told the problems"
    ours = take_over(handover)
    read_secret = ours.household.read_secret
    sources = Sources(ours.state, log, _changed, _changed, read_secret)
    snapshots = Snapshots(loaded.source, config, ours.state, ours.sockets, sources, read_secret, log)
    snapshots.adopt(handover.snapshot)
    generation = handover.generation + 1
    worker = Worker.start(ours.state, generation)
    candidate = with_time(worker.passport.record(), config.drain.timeout.milliseconds)
    write(ours, handover.worker, handover.chosen, [*handover.older, candidate])
    try:
        await worker.connect(generation)
        await worker.give(ours.sockets.all())
        await inherit(worker, handover, log)
        await sources.look_up_new(config)
        await snapshots.serve(worker, config)
        await worker.give_streams(handover.streams)
    except (NotReloaded, Refused, Gone, WorkerRefused) as error:
        worker.kill()
        print(f"tidegate: {error}; its worker {await worker.ended}", file=sys.stderr)
        return 1
    former = with_time(handover.worker, config.upgrade.timeout.milliseconds)
    write(ours, worker.passport.record(), ours.sockets.chosen, [*handover.older, former])
    log.info(f"the worker with pid {worker.pid} of tidegate {tidegate.__version__} serves snapshot {snapshots.number}")
    return 0


async def inherit(worker: Worker, handover: Handover, log: Log) -> None:
    """Have it take over what the worker before knows, before it serves. Without that it serves all the same."""
    try:
        await meet_elder(worker, handover.elder)
    except WorkerRefused as error:
        log.warning(f"counts, and what is known of endpoints, begin anew: {error}")


def write(ours: Belongings, worker: dict[str, Any], chosen: dict[str, str], older: list[dict[str, Any]]) -> None:
    """Write down who serves, and who is to be seen off, for the supervisor that comes next, whoever dies meanwhile."""
    ours.state.write("worker.json", {**worker, "chosen": chosen, "older": older})


def with_time(worker: dict[str, Any], left_ms: int) -> dict[str, Any]:
    """Say of a worker how long it may finish what it began."""
    return {**worker, "until": time.time() + left_ms / 1000}


def end_with(supervisor: int) -> None:
    """Be killed when the supervisor dies: nobody would take the word of this process."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:
        raise Refused("the supervisor that asked has ended")


async def _changed(_: str) -> None:
    """Nothing is watched here."""
