"""Revocation (RFC 8555, section 7.6), with the certificate's own key: no account is needed that may be lost."""

from typing import Literal, get_args

from acme import messages
from acme.client import ClientV2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from josepy.jwa import ES256, ES384, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA
from josepy.util import ComparableECKey, ComparableRSAKey

from tidegate.certificates.issuer import Issuer, Network, NotIssued, authorities, speaking, words_of
from tidegate.certificates.keys import Key, read_key
from tidegate.certificates.store import Certificate

Reason = Literal["unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation"]
CODES = dict(zip(get_args(Reason), (0, 1, 3, 4, 5), strict=True))
"""Of RFC 5280, section 5.3.1."""


def revoke(certificate: Certificate, issuer: Issuer, reason: Reason) -> None:
    """Have a certificate revoked. Raises `NotIssued`."""
    key, algorithm = _signing(read_key(certificate.key))
    network = Network(key, alg=algorithm, verify_ssl=authorities(issuer))  # type: ignore[arg-type]  # or a path
    try:
        with speaking(issuer):
            client = ClientV2(ClientV2.get_directory(issuer.directory, network), network)
            client.revoke(x509.load_pem_x509_certificate(certificate.chain.encode()), CODES[reason])
    except messages.Error as error:
        if error.code != "alreadyRevoked":
            raise NotIssued(words_of(error), network.retry_after_s) from None


def _signing(key: Key) -> tuple[JWK, JWASignature]:
    if isinstance(key, rsa.RSAPrivateKey):
        return JWKRSA(key=ComparableRSAKey(key)), RS256
    return JWKEC(key=ComparableECKey(key)), ES384 if key.key_size == 384 else ES256
