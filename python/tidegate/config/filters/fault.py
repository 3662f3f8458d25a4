"""The `fault` filter: what a slow or broken endpoint would do, on purpose. Thrown in the core, `filter/fault.rs`."""

from typing import Annotated

from pydantic import Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression.fields import Expression
from tidegate.config.model import Model
from tidegate.config.quantities import Percent, PositiveDuration
from tidegate.config.scalar import Whole


class Fault(Model):
    """Delay or refuse a share of the requests, to see how clients take it.

    It happens once for a request, before an endpoint is asked, and so is never tried again. The log says
    `fault_injected` at stage `filter` of what was refused.
    """

    delay: PositiveDuration | None = None
    """How long the request is held before an endpoint is asked."""
    abort: Annotated[Whole, Field(ge=400, le=599)] | None = None
    """The status that it is answered with, in place of asking an endpoint."""
    share: Percent = Percent(100)
    """Of the requests of the route, by chance."""
    when: Expression | None = None
    """Only requests for which this holds, as `request.headers["x-fault"] == "yes"`; `share` is of those."""

    @model_validator(mode="after")
    def does_one_thing(self) -> "Fault":
        """Refuse both at once, and neither."""
        if (self.delay is None) == (self.abort is None):
            hint = "two filters do both, each with its share" if self.delay is not None else ""
            raise refused("must have exactly one of `delay` and `abort`", hint)
        return self
