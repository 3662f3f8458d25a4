"""Routes of the snapshot: what a request must look like, its filters, and where it goes."""

from collections.abc import Mapping
from typing import Any

from tidegate.compile.filters import compile_filter
from tidegate.compile.mirror import compile_mirror
from tidegate.compile.retry import compile_retry
from tidegate.compile.target import Upstreams, compile_upstreams
from tidegate.config.match import Match, PathMatch
from tidegate.config.route import Route
from tidegate.config.target import Respond


def compile_route(index: int, route: Route, listeners: Mapping[str, int], upstreams: Upstreams) -> dict[str, Any]:
    """Write a route; listeners and upstreams are named by index."""
    names = listeners if route.listeners is None else dict.fromkeys(route.listeners)
    return {
        "name": route.name or f"routes[{index}]",
        "place": str(route.place or f"routes[{index}]"),
        "listeners": [listeners[name] for name in names],
        "host": route.match.host,
        "path": compile_path(route.match.path),
        "only": compile_conditions(route.match) or None,
        "priority": route.priority,
        "timeouts": {
            "response_ms": route.timeouts.response.milliseconds,
            "idle_ms": route.timeouts.idle.milliseconds,
        },
        "filters": [compile_filter(each) for each in route.filters],
        "retry": compile_retry(route.retry),
        "mirror": compile_mirror(route.mirror, upstreams),
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


def compile_conditions(match: Match) -> dict[str, Any]:
    """Write what a route asks besides host and path, without what it does not."""
    asked = {
        "methods": list(match.methods or ()),
        "headers": [[name, text] for name, text in match.headers.items()],
        "query": [[name, text] for name, text in match.query.items()],
        "from": [str(network) for network in match.from_ or ()],
        "when": None if match.when is None else match.when.compiled,
    }
    return {key: value for key, value in asked.items() if value}


def compile_target(route: Route, upstreams: Upstreams) -> dict[str, Any]:
    """Write where a request goes."""
    if route.respond is not None:
        return {"respond": compile_respond(route.respond)}
    if route.redirect is not None:
        return {"redirect": {"to": route.redirect.to.compiled, "status": route.redirect.status}}
    if route.to is None:
        raise AssertionError("the model lets no route go nowhere")
    return compile_upstreams(route.to, upstreams)


def compile_respond(respond: Respond) -> dict[str, Any]:
    """Write an answer of our own, without what is as usual."""
    written: dict[str, Any] = {"status": respond.status, "body": respond.body}
    if "content_type" in respond.model_fields_set:
        written["content_type"] = respond.content_type
    if respond.headers:
        written["headers"] = [[name, value.compiled] for name, value in respond.headers.items()]
    return written
