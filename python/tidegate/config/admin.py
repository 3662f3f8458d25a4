"""The admin listener: HTTP API, `/metrics`, `/livez` and `/readyz`."""

from pydantic import model_validator

from tidegate.config.listener import Binds, check_streams
from tidegate.config.placed import Placed
from tidegate.config.secret import Secret


class Admin(Placed):
    """Where the program can be asked over HTTP. Without a token it only tells, and changes nothing."""

    bind: Binds
    """An address or a list of them, as for a listener."""
    token: Secret | None = None
    """Allows changes over TCP to who sends it: `!secret file:PATH` or `!secret env:NAME`."""

    @model_validator(mode="after")
    def accepts_connections(self) -> "Admin":
        """Refuse addresses for datagrams."""
        check_streams(self.bind)
        return self
