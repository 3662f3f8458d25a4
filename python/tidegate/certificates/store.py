"""Where certificates are kept: `certificates/` in the state folder, readable by its owner alone.

A certificate is one file, `KIND/NAME.pem`: a line of facts, the chain, the key. It is written whole or not at all, so
whoever dies meanwhile leaves the old one or the new one, and never a certificate beside the key of another. A bad file
is as good as none, and is told.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tidegate.certificates.facts import Facts

Kind = Literal["auto", "internal"]
"""`auto`: obtained, or imported until it is due; `internal`: signed by our own authority."""

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n?", re.DOTALL)
KEY = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----\n.+?\n-----END \1PRIVATE KEY-----\n?", re.DOTALL)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key. It never prints the key."""

    facts: Facts
    chain: str
    """PEM, its own certificate first."""
    key: str = field(repr=False)

    def text(self) -> str:
        """Write it as its file."""
        return self.facts.line() + self.chain + self.key

    @classmethod
    def of_text(cls, text: str) -> "Certificate | None":
        """Read its file; None where that is none."""
        facts = Facts.of_text(text)
        chain, key = "".join(each[0] for each in CERTIFICATE.finditer(text)), KEY.search(text)
        return cls(facts, chain, key[0]) if facts is not None and chain and key is not None else None


class Store:
    """The certificates of an instance, their issuers' accounts, and what is under way."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "certificates"

    def get(self, kind: Kind, name: str) -> Certificate | None:
        """Read the certificate of a name; None where there is none that can be read."""
        try:
            return Certificate.of_text(self._path(kind, name).read_text())
        except (OSError, UnicodeDecodeError):
            return None

    def put(self, kind: Kind, name: str, certificate: Certificate) -> None:
        """Keep a certificate in the place of what is there."""
        self.write(self._path(kind, name), certificate.text())

    def note(self, kind: Kind, name: str, facts: Facts) -> None:
        """Write new facts above a certificate that is the one they are about."""
        there = self.get(kind, name)
        if there is not None and there.facts.serial == facts.serial:
            self.put(kind, name, Certificate(facts, there.chain, there.key))

    def remove(self, kind: Kind, name: str) -> None:
        """Keep a certificate no more."""
        with suppress(FileNotFoundError):
            self._path(kind, name).unlink()

    def all(self, kind: Kind) -> Iterator[tuple[str, Certificate | None]]:
        """Give each name with its certificate; without one where its file cannot be read."""
        for path in sorted((self.folder / kind).glob("*.pem")):
            if not path.name.startswith("."):  # a draft of who has died
                name = name_of(path)
                yield name, self.get(kind, name)

    def read_json(self, kind: str, name: str) -> dict[str, Any] | None:
        """Read a note: an account, an order under way, failures."""
        try:
            content = json.loads((self.folder / kind / f"{name}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def write_json(self, kind: str, name: str, content: Mapping[str, Any]) -> None:
        """Write a note."""
        self.write(self.folder / kind / f"{name}.json", json.dumps(content))

    def remove_json(self, kind: str, name: str) -> None:
        """Remove a note, if it is there."""
        with suppress(FileNotFoundError):
            (self.folder / kind / f"{name}.json").unlink()

    def write(self, path: Path, text: str) -> None:
        """Write a file of ours whole or not at all."""
        make_folder(self.folder)
        make_folder(path.parent)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                belong(descriptor, self.folder.parent)
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise

    def _path(self, kind: Kind, name: str) -> Path:
        return self.folder / kind / f"{file_name(name)}.pem"


def make_folder(folder: Path) -> None:
    """Make a folder that is its owner's alone, with those above it."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    else:
        belong(folder, folder.parent)


def belong(what: Path | int, folder: Path) -> None:
    """Make what root has made belong to the owner of a folder, which is who the instance runs as."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def file_name(name: str) -> str:
    """Name the file of a host: no host has a `+`, which stands for the star."""
    return name.replace("*", "+").strip("[]")


def name_of(path: Path) -> str:
    """Tell the host that a file is named after."""
    name = path.name.removesuffix(".pem").replace("+", "*")
    return f"[{name}]" if ":" in name else name


def id_of(text: str) -> str:
    """Name what a text stands for, as a directory's URL, in a few letters that a file may have."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
