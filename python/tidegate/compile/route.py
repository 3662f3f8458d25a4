"""Routes of the snapshot: what a request must look like, its filters, and where it goes."""

from collections.abc import Mapping
from typing import Any

from tidegate.compile.filters import compile_filter
from tidegate.config.match import PathMatch
from tidegate.config.route import Route


def compile_route(
    index: int, route: Route, listeners: Mapping[str, int], upstreams: Mapping[str, int]
) -> dict[str, Any]:
    """Write a route; listeners and upstreams are named by index."""
    names = listeners if route.listeners is None else dict.fromkeys(route.listeners)
    return {
        "name": route.name or f"routes[{index}]",
        "place": str(route.place or f"routes[{index}]"),
        "listeners": [listeners[name] for name in names],
        "host": route.match.host,
        "path": compile_path(route.match.path),
        "priority": route.priority,
        "timeouts": {
            "response_ms": route.timeouts.response.milliseconds,
            "idle_ms": route.timeouts.idle.milliseconds,
        },
        "filters": [compile_filter(each) for each in route.filters],
        "to": compile_target(route, upstreams),
    }


def compile_path(path: PathMatch | None) -> dict[str, Any] | None:
    """Write one of the three forms of a path."""
    match path:
        case None:
            return None
        case PathMatch(exact=str(exact)):
            return {"exact": exact}
        case PathMatch(regex=str(regex)):
            return {"regex": regex}
        case PathMatch(prefix=prefix):
            return {"prefix": prefix}


def compile_target(route: Route, upstreams: Mapping[str, int]) -> dict[str, Any]:
    """Write where a request goes."""
    if route.respond is not None:
        return {"respond": {"status": route.respond.status, "body": route.respond.body}}
    if route.to is not None:
        return {"upstream": upstreams[route.to]}
    raise AssertionError("the model lets no route go nowhere")
