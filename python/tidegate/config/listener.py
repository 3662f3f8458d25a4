"""A listener: an address where we accept, whose word we believe there, and how long and how much we wait for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from tidegate.config.addresses import BindAddress, Network
from tidegate.config.complaint import refused
from tidegate.config.filters.error_pages import ErrorPage
from tidegate.config.http2 import ListenerHttp2
from tidegate.config.layer4 import Tcp, Udp
from tidegate.config.model import Model
from tidegate.config.placed import Placed
from tidegate.config.quantities import ByteRate, Duration, Rate, Size
from tidegate.config.scalar import Whole, one_or_more, show
from tidegate.config.target import Target


def read_mode(given: Any) -> int:
    """Read `"0660"`: the digits are octal, and quotes keep YAML from reading them as a decimal number."""
    if isinstance(given, str) and re.fullmatch(r"0?[0-7]{3}", given):
        return int(given, 8)
    hint = f'"{given:04}"' if isinstance(given, int) and re.fullmatch(r"[0-7]{3}", str(given)) else '"0660"'
    raise refused(f'must be a file mode in quotes, as "0660", not {show(given)}', hint)


def check_owner(owner: str) -> str:
    """Refuse what names neither a user nor a group."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?|:[A-Za-z0-9_.-]+", owner):
        raise refused(f"must be `user`, `user:group` or `:group`, not {show(owner)}")
    return owner


class Bind(Model):
    """One address of a listener; a string is its `address`."""

    short = "address"

    address: BindAddress
    """`127.0.0.1:8080`, `[::1]:8080`, `:8080` for all addresses of both families, or `unix:/run/x.sock`."""
    mode: Annotated[
        int | None, BeforeValidator(read_mode), Field(json_schema_extra={"type": "string", "pattern": "^0?[0-7]{3}$"})
    ] = None
    """Of a Unix socket: its file mode in octal digits, in quotes. Default: what the umask leaves."""
    owner: Annotated[str, AfterValidator(check_owner)] | None = None
    """Of a Unix socket: `user`, `user:group` or `:group`. Default: who runs the program."""

    @model_validator(mode="after")
    def only_files_have_a_mode(self) -> "Bind":
        """Refuse a file's mode and owner where there is no file."""
        if not self.address.is_unix and (self.mode is not None or self.owner is not None):
            raise refused("must have no `mode` and no `owner`: only a `unix:` address is a file")
        return self


Binds = Annotated[
    tuple[Bind, ...],
    BeforeValidator(one_or_more, json_schema_input_type=Bind | tuple[Bind, ...]),
    Field(min_length=1),
]


class Forwarded(Model):
    """Whose word about the client is believed, and in which one field."""

    from_: Annotated[tuple[Network, ...], Field(alias="from")] = ()
    """Networks of the proxies in front of us, in CIDR form; `unix:` is every peer of a Unix socket. Default: nobody."""
    field: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The one field that is believed and appended to; `forwarded` is the one of RFC 7239."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Paths(Model):
    """How paths are read that two readers could take for two paths."""

    dot_segments: Literal["refuse", "resolve"] = "refuse"
    """`refuse` answers 400 to `/../` in any spelling; `resolve` is for old clients."""


class ListenerTimeouts(Model):
    """How long a connection of this listener may take; 0 is no limit."""

    header: Duration = Duration(10_000)
    """From the first byte of a request's head to its end; then 408."""
    idle: Duration = Duration(75_000)
    """Between two requests of one connection."""
    tunnel: Duration = Duration(3_600_000)
    """Without a byte either way in a tunnel (WebSocket)."""
    max_age: Duration = Duration(0)
    """Age at which a connection is asked to go, after its next answer."""


class ListenerLimits(Model):
    """How much a client may send and hold; 0 is no limit."""

    header_bytes: Size = Size(65_536)
    """A request's head, in bytes; more is 431."""
    headers: Annotated[Whole, Field(ge=0, le=65_535)] = 128
    """Header lines of a request; more is 431."""
    request_line: Size = Size(16_384)
    """The request line, in bytes; more is 414."""
    trailer_bytes: Size = Size(8_192)
    """A request's trailers, in bytes; more is 431."""
    chunk_extension_bytes: Size = Size(4_096)
    """The extensions of one chunk, in bytes; more is 400."""
    body_bytes: Size = Size(0)
    """A request's body, in bytes, counted as it comes; more is 413."""
    body_rate: ByteRate = ByteRate(240)
    """Least rate of a request's body, averaged over 5 s; less is 408. Not for tunnels."""
    connections: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Connections of this listener at once."""
    connections_per_client: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Connections of one client address on this listener at once."""
    connection_rate: Rate = Rate(0)
    """New connections of one client address on this listener in a unit of time, as `10/s`; so many may come at once."""


