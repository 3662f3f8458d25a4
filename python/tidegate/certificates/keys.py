"""Private keys and what is asked with them."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

KeyType = Literal["p256", "p384", "rsa2048", "rsa3072", "rsa4096"]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make_key(kind: KeyType = "p256") -> Key:
    """Make a key."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return rsa.generate_private_key(public_exponent=65_537, key_size=int(kind.removeprefix("rsa")))


def write_key(key: Key) -> str:
    """Write a key as PEM (PKCS#8)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read_key(text: str) -> Key:
    """Read a key from PEM. Raises `ValueError`."""
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise ValueError("it is encrypted, and a program that starts by itself knows no password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError(f"it is a {type(key).__name__}, and neither ECDSA nor RSA")
    return key


def make_request(names: Sequence[str], key: Key) -> bytes:
    """Ask for a certificate for these names: a request as PEM (PKCS#10). It has no subject but its names."""
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return (
        asked.add_extension(alternative_names(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    """Write names as a certificate has them; addresses are of a kind of their own."""
    return x509.SubjectAlternativeName([_name(each.strip("[]")) for each in names])


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
