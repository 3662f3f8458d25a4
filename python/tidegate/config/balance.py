"""How an upstream chooses an endpoint. Decided in the core, `balance/`; docs/balancing.md says which when."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from tidegate.config.complaint import later, refused
from tidegate.config.hints import did_you_mean
from tidegate.config.model import Model
from tidegate.config.scalar import Whole, show

Name = Literal["round_robin", "least_requests", "random_two", "peak_ewma", "first"]
NAMES = get_args(Name)
LATER = ("ip_hash", "hash")


def read_name(given: Any) -> Any:
    """Take a balancer's name, and tell those that come later from those that do not exist."""
    if isinstance(given, str) and given in LATER:
        raise later(f"the balancer `{given}`")
    if isinstance(given, str) and given not in NAMES:
        raise refused(f"unknown balancer {show(given)}", did_you_mean(given, (*NAMES, *LATER)))
    return given


class First(Model):
    """Endpoints that are filled in the order of the file: few are busy, and the rest may sleep."""

    limit: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Outstanding requests that fill an endpoint; 0: as many as `pool.connections`."""


class Balance(Model):
    """How an endpoint is chosen: a name, or a mapping with one key where there is more to say."""

    short = "by"
    later: ClassVar = {"hash": "the balancer `hash`"}

    by: Annotated[Name, BeforeValidator(read_name)] | None = None
    """`round_robin`: in turn, by weight. `least_requests`: the fewest outstanding requests for its weight, over all
    threads. `random_two`: of two drawn by weight the one with fewer. `peak_ewma`: the least latency times outstanding
    requests. `first`: in the order of the file, as long as one has room."""
    first: First | None = None
    """`first`, with a limit of its own."""

    @model_validator(mode="before")
    @classmethod
    def is_no_list(cls, given: Any) -> Any:
        """Say what is wanted where neither a name nor a mapping stands."""
        if isinstance(given, str | dict | cls):
            return given
        raise refused(f"must be the name of a balancer, not {show(given)}")

    @model_validator(mode="after")
    def says_one_thing(self) -> "Balance":
        """Refuse two balancers, and none."""
        if (self.by is None) == (self.first is None):
            raise refused("must have exactly one key")
        return self

    @property
    def name(self) -> str:
        """The balancer's name."""
        return self.by or "first"
