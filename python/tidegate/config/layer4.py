"""Layer 4: connections, or datagrams, carried on as they are. Decided in the core, `crates/core/src/layer4/`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tidegate.config.addresses import read_ip
from tidegate.config.complaint import refused
from tidegate.config.match import read_host
from tidegate.config.model import Model, Name
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration
from tidegate.config.scalar import Whole, one_or_more, show
from tidegate.config.target import Target


def check_key(to: Target, *at: str) -> None:
    """Refuse a key that reads a request: where bytes are carried on as they are, there is none."""
    if to.key is not None and "request." in str(to.key):
        raise refused("`key` reads a request, and layer 4 has none", "as `client.ip`", at=(*at, "key"))


def read_server(given: Any) -> str:
    """Read the name of a server, as TLS clients tell it: a host name, `*.` for any depth below."""
    host = read_host(given)
    if host.startswith("[") or read_ip(host) is not None:
        raise refused("must be a name: TLS clients tell no address (RFC 6066, section 3)")
    return host


def read_protocol(given: Any) -> str:
    """Read a protocol of ALPN."""
    if not isinstance(given, str) or not 1 <= len(given.encode()) <= 255:
        raise refused(f"must be a protocol of ALPN, as `h2`, not {show(given)}")
    return given


Servers = Annotated[
    tuple[Annotated[str, BeforeValidator(read_server)], ...],
    BeforeValidator(one_or_more, json_schema_input_type=str | tuple[str, ...]),
]
Protocols = Annotated[
    tuple[Annotated[str, BeforeValidator(read_protocol)], ...],
    BeforeValidator(one_or_more, json_schema_input_type=str | tuple[str, ...]),
]


class TcpMatch(Model):
    """What the first message of TLS, the ClientHello, must say. TLS itself is between client and endpoint."""

    sni: Servers = ()
    """Names of servers, one of which it must tell: `db.example.com`, `"*.example.com"` for any depth below.
    Default: any name, and none."""
    alpn: Protocols = ()
    """Protocols, one of which it must offer: `h2`, `postgresql`. Default: any, and none."""

    @model_validator(mode="after")
    def asks_something(self) -> "TcpMatch":
        """Refuse a match that every ClientHello has."""
        if not self.sni and not self.alpn:
            raise refused("must ask for `sni` or `alpn`", "where all else goes is `to`, beside `routes`")
        return self


class TcpRoute(Placed):
    """Where connections go whose ClientHello matches; of all, the most specific: by name, then by protocol."""

    name: Name | None = None
    """For the log. Default: its place, as `routes[0]`."""
    match: TcpMatch
    """What the ClientHello must say."""
    to: Target
    """The name of an upstream, or a list of several with their weights."""

    @model_validator(mode="after")
    def key_reads_no_request(self) -> "TcpRoute":
        """Refuse a key that reads a request."""
        check_key(self.to, "to")
        return self


class Tcp(Placed):
    """Carry each connection on to an upstream, byte for byte."""

    to: Target | None = None
    """The name of an upstream, or a list of several with their weights. Beside `routes`: where goes what takes none of
    them, as what is no TLS; without it, such a connection is reset."""
    routes: tuple[TcpRoute, ...] = ()
    """Where TLS goes by its ClientHello, which must be whole within `timeouts.header`. Their order does not matter."""
    idle: Duration = Duration(600_000)
    """Without a byte either way; then both sides are closed. 0 is no limit. 10m as nginx's `proxy_timeout`."""

    @model_validator(mode="after")
    def leads_somewhere(self) -> "Tcp":
        """Refuse what leads nowhere, a key that reads a request, and routes of which nothing tells which wins."""
        if self.to is None and not self.routes:
            raise refused("must have `to`, `routes`, or both")
        if self.to is not None:
            check_key(self.to, "to")
        for index, first in _ties(self.routes):
            says = f"this route and `routes[{first}]` match equally well, and nothing says which one wins"
            raise refused(says, "ask one for another name or protocol", at=("routes", index))
        return self

    @property
    def targets(self) -> list[tuple[tuple[str | int, ...], Target]]:
        """Where it leads, each behind the path to it."""
        found: list[tuple[tuple[str | int, ...], Target]] = [] if self.to is None else [(("to",), self.to)]
        return found + [(("routes", index, "to"), route.to) for index, route in enumerate(self.routes)]


class Udp(Model):
    """Carry datagrams on to an upstream. A client that writes from one address and port to one of ours has a session,
    which stays with its endpoint; answers come back from the address that the client wrote to."""

    to: Target
    """The name of an upstream, or a list of several with their weights."""
    idle: Duration = Duration(60_000)
    """Without a datagram either way; then the session is over. 60s as Envoy's `idle_timeout`."""
    responses: Annotated[Whole, Field(ge=1, le=2**32)] | None = None
    """Answers to expect for each datagram of a client; once they have come, the session is over: 1 for DNS. Default:
    any number, and only `idle` ends it."""
    requests: Annotated[Whole, Field(ge=1, le=2**32)] | None = None
    """Datagrams of a client in one session; the next one begins another, perhaps with another endpoint: 1 balances each
    of them anew. Default: any number."""

    @field_validator("idle")
    @classmethod
    def idle_ends_sessions(cls, idle: Duration) -> Duration:
        """Refuse 0: nobody tells that a session is over."""
        if idle.milliseconds == 0:
            raise refused("must be more than 0: nothing else tells that a session is over", "as `60s`")
        return idle

    @model_validator(mode="after")
    def key_reads_no_request(self) -> "Udp":
        """Refuse a key that reads a request."""
        check_key(self.to, "to")
        return self


def _ties(routes: Sequence[TcpRoute]) -> Iterator[tuple[int, int]]:
    """Find routes that tie with one before them: both indices."""
    seen: dict[str, list[tuple[int, frozenset[str]]]] = {}
    for index, route in enumerate(routes):
        protocols = frozenset(route.match.alpn)
        for name in dict.fromkeys(route.match.sni or ("",)):
            before = seen.setdefault(name, [])
            yield from ((index, first) for first, others in before if protocols & others or protocols == others)
            before.append((index, protocols))
