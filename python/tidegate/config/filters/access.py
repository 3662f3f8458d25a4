"""The filters `deny` and `allow`: which clients a route serves. Decided in the core, `filter/access.rs`."""

from typing import Annotated

from pydantic import Field

from tidegate.config.addresses import Network

Networks = Annotated[tuple[Network, ...], Field(min_length=1)]
