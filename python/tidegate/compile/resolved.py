"""What a resolver said about one name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer for one entry, `name:port`: its addresses, or why there are none."""

    addresses: tuple[str, ...] = ()
    """`10.0.0.1:80` or `[::1]:80`, each once."""
    says: str = ""
    """The resolver's words, where there are no addresses."""
