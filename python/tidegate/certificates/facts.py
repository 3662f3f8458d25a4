"""What a certificate says of itself, as far as we act on it; it stands above the certificate in its file.

The supervisor reads these and no certificate: what can read one is loaded only where certificates are made.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

Via = Literal["acme", "internal", "import"]
"""How it came to be."""

MARK = "tidegate "
"""What the line of the facts begins with. Readers of PEM skip what stands outside of its blocks."""


@dataclass(frozen=True, slots=True)
class Window:
    """When an issuer would like a certificate to be renewed (RFC 9773). Times in seconds since 1970."""

    start: float
    end: float
    asked: float
    """When the issuer said so."""
    again: float
    """From when on it may be asked again."""
    explains: str = ""
    """A page about why, as after a mass revocation."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a certificate without reading it. Times in seconds since 1970."""

    names: tuple[str, ...]
    not_before: float
    not_after: float
    serial: str
    """In hexadecimal digits."""
    issuer: str
    """The name of the authority that signed it, as it calls itself."""
    via: Via
    directory: str = ""
    """The ACME directory that it was obtained from."""
    ari: str = ""
    """How the issuer's renewal information calls it (RFC 9773, section 4.1); empty: not at all."""
    window: Window | None = None

    def line(self) -> str:
        """Write them as the line of a file."""
        return f"{MARK}{json.dumps(asdict(self))}\n"

    def with_window(self, window: Window) -> Self:
        """Give the same with what the issuer says now."""
        return replace(self, window=window)

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        """Find the line of facts in a file; None where there is none that can be read."""
        for line in text.splitlines():
            if line.startswith(MARK):
                try:
                    return cls._read(json.loads(line.removeprefix(MARK)))
                except (ValueError, TypeError, KeyError):
                    return None
        return None

    @classmethod
    def _read(cls, told: Mapping[str, Any]) -> Self:
        window = Window(**told["window"]) if told.get("window") else None
        return cls(**{**told, "names": tuple(map(str, told["names"])), "window": window})
