"""What an issuer says of when a certificate should be renewed (RFC 9773), to spread its load or before a revocation."""

from datetime import datetime
from urllib.parse import urlsplit

from acme.client import ClientV2

from tidegate.certificates.due import ask_again
from tidegate.certificates.facts import Facts, Window
from tidegate.certificates.issuer import Issuer, Network, authorities, speaking


def ask_renewal(facts: Facts, issuer: Issuer, now: float) -> Window | None:
    """Ask the issuer of a certificate; None where it has no such information. Raises `NotIssued`."""
    network = Network(verify_ssl=authorities(issuer))  # type: ignore[arg-type]  # requests takes a path too
    with speaking(issuer):
        directory = ClientV2.get_directory(issuer.directory, network).to_partial_json()
        if not facts.ari or "renewalInfo" not in directory:
            return None
        told = network.get(f"{str(directory['renewalInfo']).rstrip('/')}/{facts.ari}").json()
        start, end = (_seconds(told["suggestedWindow"][key]) for key in ("start", "end"))
    page = str(told.get("explanationURL", ""))
    shown = page if urlsplit(page).scheme in ("http", "https") and len(page) < 500 else ""
    return Window(start, end, now, ask_again(now, network.retry_after_s), shown)


def _seconds(written: str) -> float:
    """Read a date (RFC 3339)."""
    return datetime.fromisoformat(written).timestamp()
