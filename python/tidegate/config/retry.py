"""When a request is tried again. Decided in the core, `crates/core/src/retry/` and `lane/retry.rs`."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.hedge import Hedge
from tidegate.config.hints import did_you_mean
from tidegate.config.model import Model
from tidegate.config.placed import Placed
from tidegate.config.quantities import Duration, Percent, PositiveDuration, Size
from tidegate.config.scalar import Whole, show

WORDS: Final = ("connect", "reset", "refused", "timeout", "gateway")
MOST_BYTES: Final = 1024 * 1024
"""No larger body is kept: each request in flight may hold as much."""


def read_on(given: Any) -> tuple[str, ...]:
    """Read a reason to try again, or a list of them."""
    return tuple(map(_read_reason, given if isinstance(given, list | tuple) else (given,)))


def _read_reason(given: Any) -> str:
    if isinstance(given, int | str) and re.fullmatch("[45][0-9][0-9]|5xx", str(given)):
        return str(given)
    if given in WORDS:
        return str(given)
    words = ", ".join(f"`{word}`" for word in WORDS)
    says = f"must be {words}, or a status, as `503` or `5xx`, not {show(given)}"
    raise refused(says, did_you_mean(given, WORDS) if isinstance(given, str) else "")


_REASON = {
    "anyOf": [
        {"enum": list(WORDS)},
        {"type": "integer", "minimum": 400, "maximum": 599},
        {"type": "string", "pattern": "^([45][0-9][0-9]|5xx)$"},
    ]
}


def is_bounded(given: Size) -> Size:
    """Refuse to keep more of a body than a thread should hold for each request."""
    if given.bytes > MOST_BYTES:
        raise refused(f"is more than {Size(MOST_BYTES)}, the most that is kept", "`buffer_request` keeps larger bodies")
    return given


class BackOff(Model):
    """How long is waited before another try: by chance, up to `base` times 1, 3, 7 and so on, and never over `most`.

    Both defaults are Envoy's. What could not be connected to is not waited for: another endpoint is tried at once.
    """

    base: PositiveDuration = Duration(25)
    """Bound of the first pause."""
    most: PositiveDuration = Duration(250)
    """Bound of each pause."""


class Retry(Placed):
    """When a request is tried again, on another endpoint where there is one.

    A request of which a byte has left is sent again only if a repeat has no second effect: by its method (GET, HEAD,
    OPTIONS, PUT, DELETE; RFC 9110, section 9.2.2), or with `Idempotency-Key`. It never is once anything of an answer
    has reached the client.
    """

    attempts: Annotated[Whole, Field(ge=1, le=10)] = 3
    """Most tries, the first included. A connection that was kept and had been closed meanwhile counts for none."""
    on: Annotated[
        tuple[str, ...],
        BeforeValidator(read_on),
        Field(json_schema_extra={"anyOf": [_REASON, {"type": "array", "items": _REASON}]}),
    ] = ("connect", "reset")
    """`connect` is always on; `reset`: the connection ended before a byte of an answer; `refused`, which is
    part of it: an endpoint of HTTP/2 says that it has not looked at the request; `timeout`: no answer came
    within `per_try`; a status of an answer, as `503`, `5xx`, or `gateway` for 502, 503 and 504."""
    per_try: PositiveDuration | None = None
    """From the last byte of the request to the first byte of the answer of one try; the last one may take what is left
    of `timeouts.response`, which holds for all tries together."""
    body: Annotated[Size, AfterValidator(is_bounded)] = Size(64 * 1024)
    """Most bytes of a request's body that are kept to be sent again, at most 1 MiB. A request with more is not repeated
    once a byte has left. What `buffer_request` waits for is kept whatever this says."""
    back_off: BackOff = BackOff()
    """How long is waited before another try."""
    hedge: Hedge | None = None
    """When a second endpoint is asked beside the first. Default: never. It is one of the `attempts`."""

    @property
    def statuses(self) -> list[tuple[int, int]]:
        """The statuses, from one to another, both included."""
        texts = [{"gateway": "502-504"}.get(each, each) for each in self.on]
        bounds = [text.split("-") for text in texts if text[0].isdigit()]
        return [(int(each[0].replace("x", "0")), int(each[-1].replace("x", "9"))) for each in bounds]

    @model_validator(mode="after")
    def times_agree(self) -> "Retry":
        """Refuse a time that nothing waits for, and a wait without a time."""
        if "timeout" in self.on and self.per_try is None:
            raise refused("`timeout` in `on` needs `per_try`: how long a try may take", "as `per_try: 2s`", at=("on",))
        if self.per_try is not None and "timeout" not in self.on:
            raise refused("`per_try` has no effect without `timeout` in `on`", at=("per_try",))
        if self.back_off.most < self.back_off.base:
            raise refused("`most` is less than `base`", at=("back_off", "most"))
        if self.hedge is not None and self.attempts < 2:
            says = "`hedge` needs a second try, and `attempts` is 1"
            raise refused(says, "leave one of them out", at=("hedge",))
        return self


class RetryBudget(Model):
    """How many requests may be repeated at once: the most of a share of those under way, and a few in any case.

    When everything fails, each request would else be sent several times, and keep it down. Counted over all threads,
    for requests of routes with `retry`; connections that could not be made do not count. Both defaults are Envoy's.
    """

    share: Percent = Percent(20)
    """Of the requests under way to this upstream; `100%` is no bound but `attempts`."""
    least: Annotated[Whole, Field(ge=0, le=1_000_000)] = 3
    """So many in any case."""
