"""Bounds on the work of a whole upstream. Decided in the core, `health/circuit.rs` and `health/adaptive.rs`."""

from typing import Annotated

from pydantic import Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression import Key
from tidegate.config.model import Model
from tidegate.config.quantities import Duration, Percent, PositiveDuration
from tidegate.config.scalar import Whole


class Adaptive(Model):
    """A bound that is found by the latency of answers: more requests than answer soon wait for each other.

    After each interval it becomes itself times the latency without a queue, over the latency now, plus its square root.
    (The gradient of Envoy's adaptive concurrency and Netflix's concurrency-limits; latencies are medians.)
    """

    interval: PositiveDuration = Duration(100)
    """How often it is reckoned, from 25 answers or more."""
    tolerance: Percent = Percent(25)
    """How much more latency than without a queue is no sign of one. (Envoy's `min_rtt_calc_params.buffer`.)"""
    least: Annotated[Whole, Field(ge=1, le=1_000_000)] = 3
    """It is never lower. (Envoy's `min_concurrency`.)"""
    most: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1_000
    """It is never higher. (Envoy's `max_concurrency_limit`.)"""
    measure: PositiveDuration = Duration(30_000)
    """How often the latency without a queue is measured anew, with half the bound for two intervals, while at
    least half of it is in use."""

    @model_validator(mode="after")
    def bounds_agree(self) -> "Adaptive":
        """Refuse a least that is more than the most."""
        if self.least > self.most:
            raise refused("`least` is more than `most`", at=("least",))
        return self


class Circuit(Model):
    """Bounds on the work of a whole upstream. What is too much gets 503 at once, with `Retry-After: 1`."""

    requests: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Most requests under way at once, over all threads, those that wait for a connection among them; 0 is no limit."""
    adaptive: Adaptive | None = None
    """A bound that follows the latency of answers, below `requests`; `{}` takes the defaults. Default: none."""
    priority: Key | None = None
    """What tells the priority of a request, as `request.headers["x-priority"]`: `high`, `low`, and all else is between.
    `low` may take 60 % of the adaptive bound, with all else but `high` 80 %, so that it is refused first. Default: all
    are alike."""

    @model_validator(mode="after")
    def priority_has_something_to_share(self) -> "Circuit":
        """Refuse a priority without the bound that it is for."""
        if self.priority is not None and self.adaptive is None:
            raise refused("`priority` has no effect without `adaptive`", "`adaptive: {}`", at=("priority",))
        return self
