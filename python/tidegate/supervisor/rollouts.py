"""All rollouts, kept in the state folder across reloads and restarts.

Each remembers what the configuration said of its route when it began. A configuration that says something else of it is
newer, and ends the rollout.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tidegate.config.config import Config
from tidegate.config.effective import plain_data
from tidegate.supervisor.log import Log
from tidegate.supervisor.rollout import Rollout, Target
from tidegate.supervisor.state import State

FILE = "rollouts.json"
KEPT = TypeAdapter(list[Rollout])


class Rollouts:
    """The last rollout of each route."""

    def __init__(self, state: State, log: Log) -> None:
        self._state = state
        self._all = _read(state, log)
        self._before = self._all

    def __iter__(self) -> Iterator[Rollout]:
        return iter(self._all.values())

    def get(self, route: str) -> Rollout | None:
        """The last one of a route."""
        return self._all.get(route)

    def put(self, rollout: Rollout) -> None:
        """Take one in place of the last one of its route."""
        self._all = {**self._all, rollout.route: rollout}

    def look_at(self, config: Config) -> list[Rollout]:
        """End those that a new configuration has overtaken, and give them."""
        self._before = self._all
        now = {each.route: each for each in self._all.values() if each.holds_route and not _still(config, each)}
        reason = {"state": "ended", "reason": "the file changed the route", "since": time.time()}
        self._all = {**self._all, **{route: each.model_copy(update=reason) for route, each in now.items()}}
        return list(now.values())

    def take_back(self) -> None:
        """Undo the last look: the configuration is not served."""
        self._all = self._before

    def applied(self, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Give the routes of a document, with those that rollouts lead led as they say."""
        led = {each.route for each in self._all.values() if each.holds_route}
        return [
            {**route, "to": self.target(route["name"], route["to"], document)} if route["name"] in led else route
            for route in document["routes"]
        ]

    def target(self, route: str, configured: Target, document: Mapping[str, Any]) -> Target:
        """Where a route leads now, which leads to `configured` without a rollout."""
        rollout = self._all.get(route)
        if rollout is None or not rollout.holds_route:
            return configured
        names = [each["name"] for each in document["upstreams"]]
        return rollout.target(configured, names.index(rollout.to))

    def keep(self) -> None:
        """Keep them in the state folder. Raises `OSError`."""
        self._state.write(FILE, {"rollouts": [each.model_dump() for each in self._all.values()]})


def targets_of(config: Config, route: str) -> str | None:
    """What a configuration says of where a route of this name leads; None where there is none that leads anywhere."""
    found = next((each for each in config.routes if each.name == route), None)
    return None if found is None or found.to is None else json.dumps(plain_data(found.to), sort_keys=True)


def _still(config: Config, rollout: Rollout) -> bool:
    return rollout.to in config.upstreams and targets_of(config, rollout.route) == rollout.configured


def _read(state: State, log: Log) -> dict[str, Rollout]:
    kept = state.read(FILE) or {}
    try:
        found = KEPT.validate_python(kept.get("rollouts", []))
    except ValidationError:
        log.warning(f"{state.folder / FILE} holds something else than it should: the rollouts are lost")
        found = []
    return {each.route: each for each in found}
