"""Rollouts as they go: begun, paused, resumed and aborted when asked, stepped on and rolled back by their guards."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidegate.config.hints import did_you_mean
from tidegate.supervisor.endpoints import NotChanged
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.guard import Figures, Guard, NotAGuard
from tidegate.supervisor.log import Log
from tidegate.supervisor.reload import Snapshots
from tidegate.supervisor.rollout import Rollout
from tidegate.supervisor.rollouts import targets_of
from tidegate.supervisor.worker import Worker, WorkerRefused

LOOK_S = 1.0
PATIENCE_S = 5.0


class Asked(BaseModel):
    """What is asked of the rollout of one route."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: Literal["start", "pause", "resume", "abort"]
    route: str
    to: str = ""
    """The upstream that requests go to; only with `start`, as what follows."""
    steps: list[float] = [1, 10, 50, 100]
    """Shares in percent, rising."""
    hold_s: float = 30
    """How long each step is held, the last one too."""
    guard: str = "error_rate < 1%"
    least: Annotated[int, Field(ge=1, le=10**9)] = 50
    """Requests to the new upstream before the guard is asked, and before a step ends."""
    dry_run: bool = False


Pair = tuple[Figures, Figures]
"""Of the new upstream, and of what it replaces."""


class Rolling:
    """The desk where rollouts are asked for, and the watch over those that go."""

    def __init__(
        self, snapshots: Snapshots, log: Log, changing: asyncio.Lock, worker: Callable[[], Worker | None]
    ) -> None:
        self._snapshots = snapshots
        self._log = log
        self._changing = changing
        self._worker = worker
        self._began: dict[str, Pair] = {}
        """What had been counted when the step of a route began."""
        self._now: dict[str, Pair] = {}

    async def change(self, asked: Any, by: str) -> dict[str, Any]:
        """Do what is asked by `by`, and tell what has become of the rollout. Raises `NotChanged`."""
        change = read_asked(asked)
        async with self._changing:
            rollout, says = self._judge(change)
            if not change.dry_run:
                await self._serve(rollout)
                self._log.info(f"rollout: {rollout.route} {says}, asked by {by}")
        return {"says": f"{rollout.route} {says}", "done": not change.dry_run, "rollout": self._told(rollout)}

    async def told(self) -> dict[str, Any]:
        """Tell the last rollout of each route."""
        return {"rollouts": [self._told(each) for each in self._snapshots.rollouts]}

    async def watch(self) -> None:
        """Look at the rollouts every second; for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            for each in list(self._snapshots.rollouts):
                if each.state in ("running", "paused"):
                    with suppress(Gone, WorkerRefused, TimeoutError):
                        await self._look(each)

    async def _look(self, rollout: Rollout) -> None:
        worker = self._worker()
        if worker is None:
            return
        answer = await asyncio.wait_for(worker.ask("targets", route=rollout.route), PATIENCE_S)
        counted = read_figures(answer.get("items"), rollout.to)
        async with self._changing:
            if self._snapshots.rollouts.get(rollout.route) is not rollout:
                return  # something else was asked meanwhile
            if rollout.route not in self._began:  # a step begins, or this supervisor does
                self._began[rollout.route] = counted
                rollout.since = time.time()
            new, old = (now.since(then) for now, then in zip(counted, self._began[rollout.route], strict=True))
            self._now[rollout.route] = (new, old)
            after, share = rollout.model_copy(), rollout.share
            if after.judge(new, old, time.time()):
                await self._step(after, share, new)

    async def _step(self, rollout: Rollout, share: float, new: Figures) -> None:
        route, to = rollout.route, rollout.to
        try:
            await self._serve(rollout)
        except NotChanged as error:
            self._log.error(f"rollout: {route} could not go on: {error}")
            return
        match rollout.state:
            case "rolled_back":
                says = f"was rolled back from {to}, which had {share:g} % of the requests: {rollout.reason}"
                self._log.warning(f"rollout: {route} {says}")
            case "done":
                self._log.info(f"rollout: {route} is done: {to} has {share:g} % of the requests; {rollout.reason}")
            case _:
                says = f"goes on: {to} gets {rollout.share:g} % of the requests; the guard held over {new.requests}"
                self._log.info(f"rollout: {route} {says}")

    async def _serve(self, rollout: Rollout) -> None:
        """Lead the route as the rollout says now, and keep it; or take it back."""
        worker, rollouts = self._worker(), self._snapshots.rollouts
        if worker is None:
            raise NotChanged("there is no worker yet; try again in a moment")
        before = rollouts.get(rollout.route)
        rollouts.put(rollout)
        try:
            await self._snapshots.change_route(worker, rollout.route)
            rollouts.keep()
        except (Gone, WorkerRefused, OSError) as error:
            if before is not None:
                rollouts.put(before)
            else:
                rollouts.put(rollout.model_copy(update={"state": "ended", "reason": "it was not served"}))
            with suppress(Gone, WorkerRefused):
                await self._snapshots.change_route(worker, rollout.route)
            raise NotChanged(f"it was not served, or could not be kept: {error}") from None
        self._began.pop(rollout.route, None)

    def _judge(self, asked: Asked) -> tuple[Rollout, str]:
        """What will stand in the end, and what changes, in words."""
        config, last = self._snapshots.config, self._snapshots.rollouts.get(asked.route)
        configured = targets_of(config, asked.route)
        if configured is None:
            hint = did_you_mean(asked.route, [each.name for each in config.routes if each.name and each.to])
            says = f"there is no route `{asked.route}` that leads to an upstream{f'; {hint}' if hint else ''}"
            raise NotChanged(says, is_unknown=True)
        if asked.action == "start":
            return self._begin(asked, configured, last)
        if last is None or not last.holds_route:
            raise NotChanged(f"`{asked.route}` has no rollout that goes on", is_unknown=True)
        if asked.action == "abort":
            update: dict[str, Any] = {"state": "aborted", "reason": "it was asked for", "since": time.time()}
            return last.model_copy(update=update), f"leads as the file says again, not to {last.to}"
        if last.state != ("running" if asked.action == "pause" else "paused"):
            raise NotChanged(f"the rollout of `{asked.route}` is {last.state}")
        state = "paused" if asked.action == "pause" else "running"
        says = "stays where it is; the guard goes on watching" if state == "paused" else "goes on"
        return last.model_copy(update={"state": state, "since": time.time()}), says

    def _begin(self, asked: Asked, configured: str, last: Rollout | None) -> tuple[Rollout, str]:
        upstreams = self._snapshots.config.upstreams
        if asked.to not in upstreams:
            hint = did_you_mean(asked.to, upstreams)
            raise NotChanged(f"there is no upstream `{asked.to}`{f'; {hint}' if hint else ''}", is_unknown=True)
        if last is not None and last.holds_route:
            says = f"the rollout of `{asked.route}` to {last.to} is {last.state}: abort it, or change the file"
            raise NotChanged(says)
        route = next(each for each in self._snapshots.config.routes if each.name == asked.route)
        if route.to is not None and route.to.upstream == asked.to:
            raise NotChanged(f"`{asked.route}` leads to `{asked.to}` already")
        if any(later <= before for before, later in zip(asked.steps, asked.steps[1:], strict=False)):
            raise NotChanged("`steps` must rise, as 1, 10, 50, 100")
        try:
            Guard.read(asked.guard)
            told = asked.model_dump(exclude={"action", "dry_run"})
            rollout = Rollout(**told, configured=configured, since=time.time())
        except NotAGuard as error:
            raise NotChanged(f"`guard`: {error}") from None
        except ValidationError as error:
            raise NotChanged(_words(error)) from None
        return rollout, f"sends {rollout.share:g} % of its requests to {rollout.to}"

    def _told(self, rollout: Rollout) -> dict[str, Any]:
        new, old = self._now.get(rollout.route, (Figures(), Figures()))
        return rollout.told(new, old, time.time())


def read_asked(asked: Any) -> Asked:
    """Read what is asked. Raises `NotChanged`."""
    try:
        return Asked.model_validate(asked)
    except ValidationError as error:
        raise NotChanged(_words(error)) from None


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"`{'.'.join(map(str, first['loc'])) or 'the request'}`: {first['msg']}"


class Counted(BaseModel):
    """What a worker counted of a route and one upstream."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    upstream: str
    good: Annotated[int, Field(ge=0)]
    bad: Annotated[int, Field(ge=0)]
    waits: list[tuple[int, int]]


def read_figures(items: Any, to: str) -> Pair:
    """Read what a worker told of a route: of the upstream `to`, and of all others. Raises `WorkerRefused`."""
    try:
        counted = [Counted.model_validate(each, strict=False) for each in items]
    except (ValidationError, TypeError):
        raise WorkerRefused("the worker gave an answer that is none") from None
    new, old = Figures(), Figures()
    for each in counted:
        if each.upstream == to:
            new = _sum(new, each)
        else:
            old = _sum(old, each)
    return new, old


def _sum(figures: Figures, counted: Counted) -> Figures:
    waits = dict(figures.waits)
    for most, count in counted.waits:
        waits[most] = waits.get(most, 0) + count
    return Figures(figures.good + counted.good, figures.bad + counted.bad, waits)
