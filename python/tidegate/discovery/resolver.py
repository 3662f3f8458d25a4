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
import dns.resolver

from tidegate.discovery.dns import Answer, LookupFailed

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
        for kind in (dns.rdatatype.CNAME, dns.rdatatype.SOA, dns.rdatatype.OPT, dns.rdatatype.A, dns.rdatatype.AAAA):
            dns.rdata.get_rdata_class(dns.rdataclass.IN, kind)  # type: ignore[no-untyped-call]

    async def look_up(self, name: str) -> Answer:
        """Look a name up; raises `LookupFailed`."""
        listed = self.in_hosts(name)
        if listed:
            return Answer(tuple(listed), HOSTS_TTL_S)
        try:
            resolver = dns.asyncresolver.Resolver(filename=str(self.resolv_conf))
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailed(f"{self.resolv_conf} cannot be used: {error}") from None
        resolver.cache = None
        resolver.lifetime = LOOKUP_S
        resolver.use_search_by_default = True
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

    async def _ask(self, resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> Answer:
        try:
            answer = await resolver.resolve(name, kind, backend=self._backend)
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailed(str(error)) from None
        ips = tuple(str(ipaddress.ip_address(record.address)) for record in answer)
        return Answer(ips, float(answer.rrset.ttl if answer.rrset is not None else 0))

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


class LoopClock:
    """The event loop's clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
