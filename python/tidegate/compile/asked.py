"""What was asked of an endpoint while the instance runs, on top of what the configuration says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one address of an upstream."""

    weight: int | None = None
    """Its share of the work in place of the configured one."""
    draining: bool = False
    """Whether it takes no new work and finishes what it has."""
    removed: bool = False
    """Whether it is left out."""
    added: bool = False
    """Whether the configuration does not have it."""
    zone: str | None = None
    """Where it is, if it was added."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What it is told by, if it was added."""
