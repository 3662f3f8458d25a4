"""A request as words of a command line give it, and the head that a client would send for it."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final


class NotARequest(Exception):
    """The words make no request; the sentence says why."""


PORTS: Final = {"http": 80, "https": 443}
MOST_HEAD: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, by whom. Nothing of it is mended: what a real client could send wrongly stays wrong."""

    method: str
    url: str
    headers: tuple[str, ...] = ()
    """Lines, as `X-Beta: 1`."""
    client: str | None = "127.0.0.1"
    """The address at the other end of the connection; none: it is a Unix socket's."""

    def __post_init__(self) -> None:
        if re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", self.method) is None:
            raise NotARequest(f"`{self.method}` is no method")
        if not self._origin_form and re.match(r"https?://[^/?#]+", self.url) is None:
            raise NotARequest(f"`{self.url}` must be a URL, as http://example.com/path, or a path")
        if re.search(r"[\x00-\x20\x7f]", self.url):
            raise NotARequest("the URL has a blank or control character; write it as a client sends it, escaped")
        for line in self.headers:
            if re.match(r"[^:\r\n]+:[^\r\n\0]*\Z", line) is None:
                raise NotARequest(f"`-H {line}` must be `Name: value`")
        if self.client is not None:
            try:
                ipaddress.ip_address(self.client)
            except ValueError:
                raise NotARequest(f"`--from {self.client}` must be an IP address, or `unix:`") from None

    @property
    def _origin_form(self) -> bool:
        return self.url.startswith("/") or self.url == "*"

    @property
    def port(self) -> int | None:
        """The port that the URL names or means; none for a path alone."""
        if self._origin_form:
            return None
        scheme, rest = self.url.split("://", 1)
        found = re.match(r"[^/?#]*?(?::([0-9]{1,5}))?(?:[/?#]|$)", rest)
        return int(found[1]) if found and found[1] else PORTS[scheme]

    def head(self) -> bytes:
        """Write the head in HTTP/1.1, as curl would: the path as it is, `Host` from the URL unless `-H` has it."""
        url = self.url.split("#", 1)[0]
        authority, target = "", url
        if not self._origin_form:
            found = re.match(r"https?://([^/?]*)(.*)", url)
            authority, rest = (found[1], found[2]) if found else ("", "")
            target = rest if rest.startswith("/") else f"/{rest}"
        lines = [f"{self.method} {target} HTTP/1.1"]
        if authority and not any(line.lower().startswith("host:") for line in self.headers):
            lines.append(f"Host: {authority}")
        return "".join(f"{line}\r\n" for line in [*lines, *self.headers, ""]).encode("utf-8", "surrogateescape")
