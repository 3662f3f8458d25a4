"""What became of a connection or a datagram, for people to read."""

from collections.abc import Iterator
from typing import Any

from tidegate.explain.show import balance, named


def show_connection(told: dict[str, Any], *, every: bool = False) -> str:
    """Write it, a line for each thing. `every`: each endpoint of a large upstream too."""
    asked = told["connection"]
    lines = [f"{asked['protocol']} {asked['to']} from {asked['from']}", ""]
    lines += [f"{title:<9} {text}".rstrip() for title, text in _road(told, every)]
    if told["others"]:
        lines += ["", "Why the other routes lost:" if told["route"] else "Why no route took it:"]
        lines += [f"  {named(other)}: {other['because']}" for other in told["others"]]
    return "\n".join(lines) + "\n"


def _road(told: dict[str, Any], every: bool) -> Iterator[tuple[str, str]]:
    listener, hello = told["listener"], told["connection"]["hello"]
    yield "listener", f"{named(listener)}: {listener['because']}"
    if hello is not None:
        protocols = ", ".join(hello["alpn"]) or "none"
        yield "begins", f"with TLS, for the server {hello['sni'] or 'none'}, and offers the protocols {protocols}"
    if told["route"] is not None:
        yield "route", named(told["route"])
    if told["balance"] is not None:
        yield from balance(told, told["split"], every)
    if told["announced"]:
        yield "announces", told["announced"]
    if told["failure"] is not None:
        kind, stage, reason = told["failure"]
        yield "drops" if told["connection"]["protocol"] == "udp" else "resets", f"{kind} at {stage}: {reason}"
