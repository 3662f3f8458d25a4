"""One entry of a route's `filters`: a mapping whose one key says which filter it is."""

from typing import ClassVar, Final

from pydantic import model_validator

from tidegate.config.complaint import refused
from tidegate.config.filters.access import Networks
from tidegate.config.filters.body_limit import BodyLimit
from tidegate.config.filters.buffer_request import BufferRequest
from tidegate.config.filters.error_pages import ErrorPages
from tidegate.config.filters.fault import Fault
from tidegate.config.filters.headers import RequestHeaders, ResponseHeaders
from tidegate.config.filters.request_id import RequestId
from tidegate.config.filters.rewrite import Rewrite
from tidegate.config.placed import Placed

SEVERAL: Final = ("fault", "rewrite", "request_headers", "response_headers")
"""Filters that may stand several times in a route, and then run as written."""

FOR_ENDPOINTS: Final = ("buffer_request", "fault", "rewrite", "request_headers")
"""Filters that change what an endpoint is sent, and when."""


class Filter(Placed):
    """A step before or after the exchange: a mapping with exactly one key.

    The fields stand in the order in which filters run, whatever the order in the file; several of one kind run as
    written. Matching is done before the first of them: what a filter changes chooses no other route.
    """

    later: ClassVar = {}

    request_id: RequestId | None = None
    """Carry the request's id in another field."""
    deny: Networks | None = None
    """Refuse clients from these networks with 403, whatever `allow` says; `unix:` is every client of a Unix socket."""
    allow: Networks | None = None
    """Refuse clients from all other networks with 403."""
    body_limit: BodyLimit | None = None
    """Refuse a body that is larger with 413."""
    fault: Fault | None = None
    """Delay or refuse a share of the requests on purpose."""
    buffer_request: BufferRequest | None = None
    """Wait for the whole request body before an endpoint is asked."""
    rewrite: Rewrite | None = None
    """Send another path, query or Host to the endpoint."""
    request_headers: RequestHeaders | None = None
    """Edit the head that the endpoint gets."""
    error_pages: ErrorPages | None = None
    """Answer with a page of yours where the answer tells of a failure."""
    response_headers: ResponseHeaders | None = None
    """Edit the head that the client gets."""

    @property
    def kind(self) -> str:
        """The name of the filter."""
        return next(iter(self.model_fields_set))

    @model_validator(mode="after")
    def is_one_filter(self) -> "Filter":
        """Refuse two filters in one entry, and none."""
        if len(self.model_fields_set) != 1:
            raise refused("must have exactly one key: the name of the filter", "begin each filter with its own `- `")
        return self
