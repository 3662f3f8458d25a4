"""What was asked of endpoints while the instance runs, kept in the state folder across reloads and restarts.

Each override is bound to an upstream and an address, and remembers what the configuration said of that address when it
was made. A configuration that says something else of it is newer, and ends the override.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tidegate.compile.asked import Asked
from tidegate.compile.found import Found
from tidegate.compile.listed import Listed, addresses_of
from tidegate.compile.resolved import Resolved
from tidegate.config.config import Config
from tidegate.config.labels import Label
from tidegate.config.model import Name
from tidegate.config.upstream import Upstream
from tidegate.config.zone import Zone
from tidegate.supervisor.log import Log
from tidegate.supervisor.state import State

FILE = "endpoints.json"


class Override(BaseModel):
    """What was asked of one address of an upstream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upstream: str
    address: str
    configured: Annotated[int, Field(ge=0)] | None
    """The weight that the configuration gave it; None where it does not have it."""
    weight: Annotated[int, Field(ge=0, le=65_535)] | None = None
    draining: bool = False
    removed: bool = False
    zone: Zone | None = None
    """Of one that was added: where it is."""
    labels: Mapping[Name, Label] = {}
    """Of one that was added: what it is told by."""
    since: float
    """Seconds since 1970."""
    until: float | None = None
    """When a backend that registered itself leaves, unless it registers again; seconds since 1970."""

    @property
    def says_nothing(self) -> bool:
        """Whether the endpoint is as configured."""
        return self.configured is not None and self.weight is None and not self.draining and not self.removed

    def asked(self) -> Asked:
        """As the compiler reads it."""
        added = self.configured is None
        return Asked(self.weight, self.draining, self.removed, added, self.zone, self.labels)


Key = tuple[str, str]
KEPT = TypeAdapter(list[Override])


class Overrides:
    """All of them. Each change is kept or taken back by whoever made it, once it is known whether it is served."""

    def __init__(self, state: State, log: Log) -> None:
        self._state = state
        self._all = _read(state, log)
        self._before = self._all

    def __iter__(self) -> Iterator[Override]:
        return iter(self._all.values())

    def get(self, upstream: str, address: str) -> Override | None:
        """The override of an address, if there is one."""
        return self._all.get((upstream, address))

    def of(self, upstream: str) -> dict[str, Asked]:
        """What was asked of an upstream's endpoints, by address."""
        return {each.address: each.asked() for each in self._all.values() if each.upstream == upstream}

    def all(self) -> dict[str, dict[str, Asked]]:
        """The same of every upstream, by its name."""
        return {name: self.of(name) for name in {each.upstream for each in self._all.values()}}

    def put(self, override: Override) -> None:
        """Ask this of an endpoint."""
        self._before = self._all
        others = self._without(override)
        self._all = others if override.says_nothing else {**others, (override.upstream, override.address): override}

    def drop(self, override: Override) -> None:
        """Ask nothing of an endpoint any more."""
        self._before, self._all = self._all, self._without(override)

    def look_at(self, config: Config, resolved: Mapping[str, Resolved], found: Mapping[str, Found]) -> list[Override]:
        """End the overrides that a new configuration has overtaken, and give them."""

        def says(each: Override) -> int | None:
            upstream = config.upstreams.get(each.upstream)
            return -1 if upstream is None else weights_of(upstream, resolved, found).get(each.address)

        self._before = self._all
        self._all = {key: each for key, each in self._all.items() if says(each) == each.configured}
        return [each for key, each in self._before.items() if key not in self._all]

    def take_back(self) -> None:
        """Undo the last change: it is not served."""
        self._all = self._before

    def keep(self) -> None:
        """Keep the last change in the state folder: it is served. Raises `OSError`."""
        self._state.write(FILE, {"endpoints": [each.model_dump() for each in self._all.values()]})

    def _without(self, override: Override) -> dict[Key, Override]:
        return {key: each for key, each in self._all.items() if key != (override.upstream, override.address)}


def _read(state: State, log: Log) -> dict[Key, Override]:
    kept = state.read(FILE) or {}
    try:
        found: Sequence[Override] = KEPT.validate_python(kept.get("endpoints", []))
    except ValidationError:
        log.warning(f"{state.folder / FILE} holds something else than it should: what was asked of endpoints is lost")
        found = []
    now = time.time()
    return {(each.upstream, each.address): each for each in found if each.until is None or each.until > now}


def weights_of(upstream: Upstream, resolved: Mapping[str, Resolved], found: Mapping[str, Found]) -> dict[str, int]:
    """The weight of each address that an upstream has, those of DNS names and providers included."""
    listed = (each for each in addresses_of(upstream, resolved, found) if isinstance(each, Listed))
    return {each.address: each.endpoint.weight for each in listed}
