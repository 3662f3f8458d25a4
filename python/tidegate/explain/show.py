"""What became of a request, for people to read."""

from collections.abc import Iterator
from typing import Any

from tidegate.config.quantities import Duration

FAR = ("other_host", "other_listener")
"""Outcomes of routes that are many and far from the request: they are counted."""


def show(told: dict[str, Any], *, every: bool = False) -> str:
    """Write it, a line for each thing; `every`: each route that lost, also those of other hosts and listeners."""
    request = told["request"]
    lines = [f"{request['method']} {request['url']} from {request['from']}", ""]
    lines += [f"{title:<9} {text}".rstrip() for title, text in _road(told)]
    near = [other for other in told["others"] if every or other["outcome"] not in FAR]
    far = len(told["others"]) - len(near)
    if near or far:
        lines += ["", "Why the other routes lost:" if told["route"] else "Why no route took it:"]
    lines += [f"  {other['name']} ({other['place']}): {other['because']}" for other in near]
    if far:
        more = "1 route is" if far == 1 else f"{far} routes are"
        lines.append(f"  {more} for other hosts or listeners; --all shows {'it' if far == 1 else 'them'}")
    return "\n".join(lines) + "\n"


def _road(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    listener, route, endpoint, answer = told["listener"], told["route"], told["endpoint"], told["answer"]
    yield "listener", f"{listener['name']}: {listener['because']}"
    if told["client"] is not None:
        yield "client", told["client"]
    yield "host", told["host"] or "none"
    if told["path"] is not None:
        yield "path", f"{told['path']} (as it is matched)"
    if route is not None:
        yield "route", f"{route['name']} ({route['place']})"
        yield "filters", ", ".join(route["filters"]) or "none"
        response, idle = (Duration(route["timeouts"][key]) for key in ("response_ms", "idle_ms"))
        yield "timeouts", f"response {_limit(response)}, idle {_limit(idle)}"
    if endpoint is not None:
        yield "upstream", endpoint["upstream"]
        name = "; it is a name, and names are not looked up here" if endpoint["is_name"] else ""
        others = f", one of {endpoint['of']}" if endpoint["of"] > 1 else ""
        yield "endpoint", f"{endpoint['address']}{others}{name}"
        for number, line in enumerate(told["sent"].rstrip().splitlines()):
            yield "sends" if number == 0 else "", line
    if told["waits_for_body"]:
        yield "waits", "for the request's body, before an endpoint is asked"
    if answer is not None:
        for number, line in enumerate(answer["head"].splitlines()):
            yield "answers" if number == 0 else "", line
        if answer["failure"] is not None:
            kind, stage, reason = answer["failure"]
            yield "because", f"{kind} at {stage}: {reason}"
    elif endpoint is None and not told["waits_for_body"]:
        yield "closes", "the connection, without an answer"


def _limit(duration: Duration) -> str:
    return str(duration) if duration.amount else "without limit"
