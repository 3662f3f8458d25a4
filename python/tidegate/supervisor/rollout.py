"""One rollout: a route whose requests go to another upstream step by step, as long as a guard holds.

It decides; `rollouts.py` keeps all of them, `rolling.py` asks the worker and the clock.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidegate.supervisor.guard import Figures, Guard

PARTS = 10_000
"""Weights of a split add up to so many: a step of 0.01 % is the least."""

Target = dict[str, Any]
"""Where a route leads, as the snapshot's document has it."""


class Rollout(BaseModel):
    """A rollout, as it is kept."""

    model_config = ConfigDict(extra="forbid")

    route: str
    to: str
    steps: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1, max_length=100)]
    """Shares of the requests, in percent."""
    hold_s: Annotated[float, Field(ge=1, le=86_400)]
    guard: str
    least: Annotated[int, Field(ge=1)]
    """Requests to the new upstream before the guard is asked, and before a step ends."""
    configured: str
    """What the file said of the route's targets when it began."""
    state: Literal["running", "paused", "done", "rolled_back", "aborted", "ended"] = "running"
    step: int = 0
    since: float
    """When the step began; seconds since 1970."""
    reason: str = ""
    """Why it is not running."""

    @property
    def holds_route(self) -> bool:
        """Whether the route leads where the rollout says."""
        return self.state in ("running", "paused", "done")

    @property
    def share(self) -> float:
        """Percent of the requests that go to the new upstream now."""
        return self.steps[self.step] if self.holds_route else 0.0

    def target(self, configured: Target, index: int) -> Target:
        """Where the route leads now: `configured` but for the share of the upstream with this index."""
        split = configured.get("split") or {"shares": [{**_only(configured), "weight": 1}], "key": None}
        others = [each for each in split["shares"] if each["upstream"] != index and each["weight"]]
        total, new = sum(each["weight"] for each in others), round(self.share * PARTS / 100)
        rest = PARTS - new if total else 0
        shares = [{**each, "weight": max(1, round(each["weight"] * rest / total)) if rest else 0} for each in others]
        return {"split": {"shares": [*shares, {"upstream": index, "weight": max(1, new)}], "key": split["key"]}}

    def judge(self, new: Figures, old: Figures, now: float) -> bool:
        """Look at the figures since the step began; says whether something has changed."""
        if self.state not in ("running", "paused") or new.requests < self.least:
            return False
        broken = Guard.read(self.guard).broken_by(new, old)
        if broken:
            self.state, self.reason, self.since = "rolled_back", broken, now
            return True
        if self.state == "paused" or now - self.since < self.hold_s:
            return False
        self.since = now
        if self.step + 1 < len(self.steps):
            self.step += 1
        else:
            self.state = "done"
            self.reason = f"every step held; `to: {self.to}` in the file makes it last" if self.share == 100 else ""
        return True

    def told(self, new: Figures, old: Figures, now: float) -> dict[str, Any]:
        """How it stands, as status and API tell it."""
        left_s = max(0.0, self.hold_s - (now - self.since)) if self.state == "running" else None
        kept = self.model_dump(exclude={"configured"})
        return {**kept, "share": self.share, "left_s": left_s, "new": _figures(new), "old": _figures(old)}


def _only(configured: Mapping[str, Any]) -> dict[str, Any]:
    part = configured.get("part")
    return dict(part) if part is not None else {"upstream": configured["upstream"]}


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "error_rate": figures.read("error_rate"),
        "p50": figures.read("p50"),
        "p99": figures.read("p99"),
    }
