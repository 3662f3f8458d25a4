"""HTTP/2: what clients of a listener may do, and how it is spoken to endpoints. Floods are counted in the core,
`crates/core/src/http2/`; the engine speaks it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tidegate.config.complaint import refused
from tidegate.config.model import Model
from tidegate.config.quantities import Duration, Size
from tidegate.config.scalar import Whole

MOST_WINDOW = 2**31 - 1
"""RFC 9113, section 6.9.1."""


def is_window(given: Size) -> Size:
    """Refuse what HTTP/2 cannot say, or what would let nothing through."""
    if not 1 <= given.bytes <= MOST_WINDOW:
        raise refused(f"must be from 1B to 2GiB less a byte (RFC 9113, section 6.9.1), not {given}")
    return given


Window = Annotated[Size, AfterValidator(is_window)]


class ListenerHttp2(Model):
    """HTTP/2 on a listener, for clients that begin with it (prior knowledge). A word alone is `serve`."""

    short = "serve"

    serve: Literal["on", "off", "only"] = "on"
    """`on`: beside HTTP/1, from which its first bytes tell it. `only`: what begins with anything else is closed."""
    streams: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    """Streams of a connection at once; the client is told. (RFC 9113 advises no less.)"""
    window: Window = Size(256 * 1024)
    """Most of a request's body that may come before any of it is taken, in bytes. A stream holds as much at worst."""
    connection_window: Window = Size(1024 * 1024)
    """The same for all streams of a connection together."""
    resets: Annotated[Whole, Field(ge=0, le=2**32)] = 200
    """Streams that a client may reset within 10 s, if they are most of those that it begins; more and it is sent away
    (rapid reset, CVE-2023-44487). 0 is no limit."""


class UpstreamHttp2(Model):
    """How HTTP/2 is spoken to endpoints. Each thread has connections of its own, and each carries many requests."""

    streams: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    """Requests on a connection at once, or fewer where the endpoint says so; another one is made for more."""
    window: Window = Size(256 * 1024)
    """Most of an answer's body that may come before the client has taken any of it, in bytes."""
    connection_window: Window = Size(4 * 1024 * 1024)
    """The same for all requests on a connection together: a slow client must not stop the others."""
    max_age: Duration = Duration(0)
    """Age at which nothing more begins on a connection, so that what is new behind an address is found; 0 is none."""
    ping: Duration = Duration(30_000)
    """How often a connection is asked whether it lives; one that has not answered by the next time is closed.
    0 is never."""
