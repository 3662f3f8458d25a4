"""What a worker tells of itself, as the API shows it: bounded, and of the types that the docs have.

The worker reads what strangers send, so its word is a stranger's: a field of another type than it should have makes
the whole answer one that was not given.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Count = Annotated[int, Field(ge=0, lt=2**64)]
Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=300)]
MOST = 1_000_000
"""Most items that are taken from a worker in one answer of the API."""


class Said(BaseModel):
    """Frozen and strict; what is not known here is left out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Listener(Said):
    """A listener and who is connected to it."""

    name: Name
    binds: list[Name]
    connections: Count


class Change(Said):
    """What became of an endpoint, when, and why."""

    at: float
    to: Name
    reason: Text


class Endpoint(Said):
    """An endpoint: its standing on three axes, and what was counted since the worker began."""

    address: Name
    entry: Name
    weight: Count
    eligible: bool
    asked: Literal["ready", "draining", "drained", "removed"]
    checked: Literal["unknown", "up", "down"]
    outlier: Literal["in", "out", "trial"]
    reason: Text
    since: float | None
    until: float | None
    history: list[Change]
    exchanges: Count
    idle: Count
    requests: Count
    failures: Count
    server_errors: Count
    connect_failures: Count
    connections: Count
    reused: Count
    passed_over: Count


class Unresolved(Said):
    """A name without an address."""

    entry: Name
    says: Text


class Row(Said):
    """One thing that is told of an upstream: that it is there, an endpoint, or a name without an address."""

    upstream: Name
    panic: bool | None = None
    """Of the row that begins the upstream."""


class UpstreamRow(Row):
    """A row for the API."""

    balance: Name | None = None
    limit: Count | None = None
    """The bound on requests under way that it has found, where it looks for one."""
    endpoint: Endpoint | None = None
    unresolved: Unresolved | None = None

    def upstream_alone(self) -> dict[str, Any]:
        """What the API has of an upstream, before the other rows."""
        head = {"name": self.upstream, "balance": self.balance, "panic": self.panic, "limit": self.limit}
        return {**head, "endpoints": [], "unresolved": []}


class Route(Said):
    """What was counted of a route since the worker began."""

    name: Name
    requests: dict[Literal["none", "1xx", "2xx", "3xx", "4xx", "5xx"], Count]
    bytes_in: Count
    bytes_out: Count


class Brief(Said):
    """An endpoint in `tidegate status`."""

    address: Name
    entry: Name
    weight: Count
    standing: Name
    reason: Text
    exchanges: Count


class BriefRow(Row):
    """A row for `tidegate status`."""

    endpoint: Brief | None = None

    def upstream_alone(self) -> dict[str, Any]:
        """What the status has of an upstream, before the other rows."""
        return {"name": self.upstream, "panic": self.panic, "endpoints": []}


Kind = TypeVar("Kind", bound=Said)
LISTENERS = TypeAdapter(list[Listener])


def read(kind: type[Kind], told: Any) -> list[Kind]:
    """Read a page of items; raises `ValueError` where it is something else."""
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise ValueError("no list")
    return [kind.model_validate(each) for each in told]


def plain(adapter: TypeAdapter[Any], told: Any) -> Any:
    """Give what was told as plain data; an empty list where it is not of its type."""
    try:
        return adapter.dump_python(adapter.validate_python(told))
    except ValidationError:
        return []
