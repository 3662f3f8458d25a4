"""What became of a request, for people to read."""

from collections.abc import Iterator
from typing import Any

from tidegate.config.quantities import Duration, Size

FAR = ("other_host", "other_listener")
"""Outcomes of routes that are many and far from the request: they are counted."""


MOST_CONSIDERED = 10
"""Endpoints that are shown of an upstream; the rest is counted."""


def show(told: dict[str, Any], *, every: bool = False) -> str:
    """Write it, a line for each thing.

    `every`: each route that lost, also those of other hosts and listeners, and each endpoint of the upstream.
    """
    request = told["request"]
    lines = [f"{request['method']} {request['url']} from {request['from']}", ""]
    lines += [f"{title:<9} {text}".rstrip() for title, text in _road(told, every)]
    near = [other for other in told["others"] if every or other["outcome"] not in FAR]
    far = len(told["others"]) - len(near)
    if near or far:
        lines += ["", "Why the other routes lost:" if told["route"] else "Why no route took it:"]
    lines += [f"  {named(other)}: {other['because']}" for other in near]
    if far:
        more = "1 route is" if far == 1 else f"{far} routes are"
        lines.append(f"  {more} for other hosts or listeners; --all shows {'it' if far == 1 else 'them'}")
    return "\n".join(lines) + "\n"


def _road(told: dict[str, Any], every: bool) -> Iterator[tuple[str, str]]:
    listener, route, endpoint, answer = told["listener"], told["route"], told["endpoint"], told["answer"]
    yield "listener", f"{named(listener)}: {listener['because']}"
    if told["client"] is not None:
        yield "client", told["client"]
    yield "host", told["host"] or "none"
    if told["path"] is not None:
        yield "path", f"{told['path']} (as it is matched)"
    if route is not None:
        yield "route", named(route)
        yield "filters", ", ".join(map(named, route["filters"])) or "none"
        response, idle = (Duration(route["timeouts"][key]) for key in ("response_ms", "idle_ms"))
        yield "timeouts", at(f"response {_limit(response)}, idle {_limit(idle)}", route["timeouts"]["place"])
        if route["mirror"] is not None:
            mirror = route["mirror"]
            yield "mirror", at(f"{mirror['share']} of the requests, to {mirror['to']}", mirror["place"])
    if told["balance"] is not None:
        yield from balance(told, told["route"]["split"], every)
    if told["retry"] is not None:
        yield "retry", _retry(told["retry"])
    if endpoint is not None:
        yield from _block("sends", told["sent"])
    if told["waits_for_body"]:
        yield "waits", "for the request's body, before an endpoint is asked"
    if answer is not None:
        yield from _block("answers", answer["head"])
        if answer["failure"] is not None:
            kind, stage, reason = answer["failure"]
            yield "because", f"{kind} at {stage}: {reason}"
    elif endpoint is None and not told["waits_for_body"]:
        yield "closes", "the connection, without an answer"


def _retry(retry: dict[str, Any]) -> str:
    """Tell when the request would be tried again."""
    says = f"at most {retry['attempts']} tries, on {', '.join(retry['on'])}"
    if retry["per_try_ms"]:
        says += f", each within {Duration(retry['per_try_ms'])}"
    if retry["hedge"] is not None and retry["is_safe"]:
        says += f", a second one beside the first after {retry['hedge']}"
    if not retry["repeatable"]:
        says += "; of this one only what left no byte, since it may have an effect"
    elif retry["body"]:
        says += f"; with a body of at most {Size(retry['body'])}"
    return at(says, retry["place"])


def balance(told: dict[str, Any], split: list[dict[str, Any]] | None, every: bool) -> Iterator[tuple[str, str]]:
    """Tell the upstream, the endpoint that was chosen, and those that could have been; `split`: several upstreams."""
    chosen, endpoint, considered = told["balance"], told["endpoint"], told["balance"]["considered"]
    shares = ", ".join(map(_share, split or ()))
    yield "upstream", at(chosen["upstream"], chosen["place"]) + (f", one of {shares}" if shares else "")
    if chosen["labels"] is not None:
        yield "labels", chosen["labels"] + (", and of those none can: its fallback" if chosen["fell_back"] else "")
    if endpoint is not None:
        name = "; it is a name, and names are not looked up here" if endpoint["is_name"] else ""
        yield "endpoint", f"{at(endpoint['address'], endpoint['place'])}: {chosen['because']}{name}"
    else:
        yield "endpoint", f"none: {chosen['because']}"
    if chosen["sessions"] is not None:
        yield "sessions", f"are not known: {chosen['sessions']}"
    shown = considered if every else considered[:MOST_CONSIDERED]
    for number, each in enumerate(shown):
        standing = ", ".join(f"{axis} {each[axis]}" for axis in ("asked", "checked", "outlier"))
        is_eligible = "eligible" if each["eligible"] else "not eligible"
        zone = f"zone {each['zone']}, " if each["zone"] is not None else ""
        text = f"{at(each['address'], each['place'])}: weight {each['weight']}, {zone}{is_eligible} ({standing})"
        yield "among" if number == 0 else "", text
    if len(shown) < len(considered):
        yield "", f"and {len(considered) - len(shown)} more; --all shows them"


def _share(share: dict[str, Any]) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in share.get("labels", {}).items())
    return f"{share['upstream']} {f'({labels}) ' if labels else ''}{share['weight']}"


def _block(title: str, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.rstrip().splitlines()):
        yield title if number == 0 else "", line


def named(part: dict[str, Any]) -> str:
    """Name a part, with its place."""
    return at(part["name"], part["place"])


def at(text: str, place: str | None) -> str:
    """Add a place, where there is one."""
    return text if place is None else f"{text} ({place})"


def _limit(duration: Duration) -> str:
    return str(duration) if duration.amount else "without limit"
