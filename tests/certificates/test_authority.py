"""The authority of an instance, and what is read of certificates; openssl has the last word."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.peers.needs import need
from tidegate.certificates.authority import LIFE, ROOT_LIFE, Authority
from tidegate.certificates.keys import KeyType, make_key, write_key
from tidegate.certificates.read import Unfit, read_certificate
from tidegate.certificates.store import Certificate, Store

NOW = time.time()
DAY = 86_400.0


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_whoever_trusts_the_root_believes_its_certificates(tmp_path: Path, kind: KeyType) -> None:
    authority = Authority.of(Store(tmp_path), NOW)
    made = authority.issue(["*.a.test", "b.test", "127.0.0.1", "[::1]"], NOW, kind)
    (tmp_path / "root.pem").write_text(authority.root_pem)
    (tmp_path / "made.pem").write_text(made.text())
    for name, words in {
        "x.a.test": ["-verify_hostname", "x.a.test"],
        "b.test": ["-verify_hostname", "b.test"],
        "127.0.0.1": ["-verify_ip", "127.0.0.1"],
        "::1": ["-verify_ip", "::1"],
    }.items():
        command = [need("openssl"), "verify", "-x509_strict", "-purpose", "sslserver", *words]
        done = subprocess.run(
            [*command, "-CAfile", str(tmp_path / "root.pem"), str(tmp_path / "made.pem")], capture_output=True
        )
        assert done.returncode == 0, (name, done.stderr)
    wrong = [need("openssl"), "verify", "-verify_hostname", "c.test", "-CAfile", str(tmp_path / "root.pem")]
    assert subprocess.run([*wrong, str(tmp_path / "made.pem")], capture_output=True).returncode != 0


def test_the_root_stays_until_it_ends_soon(tmp_path: Path) -> None:
    first = Authority.of(Store(tmp_path), NOW)
    again = Authority.of(Store(tmp_path), NOW + 30 * DAY)
    assert again.root == first.root
    late = Authority.of(Store(tmp_path), NOW + ROOT_LIFE.total_seconds() - LIFE.total_seconds())
    assert late.root != first.root
    (tmp_path / "certificates/authority/root.pem").write_text("nonsense")
    assert Authority.of(Store(tmp_path), NOW).root != late.root


def test_what_is_issued_can_be_read_again() -> None:
    made = Authority.make(NOW).issue(["a.test", "[::1]"], NOW)
    read = read_certificate(made.chain, made.key, ["a.test", "[::1]"], NOW, "internal")
    assert read == made
    assert read.facts.names == ("a.test", "[::1]")
    assert read.facts.not_after - read.facts.not_before == LIFE.total_seconds() + 3_600
    assert Certificate.of_text(made.text()) == made


def test_a_certificate_that_would_not_serve_says_why() -> None:
    made = Authority.make(NOW).issue(["a.test"], NOW)
    other = write_key(make_key())
    for chain, key, names, now, says in (
        ("", made.key, [], NOW, "holds no certificate"),
        (made.chain.replace("MI", "MA"), made.key, [], NOW, "cannot be read"),
        (made.chain, "", [], NOW, "cannot be read"),
        (made.chain, other, [], NOW, "its key is not the key"),
        (made.chain, made.key, ["b.test"], NOW, "it is for a.test, and not for b.test"),
        (made.chain, made.key, [], NOW + 8 * DAY, "it expired on .* is this machine's clock right"),
        (made.chain, made.key, [], NOW - DAY, "it begins on .* is this machine's clock right"),
    ):
        with pytest.raises(Unfit, match=says):
            read_certificate(chain, key, names, now, "import")


@pytest.mark.needs("openssl")
def test_an_encrypted_key_is_refused_with_the_reason(tmp_path: Path) -> None:
    made = Authority.make(NOW).issue(["a.test"], NOW)
    (tmp_path / "key.pem").write_text(made.key)
    words = [need("openssl"), "pkcs8", "-topk8", "-in", str(tmp_path / "key.pem"), "-passout", "pass:x"]
    encrypted = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    with pytest.raises(Unfit, match="encrypted"):
        read_certificate(made.chain, encrypted, [], NOW, "import")
