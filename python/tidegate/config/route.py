"""A route: what a request must look like, and where it then goes."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from tidegate.config.complaint import later, refused
from tidegate.config.filters.filter import SEVERAL, Filter
from tidegate.config.match import Match
from tidegate.config.model import Model, Name
from tidegate.config.place import Place
from tidegate.config.quantities import Duration
from tidegate.config.scalar import Whole


class RouteTimeouts(Model):
    """How long the answer of an endpoint may take; 0 is no limit."""

    response: Duration = Duration(60_000)
    """From the last byte of the request to the first byte of the answer; then 504."""
    idle: Duration = Duration(60_000)
    """Between bytes either way, while an exchange lives."""


def has_no_body_where_none_can_be(respond: "Respond") -> "Respond":
    """Refuse a body with a status that has none (RFC 9110, section 15)."""
    if respond.body and respond.status in (204, 205, 304):
        raise refused(f"an answer with status {respond.status} has no body", "leave `body` out", at=("body",))
    return respond


class Respond(Model):
    """An answer of our own, without an endpoint."""

    status: Annotated[Whole, Field(ge=200, le=599)] = 200
    """The status, 200 to 599."""
    body: str = ""
    """The body, sent as `text/plain; charset=utf-8`."""


def read_target(given: Any) -> Any:
    """Take the name of one upstream; several with weights come later."""
    if isinstance(given, list | dict):
        raise later("sharing a route among several upstreams")
    return given


Target = Annotated[Name, BeforeValidator(read_target)]


class Route(Model):
    """What a request must look like, and where it then goes. The order of routes does not matter.

    Of all routes that match, the most specific takes the request: by host (exact, longest wildcard, none), then by path
    (exact, longest regex, longest prefix, none). Two that are equal and can both match are an error, unless `priority`
    tells.
    """

    later: ClassVar = {
        "redirect": "answering with a redirect",
        "retry": "trying again after a failure",
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
    to: Target | None = None
    """The upstream that the request goes to."""
    respond: Annotated[Respond, AfterValidator(has_no_body_where_none_can_be)] | None = None
    """An answer of our own, in place of an upstream."""

    _place: Place | None = PrivateAttr(default=None)

    @property
    def place(self) -> Place | None:
        """Where it stands in the configuration, when it came from a file."""
        return self._place

    @model_validator(mode="after")
    def has_one_target(self) -> "Route":
        """Refuse a route that goes nowhere, and one that goes two ways."""
        if (self.to is None) == (self.respond is None):
            raise refused("must have exactly one of `to`, `respond` and `redirect`: where the request goes")
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
