"""Certificates that vouch for themselves, made by `openssl`."""

import subprocess
from pathlib import Path

from tests.peers.needs import need


def make_certificate(folder: Path) -> Path:
    """Make a certificate for `registry.test` and its key, in one file."""
    file = folder / "both.pem"
    words = [need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=DNS:registry.test"]
    done = subprocess.run([*words, "-keyout", file, "-out", f"{file}.crt"], capture_output=True)
    assert done.returncode == 0, done.stderr
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file
