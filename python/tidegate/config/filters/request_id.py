"""The `request_id` filter: which field carries a request's id. Done in the core, `filter/request_id.rs`."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression import Key
from tidegate.config.filters.fields import FieldName
from tidegate.config.model import Model


class RequestId(Model):
    """Carry the id in another field than `X-Request-Id`, or take another one; the access log shows the same id.

    As with `X-Request-Id`, one that came is passed on only from `forwarded.from`. What is not 1 to 128 token characters
    is no id, and one is made.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    short = "field"

    field: FieldName = "X-Request-Id"
    """The name of the field that tells it to the endpoint, as `X-Correlation-Id`."""
    from_: Annotated[Key | None, Field(alias="from")] = None
    """What is the id, whoever sends it: `request.headers["x-amzn-trace-id"]`. Default: what came in the field."""

    @model_validator(mode="after")
    def changes_something(self) -> "RequestId":
        """Refuse a filter that does nothing."""
        if not self.model_fields_set:
            raise refused("has neither `field` nor `from`, and so changes nothing")
        return self
