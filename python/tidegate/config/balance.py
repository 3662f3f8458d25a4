"""How an upstream chooses an endpoint. Decided in the core, `balance/`; docs/balancing.md says which when."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from tidegate.config.complaint import refused
from tidegate.config.expression import Key
from tidegate.config.hints import did_you_mean
from tidegate.config.model import Model
from tidegate.config.scalar import Whole, show

Name = Literal["round_robin", "least_requests", "random_two", "peak_ewma", "first", "ip_hash", "nearest"]
NAMES = get_args(Name)


def read_name(given: Any) -> Any:
    """Take a balancer's name. One that needs more than its name is told so."""
    if given == "hash":
        raise refused("`hash` needs a key", "`{hash: {key: 'request.cookies[\"session\"]'}}`")
    if isinstance(given, str) and given not in NAMES:
        raise refused(f"unknown balancer {show(given)}", did_you_mean(given, (*NAMES, "hash")))
    return given


class First(Model):
    """Endpoints that are filled in the order of the file: few are busy, and the rest may sleep."""

    limit: Annotated[Whole, Field(ge=0, le=2**32)] = 0
    """Outstanding requests that fill an endpoint; 0: as many as `pool.connections`."""


class Hash(Model):
    """Requests of one key go to one endpoint. When that may not be chosen, its keys alone move, and then come back."""

    short = "key"

    key: Key
    """What tells requests apart: `request.cookies["session"]`, `request.path`, `client.ip`. An empty text goes to the
    less loaded of two random endpoints."""
    method: Literal["maglev", "ring"] = "maglev"
    """`maglev`: shares within 1 %, and new endpoints move a few keys more than they must. `ring`: shares within
    some 10 %, and no key moves that need not."""
    bound: Annotated[float, Field(ge=1, le=100)] | None = None
    """No endpoint gets more than so many times its share of the outstanding requests, as `1.25`; the rest goes to the
    key's next endpoint. Left out: no bound, as in Envoy and HAProxy."""


class Nearest(Model):
    """The endpoint nearest to the client, by `location` of endpoints and the database `geo.city`."""

    otherwise: Literal["random_two", "round_robin"] = "random_two"
    """How an endpoint is chosen for a client whose place is not known."""


class Balance(Model):
    """How an endpoint is chosen: a name, or a mapping with one key where there is more to say."""

    short = "by"

    by: Annotated[Name, BeforeValidator(read_name)] | None = None
    """`round_robin`: in turn, by weight. `least_requests`: the fewest outstanding requests for its weight, over all
    threads. `random_two`: of two drawn by weight the one with fewer. `peak_ewma`: the least latency times outstanding
    requests. `first`: in the order of the file, as long as one has room. `ip_hash`: `hash` with the key `client.ip`.
    `nearest`: the one whose place is nearest to the client's."""
    first: First | None = None
    """`first`, with a limit of its own."""
    hash: Hash | None = None
    """The endpoint of the request's key."""
    nearest: Nearest | None = None
    """`nearest`, with what there is to say."""

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
        if [self.by, self.first, self.hash, self.nearest].count(None) != 3:
            raise refused("must have exactly one key")
        return self

    @property
    def name(self) -> str:
        """The balancer's name."""
        return self.by or ("first" if self.first else "hash" if self.hash else "nearest")
