"""Copies of requests for another upstream. Made in the core, `crates/core/src/lane/mirror.rs`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from tidegate.config.complaint import refused
from tidegate.config.model import Name
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration, Percent, PositiveDuration, Size
from tidegate.config.retry import MOST_BYTES
from tidegate.config.scalar import Whole


def is_some(given: Percent) -> Percent:
    """Refuse a share of nothing."""
    if given.amount == 0:
        raise refused("is nothing: leave `mirror` out")
    return given


def is_bounded(given: Size) -> Size:
    """Refuse to hold more of a body for each copy than a thread should."""
    if given.bytes > MOST_BYTES:
        raise refused(f"is more than {Size(MOST_BYTES)}, the most that is copied")
    return given


class Mirror(Placed):
    """A copy of a share of the requests goes to another upstream too, and its answer is thrown away.

    A copy is what the endpoint is sent, with its Host, and `X-Tidegate-Mirror: 1` besides. It leaves once the request
    has come whole and its own endpoint is asked; no client waits for it, and it is never tried again. What becomes of
    it is counted in `tidegate_mirrored_total`, and known of the endpoints of that upstream alone. A WebSocket is not
    copied.
    """

    to: Name
    """The upstream: another one than those that the route leads to."""
    share: Annotated[Percent, AfterValidator(is_some)] = Percent(100)
    """Of the requests, by chance."""
    body: Annotated[Size, AfterValidator(is_bounded)] = Size(64 * 1024)
    """Most bytes of a request's body that are copied, at most 1 MiB. A request with more is not mirrored."""
    most: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    """Most copies under way at once to that upstream, over all threads; others are dropped. Each may hold as much as
    `body`."""
    timeout: PositiveDuration = Duration(5_000)
    """How long a copy may take, from the choice of an endpoint to the end of the answer."""
