"""The SRV records of a DNS service as a provider (RFC 2782)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tidegate.discovery.dns import MAX_TTL_S, MIN_TTL_S, RETRY_S, LookupFailed
from tidegate.discovery.provider import NotFound


@dataclass(frozen=True, slots=True)
class Record:
    """One SRV record."""

    target: str
    """A host's name, without the dot at its end; empty where the service is decidedly not there."""
    port: int
    priority: int = 0
    """The lowest comes first."""
    weight: int = 0


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The records of a service, and for how long they hold."""

    records: tuple[Record, ...]
    ttl_s: float


class ServiceResolver(Protocol):
    """Who looks services up."""

    async def look_up_service(self, name: str) -> ServiceAnswer:
        """Look a service up; raises `LookupFailed`."""


class Service:
    """A service, looked up again when the time to live of its records ends."""

    def __init__(self, name: str, resolver: ServiceResolver) -> None:
        self.name = name
        self.next_s = RETRY_S
        self._resolver = resolver
        self._last: bytes | None = None

    async def look(self) -> bytes | None:
        """Look it up."""
        try:
            answer = await self._resolver.look_up_service(self.name)
        except LookupFailed as failed:
            self.next_s = RETRY_S
            raise NotFound(str(failed)) from None
        self.next_s = min(max(answer.ttl_s, MIN_TTL_S), MAX_TTL_S)
        told = json.dumps(endpoints_of(answer.records)).encode()
        if told == self._last:
            return None
        self._last = told
        return told

    def refuse(self) -> None:
        """Give the same again at the next look."""
        self._last = None


def endpoints_of(records: Iterable[Record]) -> list[dict[str, str | int]]:
    """Write records as endpoints of a configuration.

    The lowest priority is tier 0, the next one tier 1, and so on. A weight of 0 has "a very small chance" in RFC 2782
    and takes nothing with us, so it is 1. A target without a name says that there is no such service.
    """
    there = sorted({(each.priority, each.target, each.port, each.weight) for each in records if each.target})
    tiers = {priority: tier for tier, priority in enumerate(dict.fromkeys(record[0] for record in there))}
    found: dict[str, dict[str, str | int]] = {}
    for priority, target, port, weight in there:
        address = f"{target}:{port}"
        found.setdefault(address, {"address": address, "weight": max(1, weight), "tier": tiers[priority]})
    return list(found.values())
