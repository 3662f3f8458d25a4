"""Asks the core what becomes of a request, and adds what the configuration knows: names, places, filters, timeouts."""

import json
from typing import Any

from tidegate._engine import explain as play
from tidegate.config.config import Config
from tidegate.config.filters.filter import Filter
from tidegate.config.route import Route
from tidegate.config.target import Share
from tidegate.explain.offline import Offline, place
from tidegate.explain.request import NotARequest, Request


def explain(config: Config, source: str, request: Request, listener: str | None = None) -> dict[str, Any]:
    """Say where a request would go, and why. Raises `NotARequest` where no listener is meant.

    Names of endpoints and providers stand for themselves: they are not looked up.
    """
    offline = Offline.of(config, source)
    document = offline.document
    chosen, because = _listener(document["listeners"], request, listener)
    if document["listeners"][chosen]["kind"] not in ("http", "admin"):
        name = document["listeners"][chosen]["name"]
        hint = "ask for a connection, as `tcp :443`, or a datagram, as `udp :53`"
        raise NotARequest(f"the listener `{name}` carries bytes as they are, so there is no request to explain: {hint}")
    told: dict[str, Any] = json.loads(
        play(json.dumps(document), offline.sets, offline.databases, chosen, request.client, request.head())
    )
    name = document["listeners"][chosen]["name"]
    told["listener"] = {"name": name, "place": place(config.listeners.get(name, config.admin)), "because": because}
    index = told["route"]
    told["route"] = None if told["route"] is None else _route(config, document["routes"], told["route"])
    for other in told["others"]:
        route = document["routes"][other.pop("route")]
        other |= {"name": route["name"], "place": route["place"]}
    if told["retry"] is not None:
        told["retry"]["place"] = place(config.routes[index].retry)
    if told["balance"] is not None:
        offline.add_places(told, config.upstreams[told["balance"]["upstream"]])
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


def _route(config: Config, routes: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """Tell the route at an index; those behind the configuration's own are the admin listener's."""
    route = routes[index]
    given = config.routes[index] if index < len(config.routes) else None
    order = list(Filter.model_fields)
    filters = sorted(given.filters if given else (), key=lambda each: order.index(each.kind))
    split = given.to.split if given and given.to else None
    return {
        "name": route["name"],
        "place": route["place"],
        "filters": [{"name": each.kind, "place": place(each)} for each in filters],
        "timeouts": {
            **{key: route["timeouts"][key] for key in ("response_ms", "idle_ms")},
            "place": place(given and given.timeouts),
        },
        "mirror": _mirror(given),
        "leads_to": "upstream" if "part" in route["to"] else next(iter(route["to"])),
        "split": split and [share(each) for each in split],
    }


def _mirror(route: Route | None) -> dict[str, Any] | None:
    """Tell where copies go."""
    if route is None or route.mirror is None:
        return None
    return {"to": route.mirror.to, "share": str(route.mirror.share), "place": place(route.mirror)}


def share(one: Share) -> dict[str, Any]:
    """Tell one of several ways; labels where it has some."""
    labels = {"labels": dict(one.labels)} if one.labels else {}
    return {"upstream": one.upstream, "weight": one.weight, **labels}
