"""An upstream: a named group of endpoints that do the same work."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WrapValidator, model_validator

from tidegate.config.addresses import EndpointAddress
from tidegate.config.balance import Balance
from tidegate.config.circuit import Circuit
from tidegate.config.complaint import refused
from tidegate.config.geo import Location
from tidegate.config.health import Health
from tidegate.config.http2 import UpstreamHttp2
from tidegate.config.labels import Label
from tidegate.config.model import Model, Name
from tidegate.config.outlier import Outlier
from tidegate.config.persist import Persist
from tidegate.config.placed import Placed
from tidegate.config.provider import FileProvider, Provider, ServiceProvider, UrlProvider, meant
from tidegate.config.quantities import Duration, Percent, PositiveDuration
from tidegate.config.retry import RetryBudget
from tidegate.config.scalar import Whole
from tidegate.config.zone import Zone, Zones


class Endpoint(Placed):
    """One address of an upstream; a string is its `address`."""

    short = "address"

    address: EndpointAddress
    """`10.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`, or `name:80`: a DNS name stands for all its addresses."""
    weight: Annotated[Whole, Field(ge=0, le=65_535)] = 1
    """Share of the work, against the weights of the others; 0 takes no new work."""
    tier: Annotated[Whole, Field(ge=0, le=127)] = 0
    """Tier 0 takes all work as long as 72 % of it are healthy; of the rest tier 1 takes what it can, and so on."""
    backup: bool = False
    """Takes work only where no other endpoint can."""
    zone: Zone | None = None
    """Where it is: `eu-1`, or from the widest to the narrowest `eu/frankfurt/a`; see the upstream's `zones`."""
    location: Location | None = None
    """Where it is on the ground, for `balance: nearest`: `[50.1, 8.7]`. Default: as `geo.city` says of its address."""
    labels: Mapping[Name, Label] = {}
    """What it is told by, as `{version: v2}`: a route's `to` may ask for labels."""

    @model_validator(mode="after")
    def stands_in_one_place(self) -> "Endpoint":
        """Refuse a backup of a tier: there is one set of backups, behind all tiers."""
        if self.backup and self.tier:
            raise refused("a backup is behind all tiers, so it has no `tier`", "drop one of the two", at=("tier",))
        return self


def read_entry(given: Any, _: Any, info: ValidationInfo) -> Any:
    """Read an endpoint, or where endpoints come from, by the keys that are there."""
    if isinstance(given, Placed):
        return given
    return (meant(given) or Endpoint).model_validate(given, context=info.context)


Entry = Annotated[Endpoint | ServiceProvider | FileProvider | UrlProvider, WrapValidator(read_entry)]


