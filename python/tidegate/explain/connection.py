"""A connection or a datagram as words of a command line give it."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from tidegate.explain.request import NotARequest

PROTOCOLS: Final = ("tcp", "udp")


@dataclass(frozen=True, slots=True)
class Connection:
    """Who begins a connection of TCP, or a session of UDP, and to which address. Raises `NotARequest`."""

    protocol: str
    """`tcp` or `udp`."""
    address: str
    """Where it goes: `192.0.2.1:443`, `[::1]:443`, or `:443` for any of ours."""
    client: str | None = "127.0.0.1"
    """The address at the other end; none: it is a Unix socket's."""
    sni: str | None = None
    """The name of the server that its ClientHello asks for."""
    alpn: tuple[str, ...] = ()
    """The protocols that its ClientHello offers, the favourite first."""
    tls: bool = False
    """It begins with a ClientHello, also where that asks for nothing."""

    def __post_init__(self) -> None:
        if re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[0-9.]*):[0-9]{1,5}", self.address) is None:
            raise NotARequest(f"`{self.address}` must be the address that it goes to, as `:443` or `192.0.2.1:443`")
        if self.protocol == "udp" and self.hello is not None:
            raise NotARequest("a datagram has no ClientHello: `--sni`, `--alpn` and `--tls` are for `tcp`")
        for host in filter(None, (self.client, self.host)):
            try:
                ipaddress.ip_address(host)
            except ValueError:
                raise NotARequest(f"`{host}` must be an IP address") from None

    @property
    def host(self) -> str:
        """The address of ours, without brackets; empty where it is any."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of ours."""
        return int(self.address.rpartition(":")[2])

    @property
    def hello(self) -> dict[str, object] | None:
        """What its ClientHello asks for, as the core reads it; none: it begins without TLS."""
        if not self.tls and self.sni is None and not self.alpn:
            return None
        return {"sni": self.sni, "alpn": list(self.alpn)}
