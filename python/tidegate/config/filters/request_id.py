"""The `request_id` filter: which field carries a request's id. Done in the core, `filter/request_id.rs`."""

from tidegate.config.filters.fields import FieldName
from tidegate.config.model import Model


class RequestId(Model):
    """Carry the id in another field than `X-Request-Id`; the access log shows the same id.

    As with `X-Request-Id`, one that came is passed on only from `forwarded.from`, and only if it is at most 128 token
    characters; else it is made.
    """

    short = "field"

    field: FieldName
    """The name of the field, as `X-Correlation-Id`."""
