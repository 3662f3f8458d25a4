"""Asks the core what becomes of a connection or a datagram, and adds what the configuration knows: names and places."""

import json
from typing import Any

from tidegate._engine import explain_layer4 as play
from tidegate.config.config import Config
from tidegate.config.listener import Listener
from tidegate.config.target import Target
from tidegate.explain.ask import share
from tidegate.explain.connection import Connection
from tidegate.explain.offline import Offline, place
from tidegate.explain.request import NotARequest


def explain_connection(
    config: Config, source: str, connection: Connection, listener: str | None = None
) -> dict[str, Any]:
    """Say where a connection or a datagram would go, and why. Raises `NotARequest` where no listener is meant."""
    offline = Offline.of(config, source)
    chosen, because = _listener(offline.document["listeners"], connection, listener)
    written = offline.document["listeners"][chosen]
    client, local = _addresses(written, connection)
    hello = None if connection.hello is None else json.dumps(connection.hello)
    told: dict[str, Any] = json.loads(
        play(json.dumps(offline.document), offline.sets, offline.databases, chosen, client, local, hello)
    )
    given = config.listeners[written["name"]]
    routes = () if given.tcp is None else given.tcp.routes
    for other in told["others"]:
        index = other.pop("route")
        other |= {"name": written["layer4"]["routes"][index]["name"], "place": place(routes[index])}
    index = told.pop("route")
    target = _target(given, index)
    told["route"] = None
    if index is not None:
        told["route"] = {"name": written["layer4"]["routes"][index]["name"], "place": place(routes[index])}
    told["split"] = None if target is None or not target.split else [share(each) for each in target.split]
    if told["balance"] is not None:
        offline.add_places(told, config.upstreams[told["balance"]["upstream"]])
    return {
        "connection": {
            "protocol": connection.protocol,
            "to": connection.address,
            "from": connection.client or "unix:",
            "hello": connection.hello,
        },
        "listener": {"name": written["name"], "place": place(given), "because": because},
        **told,
    }


def _target(listener: Listener, route: int | None) -> Target | None:
    """Find where the listener leads: by the route at an index, or where all else goes."""
    if listener.tcp is None:
        return None if listener.udp is None else listener.udp.to
    return listener.tcp.to if route is None else listener.tcp.routes[route].to


def _addresses(listener: dict[str, Any], connection: Connection) -> tuple[str | None, str | None]:
    """Write the client's address and ours; where any of ours is meant, the one that is bound."""
    if connection.client is None:
        return None, None
    client = f"[{connection.client}]:50000" if ":" in connection.client else f"{connection.client}:50000"
    if connection.host:
        return client, connection.address
    bound = [bind["address"].removesuffix("/udp") for bind in listener["binds"]]
    ours = next((each for each in bound if each.endswith(f":{connection.port}")), None)
    return client, ours


def _listener(listeners: list[dict[str, Any]], connection: Connection, named: str | None) -> tuple[int, str]:
    """Find the listener that is meant: the one that is named, or that has the port."""
    ours = {each["name"]: index for index, each in enumerate(listeners) if each["kind"] == connection.protocol}
    if named is not None:
        if named not in ours:
            raise NotARequest(f"no `{connection.protocol}` listener is named `{named}`; there are {_all(ours)}")
        return ours[named], "it was named"
    for name, index in ours.items():
        if any(
            bind["address"].removesuffix("/udp").endswith(f":{connection.port}") for bind in listeners[index]["binds"]
        ):
            return ours[name], f"it has the port {connection.port}"
    says = f"no `{connection.protocol}` listener has the port {connection.port}"
    raise NotARequest(f"{says}; choose one with --listener: {_all(ours)}")


def _all(names: dict[str, int]) -> str:
    return ", ".join(names) or "none"
