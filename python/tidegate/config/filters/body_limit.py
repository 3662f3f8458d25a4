"""The `body_limit` filter: how large the body of a request may be. Counted in the core, `lane/transfer.rs`."""

from tidegate.config.model import Model
from tidegate.config.quantities import PositiveSize


class BodyLimit(Model):
    """Refuse a request whose body is larger, with 413: by its `Content-Length`, else as it comes.

    `limits.body_bytes` of the listener holds as well; it is what can be said before a route is known.
    """

    short = "size"

    size: PositiveSize
    """Most bytes, as `10MiB`."""
