"""curl, as the client that everybody has."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.needs import need


@dataclass(frozen=True)
class Fetched:
    """What curl got: its exit code and words, every head that came, the body, and what `--write-out` tells."""

    code: int
    error: str
    heads: str
    body: bytes
    told: dict[str, Any]

    @property
    def status(self) -> int:
        """The status of the last answer."""
        return int(self.told["response_code"])


class Curl:
    """Runs curl; nothing of the machine's own settings counts."""

    def __init__(self, folder: Path) -> None:
        self.program = need("curl")
        self.folder = folder

    def __call__(self, *words: object, stdin: bytes = b"", begun: bytes = b"", within_s: float = 30) -> Fetched:
        """Run it once; more than one URL needs its own `-o` each, and what is told is of the last one.

        `begun` is what an earlier run already got, for `--continue-at -`.
        """
        heads, body = self.folder / "curl.heads", self.folder / "curl.body"
        heads.unlink(missing_ok=True)
        body.write_bytes(begun)
        fixed = ["--disable", "--noproxy", "*", "-sS", "-D", heads, "-o", body, "--write-out", "%{json}\n"]
        command = [str(word) for word in (self.program, *fixed, *words)]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=within_s, check=False)
        return Fetched(
            done.returncode,
            done.stderr.decode(errors="replace"),
            heads.read_bytes().decode("latin-1") if heads.exists() else "",
            body.read_bytes(),
            json.loads((done.stdout.splitlines() or [b"{}"])[-1]),
        )
