"""A status in lines for people: who runs, what is served, and each listener and upstream."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def describe(told: Mapping[str, Any], now: float) -> list[str]:
    """Put what `tidegate status --json` prints in lines; `now` is in seconds since 1970."""
    snapshot, limits = told.get("snapshot") or {}, told.get("limits") or {}
    most = limits.get("connections")
    connections = f"{told.get('connections', 0)} of {most}" if most else f"{told.get('connections', 0)}"
    lines = [
        f"tidegate {told.get('version')}: snapshot {snapshot.get('number')} of {snapshot.get('source')}"
        f"{_for(snapshot, now)}",
        f"{_process('supervisor', told, now)}; {_process('worker', told, now)}; {told.get('threads', 0)} threads; "
        f"{connections} connections",
    ]
    older = told.get("older") or ()
    if older:
        lines += ["", *_columns([_elder(each, now) for each in older])]
    listeners = told.get("listeners") or ()
    if listeners:
        lines += ["", *_columns([_listener(each) for each in listeners])]
    for upstream in told.get("upstreams") or ():
        if ":" not in str(upstream.get("name")):  # the others are the program's own
            panic = ": too few endpoints are healthy, so all are used" if upstream.get("panic") else ""
            lines += ["", f"upstream {upstream.get('name')}{panic}"]
            endpoints = [_endpoint(each) for each in upstream.get("endpoints") or ()]
            lines += [f"  {line}" for line in _columns(endpoints)] or ["  no endpoint"]
    providers = told.get("providers") or ()
    if providers:
        lines += ["", *_columns([_provider(each, now) for each in providers])]
    return [_visible(line) for line in lines]


def duration(seconds: float) -> str:
    """Tell a time in its two largest units: `2 h 5 min`."""
    rest = max(0, int(seconds))
    parts: list[tuple[int, str]] = []
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count or (parts and len(parts) < 2):
            parts.append((count, unit))
        if len(parts) == 2:
            break
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def _for(what: Mapping[str, Any], now: float) -> str:
    since = what.get("since")
    return f", for {duration(now - since)}" if isinstance(since, int | float) and since > 0 else ""


def _process(name: str, told: Mapping[str, Any], now: float) -> str:
    process = told.get(name)
    if not process:
        return f"{name} does not answer"
    version = process.get("version")
    other = f" of version {version}" if version not in (None, told.get("version")) else ""
    return f"{name} {process.get('pid')}{other}{_for(process, now)}"


def _elder(worker: Mapping[str, Any], now: float) -> list[str]:
    connections, until = worker.get("connections"), worker.get("until")
    left = f"ends within {duration(until - now)}" if isinstance(until, int | float) else ""
    open_now = _count(connections, "connection") if connections is not None else "does not answer"
    name = f"worker {worker.get('pid')} of before"
    return [name, f"generation {worker.get('generation')}", f"version {worker.get('version')}", open_now, left]


def _count(number: Any, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listener(listener: Mapping[str, Any]) -> list[str]:
    binds = " ".join(map(str, listener.get("binds") or ()))
    what = "session" if binds.endswith("/udp") else "connection"
    return [f"listener {listener.get('name')}", binds, _count(listener.get("connections", 0), what)]


def _endpoint(endpoint: Mapping[str, Any]) -> list[str]:
    exchanges = _count(endpoint.get("exchanges", 0), "exchange")
    address, entry = str(endpoint.get("address")), endpoint.get("entry")
    named = f"{address} ({entry})" if entry and entry != address else address
    weight, reason = f"weight {endpoint.get('weight')}", str(endpoint.get("reason") or "")
    return [named, weight, str(endpoint.get("standing")), exchanges, reason]


def _provider(provider: Mapping[str, Any], now: float) -> list[str]:
    good, error = provider.get("good"), str(provider.get("error") or "").partition("\n")[0]
    age = f"as of {duration(now - good)} ago" if isinstance(good, int | float) else "no list yet"
    name = f"provider {provider.get('provider')}"
    return [name, _count(provider.get("endpoints", 0), "endpoint"), age, error]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _visible(line: str) -> str:
    """What a worker tells moves no cursor."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
