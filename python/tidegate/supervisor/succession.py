"""The road between a worker and the one that takes its place: sockets over which the old one tells the new one what it
knows, and passes datagrams on (`crates/engine/src/succession`). Nothing of that is read here."""

import os
from collections.abc import Sequence
from contextlib import suppress
from socket import AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM, socketpair

from tidegate.supervisor.frames import Gone
from tidegate.supervisor.worker import Worker, WorkerRefused

KINDS = (SOCK_STREAM, SOCK_SEQPACKET)
"""One for what is told, and one that keeps datagrams whole."""


async def name_heir(worker: Worker) -> list[int]:
    """Have a worker tell all that it knows to whoever gets these descriptors. They are none where it is of a version
    that cannot. Raises `Gone`."""
    pairs = [socketpair(AF_UNIX, kind) for kind in KINDS]
    try:
        await worker.ask("heir", [there.fileno() for _, there in pairs])
    except (WorkerRefused, Gone) as error:
        for here, _ in pairs:
            here.close()
        if isinstance(error, Gone):
            raise
        return []
    finally:
        for _, there in pairs:
            there.close()
    return [here.detach() for here, _ in pairs]


async def forget_heir(worker: Worker) -> None:
    """Have a worker go on as one that nobody succeeds."""
    with suppress(WorkerRefused, Gone):  # one that knows of no heirs has none
        await worker.ask("heir")


async def meet_elder(worker: Worker, descriptors: Sequence[int]) -> None:
    """Have a worker take over what the one at the other end knows. Raises `WorkerRefused` or `Gone`."""
    try:
        if descriptors:
            await worker.ask("elder", descriptors)
    finally:
        for each in descriptors:
            os.close(each)
