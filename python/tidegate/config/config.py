"""The configuration as a whole: the settings of the program, and its listeners, routes and upstreams."""

from collections.abc import Mapping

from pydantic import ValidationInfo, model_validator

from tidegate.config.agreement import AGREED, disagreements
from tidegate.config.complaint import disagree
from tidegate.config.listener import Listener
from tidegate.config.model import Name
from tidegate.config.route import Route
from tidegate.config.settings import Settings
from tidegate.config.upstream import Upstream


class Config(Settings):
    """A whole configuration. In Python: `config = tidegate.Config(listeners={...}, routes=[...], upstreams={...})`."""

    listeners: Mapping[Name, Listener] = {}
    """Addresses where we accept, by name."""
    routes: tuple[Route, ...] = ()
    """What a request must look like, and where it then goes. Their order does not matter."""
    upstreams: Mapping[Name, Upstream] = {}
    """Named groups of endpoints that do the same work."""

    @model_validator(mode="after")
    def parts_agree(self, info: ValidationInfo) -> "Config":
        """Refuse parts that cannot stand together, unless the loader has looked already and told where they stand."""
        if info.context is AGREED:
            return self
        found = list(disagreements(self, self.listeners, self.routes, self.upstreams))
        if found:
            raise disagree([(each.path, each.says, each.hint) for each in found])
        return self
