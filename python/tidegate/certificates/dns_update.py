"""Records that show a name to be ours, put into DNS by dynamic update (RFC 2136), signed (RFC 8945)."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from tidegate.certificates.answer import NotShown, Presented

TIMEOUT_S = 10.0
TTL_S = 60


@dataclass(frozen=True, slots=True)
class DnsUpdate:
    """A name server that takes updates for our names."""

    server: str
    """Its IP address."""
    port: int = 53
    zone: str = ""
    """The zone that is written to; empty: the server is asked which it is."""
    key: str = ""
    """The name of the key that updates are signed with; empty: they are not signed."""
    secret: str = ""
    """In base64."""
    algorithm: str = "hmac-sha256"
    settle_s: float = 0
    """How long other servers take until they answer as this one."""
    sleep: Callable[[float], None] = time.sleep

    def present(self, what: Presented) -> None:
        """Add the record. What others have put there stays: two orders may show one name."""
        name, zone = self._place(what)
        change = self._change(zone)
        change.add(name, TTL_S, "TXT", f'"{what.record}"')
        self._send(change, name)
        self.sleep(self.settle_s)

    def withdraw(self, what: Presented) -> None:
        """Delete the record."""
        name, zone = self._place(what)
        change = self._change(zone)
        change.delete(name, "TXT", f'"{what.record}"')
        self._send(change, name)

    def _place(self, what: Presented) -> tuple[dns.name.Name, dns.name.Name]:
        """Find where the record goes, and in which zone that is: the one whose start the server tells (RFC 1035)."""
        name = dns.name.from_text(what.record_name)
        if self.zone:
            return name, dns.name.from_text(self.zone)
        asked = dns.message.make_query(name, dns.rdatatype.SOA)
        answer = self._ask(asked, name)
        for section in (answer.answer, answer.authority):
            for each in section:
                if each.rdtype == dns.rdatatype.SOA and name.is_subdomain(each.name):
                    return name, each.name
        raise NotShown(f"{self.server} does not say which zone {name} is in: give it as `zone`")

    def _change(self, zone: dns.name.Name) -> dns.update.UpdateMessage:
        if not self.key:
            return dns.update.UpdateMessage(zone)
        try:
            secret = base64.b64decode(self.secret, validate=True)
        except ValueError as error:
            raise NotShown(f"the secret of the key {self.key} is not in base64: {error}") from None
        key = dns.tsig.Key(self.key, secret, self.algorithm)
        return dns.update.UpdateMessage(zone, keyring=key)

    def _send(self, change: dns.update.UpdateMessage, name: dns.name.Name) -> None:
        answer = self._ask(change, name)
        if answer.rcode() != dns.rcode.NOERROR:
            says = dns.rcode.to_text(answer.rcode())
            raise NotShown(f"{self.server} did not take the update of {name}: {says}")

    def _ask(self, message: dns.message.Message, name: dns.name.Name) -> dns.message.Message:
        try:
            return dns.query.tcp(message, self.server, timeout=TIMEOUT_S, port=self.port)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            says = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotShown(f"{self.server} port {self.port} could not be asked about {name}: {says}") from None
