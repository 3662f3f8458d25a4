"""One entry of a route's `filters`: a mapping whose one key says which filter it is."""

from typing import ClassVar

from pydantic import model_validator

from tidegate.config.complaint import refused
from tidegate.config.filters.buffer_request import BufferRequest
from tidegate.config.model import Model


class Filter(Model):
    """A step before or after the exchange: a mapping with exactly one key.

    The fields stand in the order in which filters run, whatever the order in the file.
    """

    later: ClassVar = {
        "request_headers": "a filter that edits a request's headers",
        "rewrite": "a filter that changes path or host",
        "response_headers": "a filter that edits an answer's headers",
    }

    buffer_request: BufferRequest | None = None
    """Wait for the whole request body before an endpoint is asked."""

    @model_validator(mode="after")
    def is_one_filter(self) -> "Filter":
        """Refuse two filters in one entry, and none."""
        if len(self.model_fields_set) != 1:
            raise refused("must have exactly one key: the name of the filter", "begin each filter with its own `- `")
        return self
