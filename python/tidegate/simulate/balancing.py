"""Plays requests on an upstream: how long each would take, and which endpoint it would go to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate._engine import simulate as play
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import compile_snapshot
from tidegate.config.config import Config
from tidegate.config.upstream import Upstream


@dataclass(frozen=True)
class Work:
    """How an endpoint works: so many requests at once, each of which takes an exponentially distributed time."""

    workers: int
    service_s: float


@dataclass(frozen=True)
class Played:
    """What became of the requests, in order of their coming."""

    endpoints: Sequence[int]
    """Where each went, as an index into the upstream's endpoints."""
    took_s: Sequence[float]
    """From its coming to its answer, waiting in the endpoint's line included."""

    def quantile(self, share: float) -> float:
        """Give the time, in seconds, that this share of the requests did not exceed."""
        return sorted(self.took_s)[min(int(share * len(self.took_s)), len(self.took_s) - 1)]


def simulate(
    upstream: Upstream,
    work: Sequence[Work],
    *,
    rate: float,
    requests: int = 100_000,
    keys: int = 0,
    threads: int = 2,
    seed: int = 1,
    zone: str | None = None,
) -> Played:
    """Play `requests` that come by chance, `rate` a second whatever becomes of those before, to an upstream.

    `work` has an entry for each endpoint, whose addresses stand for themselves. `keys`: how many different texts a key
    of `hash` has. `zone`: where the instance is. Equal seeds give equal answers.

    Raises `ValueError` where the core refuses the upstream.
    """
    if len(work) != len(upstream.listed):
        raise ValueError(f"work is told for {len(work)} endpoints, and the upstream has {len(upstream.listed)}")
    document = compile_snapshot(
        Config(upstreams={"played": upstream}, zone=zone),
        number=0,
        source="simulation",
        since=0.0,
        threads=threads,
        connections=0,
        sockets={},
        resolved={str(each.address): Resolved((str(each.address),)) for each in upstream.listed},
        api_socket=None,
    )
    index = next(at for at, each in enumerate(document["upstreams"]) if each["name"] == "played")
    endpoints, took_s = play(
        json.dumps(document),
        index,
        [(each.workers, each.service_s) for each in work],
        rate=rate,
        requests=requests,
        keys=keys,
        threads=threads,
        seed=seed,
    )
    return Played(endpoints, took_s)
