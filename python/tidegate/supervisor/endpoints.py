"""Changes of where traffic goes, while it goes: endpoints added, removed, drained, resumed and weighed, none a reload.

Who asks is told of every change that was made, and of what would have been with `dry_run`; the log has a line for each.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from tidegate.config.addresses import EndpointAddress
from tidegate.config.hints import did_you_mean
from tidegate.config.labels import Label
from tidegate.config.model import Name
from tidegate.config.zone import Zone
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.log import Log
from tidegate.supervisor.overrides import Override
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.worker import Worker, WorkerRefused


class NotChanged(Exception):
    """What was asked cannot be done; the text says why, and nothing has changed."""

    def __init__(self, says: str, *, is_unknown: bool = False) -> None:
        super().__init__(says)
        self.is_unknown = is_unknown
        """Whether the upstream or the endpoint does not exist."""


class Change(BaseModel):
    """What is asked of one endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: Literal["add", "remove", "drain", "resume", "weight", "reset", "register"]
    upstream: str
    address: str
    weight: Annotated[int, Field(ge=0, le=65_535)] | None = None
    ttl: Annotated[float, Field(ge=1, le=86_400)] | None = None
    """Seconds after which a registered backend leaves unless it registers again."""
    zone: Zone | None = None
    """Where an endpoint is that is added or registers."""
    labels: Mapping[Name, Label] = {}
    """What it is told by."""
    dry_run: bool = False


class Endpoints:
    """The desk where changes are asked for."""

    def __init__(
        self, snapshots: Snapshots, log: Log, changing: asyncio.Lock, worker: Callable[[], Worker | None]
    ) -> None:
        self._snapshots = snapshots
        self._log = log
        self._changing = changing
        self._worker = worker

    async def change(self, asked: Any, by: str) -> dict[str, Any]:
        """Do what is asked by `by`, and tell what has become of the endpoint. Raises `NotChanged`."""
        change = read_change(asked)
        async with self._changing:
            override, says = self._judge(change)
            told = {"upstream": override.upstream, "address": override.address, "says": says, "done": False}
            if change.dry_run:
                return told
            is_over = change.action == "reset" or (override.configured is None and override.removed)
            overrides = self._snapshots.overrides
            overrides.drop(override) if is_over else overrides.put(override)
            await self._serve(override.upstream)
            self._log.info(f"endpoints: {override.address} of {override.upstream} {says}, asked by {by}")
            return {**told, "done": True}

    async def expire(self) -> None:
        """Let backends leave that have not registered again in time, within a second; for ever."""
        while True:
            await asyncio.sleep(1)
            for each in list(self._snapshots.overrides):
                if each.until is not None and each.until <= time.time():
                    async with self._changing:
                        await self._leave(each)

    async def _leave(self, override: Override) -> None:
        if self._snapshots.overrides.get(override.upstream, override.address) != override:
            return  # it has registered again meanwhile
        self._snapshots.overrides.drop(override)
        try:
            await self._serve(override.upstream)
            self._log.info(f"endpoints: {override.address} of {override.upstream} left: it did not register again")
        except NotChanged as error:
            self._log.error(f"endpoints: {override.address} of {override.upstream} cannot leave: {error}")

    async def _serve(self, upstream: str) -> None:
        """Serve the last change of the overrides and keep it, or take it back."""
        worker = self._worker()
        if worker is None:
            self._snapshots.overrides.take_back()
            raise NotChanged("there is no worker yet; try again in a moment")
        try:
            await self._snapshots.change_upstream(worker, upstream)
            self._snapshots.overrides.keep()
        except (Gone, WorkerRefused) as error:
            self._snapshots.overrides.take_back()
            with suppress(Gone):
                self._snapshots.write_upstream(upstream)
            raise NotChanged(f"the worker did not take it: {error}") from None
        except OSError as error:
            self._snapshots.overrides.take_back()
            with suppress(Gone, WorkerRefused):
                await self._snapshots.change_upstream(worker, upstream)
            raise NotChanged(f"it could not be kept in the state folder: {error.strerror}") from None

    def _judge(self, change: Change) -> tuple[Override, str]:
        """What will stand in the end, and what changes, in words."""
        config = self._snapshots.config
        upstream = config.upstreams.get(change.upstream)
        if upstream is None:
            hint = did_you_mean(change.upstream, tuple(config.upstreams))
            raise NotChanged(f"there is no upstream `{change.upstream}`{f'; {hint}' if hint else ''}", is_unknown=True)
        address = read_address(change.address)
        weights = self._snapshots.weights_of(upstream)
        before = self._snapshots.overrides.get(change.upstream, address)
        is_there = not before.removed if before is not None else address in weights
        if change.action not in ("add", "register") and not is_there and not (change.action == "reset" and before):
            raise NotChanged(f"upstream `{change.upstream}` has no endpoint {address}", is_unknown=True)
        now = before or Override(
            upstream=change.upstream, address=address, configured=weights.get(address), since=time.time()
        )
        return _after(change, now, is_there)


def _after(change: Change, now: Override, is_there: bool) -> tuple[Override, str]:
    weight = now.weight if now.weight is not None else now.configured
    place: dict[str, Any] = {"zone": change.zone, "labels": change.labels}
    if any(place.values()) and (change.action not in ("add", "register") or now.configured is not None):
        raise NotChanged("`zone` and `labels` are for what is added or registers, and does not stand in the file")
    match change.action:
        case "add" if is_there:
            raise NotChanged(f"upstream `{now.upstream}` has {now.address} already; `weight` and `resume` change it")
        case "add":
            update = place | {"removed": False, "draining": False, "weight": change.weight, "until": None}
            return now.model_copy(update=update), "was added"
        case "register":
            if now.configured is not None:
                raise NotChanged(f"{now.address} stands in the configuration: it need not register")
            ttl = change.ttl or 30.0
            update = place | {"weight": change.weight, "until": time.time() + ttl, "removed": False}
            return now.model_copy(update=update), f"{'stays' if is_there else 'registered'} for {ttl:g} s"
        case "remove":
            return now.model_copy(update={"removed": True}), "was removed"
        case "drain":
            return now.model_copy(update={"draining": True}), "takes no new work"
        case "resume":
            return now.model_copy(update={"draining": False}), "takes work again"
        case "weight" if change.weight is None:
            raise NotChanged("`weight` needs a weight, 0 to 65535")
        case "weight":
            given = None if change.weight == now.configured else change.weight
            return now.model_copy(update={"weight": given}), f"has the weight {change.weight} instead of {weight or 1}"
        case "reset":
            return now, "is as configured again" if now.configured is not None else "was removed: the file has it not"


def read_change(asked: Any) -> Change:
    """Read what is asked. Raises `NotChanged`."""
    try:
        return Change.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise NotChanged(f"`{where}`: {first['msg']}") from None


def read_address(given: str) -> str:
    """Read an endpoint's address as the configuration does. Raises `NotChanged`."""
    try:
        address = EndpointAddress.read(given, Path("/"))
    except PydanticCustomError as error:
        raise NotChanged(f"`address` {error.message()}") from None
    if address.is_name:
        raise NotChanged(f"`address`: {address} is a DNS name; give one of its addresses, or put the name in the file")
    return str(address)
