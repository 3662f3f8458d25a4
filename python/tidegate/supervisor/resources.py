"""What the API tells: status, the effective configuration, upstreams and routes, as plain data."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.config.config import Config
from tidegate.config.effective import plain_data
from tidegate.config.route import Route
from tidegate.supervisor import told
from tidegate.supervisor.frames import Gone
from tidegate.supervisor.overrides import Override
from tidegate.supervisor.worker import Worker, WorkerRefused

PATIENCE_S = 5.0


class NotTold(Exception):
    """The worker did not answer, or not in the words that it should; another moment may be better."""


async def ask_pages(worker: Worker | None, what: str, kind: type[told.Kind]) -> list[told.Kind]:
    """Ask a worker for all items of a kind, a page at a time. Raises `NotTold`."""
    if worker is None or not worker.is_connected:
        raise NotTold("no worker is connected")
    items: list[told.Kind] = []
    first: int | None = 0
    try:
        while first is not None:
            answer = await asyncio.wait_for(worker.ask(what, first=first), PATIENCE_S)
            page = told.read(kind, answer.get("items"))
            items += page
            after = answer.get("next")
            if after is not None and (after != first + len(page) or not page or len(items) > told.MOST):
                raise ValueError("a page that leads nowhere")
            first = after
    except (Gone, WorkerRefused, TimeoutError) as error:
        raise NotTold(f"the worker does not answer: {error or 'it took too long'}") from None
    except ValueError:
        raise NotTold("the worker gave an answer that is none") from None
    return items


async def upstreams(worker: Worker | None, overrides: Iterable[Override]) -> dict[str, Any]:
    """Tell each upstream with its endpoints, and what was asked of them meanwhile. Raises `NotTold`."""
    found = gather(await ask_pages(worker, "upstreams", told.UpstreamRow))
    return {"upstreams": [_with(each, overrides) for each in found if ":" not in each["name"]]}


def _with(upstream: dict[str, Any], overrides: Iterable[Override]) -> dict[str, Any]:
    asked = [each.model_dump(exclude={"upstream"}) for each in overrides if each.upstream == upstream["name"]]
    return {**upstream, "overrides": asked}


async def upstreams_in_brief(worker: Worker) -> list[dict[str, Any]]:
    """Tell each upstream as the status does; nothing where the worker does not say."""
    try:
        return gather(await ask_pages(worker, "upstreams_in_brief", told.BriefRow))
    except NotTold:
        return []


def gather(rows: Iterable[told.UpstreamRow | told.BriefRow]) -> list[dict[str, Any]]:
    """Put each row where its upstream is. One of another snapshot, whose upstream was not told, is left out."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.panic is not None:
            found[row.upstream] = row.upstream_alone()
        if (upstream := found.get(row.upstream)) is None:
            continue
        if row.endpoint is not None:
            upstream["endpoints"].append(row.endpoint.model_dump())
        if isinstance(row, told.UpstreamRow) and row.unresolved is not None:
            upstream["unresolved"].append(row.unresolved.model_dump())
    return list(found.values())


async def routes(config: Config, worker: Worker | None) -> dict[str, Any]:
    """Tell each route, as configured, and what was counted of it. Raises `NotTold`."""
    counted = {each.name: each for each in await ask_pages(worker, "routes", told.Route)}
    return {"routes": [_route(index, each, counted) for index, each in enumerate(config.routes)]}


def _route(index: int, route: Route, counted: Mapping[str, told.Route]) -> dict[str, Any]:
    name = route.name or f"routes[{index}]"
    counts = counted.get(name)
    data = plain_data(route)
    return {
        "name": name,
        "place": str(route.place or f"routes[{index}]"),
        "listeners": data.get("listeners"),
        "match": data["match"],
        "priority": route.priority,
        "target": {key: asked_for(data[key]) for key in ("to", "redirect", "respond") if data.get(key) is not None},
        "counters": None if counts is None else counts.model_dump(exclude={"name"}),
    }


def asked_for(target: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not asked for."""
    return {key: value for key, value in target.items() if value not in (None, {})}


async def configuration(config: Config) -> dict[str, Any]:
    """Tell the configuration with every default written out; a secret is the place where it is."""
    return await asyncio.to_thread(plain_data, config)


def standing_of(status: Any) -> dict[str, Any]:
    """Take from a worker's status what is of its type; the rest of what it says of itself comes along."""
    given = status if isinstance(status, dict) else {}
    connections = given.get("connections")
    return {
        **{key: value for key, value in given.items() if isinstance(key, str)},
        "listeners": told.plain(told.LISTENERS, given.get("listeners", [])),
        "connections": connections if isinstance(connections, int) and connections >= 0 else 0,
    }
