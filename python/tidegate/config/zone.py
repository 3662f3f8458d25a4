"""Zones: where instance and endpoints are, and which are near. Weighed in the core, `balance/tiers.rs`."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.model import Model
from tidegate.config.quantities import Percent
from tidegate.config.scalar import show

PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


def check_zone(given: str) -> str:
    """Refuse what is no name of a zone."""
    if re.fullmatch(rf"{PART}(/{PART}){{0,7}}", given) is None:
        hint = "letters, digits, `.`, `_` and `-`; with `/` between a region and what is in it"
        raise refused(f"must be the name of a zone, as `eu-1` or `eu/1`, not {show(given)}", hint)
    return given


Zone = Annotated[str, AfterValidator(check_zone), Field(json_schema_extra={"pattern": f"^{PART}(/{PART}){{0,7}}$"})]
"""Where something is: one name, or several from the widest to the narrowest, as `eu/frankfurt/a`."""


class Zones(Model):
    """Which endpoints are near: those in the zone of the instance, then those in the zones of `order`, then, the more
    parts of the name are alike, the nearer (`eu/a` and `eu/b` have one in common); last those without a zone.

    The nearest take all work as long as 72 % of them are healthy; what they are not well enough for goes to the next,
    as far as those are, and so on, within each `tier`.
    """

    order: Annotated[tuple[Zone, ...], Field(max_length=256)] = ()
    """Zones behind the one of the instance, the nearest first; `eu` stands for all zones in it. A list alone says the
    same."""
    traffic: Percent | None = None
    """The share of all requests that comes in at the zone of this instance: a zone with fewer of the endpoints than
    that passes the rest on. Default: not known, and healthy endpoints take all work, however few they are."""

    @model_validator(mode="before")
    @classmethod
    def read_list(cls, given: Any) -> Any:
        """Let a list stand for `{order: […]}`."""
        return {"order": given} if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def something_comes_in(self) -> "Zones":
        """Refuse an instance that gets nothing."""
        if self.traffic is not None and not self.traffic.amount:
            raise refused("`traffic` must be at least 1%", "leave it out where it is not known", at=("traffic",))
        return self
