"""DNS names as a source of endpoints: all addresses of a name, looked up again when their time to live ends."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

MIN_TTL_S = 1.0
"""A shorter time to live, 0 among them, is taken as this, so that no name server is asked without a pause."""
MAX_TTL_S = 3600.0
RETRY_S = 5.0
"""When a look-up failed: how long until the next."""


class LookupFailed(Exception):
    """A name has no address now; the text is the resolver's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Every address of a name, IPv4 and IPv6, and for how long that is so."""

    ips: tuple[str, ...]
    ttl_s: float


class Resolver(Protocol):
    """Who looks names up."""

    async def look_up(self, name: str) -> Answer:
        """Look a name up; raises `LookupFailed`."""


class Clock(Protocol):
    """Who waits."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True)
class EndpointDelta:
    """What must change for an entry."""

    add: frozenset[str] = frozenset()
    drain: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.add or self.drain)


async def watch_dns(
    name: str, port: int, *, resolver: Resolver, clock: Clock, first_after_s: float = 0
) -> AsyncIterator[frozenset[str] | LookupFailed]:
    """Yield all addresses of `name` when their TTL ends (RFC 1035, 3.2.1), or why there are none, and go on."""
    await clock.sleep(first_after_s)
    while True:
        try:
            answer = await resolver.look_up(name)
        except LookupFailed as failed:
            yield failed
            await clock.sleep(RETRY_S)
        else:
            yield frozenset(with_port(ip, port) for ip in answer.ips)
            await clock.sleep(min(max(answer.ttl_s, MIN_TTL_S), MAX_TTL_S))


def compare(known: frozenset[str], found: frozenset[str]) -> EndpointDelta:
    """Say what must change. Finding nothing changes nothing: a resolver's bad minute must not empty an upstream."""
    return EndpointDelta(add=found - known, drain=known - found) if found else EndpointDelta()


def with_port(ip: str, port: int) -> str:
    """Write an address with its port, as the snapshot has it."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
