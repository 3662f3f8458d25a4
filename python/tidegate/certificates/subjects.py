"""Which names need a certificate: the hosts of the routes that a listener serves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidegate.certificates.names import covers, is_address
from tidegate.config.config import Config

HERE = ("localhost", "127.0.0.1", "[::1]")
"""Names of the machine itself, in one certificate of our own authority, for whoever develops here."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """The names of a listener, and those that no certificate can be had for, each with the reason."""

    names: tuple[str, ...]
    without: tuple[tuple[str, str], ...] = ()


def hosts_of(config: Config, listener: str) -> Iterator[str]:
    """Give each host that a listener's routes ask for, once."""
    seen: set[str] = set()
    for route in config.routes:
        if route.listeners is not None and listener not in route.listeners:
            continue
        host = route.match.host
        if host is not None and host not in seen:
            seen.add(host)
            yield host


def choose(hosts: Iterable[str], *, public: bool, by_dns: bool) -> Subjects:
    """Choose the names that get a certificate, each its own: one that fails holds no other up.

    A host that a star above it covers needs none, where there is one for the star.
    """
    named, without = [], {}
    for host in hosts:
        reason = _refusal(host, by_dns) if public else ""
        if reason:
            without[host] = reason
        else:
            named.append(host)
    stars = [each for each in named if each.startswith("*.")]
    kept = tuple(each for each in named if each in stars or not covers(stars, each))
    return Subjects(kept, tuple(without.items()))


def _refusal(host: str, by_dns: bool) -> str:
    """Say why no public issuer would give a certificate for a host."""
    if is_address(host):
        return "it is an address, and issuers want a name"
    if host.startswith("*.") and not by_dns:
        return "a star can be shown to be ours by DNS alone: give `certificates.dns` or `certificates.hook`"
    if "." not in host.removeprefix("*.") or host.rpartition(".")[2] in LOCAL:
        return "it is no name of the public DNS: `tls: internal` makes a certificate for it"
    return ""


LOCAL = frozenset({"localhost", "local", "internal", "test", "example", "invalid", "lan", "home", "arpa"})
"""Ends of names that no public issuer knows (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`)."""
