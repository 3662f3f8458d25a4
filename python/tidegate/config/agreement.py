"""Whether the parts of a configuration can stand together: what no part can tell by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.config.addresses import BindAddress
from tidegate.config.expression.value import GeoUse
from tidegate.config.expression.walk import expressions_in
from tidegate.config.hints import did_you_mean
from tidegate.config.listener import Bind, Listener
from tidegate.config.named_set import NamedSet
from tidegate.config.route import Route
from tidegate.config.scalar import show
from tidegate.config.settings import Settings
from tidegate.config.target import Target
from tidegate.config.ties import ties
from tidegate.config.upstream import Upstream

AGREED: Final[dict[str, Any]] = {"parts": "agreed"}
"""The validation context that says: the parts have been looked at already."""

ADMIN = "admin"
"""The name of the listener that the key `admin` makes."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two parts that cannot stand together. `other` is where the second one stands; the sentence leaves room for it."""

    path: Path
    says: str
    hint: str = ""
    other: Path | None = None
    at_key: bool = False
    span: tuple[int, int] | None = None
    """Start and width of what is at fault within the text at the path."""


def disagreements(
    settings: Settings | None,
    listeners: Mapping[str, Listener | None],
    routes: Sequence[Route | None],
    upstreams: Mapping[str, Upstream | None],
) -> Iterator[Disagreement]:
    """Tell all of them. None stands for a part that is wrong by itself: its name is known, and nothing else."""
    yield from _names(listeners, routes, upstreams)
    yield from _binds(settings, listeners)
    for index, first, says in ties(_serving_http(listeners), routes):
        hint = "make one more specific, or give it a `priority`"
        yield Disagreement(("routes", index), says, hint, other=("routes", first))
    if settings is not None:
        yield from _uses(settings, listeners, routes, upstreams)
        yield from _zones(settings, upstreams)
        yield from _nearest(settings, upstreams)


def _serving_http(listeners: Mapping[str, Listener | None]) -> list[str]:
    return [name for name, listener in listeners.items() if listener is None or listener.serves_http]


def _names(
    listeners: Mapping[str, Listener | None],
    routes: Sequence[Route | None],
    upstreams: Mapping[str, Upstream | None],
) -> Iterator[Disagreement]:
    if ADMIN in listeners:
        says = "the name `admin` belongs to the listener that the key `admin` makes"
        yield Disagreement(("listeners", ADMIN), says, "choose another", at_key=True)
    seen: dict[str, int] = {}
    for index, route in enumerate(routes):
        if route is None:
            continue
        if route.name is not None:
            first = seen.setdefault(route.name, index)
            if first != index:
                says = f"the route name `{route.name}` is taken"
                yield Disagreement(("routes", index, "name"), says, "choose another", other=("routes", first, "name"))
        for at, name in enumerate(route.listeners or ()):
            place: Path = ("routes", index, "listeners", at)
            listener = listeners.get(name)
            if name not in listeners:
                hint = did_you_mean(name, listeners) if listeners else "there is no listener at all"
                yield Disagreement(place, f"no listener is named `{name}`", hint)
            elif listener is not None and not listener.serves_http:
                yield Disagreement(place, f"`{name}` carries bytes as they are, and serves no routes")
        if route.to is not None:
            yield from _targets(route.to, ("routes", index, "to"), upstreams)
        if route.mirror is not None:
            yield from _upstream(route.mirror.to, ("routes", index, "mirror", "to"), upstreams)
    for name, listener in listeners.items():
        for steps, target in listener.targets if listener is not None else ():
            yield from _targets(target, ("listeners", name, *steps), upstreams)
            if listener is not None and listener.udp is not None:
                yield from _datagrams(target, ("listeners", name, *steps), upstreams)
            yield from _sessions(target, ("listeners", name, *steps), upstreams)


