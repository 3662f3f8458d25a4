"""What was asked of an endpoint while the instance runs, on top of what the configuration says of it."""

from dataclasses import dataclass


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
