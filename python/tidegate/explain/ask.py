"""Asks the core what becomes of a request, and adds what the configuration knows: names, places, filters, timeouts."""

import json
from typing import Any

from tidegate._engine import explain as play
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot, names_to_resolve
from tidegate.config.config import Config
from tidegate.config.filters.filter import Filter
from tidegate.explain.request import NotARequest, Request


def explain(config: Config, source: str, request: Request, listener: str | None = None) -> dict[str, Any]:
    """Say where a request would go, and why. Raises `NotARequest` where no listener is meant.

    Names of endpoints stand for themselves: they are not looked up. The path of the state is not known here, so the
    admin listener's `/api/` is not part of it.
    """
    document = compile_snapshot(
        config,
        number=0,
        source=source,
        since=0.0,
        threads=1,
        connections=0,
        sockets={str(bind.address): [] for bind in all_binds(config)},
        resolved={name: Resolved((name,)) for name in names_to_resolve(config)},
        api_socket=None,
    )
    chosen, because = _listener(document["listeners"], request, listener)
    sets = {each.digest: each.lines for each in config.sets.values()}
    told: dict[str, Any] = json.loads(play(json.dumps(document), sets, chosen, request.client, request.head()))
    told["listener"] = {"name": document["listeners"][chosen]["name"], "because": because}
    told["route"] = None if told["route"] is None else _route(document["routes"][told["route"]])
    for other in told["others"]:
        route = document["routes"][other.pop("route")]
        other |= {"name": route["name"], "place": route["place"]}
    if told["endpoint"] is not None:
        told["endpoint"]["is_name"] = told["endpoint"]["address"] in names_to_resolve(config)
    return {"request": {"method": request.method, "url": request.url, "from": request.client or "unix:"}, **told}


def _listener(listeners: list[dict[str, Any]], request: Request, named: str | None) -> tuple[int, str]:
    """Find the listener that is meant: the one that is named, that has the URL's port, or the only one."""
    names = [listener["name"] for listener in listeners]
    if named is not None:
        if named not in names:
            raise NotARequest(f"no listener is named `{named}`; there are {', '.join(names) or 'none'}")
        return names.index(named), "it was named"
    if not names:
        raise NotARequest("the configuration has no listener")
    if request.port is not None:
        for index, listener in enumerate(listeners):
            if any(bind["address"].endswith(f":{request.port}") for bind in listener["binds"]):
                return index, f"it has the port {request.port}"
    if len(names) > 1 and request.port is None:
        raise NotARequest(f"a path alone names no listener: choose one of {', '.join(names)} with --listener")
    why = "it is the only one" if len(names) == 1 else f"no listener has the port {request.port}; this one comes first"
    return 0, why


def _route(route: dict[str, Any]) -> dict[str, Any]:
    order = list(Filter.model_fields)
    filters = sorted((next(iter(each)) for each in route["filters"]), key=order.index)
    return {
        "name": route["name"],
        "place": route["place"],
        "filters": filters,
        "timeouts": {key: route["timeouts"][key] for key in ("response_ms", "idle_ms")},
        "leads_to": next(iter(route["to"])),
    }
