"""Answers to challenges: an issuer wants to see that a name is ours, and there are three ways to show it."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, Protocol

Way = Literal["http-01", "tls-alpn-01", "dns-01"]
"""`http-01`: a text at a path, port 80; `tls-alpn-01`: in a certificate, port 443 (RFC 8737); `dns-01`: a record."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What is to be shown for a name. It is not secret: whoever asks may see it."""

    way: Way
    name: str
    token: str
    authorization: str
    """The token, and the print of our account's key behind it (RFC 8555, section 8.1)."""

    @property
    def digest(self) -> bytes:
        """What a certificate shows (RFC 8737, section 3)."""
        return sha256(self.authorization.encode()).digest()

    @property
    def record(self) -> str:
        """What a TXT record holds (RFC 8555, section 8.4)."""
        return urlsafe_b64encode(self.digest).decode().rstrip("=")

    @property
    def record_name(self) -> str:
        """Where that record is."""
        return f"_acme-challenge.{self.name}"


class NotShown(Exception):
    """A challenge could not be answered; the text says why."""


class Answers(Protocol):
    """Who answers challenges."""

    def ways(self, name: str) -> Sequence[Way]:
        """Give the ways that a name can be shown to be ours, the best first; `*.` is of the name."""

    def present(self, what: Presented) -> None:
        """Show it. Comes back once whoever asks sees it. Raises `NotShown`."""

    def withdraw(self, what: Presented) -> None:
        """Show it no more."""
