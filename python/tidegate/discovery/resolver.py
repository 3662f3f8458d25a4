"""Looks names up as the machine does: the hosts file, then search domains and name servers of resolv.conf.

What is needed is imported here once, since dnspython loads record types when it first meets them, and the supervisor
imports nothing after `ready`.
"""

import asyncio
import encodings.idna  # noqa: F401  sockets load it when they first see a host
import ipaddress
from pathlib import Path

import dns._asyncio_backend
import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
import dns.resolver

from tidegate.discovery.dns import Answer, LookupFailed
from tidegate.discovery.service import Record, ServiceAnswer

HOSTS_TTL_S = 10.0
"""The hosts file has no time to live; this is how often it is read again."""
LOOKUP_S = 5.0
"""How long a look-up may take, all servers and tries together."""


class SystemResolver:
    """The machine's own way to look names up. Both files are read at every look-up: they change."""

    def __init__(self, hosts: Path = Path("/etc/hosts"), resolv_conf: Path = Path("/etc/resolv.conf")) -> None:
        self.hosts = hosts
        self.resolv_conf = resolv_conf
        self._backend = dns.asyncbackend.get_backend("asyncio")
        for kind in ("CNAME", "SOA", "OPT", "A", "AAAA", "SRV"):
            dns.rdata.get_rdata_class(dns.rdataclass.IN, dns.rdatatype.from_text(kind))  # type: ignore[no-untyped-call]

    async def look_up(self, name: str) -> Answer:
        """Look a name up; raises `LookupFailed`."""
        listed = self.in_hosts(name)
        if listed:
            return Answer(tuple(listed), HOSTS_TTL_S)
        resolver = self._servers()
        both = await asyncio.gather(
            self._ask(resolver, name, "A"), self._ask(resolver, name, "AAAA"), return_exceptions=True
        )
        ips: list[str] = []
        ttls: list[float] = []
        why: list[str] = []
        for each in both:
            if isinstance(each, BaseException):
                if not isinstance(each, LookupFailed):
                    raise each
                why.append(str(each))
            else:
                ips += each.ips
                ttls.append(each.ttl_s)
        if not ips:
            raise LookupFailed("; ".join(dict.fromkeys(why)) or f"{name} has no address")
        return Answer(tuple(dict.fromkeys(ips)), min(ttls))

    async def look_up_service(self, name: str) -> ServiceAnswer:
        """Look the SRV records of a name up; raises `LookupFailed`."""
        answer = await self._resolve(self._servers(), name, "SRV")
        records = [(str(each.target).rstrip("."), each.port, each.priority, each.weight) for each in answer]
        return ServiceAnswer(tuple(Record(*each) for each in records), _ttl_s(answer))

    def _servers(self) -> dns.asyncresolver.Resolver:
        try:
            resolver = dns.asyncresolver.Resolver(filename=str(self.resolv_conf))
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailed(f"{self.resolv_conf} cannot be used: {error}") from None
        resolver.cache = None
        resolver.lifetime = LOOKUP_S
        resolver.use_search_by_default = True
        return resolver

    async def _ask(self, resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> Answer:
        answer = await self._resolve(resolver, name, kind)
        return Answer(tuple(str(ipaddress.ip_address(record.address)) for record in answer), _ttl_s(answer))

    async def _resolve(self, resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> dns.resolver.Answer:
        try:
            return await resolver.resolve(name, kind, backend=self._backend)
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailed(str(error)) from None

    def in_hosts(self, name: str) -> list[str]:
        """Give the addresses of a name in the hosts file, in its order (hosts(5))."""
        try:
            text = self.hosts.read_text(errors="replace")
        except OSError:
            return []
        found = []
        for line in text.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if name.lower() in (each.lower().rstrip(".") for each in names):
                try:
                    found.append(str(ipaddress.ip_address(address)))
                except ValueError:
                    continue
        return list(dict.fromkeys(found))


def _ttl_s(answer: dns.resolver.Answer) -> float:
    return float(answer.rrset.ttl if answer.rrset is not None else 0)


class LoopClock:
    """The event loop's clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
