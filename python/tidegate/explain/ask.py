"""Asks the core what becomes of a request, and adds what the configuration knows: names, places, filters, timeouts."""

import json
from typing import Any

from tidegate._engine import explain as play
from tidegate.compile.found import Found
from tidegate.compile.persist import Keys, read_keys
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot, names_to_resolve
from tidegate.config.addresses import EndpointAddress
from tidegate.config.config import Config
from tidegate.config.filters.filter import Filter
from tidegate.config.placed import Placed
from tidegate.config.route import Route
from tidegate.config.secret import SecretUnreadable
from tidegate.config.target import Share
from tidegate.config.upstream import Endpoint, Upstream
from tidegate.explain.request import NotARequest, Request


def explain(config: Config, source: str, request: Request, listener: str | None = None) -> dict[str, Any]:
    """Say where a request would go, and why. Raises `NotARequest` where no listener is meant.

    Names of endpoints and providers stand for themselves: they are not looked up. The path of the state is not known
    here, so the admin listener's `/api/` is not part of it.
    """
    keys, unread = _keys(config)
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
        found=_themselves(config),
        keys=keys,
    )
    chosen, because = _listener(document["listeners"], request, listener)
    if document["listeners"][chosen]["kind"] not in ("http", "admin"):
        name = document["listeners"][chosen]["name"]
        raise NotARequest(f"the listener `{name}` carries bytes as they are: there is no request to explain")
    sets = {each.digest: each.lines for each in config.sets.values()}
    databases = dict(config.geo.contents) if config.geo is not None else {}
    told: dict[str, Any] = json.loads(
        play(json.dumps(document), sets, databases, chosen, request.client, request.head())
    )
    name = document["listeners"][chosen]["name"]
    told["listener"] = {"name": name, "place": _place(config.listeners.get(name, config.admin)), "because": because}
    index = told["route"]
    told["route"] = None if told["route"] is None else _route(config, document["routes"], told["route"])
    for other in told["others"]:
        route = document["routes"][other.pop("route")]
        other |= {"name": route["name"], "place": route["place"]}
    if told["retry"] is not None:
        told["retry"]["place"] = _place(config.routes[index].retry)
    if told["balance"] is not None:
        upstream = config.upstreams[told["balance"]["upstream"]]
        _add_places(told, upstream)
        told["balance"]["sessions"] = unread if upstream.persist is not None else None
    if told["endpoint"] is not None:
        told["endpoint"]["is_name"] = told["endpoint"]["address"] in (*names_to_resolve(config), *_themselves(config))
    return {"request": {"method": request.method, "url": request.url, "from": request.client or "unix:"}, **told}


class _Itself(EndpointAddress):
    """What stands for a provider that is not asked."""

    def __str__(self) -> str:
        return self.host


def _themselves(config: Config) -> dict[str, Found]:
    keys = [each.key for upstream in config.upstreams.values() for each in upstream.providers]
    return {key: Found((Endpoint.model_construct(address=_Itself(key)),)) for key in keys}


def _keys(config: Config) -> tuple[Keys, str | None]:
    """Read what sessions are told apart by; where it cannot be read, say why."""
    try:
        return read_keys(config), None
    except SecretUnreadable as error:
        return {}, str(error)


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
        "filters": [{"name": each.kind, "place": _place(each)} for each in filters],
        "timeouts": {
            **{key: route["timeouts"][key] for key in ("response_ms", "idle_ms")},
            "place": _place(given and given.timeouts),
        },
        "mirror": _mirror(given),
        "leads_to": "upstream" if "part" in route["to"] else next(iter(route["to"])),
        "split": split and [_share(each) for each in split],
    }


def _mirror(route: Route | None) -> dict[str, Any] | None:
    """Tell where copies go."""
    if route is None or route.mirror is None:
        return None
    return {"to": route.mirror.to, "share": str(route.mirror.share), "place": _place(route.mirror)}


def _share(share: Share) -> dict[str, Any]:
    """Tell one of several ways; labels where it has some."""
    labels = {"labels": dict(share.labels)} if share.labels else {}
    return {"upstream": share.upstream, "weight": share.weight, **labels}


def _add_places(told: dict[str, Any], upstream: Upstream) -> None:
    """Add where the upstream and its endpoints stand."""
    places = {str(endpoint.address): _place(endpoint) for endpoint in upstream.listed}
    places |= {each.key: _place(each) for each in upstream.providers}
    told["balance"]["place"] = _place(upstream)
    for endpoint in (*told["balance"]["considered"], *filter(None, [told["endpoint"]])):
        endpoint["place"] = places[endpoint["address"]]


def _place(part: Placed | None) -> str | None:
    """Write where a part stands; nothing for a default, and for what came from no file."""
    return None if part is None or part.place is None else str(part.place)