def _upstream(name: str, path: Path, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    if name not in upstreams:
        hint = did_you_mean(name, upstreams) if upstreams else "there is no upstream at all"
        yield Disagreement(path, f"no upstream is named `{name}`", hint)


def _targets(target: Target, begin: Path, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    for path, name in target.upstreams:
        yield from _upstream(name, (*begin, *path), upstreams)
    for way, name, led in target.ways:
        upstream = upstreams.get(name)
        if upstream is None or upstream.providers:  # whose lists may have any labels
            continue
        for path, labels in led.asks_for:
            if not any(labels.items() <= endpoint.labels.items() for endpoint in upstream.listed):
                wanted = ", ".join(f"{label}={value}" for label, value in labels.items())
                says = f"no endpoint of `{name}` has the labels {wanted}"
                yield Disagreement((*begin, *way, *path), says, _labels_there(labels, upstream))


def _labels_there(labels: Mapping[str, str], upstream: Upstream) -> str:
    """Tell the label that is nowhere, and what may have been meant."""
    there: dict[str, set[str]] = {}
    for endpoint in upstream.listed:
        for label, value in endpoint.labels.items():
            there.setdefault(label, set()).add(value)
    if not there:
        return "none of them has `labels`"
    for label, value in labels.items():
        if label not in there:
            return did_you_mean(label, there)
        if value not in there[label]:
            return did_you_mean(value, there[label])
    return "each of them is there, but not on one endpoint"


def _datagrams(target: Target, begin: Path, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    """Upstreams that no datagram can be carried to."""
    for path, name in target.upstreams:
        upstream = upstreams.get(name)
        if upstream is None:
            continue
        if any(endpoint.address.path is not None for endpoint in upstream.listed):
            yield Disagreement(
                (*begin, *path), f"`{name}` has a Unix socket among its endpoints, which takes no datagram"
            )
        elif upstream.proxy_protocol != "off":
            says = f"`{name}` has `proxy_protocol: {upstream.proxy_protocol}`, and the header is for connections"
            yield Disagreement((*begin, *path), says, "name the endpoints in an upstream of their own")


def _sessions(target: Target, begin: Path, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    for path, name in target.upstreams:
        upstream = upstreams.get(name)
        if upstream is not None and upstream.persist is not None:
            says = f"`{name}` keeps sessions by what requests say (`persist`), and bytes as they are say nothing"
            yield Disagreement((*begin, *path), says, "`balance: ip_hash` keeps a client at one endpoint")


def _binds(settings: Settings | None, listeners: Mapping[str, Listener | None]) -> Iterator[Disagreement]:
    binds: list[tuple[Path, Bind]] = []
    for name, listener in listeners.items():
        if listener is not None:
            binds += [(("listeners", name, "bind", index), bind) for index, bind in enumerate(listener.bind)]
    if settings is not None and settings.admin is not None:
        binds += [(("admin", "bind", index), bind) for index, bind in enumerate(settings.admin.bind)]
    bound: dict[str | int, list[tuple[Path, BindAddress]]] = {}
    exact: dict[str, tuple[Path, BindAddress]] = {}
    for path, bind in binds:
        address = bind.address
        if not address.is_unix and address.port == 0:
            continue  # the kernel chooses a free one, each time another
        taken = exact.setdefault(str(address), (path, address))
        if taken[0] == path:
            # Only an address that stands for others can overlap one that is spelt differently.
            near = bound.setdefault(address.port, [])
            broad = address.host in ("::", "0.0.0.0")
            others = near if broad else [each for each in near if each[1].host in ("::", "0.0.0.0")]
            overlap = next((each for each in others if address.overlaps(each[1])), None)
            if not address.is_unix:
                near.append((path, address))
            if overlap is None:
                continue
            taken = overlap
        if str(taken[1]) == str(address):
            says, hint = f"`{address}` is bound twice", ""
        else:
            wide, narrow = (taken[1], address) if taken[1].host in ("::", "0.0.0.0") else (address, taken[1])
            says, hint = f"`{narrow}` is bound twice, since `{wide}` is all addresses", "bind one of the two"
        yield Disagreement(path, says, hint, other=taken[0])


def _uses(
    settings: Settings,
    listeners: Mapping[str, Listener | None],
    routes: Sequence[Route | None],
    upstreams: Mapping[str, Upstream | None],
) -> Iterator[Disagreement]:
    """Expressions that look into sets that are not there or do not hold such things, or need databases."""
    parts: list[tuple[Path, Any]] = [((), settings)]
    parts += [(("listeners", name), listener) for name, listener in listeners.items() if listener is not None]
    parts += [(("routes", index), route) for index, route in enumerate(routes) if route is not None]
    parts += [(("upstreams", name), upstream) for name, upstream in upstreams.items() if upstream is not None]
    databases = {tells for tells, _ in settings.geo.files()} if settings.geo is not None else set()
    for begin, part in parts:
        for path, written in expressions_in(part, begin):
            for use in written.uses:
                if isinstance(use, GeoUse):
                    if not databases.intersection(use.by):
                        hint = f"`geo: {{{use.by[0]}: /path/to/file.mmdb}}`"
                        says = f"no database tells `{use.word}`"
                        yield Disagreement(path, says, hint, span=(use.start, use.width))
                    continue
                named = settings.sets.get(use.name)
                span = (use.start, use.width)
                if named is None:
                    hint = did_you_mean(use.name, settings.sets) if settings.sets else "there is no set at all"
                    yield Disagreement(path, f"no set is named `{use.name}`", hint, span=span)
                elif named.count and use.for_address != (named.first_text is None):
                    yield Disagreement(path, _of_the_other_kind(use.name, named), span=span)


def _zones(settings: Settings, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    """Upstreams that prefer what is near, where nothing is."""
    for name, upstream in upstreams.items():
        if upstream is None or upstream.zones is None:
            continue
        if settings.zone is None:
            says = "the instance is in no zone, so none is nearer to it than another"
            yield Disagreement(("upstreams", name, "zones"), says, "`zone: ${ZONE}` at the top of the file")
        if not upstream.providers and all(endpoint.zone is None for endpoint in upstream.listed):
            says = "no endpoint of this upstream says its `zone`"
            yield Disagreement(("upstreams", name, "zones"), says, '`{address: "10.0.0.1:80", zone: eu-1}`')


def _nearest(settings: Settings, upstreams: Mapping[str, Upstream | None]) -> Iterator[Disagreement]:
    """Upstreams that ask for the nearest endpoint, where nobody can tell which that is."""
    for name, upstream in upstreams.items():
        if upstream is None or upstream.balance.name != "nearest":
            continue
        place = ("upstreams", name, "balance")
        if settings.geo is None or settings.geo.city is None:
            says = "no database tells where clients are, so no endpoint is the nearest"
            yield Disagreement(place, says, "`geo: {city: /path/to/GeoLite2-City.mmdb}`")
        listed = upstream.listed
        if not upstream.providers and not any(each.location or each.address.may_be_public for each in listed):
            says = "no endpoint says its `location`, and no database knows such addresses"
            yield Disagreement(place, says, '`{address: "10.0.0.1:80", location: [50.1, 8.7]}`')


def _of_the_other_kind(name: str, named: NamedSet) -> str:
    if named.first_text is None:
        return f"`{name}` is a set of networks, and only `client.ip` is an address"
    line, entry = named.first_text
    where = f"line {line} of {named.file}" if named.file is not None else f"entry {line}"
    return f"`{name}` is a set of texts, since {where} is no network: {show(entry)}"
