"""What the core is asked about: the configuration as a snapshot, in which names and providers stand for themselves."""

from dataclasses import dataclass
from typing import Any

from tidegate.compile.found import Found
from tidegate.compile.persist import Keys, read_keys
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot, names_to_resolve
from tidegate.config.addresses import EndpointAddress
from tidegate.config.config import Config
from tidegate.config.placed import Placed
from tidegate.config.secret import SecretUnreadable
from tidegate.config.upstream import Endpoint, Upstream


@dataclass(frozen=True, slots=True)
class Offline:
    """A configuration as the core reads it, without a machine."""

    document: dict[str, Any]
    sets: dict[str, str]
    """What each named set holds, by digest."""
    databases: dict[str, bytes]
    """What tells where clients are, by digest."""
    unread: str | None
    """Why what sessions are told apart by cannot be read; none: it can."""
    themselves: frozenset[str]
    """Addresses that are names or providers: they are not looked up."""

    @classmethod
    def of(cls, config: Config, source: str) -> "Offline":
        """Compile. The path of the state is not known here, so the admin listener's `/api/` is not part of it."""
        keys, unread = _keys(config)
        names, providers = names_to_resolve(config), _themselves(config)
        document = compile_snapshot(
            config,
            number=0,
            source=source,
            since=0.0,
            threads=1,
            connections=0,
            sockets={str(bind.address): [] for bind in all_binds(config)},
            resolved={name: Resolved((name,)) for name in names},
            api_socket=None,
            found=providers,
            keys=keys,
        )
        sets = {each.digest: each.lines for each in config.sets.values()}
        databases = dict(config.geo.contents) if config.geo is not None else {}
        return cls(document, sets, databases, unread, frozenset((*names, *providers)))

    def add_places(self, told: dict[str, Any], upstream: Upstream) -> None:
        """Add where the upstream and its endpoints stand, and which are names."""
        places = {str(endpoint.address): place(endpoint) for endpoint in upstream.listed}
        places |= {each.key: place(each) for each in upstream.providers}
        told["balance"]["place"] = place(upstream)
        told["balance"]["sessions"] = self.unread if upstream.persist is not None else None
        for endpoint in (*told["balance"]["considered"], *filter(None, [told["endpoint"]])):
            endpoint["place"] = places[endpoint["address"]]
        if told["endpoint"] is not None:
            told["endpoint"]["is_name"] = told["endpoint"]["address"] in self.themselves


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


def place(part: Placed | None) -> str | None:
    """Write where a part stands; nothing for a default, and for what came from no file."""
    return None if part is None or part.place is None else str(part.place)
