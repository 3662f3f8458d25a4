"""The addresses of an upstream: those of the configuration, those that names stand for, those that providers list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.compile.found import Found
from tidegate.compile.resolved import Resolved
from tidegate.config.upstream import Endpoint, Upstream

NOT_ASKED = "it has not been looked up"


@dataclass(frozen=True, slots=True)
class Listed:
    """One address of an upstream."""

    address: str
    entry: str
    """What stands for it in the configuration: the address itself, `name:port`, or a provider."""
    endpoint: Endpoint
    """What is said of it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An entry without an address."""

    entry: str
    says: str
    is_list: bool = False
    """Whether it is a provider, which lists none."""


def addresses_of(
    upstream: Upstream, resolved: Mapping[str, Resolved], found: Mapping[str, Found]
) -> Iterator[Listed | Missing]:
    """Give each address once, by the entry that has it first, and each entry that has none.

    A DNS name is an endpoint for each of its addresses, each with the entry's weight.
    """
    taken: set[str] = set()
    for entry, endpoint in _entries(upstream, found):
        if isinstance(endpoint, str):
            yield Missing(entry, endpoint, is_list=True)
            continue
        name = str(endpoint.address)
        answer = Resolved((name,))
        if endpoint.address.is_name:
            answer = resolved.get(name, Resolved(says=NOT_ASKED))
        for address in answer.addresses:
            if address not in taken:  # two names may stand for one address; it takes its share once
                taken.add(address)
                yield Listed(address, entry, endpoint)
        if not answer.addresses:
            yield Missing(name, answer.says)


def _entries(upstream: Upstream, found: Mapping[str, Found]) -> Iterator[tuple[str, Endpoint | str]]:
    """Give each endpoint behind its entry, or why there is none."""
    for entry in upstream.endpoints:
        if isinstance(entry, Endpoint):
            yield str(entry.address), entry
            continue
        answer = found.get(entry.key, Found(says=NOT_ASKED))
        yield from ((entry.key, endpoint) for endpoint in answer.endpoints)
        if not answer.endpoints:
            yield entry.key, answer.says or "lists no endpoint"
