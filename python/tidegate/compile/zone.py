"""How far endpoints are from the instance, by their zones; what that leads to is decided in `balance/tiers.rs`."""

from tidegate.config.zone import Zones


def distance(zone: str | None, own: str | None, zones: Zones | None) -> int:
    """Say how far a zone is from our own: 0 is in it, or no matter; a lower number is nearer."""
    if own is None or zones is None:
        return 0
    depth = own.count("/") + 1
    shared = _shared(zone, own) if zone is not None else -1
    if shared == depth:
        return 0
    listed = (at for at, each in enumerate(zones.order) if zone is not None and f"{zone}/".startswith(f"{each}/"))
    return 1 + next(listed, len(zones.order) + depth - shared)


def _shared(zone: str, own: str) -> int:
    """Count the parts, from the widest on, that two zones have in common."""
    shared = 0
    for one, other in zip(zone.split("/"), own.split("/"), strict=False):
        if one != other:
            break
        shared += 1
    return shared
