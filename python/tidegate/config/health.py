"""Health checks of an upstream's endpoints. Judged in the core, `crates/core/src/health/`, asked by the prober."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SkipValidation, model_validator

from tidegate.config.complaint import refused
from tidegate.config.filters.fields import check_value
from tidegate.config.layer4 import Protocols, read_server
from tidegate.config.match import HeaderName, Method, Regex, names_stand_once
from tidegate.config.model import Model
from tidegate.config.quantities import Duration, PositiveDuration
from tidegate.config.scalar import Whole, show


@dataclass(frozen=True)
class StatusRange:
    """Statuses from `first` to `last`, both included: `204`, `200-399`."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @classmethod
    def read(cls, given: Any) -> "StatusRange":
        """Read one status or a range."""
        if isinstance(given, cls):
            return given
        match = re.fullmatch(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?", str(given))
        if isinstance(given, bool) or match is None:
            raise refused(f"must be a status or a range of them, as `200-399`, not {show(given)}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last or first < 200:
            raise refused(f"has the range {show(given)}, and a final answer has 200 to 999, the lower end first")
        return cls(first, last)


def read_statuses(given: Any) -> Any:
    """Read one status or range, or a list of them: `200`, `200-399`, `[200, 204, 300-399]`."""
    each = given if isinstance(given, list | tuple) else [given]
    if not each:
        raise refused("must have at least one status")
    return tuple(StatusRange.read(one) for one in each)


Statuses = Annotated[
    tuple[SkipValidation[StatusRange], ...],
    BeforeValidator(read_statuses, json_schema_input_type=int | str | list[int | str]),
    PlainSerializer(lambda statuses: [str(each) for each in statuses], return_type=list[str]),
]


def check_target(path: str) -> str:
    """Refuse what cannot stand in a request line."""
    if not path.startswith("/"):
        raise refused(f"must begin with `/`, not with {show(path)}", f'"/{path}"')
    if re.search(r"[^\x21-\x7e]|#", path):
        raise refused("has a blank, a `#` or a letter beyond ASCII: it is sent as it stands, so escape it")
    return path


def check_host(host: str) -> str:
    """Refuse what is no value of `Host`."""
    if not re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", host):
        raise refused(f"must be a host with or without a port, as `api.example.com`, not {show(host)}")
    return host


def check_header(name: str) -> str:
    """Refuse fields that the check writes itself."""
    if name in ("host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect"):
        hint = "`host` stands beside `headers`" if name == "host" else ""
        raise refused(f"`{name}` is written by the check itself", hint)
    return name


Header = Annotated[HeaderName, AfterValidator(check_header)]
HeaderValue = Annotated[str, BeforeValidator(check_value)]


def check_sent(text: str) -> str:
    """Refuse what is too much for a check."""
    if len(text) > 4096:
        raise refused("has more than 4096 letters, the most that a check sends or looks for")
    return text


def check_sought(text: str) -> str:
    """Refuse the empty text, which everything holds."""
    if not text:
        raise refused("is empty, and an empty text is found in every answer", "leave it out")
    return check_sent(text)


def check_question(text: str) -> str:
    """Refuse the empty datagram, which asks nothing."""
    if not text:
        raise refused("is empty, and asks nothing")
    return check_sent(text)


Sent = Annotated[str, AfterValidator(check_sent)]
Sought = Annotated[str, AfterValidator(check_sought)]


class Expected(Model):
    """What must be found in an answer; a string is what it `contains`."""

    short = "contains"

    contains: Sought | None = None
    """This text, anywhere in it."""
    regex: Regex | None = None
    """This pattern of Rust's `regex` crate, anywhere in it; `^` and `$` are its ends."""

    @model_validator(mode="after")
    def has_one_form(self) -> "Expected":
        """Refuse both at once, and none."""
        if (self.contains is None) == (self.regex is None):
            raise refused("must have exactly one of `contains` and `regex`")
        return self


class HttpCheck(Model):
    """A request over HTTP/1.1 on a connection of its own; a string is its `path`."""

    short = "path"

    path: Annotated[str, AfterValidator(check_target)]
    """The path that is asked for, with a query where there is one; sent as it stands."""
    method: Method = "GET"
    """The method."""
    host: Annotated[str, AfterValidator(check_host)] | None = None
    """The `Host` that is sent. Default: the endpoint's address."""
    headers: Annotated[Mapping[Header, HeaderValue], BeforeValidator(names_stand_once)] = {}
    """Further fields that are sent. `User-Agent` is `tidegate-health` where none is given."""
    statuses: Statuses = (StatusRange(200, 399),)
    """Statuses of an endpoint that is well: one, a range, or a list of both, as `[200-299, 304]`. (As HAProxy's.)"""
    body: Expected | None = None
    """What its body must hold, within the first 64 KiB of the answer."""


class TcpCheck(Model):
    """A connection: that it accepts, and what it says."""

    send: Sent = ""
    r"""Text that is sent first, as `"PING\r\n"`; in double quotes YAML knows escapes."""
    expect: Expected | None = None
    """What must then come, or come by itself where nothing is sent. Default: that it accepts is enough."""


def check_server(name: str) -> str:
    """Refuse a pattern of names: one is asked for."""
    if name.startswith("*"):
        raise refused(f"must be one name, as `db.example.com`, not {show(name)}")
    return name


class TlsCheck(Model):
    """The beginning of a TLS handshake: that a ServerHello comes. No certificate is looked at.

    The hello offers TLS 1.3 and 1.2 and no key share, so that a server of TLS 1.3 has nothing to sign (RFC 8446,
    section 4.1.4). Then the connection ends, which a server may log. (HAProxy's `ssl-hello-chk`.)
    """

    sni: Annotated[str, BeforeValidator(read_server), AfterValidator(check_server)] | None = None
    """The name of the server that is asked for. Default: none is told."""
    alpn: Protocols = ()
    """Protocols that are offered, the favourite first, as `[h2, http/1.1]`. Default: none."""


class UdpCheck(Model):
    """A datagram, and its answer. Word that nobody listens there (ICMP) is a failure at once.

    It is sent once: on a path that loses datagrams `fall` says how many may be lost in a row.
    """

    send: Annotated[str, AfterValidator(check_question)]
    r"""Text that is sent. In double quotes YAML knows escapes, as for a question to a name server:
    `"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04test\0\0\x01\0\x01"`. Letters beyond ASCII are sent as UTF-8."""
    expect: Expected | None = None
    """What the answer must hold. Default: any answer is enough."""
    answers: bool = True
    """False for what never answers, as syslog: then it is well as long as no word comes within `timeout` that nobody
    listens there. (As nginx's `health_check udp` without a `match`.)"""

    @model_validator(mode="after")
    def is_answered(self) -> "UdpCheck":
        """Refuse to expect something of an answer that need not come."""
        if self.expect is not None and not self.answers:
            raise refused("must have no `expect` with `answers: false`: no answer need come")
        return self


def check_service(name: str) -> str:
    """Refuse what is no name of a service."""
    if not re.fullmatch(r"[A-Za-z0-9_.]{0,127}", name):
        raise refused(f"must be the name of a service, as `helloworld.Greeter`, not {show(name)}")
    return name


class GrpcCheck(Model):
    """A call of `grpc.health.v1.Health/Check` over HTTP/2 in clear text, on a connection of its own; a string is its
    `service`. An endpoint that says SERVING is well."""

    short = "service"

    service: Annotated[str, AfterValidator(check_service)] = ""
    """The service that is asked about. Default: all of the server."""


class Health(Model):
    """Checks of the endpoints of an upstream. An endpoint that has not been checked yet takes work.

    The first check of an endpoint comes at once and decides alone; from then on it takes `rise` or `fall` in a row.
    Checks go on while the supervisor is stopped or gone, and an address that several upstreams check in the same way is
    checked once.
    """

    http: HttpCheck | None = None
    """Ask over HTTP: a path, or a mapping."""
    tcp: TcpCheck | None = None
    """Connect, and perhaps talk: `tcp: {}`."""
    tls: TlsCheck | None = None
    """Begin a TLS handshake: `tls: {}`."""
    udp: UdpCheck | None = None
    """Send a datagram, and wait for the answer."""
    grpc: GrpcCheck | None = None
    """Ask as gRPC does: `grpc: {}`, for an upstream with `protocol: http2`."""
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = None
    """Another port that is asked, of the same host; no PROXY protocol header is sent there."""
    interval: PositiveDuration = Duration(2_000)
    """From one check to the next, give or take a tenth. (HAProxy's `inter`.)"""
    fast_interval: PositiveDuration | None = None
    """The same while the endpoint is down, or its last check is not what is known of it. Default: half `interval`."""
    timeout: PositiveDuration | None = None
    """How long a check may take, from the connect to the end of what is judged. Default: `interval`, as HAProxy's."""
    rise: Annotated[Whole, Field(ge=1, le=1000)] = 2
    """So many checks in a row must pass before an endpoint that is down is up. (HAProxy's default.)"""
    fall: Annotated[Whole, Field(ge=1, le=1000)] = 3
    """So many checks in a row must fail before an endpoint that is up is down. (HAProxy's default.)"""

    @model_validator(mode="after")
    def asks_in_one_way(self) -> "Health":
        """Refuse two ways at once, and none."""
        if sum(each is not None for each in (self.http, self.tcp, self.tls, self.udp, self.grpc)) != 1:
            raise refused("must have exactly one of `http`, `tcp`, `tls`, `udp` and `grpc`: how endpoints are asked")
        return self