OF_HTTP = {
    "listener": ("forwarded", "underscores", "paths", "error_pages", "http2"),
    "timeouts": ("idle", "tunnel", "max_age"),
    "limits": (
        "header_bytes",
        "headers",
        "request_line",
        "trailer_bytes",
        "chunk_extension_bytes",
        "body_bytes",
        "body_rate",
    ),
}
"""Keys that only a listener for HTTP can have."""

OF_STREAMS = {
    **OF_HTTP,
    "listener": (*OF_HTTP["listener"], "proxy_protocol"),
    "timeouts": (*OF_HTTP["timeouts"], "header"),
}
"""Keys that no listener for datagrams can have."""


def check_streams(binds: tuple[Bind, ...]) -> None:
    """Refuse addresses for datagrams, where connections are accepted."""
    for index, bind in enumerate(binds):
        if bind.address.is_udp:
            raise refused("is an address for datagrams, and here connections are accepted", at=("bind", index))


class Listener(Placed):
    """An address, or several, where connections are accepted."""

    later: ClassVar = {
        "tls": "TLS on a listener",
    }

    bind: Binds
    """An address or a list of them: `127.0.0.1:8080`, `:8080` (all addresses, both families), `unix:/run/x.sock`."""
    tcp: Tcp | None = None
    """Carry its connections on to an upstream as they are (layer 4): it serves no routes. Default: HTTP."""
    udp: Udp | None = None
    """Carry datagrams on to an upstream as they are (layer 4). Of `limits` only those of connections are for it: its
    sessions count as these."""
    forwarded: Forwarded = Forwarded()
    """Whose word about the client is believed. Default: nobody's."""
    proxy_protocol: Literal["off", "required"] = "off"
    """`required`: each connection must begin with a PROXY protocol header, version 1 or 2; it is never guessed."""
    underscores: Literal["drop", "keep"] = "drop"
    """What becomes of header names with `_`, which backends read as `-`."""
    paths: Paths = Paths()
    """How ambiguous paths are read."""
    timeouts: ListenerTimeouts = ListenerTimeouts()
    """How long a connection may take."""
    limits: ListenerLimits = ListenerLimits()
    """How much a client may send and hold."""
    error_pages: tuple[ErrorPage, ...] = ()
    """Pages where no page of a route is for the answer, as where no route matches."""
    http2: ListenerHttp2 = ListenerHttp2()
    """HTTP/2, beside HTTP/1 and on by default: `off`, or what clients may do."""

    @property
    def targets(self) -> list[tuple[tuple[str | int, ...], Target]]:
        """Where it carries bytes to, each behind the path to it."""
        if self.udp is not None:
            return [(("udp", "to"), self.udp.to)]
        return [] if self.tcp is None else [(("tcp", *steps), target) for steps, target in self.tcp.targets]

    @property
    def serves_http(self) -> bool:
        """Whether routes can be for it."""
        return self.tcp is None and self.udp is None

    @property
    def foreign(self) -> Mapping[str, tuple[str, ...]]:
        """Keys that mean nothing here: its own, those of `timeouts` and those of `limits`."""
        return {} if self.serves_http else OF_HTTP if self.udp is None else OF_STREAMS

    @model_validator(mode="after")
    def has_no_keys_of_another_layer(self) -> "Listener":
        """Refuse, on a listener of layer 4, keys that would mean nothing."""
        for name, model in (("listener", self), ("timeouts", self.timeouts), ("limits", self.limits)):
            for key in self.foreign.get(name, ()):
                if key in model.model_fields_set:
                    path = (key,) if name == "listener" else (name, key)
                    idle = "`tcp.idle` is the time without a byte" if self.udp is None else "it has `udp.idle`"
                    hint = idle if key in ("idle", "tunnel") else "leave it out"
                    what = "bytes" if self.udp is None else "datagrams"
                    of = "HTTP" if key in OF_HTTP[name] else "connections"
                    raise refused(f"`{key}` is for {of}, and this listener carries {what} as they are", hint, at=path)
        return self

    @model_validator(mode="after")
    def datagrams_come_to_ports_alone(self) -> "Listener":
        """Refuse what UDP does not have, and mark its addresses: TCP has ports of its own."""
        if self.udp is None:
            check_streams(self.bind)
            return self
        if self.tcp is not None:
            raise refused("`udp` and `tcp` are listeners of their own, which may share an address", at=("udp",))
        for index, bind in enumerate(self.bind):
            if bind.address.is_unix:
                raise refused("must be an IP address and a port: `udp` takes no Unix socket", at=("bind", index))
        binds = tuple(bind.model_copy(update={"address": replace(bind.address, is_udp=True)}) for bind in self.bind)
        object.__setattr__(self, "bind", binds)  # a frozen model's validator may not return another one
        return self
