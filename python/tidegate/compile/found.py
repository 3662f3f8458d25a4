"""What a provider said."""

from dataclasses import dataclass

from tidegate.config.upstream import Endpoint


@dataclass(frozen=True, slots=True)
class Found:
    """The last good list of one provider, or why there is none."""

    endpoints: tuple[Endpoint, ...] = ()
    """Those that it lists; DNS names may be among them."""
    says: str = ""
    """Why there are none."""
