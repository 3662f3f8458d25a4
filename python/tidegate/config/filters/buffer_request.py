"""The `buffer_request` filter: take the whole request before an endpoint is asked."""

from tidegate.config.model import Model
from tidegate.config.quantities import PositiveSize


class BufferRequest(Model):
    """Wait for the whole request body before an endpoint is asked, so that slow uploads hold no backend connection.

    A body that is longer is refused with 413. `Expect: 100-continue` is answered by us.
    """

    size: PositiveSize
    """Most bytes that are kept, as `1MiB`; that much memory may be held for each request."""
