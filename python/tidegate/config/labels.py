"""Labels of endpoints, and routes that ask for some of them. Chosen in the core, `balance/subset.rs`."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.model import Model, Name

Label = Annotated[str, Field(min_length=1, max_length=128)]
"""What an endpoint is told by, under a name."""


class Fallback(Model):
    """Who takes a request that none of the endpoints with the labels can."""

    short = "to"

    to: Literal["none", "any"] | None = None
    """`none`: nobody, and the client gets 503. `any`: any endpoint of the upstream. (Envoy's `NO_FALLBACK` and
    `ANY_ENDPOINT`.)"""
    labels: Mapping[Name, Label] = {}
    """Endpoints with these labels. (Envoy's `DEFAULT_SUBSET`.)"""

    @model_validator(mode="after")
    def says_one_thing(self) -> "Fallback":
        """Refuse two fallbacks, and none."""
        if (self.to is None) == (not self.labels):
            raise refused("must be `none`, `any`, or `{labels: …}`")
        return self


class Led(Model):
    """What leads to an upstream, and there to some of its endpoints."""

    labels: Mapping[Name, Label] = {}
    """Only endpoints that have all these labels, as `{version: v2}`. Default: any endpoint."""
    fallback: Fallback | None = None
    """Who takes a request that none of them can, since all are drained, down, ejected, or were tried in vain.
    Default: `none`."""

    @model_validator(mode="after")
    def fallback_has_a_case(self) -> "Led":
        """Refuse a fallback of what takes any endpoint already."""
        if self.fallback is not None and not self.labels:
            raise refused("`fallback` is for `labels`, and there are none", at=("fallback",))
        return self

    @property
    def asks_for(self) -> list[tuple[tuple[str, ...], Mapping[str, str]]]:
        """The labels that some endpoint must have, each behind the path to them."""
        found: list[tuple[tuple[str, ...], Mapping[str, str]]] = [(("labels",), self.labels)]
        if self.fallback is not None:
            found.append((("fallback", "labels"), self.fallback.labels))
        return [each for each in found if each[1]]
