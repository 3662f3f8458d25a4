"""Layer 4: a listener whose connections are carried on as they are. Decided in the core, `crates/core/src/layer4/`."""

from pydantic import model_validator

from tidegate.config.complaint import refused
from tidegate.config.model import Model
from tidegate.config.quantities import Duration
from tidegate.config.target import Target


def check_key(to: Target, *at: str) -> None:
    """Refuse a key that reads a request: where bytes are carried on as they are, there is none."""
    if to.key is not None and "request." in str(to.key):
        raise refused("`key` reads a request, and layer 4 has none", "as `client.ip`", at=(*at, "key"))


class Tcp(Model):
    """Carry each connection on to an upstream, byte for byte."""

    to: Target
    """The name of an upstream, or a list of several with their weights."""
    idle: Duration = Duration(600_000)
    """Without a byte either way; then both sides are closed. 0 is no limit. 10m as nginx's `proxy_timeout`."""

    @model_validator(mode="after")
    def key_reads_no_request(self) -> "Tcp":
        """Refuse a key that reads a request."""
        check_key(self.to, "to")
        return self