class Pool(Model):
    """Connections to the endpoints that are kept, and bounds on them."""

    idle: Duration = Duration(4_000)
    """How long a connection is kept without work; 0 keeps none. Python backends close theirs after 2 to 5 s."""
    connections: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Most connections to one endpoint, over all threads; 0 is no limit."""
    queue: Annotated[Whole, Field(ge=0, le=2**32)] = 128
    """Most requests that wait for a connection; 0: nobody waits, 503 at once."""
    wait: Duration = Duration(5_000)
    """Longest wait for a connection; then 503."""
    connect: PositiveDuration = Duration(5_000)
    """Longest time to connect; then another endpoint is tried."""


class Upstream(Placed):
    """A named group of endpoints that do the same work."""

    balance: Balance = Balance(by="round_robin")
    """How an endpoint is chosen."""
    endpoints: Annotated[tuple[Entry, ...], Field(min_length=1)]
    """The endpoints: addresses, or mappings with an `address` and a `weight`. Others come from an `srv`, a `file` or a
    `url`, as docs/discovery.md tells."""
    persist: Persist | None = None
    """How sessions stay with their endpoint. Default: each request goes where `balance` sends it."""
    slow_start: Duration = Duration(0)
    """In what time an endpoint that is new or back gets its whole share, from a tenth on; 0s: at once.
    Not for `hash`, `ip_hash` and `first`."""
    zones: Zones | None = None
    """Prefer endpoints whose `zone` is near the instance's; `{}` takes the defaults. Default: zones make no
    difference."""
    pool: Pool = Pool()
    """Connections that are kept, and bounds on them."""
    protocol: Literal["http1", "http2"] = "http1"
    """What is spoken to the endpoints: HTTP/1, or HTTP/2 in clear text from the first byte (prior knowledge), as gRPC
    has it. Clients may speak either."""
    http2: UpstreamHttp2 | None = None
    """How HTTP/2 is spoken. Default: as `{}` does, where `protocol` says so."""
    proxy_protocol: Literal["off", "v1", "v2"] = "off"
    """The PROXY protocol header that is sent to the endpoints, in text (`v1`) or binary (`v2`)."""
    health: Health | None = None
    """How the endpoints are checked. Default: they are not, and only what becomes of requests tells."""
    outlier: Outlier | None = None
    """When endpoints that fail requests are ejected; `{}` takes the defaults. Default: only those that cannot be
    connected to are passed over, for 10 s."""
    circuit: Circuit | None = None
    """Bounds on the requests under way in all. Default: none; `pool` bounds connections and who waits for them."""
    panic_threshold: Percent = Percent(50)
    """Below this share of healthy endpoints all are used, and log, metrics and API say so; 0 is never. Unhealthy are
    those that are down or ejected. (Envoy's default.)"""
    retry_budget: RetryBudget = RetryBudget()
    """How many requests may be repeated at once, where their routes have `retry`."""

    @model_validator(mode="after")
    def first_is_full_at_some_time(self) -> "Upstream":
        """Refuse a first endpoint that would take everything."""
        limit = self.balance.first.limit if self.balance.first else 0
        if self.balance.name == "first" and not (limit or self.pool.connections):
            says = "`first` has no limit, so the first endpoint would take every request"
            raise refused(says, "`{first: {limit: 100}}`, or `pool.connections`", at=("balance",))
        return self

    @model_validator(mode="after")
    def http2_has_what_it_needs(self) -> "Upstream":
        """Refuse what HTTP/2 cannot have: its connections carry the requests of many clients."""
        if self.protocol == "http1":
            if self.http2 is not None:
                raise refused("`http2` has no effect without `protocol: http2`", "add it", at=("http2",))
            if self.health is not None and self.health.grpc is not None:
                raise refused("`grpc` asks over HTTP/2", "add `protocol: http2`", at=("health", "grpc"))
            return self
        if self.proxy_protocol != "off":
            says = "a connection of HTTP/2 carries many clients, and a PROXY protocol header names one"
            raise refused(says, "leave one of them out", at=("proxy_protocol",))
        if self.pool.connections:
            says = "`pool.connections` bounds connections of one request each"
            raise refused(says, "`circuit: {requests: …}` bounds requests", at=("pool", "connections"))
        return self

    @model_validator(mode="after")
    def endpoints_do_not_repeat(self) -> "Upstream":
        """Refuse an address that stands there twice: a weight says the same, and drains as one."""
        seen: set[str] = set()
        for index, entry in enumerate(self.endpoints):
            name = str(entry.address) if isinstance(entry, Endpoint) else entry.key
            if name in seen:
                says = f"the endpoint `{name}` stands here twice"
                hint = "give it a `weight` instead" if isinstance(entry, Endpoint) else "drop one of the two"
                raise refused(says, hint, at=("endpoints", index))
            seen.add(name)
        return self

    @model_validator(mode="after")
    def datagrams_reach_endpoints(self) -> "Upstream":
        """Refuse checks by datagrams where there is no port."""
        if (
            self.health is not None
            and self.health.udp is not None
            and any(each.address.path is not None for each in self.listed)
        ):
            says = "`udp` checks a Unix socket among the endpoints, which takes no datagram"
            raise refused(says, at=("health", "udp"))
        return self

    @property
    def listed(self) -> tuple[Endpoint, ...]:
        """The endpoints that stand in the configuration."""
        return tuple(entry for entry in self.endpoints if isinstance(entry, Endpoint))

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Where others come from."""
        return tuple(entry for entry in self.endpoints if not isinstance(entry, Endpoint))
