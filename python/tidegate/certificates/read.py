"""A chain of certificates read, and whether it is what it is taken for."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tidegate.certificates.facts import Facts, Via
from tidegate.certificates.keys import read_key, write_key
from tidegate.certificates.names import covers
from tidegate.certificates.store import CERTIFICATE, Certificate

SKEW_S = 300.0
"""How far clocks may be apart before that is taken for the reason."""


class Unfit(Exception):
    """A certificate that does not do what it is for; the text says why."""


def read_certificate(
    chain: str, key: str, names: Sequence[str], now: float, via: Via, directory: str = ""
) -> Certificate:
    """Read a chain and its key, and see that they serve `names` now. Raises `Unfit`.

    What stands between the certificates of a chain is left out, and the order is kept.
    """
    parts = [each[0].rstrip("\n") + "\n" for each in CERTIFICATE.finditer(chain.replace("\r\n", "\n"))]
    if not parts:
        raise Unfit("it holds no certificate (PEM)")
    try:
        leaf = x509.load_pem_x509_certificate(parts[0].encode())
        read = read_key(key)
    except ValueError as error:
        raise Unfit(f"it cannot be read: {error}") from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if leaf.public_key().public_bytes(*form) != read.public_key().public_bytes(*form):
        raise Unfit("its key is not the key that it was made for")
    facts = facts_of(leaf, via, directory)
    missing = [name for name in names if not covers(facts.names, name)]
    if missing:
        raise Unfit(f"it is for {', '.join(facts.names) or 'no name'}, and not for {', '.join(missing)}")
    if facts.not_after <= now:
        raise Unfit(f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; is this machine's clock right?")
    if facts.not_before > now + SKEW_S:
        raise Unfit(f"it begins on {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is this machine's clock right?")
    return Certificate(facts, "".join(parts), write_key(read))


def facts_of(leaf: x509.Certificate, via: Via, directory: str = "") -> Facts:
    """Tell what is worth knowing of a certificate."""
    issuer = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Facts(
        names=names_of(leaf),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        serial=f"{leaf.serial_number:x}",
        issuer=str(issuer[0].value) if issuer else leaf.issuer.rfc4514_string(),
        via=via,
        directory=directory,
        ari=renewal_name(leaf),
    )


def names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """Give the names that a certificate is for; its subject is none of them (RFC 9525, section 2)."""
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    ips = [f"[{each}]" if ":" in str(each) else str(each) for each in named.get_values_for_type(x509.IPAddress)]
    return (*(each.lower() for each in named.get_values_for_type(x509.DNSName)), *ips)


def renewal_name(leaf: x509.Certificate) -> str:
    """Name a certificate as renewal information does (RFC 9773, section 4.1): its issuer's key, and its number."""
    try:
        by = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    number = leaf.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")  # with the sign of DER: a leading 0 above 0x7f
    return "" if by is None else ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (by, serial))
