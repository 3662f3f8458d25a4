"""The authority of an instance, for development and for names that no public one knows: `tls: internal`.

Its root lives ten years in the state folder, and only who is told to (`tidegate trust`) believes it. Certificates live
a week, since clients that pin nothing never notice, and a stolen one is soon worth nothing.
"""

import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidegate.certificates.keys import Key, KeyType, alternative_names, make_key, read_key, write_key
from tidegate.certificates.read import facts_of
from tidegate.certificates.store import Certificate, Store

ROOT_LIFE = timedelta(days=3_650)
LIFE = timedelta(days=7)
EARLY = timedelta(hours=1)
"""How long before now a certificate begins: other machines' clocks are not ours."""


class Authority:
    """A root certificate with its key, kept in the store."""

    def __init__(self, root: x509.Certificate, key: Key) -> None:
        self.root = root
        self._key = key

    @classmethod
    def of(cls, store: Store, now: float) -> "Authority":
        """Read the authority of a store, or make it there; one that ends soon is made anew."""
        path = store.folder / "authority" / "root.pem"
        try:
            text = path.read_text()
            found = cls(x509.load_pem_x509_certificate(text.encode()), read_key(text))
            if found.root.not_valid_after_utc.timestamp() > now + 2 * LIFE.total_seconds():
                return found
        except (OSError, ValueError):
            pass
        made = cls.make(now)
        store.write(path, made.root_pem + write_key(made._key))
        return made

    @classmethod
    def make(cls, now: float) -> "Authority":
        """Make a new one."""
        key = make_key("p256")
        begin = datetime.fromtimestamp(now, UTC)
        called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tidegate of {socket.gethostname()}"[:64])])
        root = (
            _builder(called, called, key, begin - EARLY, begin + ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(root, key)

    @property
    def root_pem(self) -> str:
        """What is trusted by who trusts this authority."""
        return self.root.public_bytes(Encoding.PEM).decode()

    def issue(self, names: Sequence[str], now: float, kind: KeyType = "p256") -> Certificate:
        """Make a certificate for these names."""
        key = make_key(kind)
        begin = datetime.fromtimestamp(now, UTC)
        leaf = (
            _builder(x509.Name([]), self.root.subject, key, begin - EARLY, begin + LIFE)
            .add_extension(alternative_names(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = leaf.public_bytes(Encoding.PEM).decode()
        return Certificate(facts_of(leaf, "internal"), chain, write_key(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
