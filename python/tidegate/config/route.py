"""A route: what a request must look like, and where it then goes."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.filters.filter import FOR_ENDPOINTS, SEVERAL, Filter
from tidegate.config.match import Match
from tidegate.config.mirror import Mirror
from tidegate.config.model import Name
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration
from tidegate.config.redirect import Redirect
from tidegate.config.retry import Retry
from tidegate.config.scalar import Whole
from tidegate.config.target import Respond, Target


class RouteTimeouts(Placed):
    """How long the answer of an endpoint may take; 0 is no limit."""

    response: Duration = Duration(60_000)
    """From the last byte of the request to the first byte of the answer; then 504."""
    idle: Duration = Duration(60_000)
    """Between bytes either way, while an exchange lives."""


class Route(Placed):
    """What a request must look like, and where it then goes. The order of routes does not matter.

    Of all routes that match, the most specific takes the request: by host (exact, longest wildcard, none), then by path
    (exact, longest regex, longest prefix, none), then with methods before without, more headers, more query terms, with
    `from`, with `when`. Two that are equal and can both match are an error, unless `priority` tells.
    """

    later: ClassVar = {
        "cache": "the cache",
    }

    name: Name | None = None
    """What logs and metrics call it; default: its place in the list, as `routes[3]`."""
    listeners: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The listeners that it holds for. Default: every HTTP listener."""
    match: Match = Match()
    """What a request must look like. Default: every request."""
    priority: Annotated[Whole, Field(ge=-(2**31), le=2**31 - 1)] = 0
    """Breaks ties between equal routes, and nothing else; higher first."""
    filters: tuple[Filter, ...] = ()
    """Steps before and after the exchange. They run in a fixed order; several of one kind run as written."""
    timeouts: RouteTimeouts = RouteTimeouts()
    """How long an endpoint may take."""
    retry: Retry | None = None
    """When a request is tried again. Default: only when an endpoint cannot be connected to, on at most three."""
    mirror: Mirror | None = None
    """Another upstream that gets copies of the requests. Default: none."""
    to: Target | None = None
    """The upstream that the request goes to: its name, or a list of several with weights."""
    redirect: Redirect | None = None
    """Another place that the client is sent to, in place of an upstream."""
    respond: Respond | None = None
    """An answer of our own, in place of an upstream."""

    @model_validator(mode="after")
    def has_one_target(self) -> "Route":
        """Refuse a route that goes nowhere, and one that goes two ways."""
        if sum(each is not None for each in (self.to, self.respond, self.redirect)) != 1:
            raise refused("must have exactly one of `to`, `respond` and `redirect`: where the request goes")
        return self

    @model_validator(mode="after")
    def retry_has_an_endpoint(self) -> "Route":
        """Refuse tries of nothing."""
        if self.retry is not None and self.to is None:
            says = "`retry` says when endpoints are tried again, and this route answers by itself"
            raise refused(says, "leave it out, or say where requests go with `to`", at=("retry",))
        return self

    @model_validator(mode="after")
    def mirror_is_another_upstream(self) -> "Route":
        """Refuse copies of what no endpoint gets, and copies for those that get the request."""
        if self.mirror is not None and self.to is None:
            says = "`mirror` copies what endpoints get, and this route answers by itself"
            raise refused(says, "leave it out, or say where requests go with `to`", at=("mirror",))
        if (
            self.mirror is not None
            and self.to is not None
            and self.mirror.to in [name for _, name in self.to.upstreams]
        ):
            says = f"the route leads to `{self.mirror.to}` already, which would get each request twice"
            raise refused(says, "name another upstream", at=("mirror", "to"))
        return self

    @model_validator(mode="after")
    def filters_do_not_repeat(self) -> "Route":
        """Refuse a filter twice where only one of the two could hold."""
        seen: set[str] = set()
        for index, each in enumerate(self.filters):
            if each.kind in seen and each.kind not in SEVERAL:
                raise refused(f"`{each.kind}` may stand once in a route", at=("filters", index))
            seen.add(each.kind)
        return self

    @model_validator(mode="after")
    def filters_have_an_endpoint(self) -> "Route":
        """Refuse what changes the request for an endpoint where there is none: it would do nothing."""
        for index, each in enumerate(self.filters):
            if self.to is None and each.kind in FOR_ENDPOINTS:
                says = f"`{each.kind}` changes what an endpoint is sent, and this route answers by itself"
                raise refused(says, "leave it out, or say where requests go with `to`", at=("filters", index))
        return self
