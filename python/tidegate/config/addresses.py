"""Addresses as people write them: where we accept, where endpoints are, and networks of clients."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tidegate.config.complaint import refused
from tidegate.config.scalar import show

LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
"""One part of a DNS name (RFC 1123, section 2.1), and the underscore that names of services use."""


def folder_of(info: ValidationInfo) -> Path:
    """Where relative paths begin: the folder of the file that holds them."""
    context = info.context
    return context["folder"] if isinstance(context, dict) and "folder" in context else Path()


@dataclass(frozen=True)
class Written:
    """What reads itself from text and prints itself back."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read the text, or refuse it in words that name the way out."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(given: Any, info: ValidationInfo) -> Written:
            return given if isinstance(given, cls) else cls.read(given, folder_of(info))

        shown = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.with_info_plain_validator_function(validate, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


@dataclass(frozen=True)
class BindAddress(Written):
    """Where connections are accepted: an address and a port, or the path of a Unix socket.

    `[::]:80` and its short form `:80` are all addresses of both families, in one socket. TCP and UDP have ports of
    their own, so the address of a UDP listener is told apart as `127.0.0.1:53/udp`.
    """

    host: str = ""
    """`127.0.0.1`, `::1`; `::` is all addresses of both families; empty for a Unix socket."""
    port: int = 0
    """0 lets the kernel choose."""
    path: Path | None = None
    """The path of a Unix socket, absolute when it came from a file."""
    is_udp: bool = False
    """Whether datagrams come there."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read `127.0.0.1:8080`, `[::1]:8080`, `:8080`, `127.0.0.1:53/udp` or `unix:/run/x.sock`."""
        if not isinstance(given, str):
            hint = f'":{given}" is that port on all addresses' if is_port(given) else ""
            raise refused(f'must be an address, as "127.0.0.1:8080", not {show(given)}', hint)
        if given.startswith("unix:"):
            return cls(path=read_path(given, folder))
        is_udp = given.endswith("/udp")
        host, port = split_port(given.removesuffix("/udp"), example="127.0.0.1:8080", least=0)
        if host == "":
            return cls("::", port, is_udp=is_udp)
        address = read_ip(host)
        if address is None:
            hint = f'"127.0.0.1:{port}"' if host.lower() == "localhost" else f'":{port}" is all addresses'
            raise refused(f"must be an IP address and a port, and `{host}` is no IP address", hint)
        return cls(str(address), port, is_udp=is_udp)

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        shown = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"{shown}/udp" if self.is_udp else shown

    @property
    def is_unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.path is not None

    @property
    def is_dual_stack(self) -> bool:
        """Whether its one socket accepts IPv4 and IPv6."""
        return self.host == "::"

    def overlaps(self, other: "BindAddress") -> bool:
        """Say whether the two cannot both be bound."""
        if self.path is not None or other.path is not None:
            return self.path == other.path
        if (
            self.is_udp != other.is_udp or self.port != other.port or self.port == 0
        ):  # for 0 the kernel chooses a free one, each time another
            return False
        hosts = {self.host, other.host}
        if len(hosts) == 1 or "::" in hosts:
            return True
        return "0.0.0.0" in hosts and not any(":" in host for host in hosts)


@dataclass(frozen=True)
class EndpointAddress(Written):
    """Where an endpoint is: an IP address and a port, a DNS name and a port, or the path of a Unix socket."""

    host: str = ""
    """`10.0.0.1`, `::1`, or a DNS name in lower case; empty for a Unix socket."""
    port: int = 0
    is_name: bool = False
    """Whether `host` is a DNS name, which stands for all its addresses."""
    path: Path | None = None

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read `10.0.0.1:80`, `[::1]:80`, `backend.internal:80` or `unix:/run/x.sock`."""
        if not isinstance(given, str):
            hint = f'"127.0.0.1:{given}"' if is_port(given) else ""
            raise refused(f'must be an address, as "10.0.0.1:8080", not {show(given)}', hint)
        if given.startswith("unix:"):
            return cls(path=read_path(given, folder))
        if scheme := re.match(r"([a-z][a-z0-9+.-]*)://(.*)", given):
            rest = scheme[2].rstrip("/")
            raise refused("must be an address without a scheme", f'"{rest}"' if scheme[1] == "http" else "")
        host, port = split_port(given, example="10.0.0.1:8080", least=1)
        if host == "":
            raise refused("needs a host before its port", f'"127.0.0.1:{port}"')
        address = read_ip(host)
        if address is not None:
            return cls(str(address), port)
        name = host.lower().rstrip(".")
        if len(name) > 253 or not all(LABEL.fullmatch(label) for label in name.split(".")):
            raise refused(f"must be an IP address or a DNS name with a port, and `{host}` is neither")
        if re.fullmatch(r"[0-9.]+", name):
            raise refused(f"must be an IP address or a DNS name with a port, and `{host}` is no complete IP address")
        return cls(name, port, is_name=True)

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def may_be_public(self) -> bool:
        """Whether the world may know it: a name's addresses may be anywhere."""
        return self.path is None and (self.is_name or ipaddress.ip_address(self.host).is_global)


@dataclass(frozen=True)
class Network(Written):
    """Addresses of clients: `10.0.0.0/8`, one address, or `unix:` for every peer of a Unix socket."""

    text: str = ""
    """In CIDR form; IPv4-mapped IPv6 as the IPv4 that it is; or `unix:`."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read a network; bits behind its mask are refused, since one of the two must be a mistake."""
        if given == "unix:":
            return cls("unix:")
        example = "must be a network, as `10.0.0.0/8`"
        if not isinstance(given, str):
            raise refused(f"{example}, not {show(given)}")
        try:
            network = ipaddress.ip_network(given, strict=False)
            exact = ipaddress.ip_interface(given)
        except ValueError:
            raise refused(f"{example}, not {show(given)}") from None
        if exact.ip != network.network_address:
            raise refused(f"has bits behind its mask: `{given}`", f'"{network}" or "{exact.ip}"')
        if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
            mapped = network.network_address.ipv4_mapped
            if mapped is not None:
                return cls(f"{mapped}/{network.prefixlen - 96}")
        return cls(str(network))

    def __str__(self) -> str:
        return self.text


def split_port(text: str, *, example: str, least: int) -> tuple[str, int]:
    """Take `host:port` apart; the host of IPv6 stands in brackets."""
    match = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([0-9]{1,9})", text)
    if match is None:
        if re.fullmatch(r"[0-9]{1,5}", text):
            raise refused(f'must be an address with a port, as "{example}"', f'":{text}" or "127.0.0.1:{text}"')
        if read_ip(text) is not None and ":" in text:
            head, _, tail = text.rpartition(":")
            hint = f'"[{head}]:{tail}"' if read_ip(head) is not None and tail.isdecimal() else f'"[{text}]:80"'
            raise refused("needs a port, and brackets around an IPv6 address", hint)
        if re.fullmatch(r"\[[^\[\]]*\]|[^:\[\]/]+", text):
            raise refused(f"needs a port after `{text}`", f'"{text}:80"')
        raise refused(f'must be an address with a port, as "{example}", not {show(text)}')
    if match[1] is not None and (read_ip(match[1]) is None or ":" not in match[1]):
        raise refused(f"has brackets around `{match[1]}`, and they are for IPv6 addresses")
    port = int(match[3])
    if not least <= port <= 65_535:
        raise refused(f"has the port {port}, and a port is a number from {least} to 65535")
    return match[1] or match[2] or "", port


def read_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; an IPv4-mapped IPv6 address is the IPv4 address that it is."""
    if ":" not in text and not text[-1:].isdigit():
        return None  # nearly every host, for a tenth of what finding out costs
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def read_path(given: str, folder: Path) -> Path:
    """Read the path of `unix:PATH`."""
    path = given.removeprefix("unix:")
    if not path or "\0" in path:
        raise refused("needs a path after `unix:`", '"unix:/run/app.sock"')
    if len(str(folder / path).encode()) > 107:
        raise refused("is longer than the 107 bytes that the path of a Unix socket may have")
    return folder / path


def is_port(given: Any) -> bool:
    """Say whether a bare number could have been meant as a port."""
    return isinstance(given, int) and not isinstance(given, bool) and 0 < given <= 65_535


def _read_file_path(given: Any, info: ValidationInfo) -> Path:
    if isinstance(given, Path):
        return given
    if not isinstance(given, str) or not given or "\0" in given:
        raise refused(f"must be a path, not {show(given)}")
    return folder_of(info) / given


class _FilePathSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown: Callable[[Any], str] = str
        return core_schema.with_info_plain_validator_function(
            _read_file_path, serialization=core_schema.plain_serializer_function_ser_schema(shown)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


FilePath = Annotated[Path, _FilePathSchema]
"""The path of a file; a relative one begins at the folder of the file that holds it."""
