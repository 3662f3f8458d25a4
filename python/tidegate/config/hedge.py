"""When a second endpoint is asked beside the first. Decided in the core, `crates/core/src/retry/hedge.rs`."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidegate.config.complaint import refused
from tidegate.config.from_text import FromText
from tidegate.config.model import Model
from tidegate.config.quantities import Duration, is_not_zero
from tidegate.config.scalar import show


@dataclass(frozen=True, order=True)
class Percentile(FromText):
    """What a share of all values does not exceed: `p95`, `p99.9`."""

    permille: int

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read `p50` to `p99.9`."""
        if isinstance(given, cls):
            return given
        match = re.fullmatch(r"p([0-9]{2})(?:\.([0-9]))?", str(given))
        if match is None or int(match[1]) < 50:
            raise refused(f"must be a percentile of `p50` to `p99.9`, as `p95`, not {show(given)}")
        return cls(int(match[1]) * 10 + int(match[2] or 0))

    def __str__(self) -> str:
        return f"p{self.permille // 10}" + (f".{self.permille % 10}" if self.permille % 10 else "")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^p[5-9][0-9](\\.[0-9])?$"}


def read_after(given: Any) -> Duration | Percentile:
    """Read a percentile, or a time."""
    if match := re.fullmatch(r"([1-9][0-9]*(?:\.[0-9])?)%?", str(given)):
        hint = f"as `p{match[1]}`, or `{match[1]}ms`"
        raise refused(f"must be a time, as `50ms`, or a percentile, as `p95`, not {show(given)}", hint)
    is_percentile = isinstance(given, Percentile) or (isinstance(given, str) and given.startswith("p"))
    return Percentile.read(given) if is_percentile else is_not_zero(Duration.read(given))


class Hedge(Model):
    """A second endpoint is asked beside the first where that takes its time; the first answer counts.

    Only for GET, HEAD and OPTIONS, only while nothing of an answer has come, and only as `retry_budget` allows. The
    other endpoint is never the same, and the one that loses is called off, which is no failure of it. Finagle calls
    that a backup request, gRPC hedging; after J. Dean and L. Barroso, "The Tail at Scale", CACM 56(2), 2013.
    """

    after: Annotated[Duration | Percentile, BeforeValidator(read_after)]
    """A time, as `50ms`, or a percentile, as `p95`, from the last byte of the request on.

    `p50` to `p99.9` are what this share of the route's answers does not exceed until their first byte. That is believed
    once a hundred answers are known, and five that were slower; until then nothing is hedged. Half of what is known is
    forgotten every 10 s, while requests come.
    """
    least: Duration = Duration(1)
    """But no sooner, where `after` is a percentile. The default is Finagle's."""
